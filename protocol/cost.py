"""What a program costs over a network: the price of a round, of a byte sent, of a byte dealt, and
of local work, in seconds.

In a round both parties send at the same time, and each goes on when it has the other's message. So
one party's message answers the other's, and a round takes half of a round trip:

    rtt/2  +  8·(bytes + HEADER) / bandwidth  +  jitter² / (12·rtt)  +  work of the processes

The dealer's stream is sent at the same time as the rounds. Over many steps, a step takes as long as
the slower of the two (`run_seconds`); which chunk has arrived when, `predict` computes.

Seconds are sums, products and quotients of doubles, in the order of the code here. So two parties
that are told the same network find the same cost, to the last bit, and choose the same by it.

*The term of jitter.* Let a and b be the times at which Alice and Bob begin a round, and d_A and d_B
by how much their messages take longer than rtt/2, uniform in ±jitter/2. Then the next round begins
at

    a' = max(a, b + rtt/2 + d_B)    b' = max(b, a + rtt/2 + d_A)

While D = a − b stays within ±rtt/2, the second argument is the larger one in both. Then the mean of
a' and b' is that of a and b, plus rtt/2, plus the mean of d_A and d_B, which is 0 on average:
jitter costs nothing. Meanwhile D' = δ − D with δ = d_B − d_A, of variance jitter²/6: a random walk.
At ±rtt/2, where one party has the other's message before it asks for it, the first argument is the
larger, and D is pushed back. A walk with steps of variance σ² between ends that are W apart is
pushed back by σ²/W a step on average, here jitter²/(6·rtt). One party's time grows by that, so the
mean of both by half of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from .contract import PhaseDealing
from .program import PhaseCode

HEADER = 34  # bytes of a round's message besides its payload


@dataclass(frozen=True)
class Network:
    """The links of a run: rtt and jitter between the parties, in seconds; bandwidth between them,
    and dealer_bandwidth from the dealer to Bob, in bits per second (0: unlimited).

    The default is a local network.
    """

    rtt: float = 0.0005
    bandwidth: float = 1e9
    dealer_bandwidth: float = 1e9
    jitter: float = 0.0

    def __str__(self) -> str:
        """The network as the options that state it."""
        rates = (
            (each and f"{each / 1e6:.12g}mbit") or "none"
            for each in (self.bandwidth, self.dealer_bandwidth)
        )
        return "rtt={:.12g}ms,bandwidth={},dealer-bandwidth={}".format(1e3 * self.rtt, *rates)

    @property
    def free(self) -> bool:
        """Whether the parties are on one machine."""
        return not (self.rtt or self.jitter or self.bandwidth)


LAN = Network()
LOOPBACK = Network(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Pace:
    """Seconds of a process's own work. The defaults are those of a typical machine."""

    round: float = 90e-6  # on one machine: two system calls, frames
    wake: float = 300e-6  # a round over a real link, besides: the waiting process is woken
    tensor: float = 10e-6  # a tensor that is opened or dealt: a few calls
    sent: float = 2e-9  # a byte sent: encryption, copies, kernels
    held: float = 0.5e-9  # a byte of material that has arrived: kernels
    dealt: float = 4e-9  # a byte dealt, at the dealer

    def scaled(self, factor: float) -> Pace:
        """The pace of a machine on which a party's work takes `factor` times as long."""
        own = ("round", "wake", "tensor", "sent", "held")
        return dataclasses.replace(self, **{name: getattr(self, name) * factor for name in own})


PACE = Pace()


@dataclass(frozen=True)
class PhaseCost:
    """Exact counts of one execution of a phase."""

    rounds: int
    sent: tuple[int, int]  # payload bytes by party
    dealt: int  # bytes to Bob
    # masks, and correlations: what takes a few calls each
    tensors: int = field(default=0, compare=False)

    @classmethod
    def of(cls, code: PhaseCode) -> PhaseCost:
        """The cost of the code of a phase: counted from its openings, masks and correlations."""
        dealing = PhaseDealing(tuple(code.masks), tuple(code.correlations))
        alice, bob = (
            sum(8 * o.field.words for o in code.openings if (1 - party) in o.learners)
            for party in (0, 1)
        )
        return cls(
            code.rounds,
            (alice, bob),
            8 * dealing.dealt_words,
            len(code.masks) + len(code.correlations),
        )


Costs = Sequence[tuple[PhaseCost, int]]  # of the phases of a run, and how often each is executed


def online_seconds(cost: PhaseCost, network: Network, pace: Pace = PACE) -> float:
    """Seconds of one execution of a phase whose material has arrived."""
    latency = network.rtt / 2 + (
        network.jitter * network.jitter / (12 * network.rtt) if network.rtt else 0.0
    )
    each = latency + pace.round + (0.0 if network.free else pace.wake)
    crossing = wire_seconds(sum(cost.sent) / 2 + cost.rounds * HEADER, network.bandwidth)
    local = cost.tensors * pace.tensor + max(cost.sent) * pace.sent + cost.dealt * pace.held
    return cost.rounds * each + crossing + local


def dealing_seconds(size: float, network: Network, pace: Pace = PACE) -> float:
    """Seconds in which `size` bytes are made and sent to Bob, one chunk after the other."""
    return max(size * pace.dealt, wire_seconds(size, network.dealer_bandwidth))


def run_seconds(phases: Costs, network: Network) -> float:
    """Seconds of a run: phases, and how often each is executed. Rounds and the dealer's stream take
    place at the same time."""
    return sum(
        times * max(online_seconds(cost, network), dealing_seconds(cost.dealt, network))
        for cost, times in phases
    )


def wire_seconds(size: float, bandwidth: float) -> float:
    """Seconds that `size` bytes take at `bandwidth` bits per second; 0 where that is 0, for
    unlimited."""
    return 8 * size / bandwidth if bandwidth else 0.0
