"""How long a plan should take over given links, from its exact counts.

In a round both parties send at once, and each goes on when the other's message is there. So a message of one
party answers one of the other, and a round costs half of what a message there and a message back cost:

    rtt / 2  +  8 · (bytes + header) / bandwidth  +  jitter² / (12 rtt)  +  what the processes need

The third term is what remains of jitter. A message's delay is on average that of the link, and it is not the
slower of two that counts, because nobody waits for his own. But the difference D between the parties' clocks
turns into δ − D, δ being the difference of two delays: a random walk between −rtt/2 and rtt/2, at whose ends
somebody stands still. With steps of variance jitter²/6 it is pushed back there by jitter²/(6 rtt) a round,
and half of that is lost to each.

The dealer's stream comes beside the rounds, in chunks: it begins a round trip after Bob asked for it, and he
stands still where the next chunk is not there yet. `Pace` is what the processes themselves need. Its defaults
are a typical machine's; `calibrated` measures it by a short run over a fast link.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .channel.shaping import Shape
from .graph import Phase
from .plan import Plan

HEADER = 34  # bytes of a round's message besides its payload


@dataclass(frozen=True)
class Pace:
    """What the processes themselves need, in seconds."""

    round: float = 90e-6  # on one machine: two system calls, frames, a few small kernels
    wake: float = 300e-6  # more, a round, over any real link: whoever waits has to be woken
    byte: float = 3e-9  # a byte sent or dealt, at a party: encryption, copies, kernels
    dealt: float = 4e-9  # a byte dealt, at the dealer

    def scaled(self, factor: float) -> Pace:
        """The same machine, slower at a party's work by `factor`."""
        return dataclasses.replace(self, round=self.round * factor, wake=self.wake * factor, byte=self.byte * factor)


@dataclass(frozen=True)
class Prediction:
    """Seconds."""

    seconds: float  # of the online phase
    step_seconds: float  # of all iterations, and the checks between them
    waited_for_material: float


def predict(plan: Plan, peer: Shape, dealer: Shape | None = None, pace: Pace | None = None) -> Prediction:
    """The online phase over a link to the peer, and one from the dealer to Bob (by default a perfect one)."""
    pace, dealer = pace or Pace(), dealer or Shape()
    ticks = [_once(plan, phase, peer, pace) for phase in Phase]
    now = waited = 0.0
    sent = dealer.rtt / 2  # when the dealer's link is free: Bob's credit has to get there first
    begun = last = 0.0  # when the steps begin; when what the finish needs is there
    for phase, _, count in plan.dealing.batches():
        size, here = 8 * count * plan.dealing.phases[phase].dealt_words, 0.0
        if size:
            sent += max(size * pace.dealt, _wire(size + HEADER, dealer))
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
    return Prediction(max(now, last) + ticks[Phase.FINISH], steps, waited)


def calibrated(plan: Plan, seconds: float, peer: Shape, dealer: Shape, dealt: float) -> Pace:
    """The pace at which all iterations take `seconds` over these links, and a byte `dealt` to the dealer."""
    pace = dataclasses.replace(Pace(), dealt=dealt)
    least = predict(plan, peer, dealer, pace.scaled(0.0)).step_seconds
    usual = predict(plan, peer, dealer, pace).step_seconds - least
    return pace.scaled(min(max((seconds - least) / usual, 0.1), 30.0)) if usual > 0 else pace


def _once(plan: Plan, phase: Phase, peer: Shape, pace: Pace) -> float:
    """Seconds of one step of a phase whose material is at hand."""
    cost = plan.costs[phase]
    latency = peer.rtt / 2 + (peer.jitter**2 / (12 * peer.rtt) if peer.rtt else 0.0)
    each = latency + pace.round + (0.0 if peer.free else pace.wake)
    crossing = _wire(sum(cost.sent) / 2 + cost.rounds * HEADER, peer)
    return cost.rounds * each + crossing + (max(cost.sent) + cost.dealt) * pace.byte


def _wire(size: float, link: Shape) -> float:
    return 8 * size / link.bandwidth if link.bandwidth else 0.0
