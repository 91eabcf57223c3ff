"""A job: which tensors each party brings, what a step does with them, and what is revealed at the end.

    class Linear(Job):
        iterations = 100
        x = Input("bob", shape=("n", 3), low=-1, high=1)
        w = Input("alice", shape=(3, 1), low=-1, high=1)

        def step(self, v):
            v.w = v.w + v.x.T @ (1 - v.x @ v.w) / 8

        def finish(self, v):
            v.reveal(weights=v.w)

`setup`, `step` and `finish` are run once each, on shapes alone, to trace the graph that is then executed as often as
`iterations` says. `v` holds the job's variables: its inputs, and whatever `setup` assigns. A variable that `step`
assigns is carried from one iteration to the next. `check`, if there is one, may reveal how far it has come, see `Job.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .choice import Tried, cheapest, choose
from .cost import LAN, Network
from .digest import Listing, listing
from .draws import Draw
from .errors import DataError, JobError
from .graph import EVERYTHING, Array, Carry, Graph, Interval, Origin, Phase, Source, Spread, Terms
from .inputs import JOINT as JOINT
from .inputs import ROLES as ROLES
from .inputs import Bundle as Bundle
from .inputs import Input as Input
from .inputs import inside, member
from .ops import Secret
from .ops.factors import join_factors
from .ops.incremental import carry_products
from .ops.rates import move_rates
from .ops.selection import settle_selected
from .ops.statement import state
from .ops.stored import Stored
from .origin import caller
from .sizing import Numerics
from .variables import SHARE_OF
from .variables import Variables as Variables
from .views import Shape

GROWTH = 3.0  # by how much training is taken to enlarge a variable's deviation: in the demos it does by 1.1 to 2.4


class Job:
    """Subclass this; see the module's docstring."""

    iterations: ClassVar[int | None] = 1  # None: they follow from the shapes, see `steps`
    fraction_bits: ClassVar[int | None] = None  # the plan chooses, see choice.py
    precision: ClassVar[float] = 1e-4  # and this is what it heeds: how far a result may be off, as a part of its range
    integer_bits: ClassVar[int] = 16
    reveal: ClassVar[str] = "both"
    keep: ClassVar[Sequence[str]] = ()  # variables that can stay shared at the end, by name or pattern: "w", "model.*"
    uses: ClassVar[Sequence[str]] = ()  # what an earlier run must have kept, of what is not declared
    check_every: ClassVar[int] = (
        0  # steps from one check to the next; 0: as many as make checks a twentieth of the cost
    )

    kept: Sequence[str] = ()  # those that do in this run: `keep`, or none
    stored: Mapping[str, Stored] = {}  # what it begins with, kept by an earlier run; see `begin_with`
    _begun = 0  # steps of earlier runs
    _fewest_bits = 0  # that the plan goes down to, where it chooses

    def begin_with(self, stored: Iterable[Stored], begun: int = 0) -> None:
        """Have these tensors, of which both hold shares since an earlier run, as variables, in place of what would be brought.

        begun: how many steps led to them; schedules, orders of rows and dropout go on from there.
        DataError where one does not have the shape that the job declares, or may leave the range.
        """
        found = {each.label: each for each in stored}
        for name in found.keys() & self.declared.keys():
            declared, each = self.declared[name], found[name]
            bind({name: declared}, {name: each.dims})
            if each.low < declared.low or each.high > declared.high:
                raise DataError(
                    f"tensor {name} was kept in [{each.low:g}, {each.high:g}]; the job declares [{declared.low:g}, {declared.high:g}]"
                )
        self.stored, self._begun = found, begun
        self.__dict__.pop("inputs", None)

    def steps(self, shapes: Mapping[str, Shape]) -> int:
        """How many iterations there are, given the shapes of all that is brought; called before the job is traced."""
        if self.iterations is None:
            raise JobError(f"job {type(self).__name__} does not say how many iterations it has; give --iterations")
        return self.iterations

    def setup(self, v: Variables) -> None:
        """Once, before the first step."""

    def step(self, v: Variables) -> None:
        """One iteration."""

    def check(self, v: Variables) -> None:
        """After every `check_every` steps and after the last; may call v.reveal(name=tensor, …) of how far it has come.

        `v` holds the variables as the steps before have left them. What is revealed stands in the plan, like any other reveal.
        """

    def stop(self, history: Mapping[str, Sequence[Array]]) -> bool:
        """Asked after each check: whether the run goes to its finish now. `history`: what checks revealed to both, an array each.

        Both parties ask their own copy, and must come to the same answer: compare the numbers, and compute little with them.
        """
        return False

    def improved(self, history: Mapping[str, Sequence[Array]]) -> bool:
        """Asked after each check, before `stop`: whether the variables as they stand are the best so far, which the finish then has.

        Without such a check it has the last ones. Both parties ask, as they do `stop`.
        """
        return False

    def finish(self, v: Variables) -> None:
        """Once, after the last step; calls v.reveal(name=tensor, …)."""
        raise JobError(f"job {type(self).__name__} reveals nothing: define finish() and call v.reveal(name=tensor)")

    def stated(self) -> dict[str, Input | Bundle]:
        """What the job declares to be brought, by name: what its class has, or where a class replaces what another had, that.

        A job whose tensors depend on its parameters replaces this, and adds them.
        """
        found = {name: value for base in reversed(type(self).__mro__) for name, value in vars(base).items()}
        return {name: value for name, value in found.items() if isinstance(value, (Input, Bundle))}

    @cached_property
    def declared(self) -> dict[str, Input]:
        """The tensors that the job says are brought, those of bundles too, by name: the same order at both parties."""
        found: dict[str, Input] = {}
        for name, value in self.stated().items():
            if isinstance(value, Input):
                found[name] = value
            else:
                parts = inside(name, value).items()
                found |= {member(name, part): replace(each, line=value.line) for part, each in parts}
        return dict(sorted(found.items()))

    @cached_property
    def bundles(self) -> dict[str, Bundle]:
        """By name, in that order."""
        return {name: value for name, value in sorted(self.stated().items()) if isinstance(value, Bundle)}

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """What each party brings, by name, in that order."""
        brought = [each.brought(name) for name, each in self.declared.items() if name not in self.stored]
        return {name: each for one in brought for name, each in one.items()}

    @property
    def parameters(self) -> dict[str, int | float | str | bool]:
        """The plain numbers, strings and flags of the class: what --param may change, and both parties must share."""
        found = {name: value for base in reversed(type(self).__mro__) for name, value in vars(base).items()} | vars(
            self
        )
        return {
            name: value
            for name, value in sorted(found.items())
            if type(value) in (int, float, str, bool) and name[0] != "_" and name not in ("iterations", "reveal")
        }

    def training_rows(self, rows: int) -> NDArray[np.intp]:
        """Which of so many rows of a table the job learns from: those that preparation may look at."""
        return np.arange(rows)

    @property
    def numerics(self) -> Numerics:
        """What the job states; with the usual fraction bits where it leaves them to the plan."""
        if type(self.precision) not in (int, float) or not 0.0 < self.precision <= 1.0:
            raise JobError(f"precision is a part of a value's range, above 0 and up to 1, not {self.precision!r}")
        usual = Numerics(integer_bits=self.integer_bits)
        return usual if self.fraction_bits is None else replace(usual, fraction_bits=self.fraction_bits)


