"""How long a plan should take over given links, from its exact counts: `cost.py` applied to its
schedule.

The dealer's stream comes beside the rounds, in chunks: it begins a round trip after Bob asked for
it, and he stands still where the next chunk is not there yet. `calibrated` measures, by a short run
over a fast link, what the processes themselves need.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

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
    """The online phase over a link to the peer, and one from the dealer to Bob (by default a
    perfect one)."""
    pace, dealer = pace or Pace(), dealer or LinkShape()
    network = Network(peer.rtt, peer.bandwidth, dealer.bandwidth, peer.jitter)
    ticks = [online_seconds(cost, network, pace) for cost in plan.costs]
    now = waited = 0.0
    sent = dealer.rtt / 2  # when the dealer's link is free: Bob's credit has to get there first
    begun = last = 0.0  # when the steps begin; when what the finish needs is there
    for phase, _, count in plan.dealing.batches():
        size, here = 8 * count * plan.dealing.phases[phase].dealt_words, 0.0
        if size:
            sent += dealing_seconds(size + HEADER, network, pace)
            here = sent + dealer.rtt / 2
        if phase == Phase.FINISH:
            last = here
            continue
        waited += max(0.0, here - now)
        now = max(now, here) + count * ticks[phase]
        if phase == Phase.SETUP:
            begun = now
    steps = now - begun
    waited += max(0.0, last - now)
    return PredictedTime(max(now, last) + ticks[Phase.FINISH], steps, waited)


def calibrated(
    plan: Plan, seconds: float, peer: LinkShape, dealer: LinkShape, dealt: float
) -> Pace:
    """The pace at which all iterations take `seconds` over these links, and a byte `dealt` to the
    dealer."""
    pace = dataclasses.replace(Pace(), dealt=dealt)
    least = predict(plan, peer, dealer, pace.scaled(0.0)).step_seconds
    usual = predict(plan, peer, dealer, pace).step_seconds - least
    return pace.scaled(min(max((seconds - least) / usual, 0.1), 30.0)) if usual > 0 else pace
