"""The scales and widths of a whole graph: the cheapest that the search finds.

`fitting` finds truncations with which all fits. What it decides first may be superfluous in the
end, and coarser, or less proven, than the ring has room for. So here is tried, one change at a
time, what still fits and costs no more: fewer truncations, variables read with more fraction bits,
and ranges that hold for all of a proven interval. Every trial sizes the whole graph again; their
number is limited by RELAXING, so that large graphs are planned in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from .errors import JobError
from .fitting import Fitting
from .graph import Graph, Phase
from .nodes import Carry, Node, Op
from .ring import limbs_for
from .sizing import LEAST_FRACTION_BITS, Numerics, Sized, Sizes

RELAXING = 20_000  # nodes sized in all by the trials of one kind
FUTILE = 16  # truncations in a row that turn out to be necessary, after which no more are tried
PROVEN_ONCE = 1 << 16  # words in setup and finish that the proof of all ranges is worth
FINER = (8, 6, 4, 2)  # bits more than f that a variable is read with, the most that fit

NARROWER = "declare a narrower range, or state one with within(x, low, high)"


class RingError(JobError):
    """An operation does not fit the ring.

    what: the sentence that says which, and the bits it needs and has, without advice. most: the
    most fraction bits with which it would fit; 0 where none do.
    """

    def __init__(self, text: str, *, what: str = "", most: int = 0, told: str | None = None):
        super().__init__(text, told=told)
        self.what, self.most = what, most


_sized: WeakKeyDictionary[Graph, dict[Any, Sizes]] = WeakKeyDictionary()


def size(
    graph: Graph,
    numerics: Numerics,
    truncation: Callable[[int], Op],
    proven: Iterable[Node] | None = None,
) -> Sizes:
    """Scales and widths of the live nodes of `graph`, in a copy with truncations where bits do not
    fit.

    truncation(bits): the operation that truncates a tensor to so many fraction bits. proven: the
    nodes that are sized for all of their interval; None: those for which that costs nothing.
    RingError where an operation does not fit whatever is truncated before it. It advises fewer
    fraction bits only where all nodes are then sized for all of their interval: a likely range
    may not hold data that are within the declared one. Where `proven` is None, a graph that has
    the same nodes, and reveals the same, is sized once.
    """
    if proven is not None:
        return _advised(graph, numerics, truncation, proven)
    key = numerics, truncation, len(graph.nodes), tuple(graph.revealed.items())
    known = _sized.setdefault(graph, {})
    if key not in known:
        known[key] = _advised(graph, numerics, truncation, None)
    return known[key]


def _advised(
    graph: Graph,
    numerics: Numerics,
    truncation: Callable[[int], Op],
    proven: Iterable[Node] | None,
) -> Sizes:
    try:
        return _solved(graph, numerics, truncation, proven)
    except JobError as error:
        what, fewer = str(error), numerics.fraction_bits
        try:
            _solved(graph, replace(numerics, fraction_bits=LEAST_FRACTION_BITS), truncation, proven)
        except JobError:  # so that the bits between are not tried in vain
            raise RingError(f"{what}; {NARROWER}", what=what) from None
        while (fewer := fewer - 1) >= LEAST_FRACTION_BITS:
            try:
                found = _solved(graph, replace(numerics, fraction_bits=fewer), truncation, proven)
            except JobError:
                continue
            advice = (
                f", or take {fewer} fraction bits (now {numerics.fraction_bits}), which leaves"
                f" steps of {2.0**-fewer:.1e}"
            )
            if any(math.isfinite(node.peak) for node in found.assumed):
                advice = ""
            raise RingError(f"{what}; {NARROWER}{advice}", what=what, most=fewer) from None
        raise RingError(f"{what}; {NARROWER}", what=what) from None


def _solved(
    graph: Graph,
    numerics: Numerics,
    truncation: Callable[[int], Op],
    proven: Iterable[Node] | None,
) -> Sizes:
    fitting = Fitting(graph, numerics, truncation, proven or ())
    fitting.solve()
    _relax(fitting)
    _refine(fitting)
    if proven is None:
        _prove(fitting)
    return fitting.sizes


def _tried(fitting: Fitting) -> Sizes | None:
    """The sizes with the remedies as they are; None where they are not enough."""
    try:
        return fitting.sizes if fitting.fits() else None
    except JobError:
        return None


def _relax(fitting: Fitting) -> None:
    """Take back truncations that later ones made superfluous, in the order of decision, until
    RELAXING nodes are sized or FUTILE truncations in a row were necessary."""
    solved, futile = fitting.sizes, 0
    for cut in list(fitting.remedies.cuts)[: RELAXING // max(1, len(solved.graph.nodes))]:
        before = fitting.remedies.copy()
        del fitting.remedies.cuts[cut]
        if found := _tried(fitting):
            solved, futile = found, 0
            continue
        fitting.remedies = before
        if (futile := futile + 1) == FUTILE:
            break
    fitting.sizes = solved


def _refine(fitting: Fitting) -> None:
    """Have carried variables read with more bits than f where no tensor takes more limbs for it,
    until RELAXING nodes are sized.

    Where a variable has many entries, each is small, and a product that sums over them adds up the
    roundings of their last bits. And have sums read such a variable untruncated: otherwise the
    roundings of all steps add up in it.
    """
    solved, most = fitting.sizes, _words(fitting.sizes)
    tries = RELAXING // max(1, len(solved.graph.nodes))
    cuts = fitting.remedies.cuts
    for cut in [node for node in cuts if isinstance(node.op, Carry) and node.phase == Phase.STEP]:
        for finer in FINER[: max(0, tries)]:
            tries -= 1
            before = fitting.remedies.copy()
            fitting.remedies.cuts[cut] += finer
            if (found := _tried(fitting)) and _words(found) <= most:
                solved = found
                break
            fitting.remedies = before
        tries -= 1
        before = fitting.remedies.copy()
        fitting.remedies.apart.add(cut)
        found = _tried(fitting) if tries > 0 else None
        same = fitting.remedies.cuts.keys() == before.cuts.keys()
        if found and _words(found) <= most and same:
            solved = found
        else:
            fitting.remedies = before
    fitting.sizes = solved


def _prove(fitting: Fitting) -> None:
    """Size nodes for all of their interval that are taken to stay below less, where that takes no
    more truncations, nothing more in a step, and at most PROVEN_ONCE words in what is computed
    once: all of them; else one after the other, the least excess first, until RELAXING nodes are
    sized."""
    if not fitting.sizes.assumed:
        return
    fitting.fits()
    solved, before = fitting.sizes, _weights(fitting.sizes)
    excess = {
        fitting.origin[node]: math.frexp(node.peak)[1] - math.frexp(limit)[1]
        for node, limit in solved.assumed.items()
        if math.isfinite(node.peak)
    }
    order = sorted(excess, key=lambda node: excess[node])
    tries = RELAXING // len(solved.graph.nodes)
    for group in [order, *([node] for node in order[:tries])] if order else []:
        kept = fitting.remedies.copy()
        fitting.remedies.proven.update(group)
        try:
            while not (fits := fitting.fits()) and fitting.remedies.cuts == kept.cuts:
                pass
        except JobError:
            fits = False
        same = fitting.remedies.cuts == kept.cuts
        if fits and same and _pays(before, _weights(fitting.sizes)):
            solved = fitting.sizes
            if group is order:
                break
        else:
            fitting.remedies = kept
    fitting.sizes = solved


class _Weights(NamedTuple):
    """Counts by which two sizings of a graph are compared; fewer is cheaper."""

    tensors: int  # tensors that are computed: a fused product has no factors that are products
    bits: int  # bits of all tensors that are compared or otherwise taken apart
    repeated: int  # words of all tensors of steps and checks
    once: int  # words of all tensors of setup and finish


def _weights(sizes: Sizes) -> _Weights:
    bits, words = 0, [0, 0]
    for node in sizes.graph.nodes:
        if isinstance(node.op, Sized) and node.op.bitwise:
            bits += node.size * sum(sizes.room(x) for x in node.inputs)
        once = node.phase in (Phase.SETUP, Phase.FINISH)
        words[once] += node.size * limbs_for(sizes.needs.get(node, 0))
    return _Weights(len(sizes.needs), bits, *words)


def _pays(before: _Weights, after: _Weights) -> bool:
    """Whether proven ranges cost nothing but PROVEN_ONCE words in setup and finish."""
    allowed = before._replace(once=before.once + PROVEN_ONCE)
    return all(count <= most for count, most in zip(after, allowed, strict=True))


def _words(sizes: Sizes) -> int:
    """The words of all tensors, of one limb or two."""
    return sum(node.size * limbs_for(bits) for node, bits in sizes.needs.items())
