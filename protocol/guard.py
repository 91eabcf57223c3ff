"""Values that leave the range which they are taken to stay in are noticed, while a run goes on.

A plan assumes ranges that nothing proves: those that a job states (`within`, trained variables),
those where a function is fitted, those that are likely where the proven range would cost bits.
Beyond them numbers wrap around, and look like numbers.

*The guard* counts, on shares, the entries that are outside, one count an assumption, and reveals
the counts to both parties as `out_of_range`. Values of the setup are counted there, values of a
step by every CHECK (those of the step before it), values of the finish at the end. A count that is
not zero ends the run where it is revealed.

What counts as outside is what the user would call so: a value may lie anywhere in a range that the
job declares, up to what roundings add, and no range is halved to have a margin. Ranges that are
assumed from what is likely have a margin of 64 in them already, and the ring has room beyond every
range, so that a value is seen on its way out long before it wraps around.

Hides: each value is opened under a mask of the phase that looks at it, so no mask meets two values,
    and every opening is uniform whatever the value is; it is compared as any comparison compares.
    Of all that, the counts alone are revealed, in the last message of their phase. They are zeros
    as long as a run goes on, so a CHECK reveals nothing but that it goes on.

It cannot see a value that wraps around the whole ring within a step and comes to lie inside its
range again, nor one that leaves its range between two CHECKs and comes back. What would do so in
silence, because the ring forgets it, is checked before it can (`lasting.py`).

*What is revealed* is compared with its range by whoever learns it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from .ancestry import made_of
from .domains import fits, left, phrase
from .fixedpoint import DECLARED
from .graph import Array, Graph, Phase, Terms
from .job import Job
from .lasting import forgotten
from .nodes import Carry, Leaf, Node, Source, whole
from .ops import Secret, concatenate
from .ops.comparison import Compare
from .ops.ended import Ended
from .ops.statement import Within
from .ops.stored import Stored
from .ops.truncation import Rescale
from .origin import NOWHERE
from .ranges import EVERYTHING, Interval, Spread
from .ring import WORD
from .sizing import WIDE_SIZE, Sizes
from .solver import size
from .variables import GUARDS
from .views import Rows
from .wording import counted

FEW = 16  # nodes that are computed in the clear to see what a function is taken of
ADVICE = (
    "numbers that leave their range wrap around, and what is computed from them is no answer: bring"
    " the inputs to a common scale (standardise them), lower the rate of a training, or declare"
    f" wider ranges ({DECLARED}); --accept-out-of-range gives the results all the same"
)
LIKELY = (
    "which is likely, not proven: within(x, low, high) of it, a larger range_margin or integer_bits"
    " have the plan take a wider one"
)


# times its range: so far, at least, the ring tells a value that has left it from one inside
WIDER = 16.0


@dataclass(frozen=True)
class Guard:
    """What is assumed of one tensor: that its `size` entries lie in `interval`."""

    what: str
    interval: Interval
    size: int
    exact: bool = False  # roundings may not lead out of it
    abrupt: bool = False  # … not even the smallest
    elsewhere: str = ""  # what takes values outside, in words

    def beyond(self, count: int) -> str:
        """The sentence that says that `count` of the entries lie outside."""
        instead = f" ({self.elsewhere})" if self.elsewhere else ""
        return beyond(self.what, count, self.size, self.interval) + instead


Guards = Mapping[Phase, tuple[Guard, ...]]  # by the phase that reveals the counts, in their order


def beyond(what: str, count: int, size: int, interval: Interval) -> str:
    """A phrase for it. An entry that has wrapped may count at both ends of its range: a count above
    `size` is at least half of it."""
    number = f"{count:,}" if count <= size else f"at least {min(size, -(-count // 2)):,}"
    entries = counted(size, "entry", "entries")
    return f"{what}: {number} of {entries} outside [{interval[0]:.6g}, {interval[1]:.6g}]"


def slack(interval: Interval, scale: int, proven: bool = False) -> float:
    """What roundings may add to an end of a range: units in the last place, and a part of the
    range. More where the end is proven: what a value is made of may be larger than the value, and
    so may its roundings."""
    units, part = (2.0**6, 2.0**-4) if proven else (2.0**4, 2.0**-10)
    return units * 2.0**-scale + part * max(abs(end) for end in interval)


def guarded(sizes: Sizes, job: Job, steps: int) -> tuple[Sizes, Guards]:
    """The same graph, in a copy that also counts the entries that have left their ranges; and what
    is counted."""
    found = _assumptions(sizes, job, steps)
    if not found:
        return sizes, {}
    graph, origin = sizes.graph.truncated({})
    twin = {node: made for made, node in origin.items()}
    forgetting = {sizes.graph.updated[label] for label in forgotten(sizes.graph)}
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
            x._node.interval = _common(x._node.interval, reached)
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
    """How many fraction bits are looked at, so that nothing inside is counted: those of the job, or
    what a quarter of the room is."""
    if not guard.exact:
        return 3 - math.frexp(room)[1]
    f = sizes.numerics.fraction_bits
    return None if guard.abrupt or not math.ldexp(end, f).is_integer() else f


def _reach(
    sizes: Sizes, found: list[tuple[Node, Guard]], forgetting: set[Node]
) -> dict[Node, float]:
    """How far the ring tells a value from one inside its range: of a large tensor as far as one
    limb does, if that is far enough."""
    least: dict[Node, float] = {}
    for node, guard in found:
        likely = 2 * node.likely.mean + sizes.numerics.margin * node.likely.deviation
        least[node] = max(
            least.get(node, 0.0), likely, WIDER * max(abs(end) for end in guard.interval)
        )
    reach = {}
    for node, far in least.items():
        limb = math.nextafter(2.0 ** (WORD - 3 - sizes.scales[node]), 0.0)
        if node in forgetting:  # the further, the rarer its checks may be
            reach[node] = max(sizes.limit(node), limb)
        elif node.size <= WIDE_SIZE:
            reach[node] = sizes.limit(node)
        else:
            reach[node] = min(max(far, limb), sizes.limit(node))
    return reach


def _room(
    sizes: Sizes, node: Node, guard: Guard, limit: float, inward: float, proven: bool
) -> float:
    """How far beyond an end of its range a value is counted: no further than the ring tells from
    the other end.

    inward: by how much the end lies on the range's side of 0. What is said to lie above 0, as a
    divisor, is counted where it does not, however wide its range is, unless it is proven.
    """
    if guard.exact:
        return 0.0
    # what is coarser has not been rounded
    scale = max(sizes.scales[node], sizes.numerics.fraction_bits)
    least = slack(guard.interval, scale)
    ring = 2.0 ** (math.frexp(limit)[1] + 1)
    room = min(slack(guard.interval, scale, proven), max(least, 0.9995 * ring - 2 * limit))
    return min(room, inward / 2) if inward > 0.0 and not proven else room


def _assumptions(sizes: Sizes, job: Job, steps: int) -> list[tuple[Node, Guard]]:
    """What must hold of which node and is not proven, as far as it ever has a value."""
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
        interval = _common(interval, (-limit, limit))
        if not math.isfinite(interval[1] - interval[0]):
            return
        narrower = _common(interval, node.interval)
        interval = narrower if narrower[0] <= narrower[1] and not exact else interval
        if not any(_inside(other.interval, interval) for each, other in found if each is node):
            found.append((node, Guard(what, interval, node.size, exact, abrupt, elsewhere)))

    for node in graph.nodes:
        if node.op.domain != EVERYTHING and node in sizes.needs:
            (x,) = node.inputs
            what = f"the argument of {node.op.name} of shape {node.shape}{node.origin.beside}"
            if not _inside(_proven(x, job), node.op.domain):
                guard(x, node.op.domain, what, True, node.op.abrupt, node.op.elsewhere)
    ranges = {node.op.label: node.interval for node in graph.nodes if isinstance(node.op, Carry)}
    for label in sorted(forgotten(graph)):  # that are declared nowhere, and that nothing reads
        if ranges.get(label, EVERYTHING) == EVERYTHING:
            limit = sizes.limit(graph.updated[label])
            ranges[label] = -limit, limit
    for label, node in graph.updated.items() if steps else ():
        if ranges.get(label, EVERYTHING) != EVERYTHING and not _inside(
            node.interval, ranges[label]
        ):
            guard(
                node,
                ranges[label],
                f"v.{label}{graph.origins.get(label, NOWHERE).beside}",
            )
    for node in graph.nodes:
        what = f"{node.op.name} of shape {node.shape}{node.origin.beside}"
        if node.declared != EVERYTHING and not _inside(_proven(node, job), node.declared):
            guard(node, node.declared, what, elsewhere=node.elsewhere)
        if node in sizes.assumed:
            guard(node, (-sizes.assumed[node], sizes.assumed[node]), what, elsewhere=LIKELY)
    return found


def _proven(node: Node, job: Job) -> Interval:
    """What is known of a node's values without a word of the job about this node."""
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


