"""The fraction bits of a job that states none, chosen for a network.

The candidates are planned one after the other, from the finest on. Of those that are precise
enough the cheapest is taken, and of those whose runs take as long, to within a hundredth of a
second (EQUAL), the finest.

Where the finest candidate is not precise enough: if a precision is stated, it gets as many more
bits as that takes, and what fitted functions miss counts as error. If none is stated, it gets as
many more bits as the narrowest range needs to be resolved so finely, but no more: bounds on errors
are those of the worst arguments, which for a root or a quotient are far from the usual ones. A
precision that no number of bits reaches is refused, as is one that stated fraction bits do not
reach.

A tensor that many layers compute may have a range far wider than its values, and a part of that
range would be a large error. So for coarser candidates a range counts as no wider than the widest
of the inputs, and the errors of all steps add up like √steps.

Costs and errors are computed by sums and products alone, so that two parties that are given the
same network choose alike. What they chose is part of the plan's digest, which they compare before a
run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from .cost import Costs, Network, run_seconds
from .errors import JobError
from .graph import Graph
from .inexact import Guess
from .ops.truncation import Rescale
from .precision import Worst, coarsest, least_precise, missed, relative_errors, widest_input
from .roundings import Bound
from .sizing import MOST_FRACTION_BITS, Numerics, Sizes
from .solver import NARROWER, RingError, size
from .wording import NAMED, counted

PRECISION = 1e-4  # unless a job states another: how far a result may be off, as a part of its range
CANDIDATES = (20, 18, 16, 14, 12, 10)
# seconds: what a whole run would save at least, if a bit is given up, or more is dealt, for it
EQUAL = 0.010
SEARCHED = 4_000  # nodes up to which a graph is planned more than once


class _Run(NamedTuple):
    """What a whole run costs."""

    seconds: float
    rounds: int
    bytes: int  # sent by the party that sends more, and dealt


@dataclass(frozen=True)
class Tried:
    """A candidate: a number of fraction bits, the graph that was prepared for it, what a run costs,
    and how precise it is. Comparisons take as many rounds as by default."""

    numerics: Numerics
    graph: Graph
    run: _Run
    worst: Worst  # the least precise of the revealed tensors
    rounded: float  # the largest error of a revealed tensor, without what fitted functions miss
    strict: float  # the usual error after all steps, with ranges no wider than the inputs'
    coarsest: Worst  # the tensor whose range is narrowest for these fraction bits

    @classmethod
    def of(cls, sizes: Sizes, graph: Graph, steps: int, run: _Run, fits: bool) -> Tried:
        """The candidate whose graph was sized as `sizes`, for a run of `steps` steps. graph: as it
        was before that. fits: `worst` includes what fitted functions miss."""
        strict = max(relative_errors(sizes, steps, widest_input(sizes)).values()) * math.sqrt(
            max(1, steps)
        )
        worst = least_precise(sizes, steps, Bound.EQUAL if fits else Bound.LEAST)
        rounded, narrow = worst.error, coarsest(sizes)
        if fits and missed(graph):
            worst = least_precise(sizes, steps, Bound.SURE)
        return cls(sizes.numerics, graph, run, worst, rounded, strict, narrow)

    @property
    def f(self) -> int:
        """Fraction bits."""
        return self.numerics.fraction_bits


@dataclass(frozen=True)
class Choice:
    """The chosen fraction bits, and the reason."""

    numerics: Numerics
    graph: Graph  # prepared for them
    reason: str
    tried: tuple[Tried, ...]  # the finest first; the chosen one is among them


def choose(
    graph: Graph,
    numerics: Numerics,
    steps: int,
    stated: float | None,
    network: Network,
    prepare: Callable[[Graph, Numerics], Graph],
    costs: Callable[[Sizes], Costs],
    fewest: int = 0,
) -> Choice:
    """The cheapest number of fraction bits with which every revealed tensor is off by at most
    `stated` of its range. Where none is stated, by PRECISION, if no range is too narrow for that.

    prepare(graph, numerics): rewrites a traced graph for these fraction bits. costs(sizes): those
    of a run. fewest: candidates of fewer bits are not tried, if one of as many can be planned.
    JobError where no candidate can be planned, or none is precise enough: with the precision within
    reach, and what would change that.
    """

    precision = PRECISION if stated is None else stated
    judged = attrgetter("coarsest" if stated is None else "worst")

    def attempt(f: int, fits: bool = stated is not None) -> Tried:
        finer = replace(numerics, fraction_bits=f)
        prepared = prepare(graph, finer)
        sizes = size(prepared, finer, Rescale)
        run = _run(costs(sizes), network)
        return Tried.of(sizes, prepared, steps, run, fits)

    tried: list[Tried] = []
    coarse: Tried | None = None
    refusal: JobError | None = None
    bounded = False
    for f in CANDIDATES:
        if tried and f < fewest:
            break
        try:
            one = attempt(f)
        except JobError as error:
            refusal = refusal or error
            if isinstance(error, RingError) and not error.most:
                break
            continue
        if not tried and judged(one).error > precision:
            tried, coarse = [_finer(attempt, one, precision, judged)], one
            break
        if tried and (one.strict > precision or (bounded and one.worst.error > precision)):
            coarse = one
            break
        bounded = stated is not None or one.worst.error <= precision
        tried.append(one)
        if one.strict > precision or len(one.graph.nodes) > SEARCHED:
            break
    if not tried:
        assert refusal is not None
        raise refusal
    least = min(one.run.seconds for one in tried)
    best = next(one for one in tried if one.run.seconds < least + EQUAL)  # the finest of equal ones
    more = ""
    if best.worst.error > precision and not best.worst.cause:
        more = _more(partial(attempt, fits=True), tried[0], precision)
    reason = _reason(tried, best, coarse, precision, steps) + more
    return Choice(best.numerics, best.graph, reason, tuple(tried))


def _more(attempt: Callable[[int], Tried], finest: Tried, precision: float) -> str:
    """The end of a sentence: what the job may state to get this precision. It has been tried."""
    f = finest.f + math.ceil(max(1.0, math.log2(finest.worst.error / precision)))
    try:
        found = attempt(min(f, MOST_FRACTION_BITS))
    except RingError as refusal:
        if refusal.most <= finest.f:
            return ", and finer ones do not fit"
        return f": state fraction_bits={refusal.most} to have more"
    if found.worst.error <= precision:
        return f": state precision={precision:g} to have more"
    return f": state fraction_bits={found.f} to have more"


def _finer(
    attempt: Callable[[int], Tried],
    best: Tried,
    precision: float,
    judged: Callable[[Tried], Worst],
) -> Tried:
    """The candidate with as many more bits as make it precise enough. JobError where no number
    does."""
    most, wall = MOST_FRACTION_BITS, f"f = {MOST_FRACTION_BITS} is the finest there is"
    while (error := judged(best).error) > precision:
        fitted = error - best.rounded if judged(best) is best.worst else 0.0
        fits = _fitted(best.graph) if fitted > best.rounded else ""
        if fits and fitted > precision:
            raise JobError(_unmet(best, precision, best.worst, fits=fits))
        # what is left for roundings: something, so that what is said to be within reach is the best
        room = max(precision - fitted, fitted / 2)
        missing = math.log2((error - fitted) / room) if math.isfinite(error) else math.inf
        f = best.f + math.ceil(min(missing, most - best.f))
        try:
            found = attempt(f) if f > best.f else best
        except RingError as refusal:
            most, wall = max(best.f, min(f - 1, refusal.most)), f"with f = {f}, {refusal.what}"
            continue
        if judged(found).error >= error:
            wall = wall if best.f == most else ""
            raise JobError(_unmet(best, precision, judged(best), wall, fits))
        best = found
    return best


def _unmet(best: Tried, precision: float, worst: Worst, wall: str = "", fits: str = "") -> str:
    """The sentence that no number of fraction bits is precise enough. wall: why none beyond these
    is possible; fits: which fitted functions no number would make more precise."""
    error, label, width, cause, *_ = worst
    if cause:
        instead = f"state fraction_bits={best.f} instead"
        return f"precision={precision:g} is out of reach: {_unbounded(worst, instead)}"
    why = fits or wall or "finer ones are no better, for a function on the way is no more exact"
    ways = ["state fraction_bits"]
    if math.isfinite(error):
        digit = 10.0 ** math.floor(math.log10(error))
        if error < 0.5:
            ways = [f"state precision={math.ceil(error / digit) * digit:.0e}"]
        if fits:
            pass
        elif width < 1.0:
            times = 2.0 ** math.ceil(math.log2(error / precision))
            ways.append(
                f"bring it multiplied by {times:.0e}, and declare a range so much wider"
                if worst.brought
                else f"multiply what it is made of so that its range is {times:.0e} times as wide"
            )
        elif best.f < MOST_FRACTION_BITS:
            ways.append(NARROWER)
    return (
        f"precision={precision:g} is out of reach: {label}, in a range {width:.1e} wide, is off by"
        f" about {error:.1e} of it with f = {best.f}, and {why}; {', or '.join(ways)}"
    )


def _fitted(graph: Graph, least: float = 0.0) -> str:
    """The fitted functions that miss the ones they are named after by more than `least`, and by how
    much, in words."""
    found = [f"{name} is fitted, up to {off:.1g} off" for name, off in missed(graph).items()
             if off > least]  # fmt: skip
    more = f", and {len(found) - NAMED} more are" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def as_stated(graph: Graph, numerics: Numerics, steps: int, precision: float | None) -> str:
    """One line about the precision of a plan with the fraction bits that its job states. JobError
    where a precision is stated too, and the plan does not reach it."""
    sizes, f = size(graph, numerics, Rescale), numerics.fraction_bits
    worst = least_precise(sizes, steps, Bound.LEAST if precision is None else Bound.SURE)
    if precision is None:
        return f"f = {f}, as the job states: {_off(worst, graph, PRECISION)}"
    if worst.error <= precision:
        return f"f = {f}, as the job states: {_off(worst)}"
    why = f" ({found})" if not worst.cause and (found := _fitted(graph, precision)) else ""
    raise JobError(
        f"fraction_bits={f} and precision={precision:g} are both stated, and contradict each other:"
        f" {_off(worst)}{why}; state one of them"
    )


def _off(
    worst: Worst, graph: Graph | None = None, least: float = 0.0, usual: float = math.inf
) -> str:
    """The error of the least precise result, in words. graph: given where fitted functions are not
    included; then those that miss by more than `least` are named. usual: an error above it is said
    to be that of the worst arguments."""
    if worst.cause:
        return _unbounded(worst)
    about = "at most" if worst.bound else "about"
    found = f"{worst.label} is off by {about} {worst.error:.1e} of its range"
    if worst.error == 0.0:
        found = f"{worst.label} is exact, but where numbers are compared that are nearly equal"
    found += " at worst" if worst.error > usual else ""
    if Guess.STEPS in worst.guess:
        found += ", if later steps make up for the roundings of earlier ones"
    if Guess.SUMS in worst.guess:
        found += ", if sums are no larger than is likely"
    fits = _fitted(graph, least) if graph else ""
    return f"{found}, not counting that {fits}" if fits else found


def cheapest(
    graphs: Sequence[Graph],
    numerics: Numerics,
    network: Network,
    costs: Callable[[Sizes], Costs],
) -> Graph:
    """Of graphs that compute the same, the one whose run costs least; the first of equal ones. The
    last where none can be planned. costs(sizes): those of a run."""
    found: list[tuple[float, int]] = []
    for n, graph in enumerate(graphs):
        try:
            found.append((run_seconds(costs(size(graph, numerics, Rescale)), network), n))
        except JobError:
            continue
    return graphs[min(found)[1]] if found else graphs[-1]


def _run(costs: Costs, network: Network) -> _Run:
    rounds = sum(times * cost.rounds for cost, times in costs)
    volume = sum(times * (max(cost.sent) + cost.dealt) for cost, times in costs)
    return _Run(run_seconds(costs, network), rounds, volume)


def _unbounded(worst: Worst, way: str = "") -> str:
    """The sentence that the error cannot be bounded before a run, why, and what may be done."""
    way = way or f"state more fraction_bits, up to {MOST_FRACTION_BITS}"
    return (
        f"how far {worst.label} is off cannot be bounded beforehand, as {worst.cause} may enlarge"
        f" errors to all of its range: compare --simulate with --plain on data like yours, or {way}"
    )


def _reason(
    tried: list[Tried], best: Tried, coarse: Tried | None, precision: float, steps: int
) -> str:
    """One line: why these fraction bits. coarse: the candidate that was not precise enough, if one
    was tried."""
    fitted = best.graph if best.worst.error == best.rounded else None
    off = _off(best.worst, fitted, precision, precision)
    if best.worst.error > precision:
        return f"f = {best.f}: {off}"
    why = "nothing coarser was planned"
    if finer := [one for one in tried if one.f > best.f]:
        rounds, volume = (
            finer[-1].run.rounds - best.run.rounds,
            finer[-1].run.bytes - best.run.bytes,
        )
        more = counted(rounds, "round") if rounds > 0 else f"{volume:,} bytes"
        why = f"{finer[-1].f} would cost {more} more"
    elif any(one.f < best.f for one in tried):
        why = f"coarser would save less than {1e3 * EQUAL:g} ms"
    elif coarse is not None and coarse.worst.error > precision:
        why = f"with {coarse.f} it is {coarse.worst.error:.1e}, more than {precision:g}"
    elif coarse is not None and coarse.strict > precision:
        after = " after all steps" if steps > 1 else ""
        why = f"{coarse.f} might be off by {coarse.strict:.1e}{after}, more than {precision:g}"
    elif coarse is not None:
        part, label = coarse.coarsest.error, coarse.coarsest.label
        why = f"{coarse.f} tells {label} apart to {part:.1e} of its range, more than {precision:g}"
    return f"f = {best.f}: {why}; {off}"
