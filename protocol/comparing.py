"""How many rounds comparisons take, chosen for a network: fewer rounds cost more dealt bytes.

Up to which size of tensors they take fewer is found by lowering the plan for one size after the
other. Where that saves less than EQUAL seconds of a run, they stay as they are. Two parties choose
alike, as for fraction bits (`choice`).
"""

from __future__ import annotations

from collections.abc import Callable

from .choice import EQUAL, SEARCHED
from .cost import LAN, Costs, Network, PhaseCost, online_seconds, run_seconds
from .graph import Phase
from .joins import Joins
from .ops.comparison import Test
from .sizing import Sizes

MOST_SIZES = 4  # sizes of compared tensors for which a plan is lowered
FEWER = 3  # rounds that a comparison may save


def choose_joins(sizes: Sizes, network: Network, costs: Callable[[Joins], Costs]) -> Joins:
    """Up to which sizes comparisons take fewer rounds, so that a run takes the least time.
    costs(joins): those of a run whose plan is lowered with `joins`.

    For LAN, the default network, no sizes: rounds cost little there, and the fewest dealt bytes
    suit any dealer.
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
    """The sizes, in elements, of the largest few tensors that are compared, in ascending order.
    phases: gets the number of comparisons by phase."""
    found: set[int] = set()
    for node in sizes.graph.nodes:
        if isinstance(node.op, Test):
            found.add(node.inputs[0].size)
            if phases is not None:
                phases[node.phase] = phases.get(node.phase, 0) + 1
    return sorted(found)[-MOST_SIZES:]
