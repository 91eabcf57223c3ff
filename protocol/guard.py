"""The guard: values that leave the range which the plan takes them to stay in end a run.

A plan assumes ranges that nothing proves: those that a job states (`within`, trained variables),
those in which a function is fitted, and those that are likely where the proven range would cost
bits. A value beyond such a range may wrap around, and then looks like any other number.

So the parties count, on shares, the entries that lie outside, one count for each assumption, and
reveal the counts to both as `out_of_range`: those of values of the setup in the setup; those of
values of a step in every CHECK, for the step before it; those of values of the finish at the end. A
count that is not zero ends the run where it is revealed.

A range that the job declares holds for all of it: a value counts as outside only beyond the end of
the range, and what roundings add. A range that is likely is 64 deviations wide already. The ring
has room beyond every range, so that a value is counted on its way out, long before it wraps around.

Hides: each value is opened under a mask of the phase that counts it, so that no mask meets two
    values and every opening is uniform; then it is compared by the protocol of all comparisons. Of
    all this the counts alone are revealed, in the last message of their phase. They are zero as
    long as a run goes on, so a CHECK reveals nothing else than that it goes on.

The guard does not find a value that wraps around the whole ring within one step and comes to lie
inside its range again, nor one that leaves its range between two CHECKs and comes back. Variables
of which the ring would forget that they wrapped around are checked often enough (`lasting`).

*Revealed* tensors are compared with their ranges by the parties that learn them. What can be found
in the clear, by a party before it shares anything or in the float64 twin, `beforehand` finds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .fixedpoint import DECLARED
from .graph import Array, Phase, Terms
from .job import Job
from .lasting import forgotten
from .nodes import Carry, Node, Source, whole
from .ops import Secret, concatenate
from .ops.comparison import Compare
from .ops.ended import Ended
from .ops.statement import Within
from .ops.stored import Stored
from .ops.truncation import Rescale
from .origin import NOWHERE
from .ranges import EVERYTHING, Interval, Spread, common, inside
from .ring import WORD
from .sizing import WIDE_SIZE, Sizes
from .solver import size
from .variables import GUARDS
from .wording import counted

ADVICE = (
    "numbers that leave their range wrap around, and what is computed from them is no answer: bring"
    " the inputs to a common scale (standardise them), lower the rate of a training, or declare"
    f" wider ranges ({DECLARED}); --accept-out-of-range gives the results all the same"
)
LIKELY = (
    "which is likely, not proven: within(x, low, high) of it, a larger range_margin or integer_bits"
    " have the plan take a wider one"
)
# by how many times its range, at least, a value may leave it before it wraps around
WIDER = 16.0


@dataclass(frozen=True)
class Guard:
    """What is assumed of one tensor: that its `size` entries lie in `interval`."""

    what: str
    interval: Interval
    size: int
    exact: bool = False  # entries beyond `interval` by what roundings add count as outside, too
    abrupt: bool = False  # those by one unit in the last place, too
    elsewhere: str = ""  # what a job may use for values outside, in words

    def beyond(self, count: int) -> str:
        """The phrase that `count` of the entries lie outside, and what a job may do."""
        instead = f" ({self.elsewhere})" if self.elsewhere else ""
        return beyond(self.what, count, self.size, self.interval) + instead


Guards = Mapping[Phase, tuple[Guard, ...]]  # by the phase that reveals the counts, in their order


def beyond(what: str, count: int, size: int, interval: Interval) -> str:
    """The phrase that `count` of `size` entries of `what` lie outside `interval`. An entry that has
    wrapped around may be counted at both ends: a count above `size` is of at least half as many
    entries."""
    number = f"{count:,}" if count <= size else f"at least {min(size, -(-count // 2)):,}"
    entries = counted(size, "entry", "entries")
    return f"{what}: {number} of {entries} outside [{interval[0]:.6g}, {interval[1]:.6g}]"


def slack(interval: Interval, scale: int, proven: bool = False) -> float:
    """By how much roundings may lead beyond an end of a range: some units in the last place (at
    `scale` fraction bits), and a part of the range. More where the end is proven, as the operands
    that a value is computed from, and their roundings, may be larger than the value."""
    units, part = (2.0**6, 2.0**-4) if proven else (2.0**4, 2.0**-10)
    return units * 2.0**-scale + part * max(abs(end) for end in interval)


def guarded(sizes: Sizes, job: Job, steps: int) -> tuple[Sizes, Guards]:
    """The sizes of a copy of the graph that also counts the entries outside their ranges, and the
    guards by the phase that reveals their counts. steps: of the run. The same job's are kept."""
    result: tuple[Sizes, Guards] = sizes.once(
        ("guarded", job, steps), lambda: _guarded(sizes, job, steps)
    )
    return result


