"""How many fraction bits a job takes that does not say: as many as its precision asks for, where more would cost something.

The candidates are planned one after the other, from the finest on, and the cheapest of those that are precise enough is taken, the
finest of those that are as good as equal: no bit is given up for less than a hundredth of a second of a run.

What is computed in many layers may have a range far wider than its values, and a part of that would be large; so for the coarser
candidates a range counts as no wider than those of what the parties bring, and the errors of all steps add up, like √steps.

Costs are whole numbers, and errors come from sums and products alone, so that two parties choose alike; what they chose is bound
by the plan's digest, which they compare before a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .errors import JobError
from .graph import Graph, Phase
from .lowering import Lowering
from .ops.truncation import Rescale
from .precision import relative_errors, widest_input
from .sizing import Numerics, Sizes
from .solver import size

CANDIDATES = (20, 18, 16, 14, 12, 10)
ROUND = 250_000  # nanoseconds on a local network: of a round,
BYTE = 8  # and of a byte
EQUAL = 10_000_000  # nanoseconds: what a whole run would save at least, if a bit is given up for it
SEARCHED = 4_000  # nodes up to which a graph is planned more than once


@dataclass(frozen=True)
class Choice:
    """Fraction bits that nobody stated, and why they are these."""

    numerics: Numerics
    graph: Graph  # prepared for them
    reason: str


@dataclass(frozen=True)
class _Tried:
    numerics: Numerics
    graph: Graph
    rounds: int
    bytes: int
    label: str  # the least precise of what is revealed,
    error: float  # and its error, as a part of its range
    strict: float  # the same, with no range counted as wider than those of what the parties bring

    @property
    def cost(self) -> int:
        return ROUND * self.rounds + BYTE * self.bytes

    @property
    def f(self) -> int:
        return self.numerics.fraction_bits


def choose(
    graph: Graph, numerics: Numerics, steps: int, precision: float, prepare: Callable[[Graph, Numerics], Graph]
) -> Choice:
    """The cheapest number of fraction bits with which every revealed tensor is off by at most `precision` of its range.

    `prepare` rewrites a traced graph for a number of fraction bits. Where no candidate is that precise, the finest that can be planned.
    JobError if none can.
    """
    tried: list[_Tried] = []
    refusal: JobError | None = None
    for f in CANDIDATES:
        try:
            one = _try(graph, replace(numerics, fraction_bits=f), steps, prepare)
        except JobError as error:
            refusal = refusal or error
            continue
        if tried and one.strict > precision:
            break
        tried.append(one)
        if one.strict > precision or len(one.graph.nodes) > SEARCHED:
            break
    if not tried:
        assert refusal is not None
        raise refusal
    least = min(one.cost for one in tried)
    best = next(one for one in tried if one.cost < least + EQUAL)  # the finest of equal ones
    return Choice(best.numerics, best.graph, _reason(tried, best, precision))


def cheapest(graphs: Sequence[Graph], numerics: Numerics, steps: int) -> Graph:
    """The one whose plan costs least, the first of equal ones, of graphs that compute the same. The last where none can be planned."""
    found: list[tuple[int, int]] = []
    for n, graph in enumerate(graphs):
        try:
            rounds, volume = _cost(size(graph, numerics, Rescale), steps)
        except JobError:
            continue
        found.append((ROUND * rounds + BYTE * volume, n))
    return graphs[min(found)[1]] if found else graphs[-1]


def _try(graph: Graph, numerics: Numerics, steps: int, prepare: Callable[[Graph, Numerics], Graph]) -> _Tried:
    prepared = prepare(graph, numerics)
    sizes = size(prepared, numerics, Rescale)
    rounds, volume = _cost(sizes, steps)
    label, error = max(relative_errors(sizes, steps).items(), key=lambda item: item[1])
    strict = max(relative_errors(sizes, steps, widest_input(sizes)).values()) * math.sqrt(max(1, steps))
    return _Tried(numerics, prepared, rounds, volume, label, error, strict)


def _cost(sizes: Sizes, steps: int) -> tuple[int, int]:
    """Rounds of a run, and bytes that Bob sends and is dealt."""
    rounds = volume = 0
    for phase, code in Lowering(sizes, 0).phases.items():
        times = steps if phase == Phase.STEP else 1
        words = sum(each.field.words for each in code.openings)
        words += sum(field.words for spec in code.correlations for field in spec.fields)
        rounds += times * code.rounds
        volume += times * 8 * words
    return rounds, volume


def _reason(tried: list[_Tried], best: _Tried, precision: float) -> str:
    off = f"{best.label} is off by about {best.error:.1e} of its range"
    if best.error > precision:
        return (
            f"f = {best.f}: the finest that was planned; {off}, more than the precision of {precision:g} asked for: "
            f"state fraction_bits, or a coarser precision"
        )
    finer = [one for one in tried if one.f > best.f]
    if finer:
        rounds, volume = finer[-1].rounds - best.rounds, finer[-1].bytes - best.bytes
        more = f"{rounds:,} round{'s' * (rounds != 1)}" if rounds > 0 else f"{volume:,} bytes"
        return f"f = {best.f}: finer would cost {more}; {off}"
    return f"f = {best.f}: coarser would save nothing, or be less precise than {precision:g}; {off}"
