"""What is left to the plan, chosen for a network: how many fraction bits a job takes that does not
say, and how it compares.

*Fraction bits*: as many as its precision asks for, where more would cost something.

The candidates are planned one after the other, from the finest on, and the cheapest of those that
are precise enough is taken, the finest of those that are as good as equal: no bit is given up for
less than a hundredth of a second of a run.

What is computed in many layers may have a range far wider than its values, and a part of that would
be large; so for the coarser candidates a range counts as no wider than those of what the parties
bring, and the errors of all steps add up, like √steps.

*Comparisons* take fewer rounds where more is dealt for them (`ops/signs.py`): up to which size is
found by lowering the plan with one after the other, and they stay as they are where that saves less
than the same moment.

Costs and errors come from sums and products alone, so that two parties who are told the same
network choose alike; what they chose is bound by the plan's digest, which they compare before a
run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from .cost import LAN, Network, PhaseCost, online_seconds, run_seconds
from .errors import JobError
from .graph import Graph, Phase
from .lowering import Joins, Lowering
from .ops.comparison import Test
from .ops.truncation import Rescale
from .precision import relative_errors, widest_input
from .sizing import Numerics, Sizes
from .solver import size

CANDIDATES = (20, 18, 16, 14, 12, 10)
# seconds: what a whole run would save at least, if a bit is given up, or more is dealt, for it
EQUAL = 0.010
MOST_SIZES = 4  # of tensors that are compared, for each of which a plan is lowered
FEWER = 3  # rounds that a comparison may save
SEARCHED = 4_000  # nodes up to which a graph is planned more than once


class Tried(NamedTuple):
    """A number of fraction bits that was planned: what a run costs so, and how precise it is."""

    fraction_bits: int
    seconds: float
    rounds: int
    bytes: int  # that Bob sends and is dealt
    error: float  # of the least precise of what is revealed, as a part of its range


@dataclass(frozen=True)
class Choice:
    """Fraction bits that nobody stated, and why they are these."""

    numerics: Numerics
    graph: Graph  # prepared for them
    reason: str
    tried: tuple[Tried, ...]  # the finest first; what is chosen is among them


class _Run(NamedTuple):
    """Of a whole run."""

    seconds: float
    rounds: int
    bytes: int  # that Bob sends and is dealt


@dataclass(frozen=True)
class _Tried:
    numerics: Numerics
    graph: Graph
    run: _Run
    label: str  # the least precise of what is revealed,
    error: float  # and its error, as a part of its range
    strict: float  # the same, with no range counted as wider than those of what the parties bring

    @property
    def f(self) -> int:
        return self.numerics.fraction_bits


def choose(
    graph: Graph,
    numerics: Numerics,
    steps: int,
    precision: float,
    network: Network,
    prepare: Callable[[Graph, Numerics], Graph],
    fewest: int = 0,
) -> Choice:
    """The cheapest number of fraction bits with which every revealed tensor is off by at most
    `precision` of its range.

    `prepare` rewrites a traced graph for a number of fraction bits. Where no candidate is that
    precise, the finest that can be planned. JobError if none can. fewest: what is not gone below,
    if so many can be planned.
    """
    tried: list[_Tried] = []
    coarse: _Tried | None = None
    refusal: JobError | None = None
    for f in CANDIDATES:
        if tried and f < fewest:
            break
        try:
            one = _try(graph, replace(numerics, fraction_bits=f), steps, network, prepare)
        except JobError as error:
            refusal = refusal or error
            continue
        if tried and one.strict > precision:
            coarse = one
            break
        tried.append(one)
        if one.strict > precision or len(one.graph.nodes) > SEARCHED:
            break
    if not tried:
        assert refusal is not None
        raise refusal
    least = min(one.run.seconds for one in tried)
    best = next(one for one in tried if one.run.seconds < least + EQUAL)  # the finest of equal ones
    public = tuple(Tried(one.f, *one.run, one.error) for one in tried)
    return Choice(best.numerics, best.graph, _reason(tried, best, coarse, precision), public)


def cheapest(graphs: Sequence[Graph], numerics: Numerics, steps: int, network: Network) -> Graph:
    """The one whose plan costs least, the first of equal ones, of graphs that compute the same. The
    last where none can be planned."""
    found: list[tuple[float, int]] = []
    for n, graph in enumerate(graphs):
        try:
            found.append((_run(size(graph, numerics, Rescale), steps, network).seconds, n))
        except JobError:
            continue
    return graphs[min(found)[1]] if found else graphs[-1]


Costs = Sequence[tuple[PhaseCost, int]]  # of the phases, and how often each is executed


def choose_joins(sizes: Sizes, network: Network, costs: Callable[[Joins], Costs]) -> Joins:
    """How comparisons join: what makes a run the shortest. `costs` lowers the plan with such joins.

    By bits alone for the usual network, which nobody has spoken of: there rounds are cheap, and
    what is dealt least serves any dealer.
    """
    if network == LAN:
        return Joins()
    phases: dict[Phase, int] = {}
    compared = compared_sizes(sizes, phases)
    plain = costs(Joins())
    a_round = online_seconds(PhaseCost(1, (0, 0), 0), network)
    most = sum(
        FEWER * phases.get(phase, 0) * times * a_round
        for phase, (_, times) in zip(Phase, plain, strict=True)
    )
    if most < EQUAL or len(sizes.graph.nodes) > SEARCHED:
        return Joins()
    least = best = (run_seconds(plain, network), Joins())
    for count in compared:
        best = min(best, (run_seconds(costs(Joins(count)), network), Joins(count)))
    three = best[1].three
    for joins in dict.fromkeys(
        Joins(max(count, other), count) for count in compared for other in (three, 0)
    ):
        best = min(best, (run_seconds(costs(joins), network), joins))
    return best[1] if best[0] < least[0] - EQUAL else Joins()


def compared_sizes(sizes: Sizes, phases: dict[Phase, int] | None = None) -> list[int]:
    """Elements of the tensors that are compared, from the least on, the largest few; `phases`
    counts comparisons by phase."""
    found: set[int] = set()
    for node in sizes.graph.nodes:
        if isinstance(node.op, Test):
            found.add(node.inputs[0].size)
            if phases is not None:
                phases[node.phase] = phases.get(node.phase, 0) + 1
    return sorted(found)[-MOST_SIZES:]


def _try(
    graph: Graph,
    numerics: Numerics,
    steps: int,
    network: Network,
    prepare: Callable[[Graph, Numerics], Graph],
) -> _Tried:
    prepared = prepare(graph, numerics)
    sizes = size(prepared, numerics, Rescale)
    label, error = max(relative_errors(sizes, steps).items(), key=lambda item: item[1])
    strict = max(relative_errors(sizes, steps, widest_input(sizes)).values()) * math.sqrt(
        max(1, steps)
    )
    return _Tried(numerics, prepared, _run(sizes, steps, network), label, error, strict)


def _run(sizes: Sizes, steps: int, network: Network) -> _Run:
    phases = Lowering(sizes, 0).phases
    costs = [
        (PhaseCost.of(code), steps if phase == Phase.STEP else 1) for phase, code in phases.items()
    ]
    rounds = sum(times * cost.rounds for cost, times in costs)
    volume = sum(times * (max(cost.sent) + cost.dealt) for cost, times in costs)
    return _Run(run_seconds(costs, network), rounds, volume)


def _reason(tried: list[_Tried], best: _Tried, coarse: _Tried | None, precision: float) -> str:
    """Why these fraction bits, in one line. coarse: what was not precise enough."""
    off = f"{best.label} is off by about {best.error:.1e} of its range"
    if best.error > precision:
        return (
            f"f = {best.f}: the finest that was planned; {off}, more than the precision of"
            f" {precision:g} asked for: state fraction_bits, or a coarser precision"
        )
    why = "nothing coarser was planned"
    if finer := [one for one in tried if one.f > best.f]:
        rounds, volume = (
            finer[-1].run.rounds - best.run.rounds,
            finer[-1].run.bytes - best.run.bytes,
        )
        more = f"{rounds:,} round{'s' * (rounds != 1)}" if rounds > 0 else f"{volume:,} bytes"
        why = f"{finer[-1].f} would cost {more} more"
    elif any(one.f < best.f for one in tried):
        why = f"coarser would save less than {1e3 * EQUAL:g} ms"
    elif coarse is not None:
        why = (
            f"{coarse.f} might be off by {coarse.strict:.1e} after all steps, more than"
            f" {precision:g}"
        )
    return f"f = {best.f}: {why}; {off}"