def _guarded(sizes: Sizes, job: Job, steps: int) -> tuple[Sizes, Guards]:
    found = _assumptions(sizes, job, steps)
    if not found:
        return sizes, {}
    graph, origin = sizes.graph.truncated({})
    twin = {node: made for made, node in origin.items()}
    forgetting = {sizes.graph.updated[label] for label in forgotten(sizes)}
    reach = _reach(sizes, found, forgetting)
    counts: dict[Phase, list[Secret]] = {}
    guards: dict[Phase, tuple[Guard, ...]] = {}
    for node, guard in found:
        graph.phase = Phase.CHECK if node.phase == Phase.STEP else node.phase
        told = Phase.FINISH if node.phase == Phase.FINISH or not steps else Phase.CHECK
        x = Secret(graph, graph.apply(Ended(), twin[node]))
        reached = -reach[node], reach[node]
        if node in forgetting:
            x._node.interval, x._node.spread = reached, Spread(reach[node], 0.0)
        else:
            x._node.interval = common(x._node.interval, reached)
        (low, high), proven = guard.interval, _proven(node, job)
        outside = []
        if not (guard.exact and proven[0] >= low):
            room = _room(sizes, node, guard, reach[node], low, low <= proven[0])
            outside.append(
                x._apply(Compare(low - room, fraction_bits=_grain(sizes, guard, room, low)))
            )
        if not (guard.exact and proven[1] <= high):
            room = _room(sizes, node, guard, reach[node], -high, high >= proven[1])
            grain = _grain(sizes, guard, room, high)
            outside.append(
                x._apply(Compare(high + room, inclusive=True, negated=True, fraction_bits=grain))
            )
        counts.setdefault(told, []).append(sum(outside[1:], start=outside[0]).sum().reshape((1,)))
        guards[told] = (*guards.get(told, ()), guard)
    for told, parts in counts.items():
        graph.revealed[GUARDS[told]] = concatenate(parts)._node
        graph.terms[GUARDS[told]] = Terms(told, (0, 1))
    result = size(graph, sizes.numerics, Rescale, [twin[node] for node in sizes.proven])
    stated = {
        node: limit for node, limit in result.assumed.items() if not isinstance(node.op, Ended)
    }
    return replace(result, assumed=stated), guards


def _grain(sizes: Sizes, guard: Guard, room: float, end: float) -> int | None:
    """The fraction bits at which a value is compared with `end`, so few that nothing inside is
    counted: the unit is a quarter of `room`, or that of the job's fraction bits; None: all."""
    if not guard.exact:
        return 3 - math.frexp(room)[1]
    f = sizes.numerics.fraction_bits
    return None if guard.abrupt or not math.ldexp(end, f).is_integer() else f


def _reach(
    sizes: Sizes, found: list[tuple[Node, Guard]], forgetting: set[Node]
) -> dict[Node, float]:
    """By node, up to which magnitude its value is told from one inside its range: as far as the
    plan's bits do; of a large tensor as far as one limb does, where that is far enough."""
    least: dict[Node, float] = {}
    for node, guard in found:
        likely = 2 * node.likely.mean + sizes.numerics.margin * node.likely.deviation
        least[node] = max(
            least.get(node, 0.0), likely, WIDER * max(abs(end) for end in guard.interval)
        )
    reach = {}
    for node, far in least.items():
        limb = math.nextafter(2.0 ** (WORD - 3 - sizes.scales[node]), 0.0)
        if node in forgetting:  # the larger this is, the rarer its checks may be
            reach[node] = max(sizes.limit(node), limb)
        elif node.size <= WIDE_SIZE:
            reach[node] = sizes.limit(node)
        else:
            reach[node] = min(max(far, limb), sizes.limit(node))
    return reach


def _room(
    sizes: Sizes, node: Node, guard: Guard, limit: float, inward: float, proven: bool
) -> float:
    """From how far beyond an end of its range a value is counted: so little that it is not taken
    for one beyond the other end.

    inward: the distance of this end from 0, where 0 lies outside the range. A value that is said to
    lie above 0, such as a divisor, is counted where it does not, however wide its range is, unless
    that is proven.
    """
    if guard.exact:
        return 0.0
    # values of fewer fraction bits than the job's have not been rounded
    scale = max(sizes.scales[node], sizes.numerics.fraction_bits)
    least = slack(guard.interval, scale)
    ring = 2.0 ** (math.frexp(limit)[1] + 1)
    room = min(slack(guard.interval, scale, proven), max(least, 0.9995 * ring - 2 * limit))
    return min(room, inward / 2) if inward > 0.0 and not proven else room


