"""What a program takes over a network: the one price of a round, of a byte sent, of a byte dealt,
and of local work.

In a round both parties send at once, and each goes on when the other's message is there. So a
message of one party answers one of the other, and a round costs half of what a message there and a
message back cost:

    rtt / 2  +  8 · (bytes + header) / bandwidth  +  jitter² / (12 rtt)  +  what the processes need

The third term is what remains of jitter. A message's delay is on average that of the link, and it
is not the slower of two that counts, because nobody waits for his own. But the difference D between
the parties' clocks turns into δ − D, δ being the difference of two delays: a random walk between
−rtt/2 and rtt/2, at whose ends somebody stands still. With steps of variance jitter²/6 it is pushed
back there by jitter²/(6 rtt) a round, and half of that is lost to each.

The dealer's stream comes beside the rounds. In the long run a step takes as long as the slower of
the two (`run_seconds`); when which chunk is there is a matter of the schedule (`predict.py`).

Seconds are sums, products and quotients of doubles, in an order that is written here. So two
parties that are told the same network find the same cost, to the last bit, and what they choose by
it is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field

from .contract import PhaseDealing
from .program import PhaseCode

HEADER = 34  # bytes of a round's message besides its payload


@dataclass(frozen=True)
class Network:
    """`rtt` and `jitter` in seconds, bandwidths in bits per second (0: unlimited): between the
    parties, and from the dealer to Bob.

    The default is what a local network gives.
    """

    rtt: float = 0.0005
    bandwidth: float = 1e9
    dealer_bandwidth: float = 1e9
    jitter: float = 0.0

    def __str__(self) -> str:
        """As the options that name it are given."""
        rates = (
            (each and f"{each / 1e6:.12g}mbit") or "none"
            for each in (self.bandwidth, self.dealer_bandwidth)
        )
        return "rtt={:.12g}ms,bandwidth={},dealer-bandwidth={}".format(1e3 * self.rtt, *rates)

    @property
    def free(self) -> bool:
        """Is there nothing but one machine between the parties?"""
        return not (self.rtt or self.jitter or self.bandwidth)


LAN = Network()
LOOPBACK = Network(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Pace:
    """What the processes themselves need, in seconds. The defaults are a typical machine's."""

    round: float = 90e-6  # on one machine: two system calls, frames
    wake: float = 300e-6  # more, a round, over any real link: whoever waits has to be woken
    tensor: float = 10e-6  # a tensor that is opened or dealt: a few calls
    sent: float = 2e-9  # a byte sent: encryption, copies, kernels
    held: float = 0.5e-9  # a byte of material that is at hand: kernels
    dealt: float = 4e-9  # a byte dealt, at the dealer

    def scaled(self, factor: float) -> Pace:
        """The same machine, slower at a party's work by `factor`."""
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


def online_seconds(cost: PhaseCost, network: Network, pace: Pace = PACE) -> float:
    """Of one execution of a phase whose material is at hand."""
    latency = network.rtt / 2 + (
        network.jitter * network.jitter / (12 * network.rtt) if network.rtt else 0.0
    )
    each = latency + pace.round + (0.0 if network.free else pace.wake)
    crossing = wire_seconds(sum(cost.sent) / 2 + cost.rounds * HEADER, network.bandwidth)
    local = cost.tensors * pace.tensor + max(cost.sent) * pace.sent + cost.dealt * pace.held
    return cost.rounds * each + crossing + local


def dealing_seconds(size: float, network: Network, pace: Pace = PACE) -> float:
    """Of `size` bytes that are made and sent to Bob, one chunk behind the other."""
    return max(size * pace.dealt, wire_seconds(size, network.dealer_bandwidth))


def run_seconds(phases: Iterable[tuple[PhaseCost, int]], network: Network) -> float:
    """Of a run: phases, and how often each is executed. Both the rounds and the dealer's stream go
    on all the time."""
    return sum(
        times * max(online_seconds(cost, network), dealing_seconds(cost.dealt, network))
        for cost, times in phases
    )


def wire_seconds(size: float, bandwidth: float) -> float:
    """Seconds that `size` bytes take at `bandwidth` bits per second; 0 where that is 0, for
    unlimited."""
    return 8 * size / bandwidth if bandwidth else 0.0