def _common(a: Interval, b: Interval) -> Interval:
    return max(a[0], b[0]), min(a[1], b[1])


def _inside(a: Interval, b: Interval) -> bool:
    return b[0] <= a[0] and a[1] <= b[1]


def refused(graph: Graph, party: int, inputs: Mapping[str, Array], steps: int) -> str:
    """A phrase for what a party brings, or makes of that alone, and a function of the job is not
    made for: it finds that before it shares anything. "" where there is none.

    Of minibatches, those of the first epoch are looked at.
    """
    for node in graph.nodes:
        made = sorted(made_of(node, FEW), key=attrgetter("order")) if node.elsewhere else []
        if len(made) > FEW:
            continue
        sources = {each.op for each in made if isinstance(each.op, Leaf)}
        if not made or not all(isinstance(op, Source) and op.owner == party for op in sources):
            continue
        epoch = max(
            (
                -(-each.op.view.total // each.op.view.shape[0])
                for each in made
                if isinstance(each.op.view, Rows)
            ),
            default=1,
        )
        values = np.concatenate(
            [
                _clear(made, inputs, step).ravel()
                for step in range(min(epoch, steps) if node.phase == Phase.STEP else 1)
            ]
            or [np.zeros(0)]
        )
        if (bad := left(values, node.declared)).any():
            names = ", ".join(sorted(op.label for op in sources if isinstance(op, Source)))
            return (
                f"{names}, of which a function is taken{node.origin.beside}:"
                f" {phrase(values[bad], node.declared, values.size)}; {node.elsewhere}"
            )
    return ""


def watcher(graph: Graph) -> Callable[[Node, Mapping[Node, Array]], None]:
    """What a twin in the clear is watched by: OutOfRangeError for values beyond what the job says
    of them, or a function of them is fitted for, where float64 goes on and the run would end."""
    stays: dict[Node, list[tuple[str, Node, Interval, str]]] = {}
    for node in graph.live():
        where = f"{node.op.name} of shape {node.shape}{node.origin.beside}"
        domain, instead = node.op.domain, node.op.elsewhere
        found = stays.setdefault(node, [])
        if node.inputs and not _inside(node.inputs[0].interval, domain):
            suffix = f" ({instead})" if instead else ""
            found.append((f"the argument of {where}", node.inputs[0], domain, suffix))
        if node.stated and node.declared != EVERYTHING:
            found.append((where, node, node.declared, ", as the job says"))

    def watch(node: Node, values: Mapping[Node, Array]) -> None:
        for what, x, (low, high), suffix in stays.get(node, ()):
            instead = f"it must stay in [{low:.6g}, {high:.6g}]{suffix}"
            fits(what, values[x], (low, high), instead)

    return watch


def _clear(made: list[Node], inputs: Mapping[str, Array], step: int) -> Array:
    values: dict[Node, Array] = {}
    for node in made:
        values[node] = (
            np.asarray(inputs[node.op.label], np.float64)
            if isinstance(node.op, Leaf)
            else node.op.clear(step, *(values[use] for use in node.inputs))
        )
    return values[made[-1]]


def revealed_range(sizes: Sizes, label: str) -> Interval:
    """What a revealed tensor is declared, proven or assumed to lie in."""
    node = sizes.graph.revealed[label]
    limit = sizes.limit(node)
    return _common(node.interval, (-limit, limit))


def judged(
    sizes: Sizes, guards: tuple[Guard, ...], counts: Array, results: Mapping[str, Array]
) -> tuple[str, ...]:
    """What the counts of the guards, and the results themselves, say of values that left their
    range, a phrase each."""
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
    """One sentence of what `judged` found."""
    more = f", and {len(phrases) - most} more" if len(phrases) > most else ""
    return (
        f"values left the range that was assumed for them: {', '.join(phrases[:most])}{more};"
        f" {ADVICE}"
    )