def _assumptions(sizes: Sizes, job: Job, steps: int) -> list[tuple[Node, Guard]]:
    """The nodes whose ranges are assumed and not proven, and a guard for each; without empty
    tensors, nodes that are never computed, and those that another guard covers."""
    graph = sizes.graph
    found: list[tuple[Node, Guard]] = []

    def guard(
        node: Node,
        interval: Interval,
        what: str,
        exact: bool = False,
        abrupt: bool = False,
        elsewhere: str = "",
    ) -> None:
        if (
            node.size == 0
            or (node.phase in (Phase.STEP, Phase.CHECK) and steps == 0)
            or sizes.base(node)[0] not in sizes.needs
        ):
            return
        all_of_it = whole(node)
        if all_of_it.size == node.size:
            node = all_of_it
        limit = sizes.limit(node)
        interval = common(interval, (-limit, limit))
        if not math.isfinite(interval[1] - interval[0]):
            return
        narrower = common(interval, node.interval)
        interval = narrower if narrower[0] <= narrower[1] and not exact else interval
        if not any(inside(other.interval, interval) for each, other in found if each is node):
            found.append((node, Guard(what, interval, node.size, exact, abrupt, elsewhere)))

    for node in graph.nodes:
        if node.op.domain != EVERYTHING and node in sizes.needs:
            (x,) = node.inputs
            what = f"the argument of {node.op.name} of shape {node.shape}{node.origin.beside}"
            if not inside(_proven(x, job), node.op.domain):
                guard(x, node.op.domain, what, True, node.op.abrupt, node.op.elsewhere)
    ranges = {node.op.label: node.interval for node in graph.nodes if isinstance(node.op, Carry)}
    for label in sorted(forgotten(sizes)):  # variables without a declared range, too
        if ranges.get(label, EVERYTHING) == EVERYTHING:
            limit = sizes.limit(graph.updated[label])
            ranges[label] = -limit, limit
    for label, node in graph.updated.items() if steps else ():
        if ranges.get(label, EVERYTHING) != EVERYTHING and not inside(node.interval, ranges[label]):
            guard(
                node,
                ranges[label],
                f"v.{label}{graph.origins.get(label, NOWHERE).beside}",
            )
    for node in graph.nodes:
        what = f"{node.op.name} of shape {node.shape}{node.origin.beside}"
        if node.declared != EVERYTHING and not inside(_proven(node, job), node.declared):
            guard(node, node.declared, what, elsewhere=node.elsewhere)
        if node in sizes.assumed:
            guard(node, (-sizes.assumed[node], sizes.assumed[node]), what, elsewhere=LIKELY)
    return found


def _proven(node: Node, job: Job) -> Interval:
    """The interval of a node that is proven without the job's statement about the node itself."""
    if node.declared == EVERYTHING:
        return node.interval
    match node.op:
        case Source(label=label):
            return job.inputs[label].low, job.inputs[label].high
        case Stored(low=low, high=high, proven=True):
            return low, high
        case Carry() | Stored():
            return EVERYTHING
        case Within():
            return node.inputs[0].interval
    return node.op.bounds(*node.inputs)


def revealed_range(sizes: Sizes, label: str) -> Interval:
    """The interval in which a revealed tensor is declared, proven or assumed to lie."""
    node = sizes.graph.revealed[label]
    limit = sizes.limit(node)
    return common(node.interval, (-limit, limit))


def judged(
    sizes: Sizes, guards: tuple[Guard, ...], counts: Array, results: Mapping[str, Array]
) -> tuple[str, ...]:
    """A phrase for each guard whose count is not zero, and for each result (arrays by name) with
    entries outside its range."""
    found = [guard.beyond(int(count)) for guard, count in zip(guards, counts, strict=True) if count]
    for label, array in results.items():
        interval = revealed_range(sizes, label)
        room = slack(interval, sizes.scales[sizes.graph.revealed[label]], proven=True)
        outside = int(
            np.count_nonzero(~((array >= interval[0] - room) & (array <= interval[1] + room)))
        )
        if outside:
            found.append(beyond(f"revealed {label}", outside, array.size, interval))
    return tuple(found)


def sentence(phrases: tuple[str, ...], most: int = 3) -> str:
    """One sentence with the first `most` of the phrases of `judged`, and what to do."""
    more = f", and {len(phrases) - most} more" if len(phrases) > most else ""
    return (
        f"values left the range that was assumed for them: {', '.join(phrases[:most])}{more};"
        f" {ADVICE}"
    )