@dataclass
class Traced:
    """A job bound to shapes: its graph and the numbers that go with it."""

    job: Job
    shapes: dict[str, Shape]
    iterations: int
    network: Network = LAN  # what is planned for
    graph: Graph = field(default_factory=Graph)
    assumptions: list[str] = field(default_factory=list)
    numerics: Numerics = field(init=False)
    choice: str = ""  # why it has the fraction bits that the plan chose, if it did
    tried: tuple[Tried, ...] = ()  # what it chose among
    listing: Listing = field(init=False)  # what the job says, before anything is rewritten


def bind(inputs: Mapping[str, Input], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Check actual shapes against declared ones, names of axes included; DataError names the tensors that disagree."""
    lengths: dict[str, tuple[int, str]] = {}
    for name, declared in inputs.items():
        actual = shapes[name]
        if len(actual) != len(declared.shape):
            raise DataError(f"tensor {name} has shape {actual}; the job declares {declared.shape}")
        for want, got in zip(declared.shape, actual, strict=True):
            if isinstance(want, int):
                if want != got:
                    raise DataError(f"tensor {name} has shape {actual}; the job declares {declared.shape}")
            elif want in lengths and lengths[want][0] != got:
                raise DataError(
                    f"tensor {name} has {got} along axis {want!r}, but tensor {lengths[want][1]} has {lengths[want][0]}"
                )
            else:
                lengths.setdefault(want, (got, name))
    return dict(shapes)


def trace(job: Job, shapes: Mapping[str, Shape], iterations: int | None = None, network: Network = LAN) -> Traced:
    """Run the job once on shapes; JobError or DataError where it does not fit together.

    network: what is left to the plan is chosen for; both parties say the same.
    """
    own = job.steps(shapes)
    count = own if iterations is None else iterations
    if count < 0:
        raise JobError(f"a job runs 0 or more iterations, not {count}")
    if type(job.check_every) is not int or not 0 <= job.check_every < 1 << 40:
        raise JobError(f"check_every is a whole number of steps, or 0 to leave it to the plan, not {job.check_every!r}")
    ranges: dict[str, Interval] = {}  # of the carried variables
    widened: set[str] = set()
    while True:
        traced, assigned, starts = _trace(job, bind(job.inputs, shapes), count, network, ranges)
        if fresh := assigned - set(ranges):
            ranges |= {name: _declared(job, name) or starts[name] for name in fresh}
            continue
        # A range that a step does not leave is proven. Others are widened once, then given up.
        ends = {name: _union(ranges[name], node.interval) for name, node in traced.graph.updated.items()}
        left = sorted(name for name in ranges if ends[name] != ranges[name] and _declared(job, name) is None)
        if not left:
            stated, traced.numerics = join_factors(state(traced.graph)), job.numerics
            prepare = partial(_prepared, count, network)
            if job.fraction_bits is None:
                choice = choose(stated, job.numerics, count, float(job.precision), network, prepare, job._fewest_bits)
                traced.numerics, prepared = choice.numerics, choice.graph
                traced.choice, traced.tried = choice.reason, choice.tried
            else:
                prepared = prepare(stated, job.numerics)
            numbers = {"iterations": count, **asdict(traced.numerics), **job.parameters}
            for name, bundle in job.bundles.items():
                numbers |= {f"{name}, {what}": value for what, value in bundle.settings().items()}
            if job.fraction_bits is None:
                numbers["fraction_bits"] = "chosen"  # what differs is what the choice follows from
            traced.listing, traced.graph = listing(traced.graph, numbers), prepared
            traced.assumptions += [_assumed(job, name, ranges[name]) for name in ranges
                                   if ends[name] != ranges[name] or ranges[name] == EVERYTHING]  # fmt: skip
            return traced
        ranges |= {name: EVERYTHING if name in widened else ends[name] for name in left}
        widened |= set(left)


def _prepared(steps: int, network: Network, graph: Graph, numerics: Numerics) -> Graph:
    """What is lowered: with products carried on, and rates moved where that costs less."""
    plain = settle_selected(carry_products(graph, numerics))
    moved = move_rates(graph)
    return (
        plain
        if moved is graph
        else cheapest([settle_selected(carry_products(moved, numerics)), plain], numerics, steps, network)
    )


def _assumed(job: Job, name: str, interval: Interval) -> str:
    if interval != EVERYTHING:
        return f"{name} is trained and assumed to stay in its declared range [{interval[0]:g}, {interval[1]:g}]"
    reach = 2.0 ** (job.integer_bits - 2)
    return f"{name} is carried from step to step and assumed to stay in [{-reach:g}, {reach:g}]"


def _declared(job: Job, name: str) -> Interval | None:
    declared = job.declared.get(name)
    return None if declared is None else (declared.low, declared.high)


def _grown(spread: Spread, declared: Input) -> Spread:
    """Of a variable that a step changes: no more than some times what it begins with, where that is known."""
    begun = declared.default.deviation if isinstance(declared.default, Draw) else declared.typical
    return spread if begun is None else Spread(0.0, min(spread.deviation, GROWTH * begun))


def _union(*intervals: Interval) -> Interval:
    return (min(low for low, _ in intervals), max(high for _, high in intervals))


def _trace(
    job: Job, shapes: dict[str, Shape], count: int, network: Network, ranges: Mapping[str, Interval]
) -> tuple[Traced, set[str], dict[str, Interval]]:
    """One tracing run, given which variables are carried and in which ranges.

    Also what the step assigns, and every variable's range before the first step.
    """
    traced = Traced(job, shapes, count, network)
    graph = traced.graph
    graph.iterations, graph.begun, graph.outside = count, job._begun, caller()
    values = {}
    for name, declared in sorted(job.inputs.items()):  # whatever order the class has them in
        node = graph.add(Source(name, shapes[name], declared.party), interval=(declared.low, declared.high))
        node.declared, node.origin = (float(declared.low), float(declared.high)), Origin(None, declared.line)
        if declared.typical is not None:
            node.spread = Spread(0.0, declared.typical)
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
        own = [*inside(name, bundle), *(part for part in bundle.learnt if member(name, part) in job.stored)]
        parts = {part: values.pop(member(name, part)) for part in own}
        values |= {member(name, part): value for part, value in bundle.gathered(parts, job.training_rows).items()}
    v = Variables(graph, values)
    job.setup(v)
    start: dict[str, Secret] = dict(object.__getattribute__(v, "_values"))
    for name in job.stored:
        if start[name] is not values[name]:
            raise JobError(
                f"setup() assigns v.{name}, which an earlier run has left: begin it only if {name!r} not in v"
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
            raise JobError(f"step() changes the shape of v.{name} from {start[name].shape} to {after[name].shape}")
    if type(job).check is not Job.check:
        graph.phase = Phase.CHECK
        job.check(Variables(graph, start | _carries(job, graph, start, ranges)))
    graph.phase = Phase.FINISH
    v = Variables(graph, start | _carries(job, graph, start, ranges))
    job.finish(v)
    _keep(job, graph, v)
    if not graph.reveals_of(Phase.FINISH):
        raise JobError(f"job {type(job).__name__} reveals nothing: call v.reveal(name=tensor) in finish()")
    traced.assumptions += graph.assumptions
    return traced, assigned, {name: tensor._node.interval for name, tensor in start.items()}


def _keep(job: Job, graph: Graph, v: Variables) -> None:
    """What stays shared at the end is revealed to nobody."""
    there: dict[str, Secret] = object.__getattribute__(v, "_values")
    learnt = [member(name, part) for name, bundle in job.bundles.items() for part in bundle.learnt]
    for pattern in (*job.kept, *learnt) if job.kept else ():
        found = sorted(name for name in there if fnmatchcase(name, pattern))
        if not found:
            raise JobError(f"keep: the job has no variable {pattern!r}; it has: {', '.join(sorted(there))}")
        for name in found:
            graph.revealed[SHARE_OF + name] = there[name]._node
            graph.terms[SHARE_OF + name] = Terms(Phase.FINISH, ())


def _carries(job: Job, graph: Graph, start: Mapping[str, Secret], ranges: Mapping[str, Interval]) -> dict[str, Secret]:
    """Carried variables as placeholders."""
    carried = {name: graph.add(Carry(name, start[name].shape), interval=ranges[name]) for name in sorted(ranges)}
    for name in carried.keys() & job.declared.keys():
        carried[name].spread = _grown(carried[name].spread, job.declared[name])
    return {name: Secret(graph, node) for name, node in carried.items()}
