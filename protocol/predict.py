"""How long a plan should take over a given link, from its exact counts.

In a round both parties send at once and then wait: a round costs one one-way latency, the time its bytes need on the link, and
what both processes spend on it. The dealer's stream runs beside it and sets the pace where it is slower.
"""

from __future__ import annotations

from .channel.shaping import Shape
from .plan import Plan

ROUND_SECONDS = 90e-6  # two processes on one machine: wake-ups, frames, a few small kernels
WORK_BYTES = 1.2e9  # bytes a second of openings and dealt tensors that a core gets through


def predict(plan: Plan, peer: Shape, dealer: Shape | None = None) -> float:
    """Seconds of the online phase."""
    total = dealt = 0.0
    for cost, count in zip(plan.costs, (1, plan.dealing.steps, 1), strict=True):
        wire = 8 * max(cost.sent) / peer.bandwidth if peer.bandwidth else 0.0
        work = (max(cost.sent) + cost.dealt) / WORK_BYTES
        total += count * (cost.rounds * (peer.rtt / 2 + ROUND_SECONDS) + wire + work)
        dealt += count * cost.dealt
    stream = 8 * dealt / dealer.bandwidth if dealer is not None and dealer.bandwidth else 0.0
    return max(total, stream)
