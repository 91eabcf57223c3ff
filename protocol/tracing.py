"""Tracing: a job's methods are run once on shapes alone, which makes the graph that is then
executed as often as there are steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, partial

import numpy as np

from .checks import run_costs
from .choice import Tried, as_stated, cheapest, choose
from .cost import LAN, Costs, Network
from .digest import Listing, listing
from .draws import Draw
from .errors import JobError
from .graph import Graph, Phase, Terms
from .guard import guarded
from .inputs import JOINT, Input, bind, inside, member
from .job import Job
from .lowering import Lowering
from .nodes import Carry, Source
from .ops import Secret
from .ops.factors import join_factors
from .ops.incremental import carry_products
from .ops.rates import move_rates
from .ops.selection import settle_selected
from .ops.statement import state
from .origin import Origin, caller
from .ranges import EVERYTHING, Interval, Spread
from .sizing import Numerics, Sizes
from .variables import SHARE_OF, Variables
from .views import Shape

# by how much training is taken to enlarge a variable's deviation: in the demos it does by 1.1 to
# 2.4
GROWTH = 3.0
MOST_STEPS = 1 << 40


@dataclass
class Traced:
    """A job for given shapes: its graph, its fixed-point format, and the number of steps."""

    job: Job
    shapes: dict[str, Shape]
    iterations: int
    network: Network = LAN  # what is planned for
    graph: Graph = field(default_factory=Graph)
    assumptions: list[str] = field(default_factory=list)
    numerics: Numerics = field(init=False)
    reason: str = ""  # why it has the fraction bits that the plan chose, if it did
    tried: tuple[Tried, ...] = ()  # what it chose among
    listing: Listing = field(init=False)  # what the job says, before anything is rewritten

    @cached_property
    def choice(self) -> str:
        """One line: why the plan has its fraction bits, and how precise it is with them."""
        if not self.reason and (said := self.job.promise()):
            return f"f = {self.numerics.fraction_bits}: {said}"
        return self.reason or as_stated(self.graph, self.numerics, self.iterations, None)


def settings(job: Job) -> dict[str, int | float | str | bool]:
    """What a job says in numbers and words, whatever it is given: its parameters, and what its
    bundles declare besides their tensors."""
    found = dict(job.parameters)
    for name, bundle in job.bundles.items():
        found |= {f"{name}, {what}": value for what, value in bundle.settings().items()}
    return found


def trace(
    job: Job, shapes: Mapping[str, Shape], iterations: int | None = None, network: Network = LAN
) -> Traced:
    """Run the job's methods on shapes. JobError or DataError where they do not fit together.

    network: for which the plan makes its choices; both parties must state the same.
    """
    _ = job.numerics  # which checks what the job states
    own = job.steps(shapes)
    count = own if iterations is None else iterations
    if isinstance(count, np.integer):
        count = int(count)
    if type(count) is not int or not 0 <= count < MOST_STEPS:
        raise JobError(f"a job runs a whole number of iterations, from 0 to 2^40, not {count!r}")
    if type(job.check_every) is not int or not 0 <= job.check_every < MOST_STEPS:
        raise JobError(
            "check_every is a whole number of steps, or 0 to leave it to the plan, not"
            f" {job.check_every!r}"
        )
    ranges: dict[str, Interval] = {}  # of the carried variables
    widened: set[str] = set()
    while True:
        traced, assigned, starts = _trace(job, bind(job.inputs, shapes), count, network, ranges)
        if fresh := assigned - set(ranges):
            ranges |= {name: _declared(job, name) or starts[name] for name in fresh}
            continue
        # A range that a step does not leave is proven. Others are widened once, then given up.
        ends = {
            name: _union(ranges[name], node.interval) for name, node in traced.graph.updated.items()
        }
        left = sorted(
            name for name in ranges if ends[name] != ranges[name] and _declared(job, name) is None
        )
        if not left:
            stated, traced.numerics = join_factors(state(traced.graph)), job.numerics
            costs = partial(_costs, job, count)
            prepare = partial(_prepared, costs, network)
            if job.fraction_bits is None:
                choice = choose(
                    stated,
                    job.numerics,
                    count,
                    job.precision,
                    network,
                    prepare,
                    costs,
                    job._fewest_bits,
                )
                traced.numerics, prepared = choice.numerics, choice.graph
                traced.reason, traced.tried = choice.reason, choice.tried
            else:
                prepared = prepare(stated, job.numerics)
                if job.precision is not None:
                    traced.reason = as_stated(prepared, job.numerics, count, job.precision)
            _check_grain(job, traced.numerics)
            numbers = {"iterations": count, **asdict(traced.numerics), **settings(job)}
            if job.fraction_bits is None:
                numbers["fraction_bits"] = "chosen"  # what differs is what the choice follows from
            traced.listing, traced.graph = listing(traced.graph, numbers), prepared
            traced.assumptions += [
                _assumed(job, name, ranges[name])
                for name in sorted(ranges)
                if ends[name] != ranges[name] or ranges[name] == EVERYTHING
            ]
            return traced
        ranges |= {name: EVERYTHING if name in widened else ends[name] for name in left}
        widened |= set(left)


def _check_grain(job: Job, numerics: Numerics) -> None:
    """JobError for an input whose range is smaller than one unit in the last place of these
    fraction bits."""
    for name, declared in job.inputs.items():
        peak, grain = max(-declared.low, declared.high), 2.0**-numerics.fraction_bits
        if peak < grain:
            raise JobError(
                f"{name} is declared in [{declared.low:g}, {declared.high:g}], and numbers have"
                f" {numerics.fraction_bits} fraction bits here, steps of {grain:.1e}: nothing of it"
                f" would be left; bring it multiplied by 2^{-math.frexp(peak)[1]}, in a"
                " range about 1"
            )


def _prepared(
    costs: Callable[[Sizes], Costs], network: Network, graph: Graph, numerics: Numerics
) -> Graph:
    """The graph that is lowered: with products computed incrementally, and rates moved, where that
    costs less."""
    plain = settle_selected(carry_products(graph, numerics))
    moved = move_rates(graph)
    return (
        plain
        if moved is graph
        else cheapest(
            [settle_selected(carry_products(moved, numerics)), plain], numerics, network, costs
        )
    )


def _costs(job: Job, steps: int, sizes: Sizes) -> Costs:
    """The costs of a run with such a plan, with the usual guard."""
    return run_costs(job, Lowering(guarded(sizes, job, steps)[0], 0), steps)


def _assumed(job: Job, name: str, interval: Interval) -> str:
    if interval != EVERYTHING:
        return (
            f"{name} is trained and assumed to stay in the declared range [{interval[0]:g},"
            f" {interval[1]:g}]"
        )
    reach = 2.0 ** (job.integer_bits - 2)
    return f"{name} is carried from step to step and assumed to stay in [{-reach:g}, {reach:g}]"


def _declared(job: Job, name: str) -> Interval | None:
    declared = job.declared.get(name)
    return None if declared is None else (declared.low, declared.high)


def _grown(spread: Spread, declared: Input) -> Spread:
    """The range of a variable that a step changes: no more than some times that of its first value,
    where this is known."""
    begun = declared.default.deviation if isinstance(declared.default, Draw) else declared.typical
    return spread if begun is None else Spread(0.0, min(spread.deviation, GROWTH * begun))


def _union(*intervals: Interval) -> Interval:
    return (min(low for low, _ in intervals), max(high for _, high in intervals))


def _trace(
    job: Job, shapes: dict[str, Shape], count: int, network: Network, ranges: Mapping[str, Interval]
) -> tuple[Traced, set[str], dict[str, Interval]]:
    """One tracing run, given which variables are carried, and their ranges.

    Returns also which variables the step assigns, and the range of each before the first step.
    """
    traced = Traced(job, shapes, count, network)
    graph = traced.graph
    graph.iterations, graph.begun, graph.outside = count, job._begun, caller()
    values = {}
    for name, declared in sorted(job.inputs.items()):  # whatever order the class has them in
        node = graph.add(
            Source(name, shapes[name], declared.party), interval=(declared.low, declared.high)
        )
        node.declared, node.origin = (
            (float(declared.low), float(declared.high)),
            Origin(None, declared.line),
        )
        if declared.typical is not None:
            node.spread = Spread(0.0, declared.typical)
        if declared.row_sum is not None:
            graph.row_sums[name] = declared.row_sum
        values[name] = Secret(graph, node)
    for name, stored in sorted(job.stored.items()):
        node = graph.add(stored, interval=(stored.low, stored.high))
        node.declared = (stored.low, stored.high)
        values[name] = Secret(graph, node)
    for name, declared in job.declared.items():
        if declared.owner == JOINT and name not in job.stored:
            mine, yours = (values.pop(part) for part in declared.brought(name))
            values[name] = mine + yours
    for name, bundle in job.bundles.items():
        own = [
            *inside(name, bundle),
            *(part for part in bundle.learnt if member(name, part) in job.stored),
        ]
        parts = {part: values.pop(member(name, part)) for part in own}
        values |= {
            member(name, part): value
            for part, value in bundle.gathered(parts, job.training_rows).items()
        }
    v = Variables(graph, values)
    job.setup(v)
    start: dict[str, Secret] = dict(object.__getattribute__(v, "_values"))
    for name in job.stored:
        if start[name] is not values[name] and name not in job.renews:
            raise JobError(
                f"setup() assigns v.{name}, which an earlier run has left: begin it only if"
                f" {name!r} not in v"
            )
    graph.initial = {name: start[name]._node for name in sorted(ranges)}
    graph.phase = Phase.STEP
    v = Variables(graph, start | _carries(job, graph, start, ranges))
    before = dict(object.__getattribute__(v, "_values"))
    job.step(v)
    after: dict[str, Secret] = object.__getattribute__(v, "_values")
    assigned = {name for name in before if after[name] is not before[name]}
    graph.updated = {name: after[name]._node for name in sorted(ranges)}
    for name in assigned & job.declared.keys():
        if not graph.origins[name].line:
            graph.origins[name] = Origin(Phase.STEP, job.declared[name].line)
    for name in sorted(ranges):
        if after[name].shape != start[name].shape:
            raise JobError(
                f"step() changes the shape of v.{name} from {start[name].shape} to"
                f" {after[name].shape}"
            )
    if type(job).check is not Job.check:
        graph.phase = Phase.CHECK
        job.check(Variables(graph, start | _carries(job, graph, start, ranges)))
    graph.phase = Phase.FINISH
    v = Variables(graph, start | _carries(job, graph, start, ranges))
    job.finish(v)
    _keep(job, graph, v)
    if not graph.reveals_of(Phase.FINISH):
        raise JobError(
            f"job {type(job).__name__} reveals nothing: call v.reveal(name=tensor) in finish()"
        )
    traced.assumptions += graph.assumptions
    return traced, assigned, {name: tensor._node.interval for name, tensor in start.items()}


def _keep(job: Job, graph: Graph, v: Variables) -> None:
    """Reveal tensors that stay shared at the end to nobody."""
    there: dict[str, Secret] = object.__getattribute__(v, "_values")
    learnt = [member(name, part) for name, bundle in job.bundles.items() for part in bundle.learnt]
    for pattern in (*job.kept, *learnt) if job.kept else ():
        found = sorted(name for name in there if fnmatchcase(name, pattern))
        if not found:
            raise JobError(
                f"keep: the job has no variable {pattern!r}; it has: {', '.join(sorted(there))}"
            )
        for name in found:
            graph.revealed[SHARE_OF + name] = there[name]._node
            graph.terms[SHARE_OF + name] = Terms(Phase.FINISH, ())


def _carries(
    job: Job, graph: Graph, start: Mapping[str, Secret], ranges: Mapping[str, Interval]
) -> dict[str, Secret]:
    """The carried variables as nodes for the beginning of a phase."""
    carried = {
        name: graph.add(Carry(name, start[name].shape), interval=ranges[name])
        for name in sorted(ranges)
    }
    for name in carried.keys() & job.declared.keys():
        carried[name].spread = _grown(carried[name].spread, job.declared[name])
    return {name: Secret(graph, node) for name, node in carried.items()}
