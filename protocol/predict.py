"""How long a run should take over given links: the prices of `cost`, applied to the plan's exact
counts and its schedule.

The dealer streams material in chunks while the rounds go on: the stream begins a round trip after
Bob has asked for it, and he waits where the next chunk has not arrived. `calibrated` measures the
work of the processes, by a short run over a fast link.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from .channel.shaping import LinkShape
from .cost import HEADER, Network, Pace, dealing_seconds, online_seconds
from .graph import Phase
from .plan import Plan


@dataclass(frozen=True)
class PredictedTime:
    """Seconds."""

    seconds: float  # of the online phase
    step_seconds: float  # of all iterations, and the checks between them
    waited_for_material: float


def predict(
    plan: Plan, peer: LinkShape, dealer: LinkShape | None = None, pace: Pace | None = None
) -> PredictedTime:
    """Seconds of the online phase over a link to the peer, and one from the dealer to Bob, by
    default one without latency or limit. pace: what the processes themselves need."""
    pace, dealer = pace or Pace(), dealer or LinkShape()
    network = Network(peer.rtt, peer.bandwidth, dealer.bandwidth, peer.jitter)
    ticks = np.array([online_seconds(cost, network, pace) for cost in plan.costs])
    phases, counts = plan.dealing.walk
    sizes = 8 * counts * np.array([own.dealt_words for own in plan.dealing.phases])[phases]
    each, which = np.unique(sizes, return_inverse=True)
    sending = np.array([size and dealing_seconds(size + HEADER, network, pace) for size in each])
    # Bob's credit has to get to the dealer first
    here = np.where(sizes > 0, dealer.rtt + np.cumsum(sending[which]), 0.0)
    online, own = phases != Phase.FINISH, ticks[phases] * counts
    before = np.cumsum(own[online]) - own[online]  # with no wait
    # the longest that any batch so far was late
    late = np.maximum.accumulate(np.maximum(here[online] - before, 0.0))
    begun, over = ((before + own[online] + late)[n] for n in (0, -1))  # of the steps
    last = max(0.0, float(here[~online].max()) - over)  # for what the finish needs
    return PredictedTime(
        float(over + last + ticks[Phase.FINISH]), float(over - begun), float(late[-1] + last)
    )


def calibrated(
    plan: Plan, seconds: float, peer: LinkShape, dealer: LinkShape, dealt: float
) -> Pace:
    """The pace at which all iterations take `seconds` over these links, and a byte `dealt` to the
    dealer."""
    pace = dataclasses.replace(Pace(), dealt=dealt)
    least = predict(plan, peer, dealer, pace.scaled(0.0)).step_seconds
    usual = predict(plan, peer, dealer, pace).step_seconds - least
    return pace.scaled(min(max((seconds - least) / usual, 0.1), 30.0)) if usual > 0 else pace
