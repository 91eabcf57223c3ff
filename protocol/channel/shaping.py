"""A slower link than the real one: round-trip time, jitter and bandwidth, for experiments that need
no root.

The model has one `Link` for each direction, at the sender. A message of n bytes offered at time t

    leaves the bottleneck at   free = max(t, free) + 8·n / bandwidth
    and arrives at             free + rtt/2 + u,   u uniform in ±jitter/2,

but never before an earlier message (first in, first out, as in TCP). Both directions together add
rtt ± jitter. Each end delays what it sends, so both ends are given the same shape.

The model is pure and exact. `Delay` alone touches the event loop: it wakes within a tenth of a
millisecond by a timer descriptor where the system has one (`alarm`), and never spins. Without a
shape none of this is reached.

A large message also takes time on the real link, which would be added to the model's. So it is sent
ahead of its time, announced by a HOLD, and the receiving end holds it back (`Held`) until a second
HOLD says that it is due: only that small message has to be on time.
"""

from __future__ import annotations

import asyncio
import collections
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, ProtocolError
from ..wire.messages import Buffer
from .alarm import Alarm
from .terms import Transport, weight

AHEAD = 32 << 10  # bytes; larger messages are sent before they are due


@dataclass(frozen=True, slots=True)
class LinkShape:
    """`rtt` and `jitter` in seconds, `bandwidth` in bits per second (0: unlimited)."""

    rtt: float = 0.0
    jitter: float = 0.0
    bandwidth: float = 0.0

    @property
    def free(self) -> bool:
        """Whether this is the real link, unchanged."""
        return not (self.rtt or self.jitter or self.bandwidth)

    def __str__(self) -> str:
        """In the notation that `parse_shape` reads."""
        parts = [
            f"{name}={value * 1000:g}ms"
            for name, value in (("rtt", self.rtt), ("jitter", self.jitter))
            if value
        ]
        if self.bandwidth:
            parts.append(f"bandwidth={self.bandwidth / 1e6:g}mbit")
        return ",".join(parts) or "none"


PROFILES: dict[str, LinkShape] = {
    "none": LinkShape(),
    "lan": LinkShape(0.0005, 0.0001, 1e9),
    "metro": LinkShape(0.005, 0.0005, 1e9),
    "continent": LinkShape(0.040, 0.002, 200e6),
    "ocean": LinkShape(0.100, 0.005, 100e6),
    "mobile": LinkShape(0.060, 0.020, 20e6),
}

_TIME = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_RATE = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([a-z]+)")


def parse_shape(text: str) -> LinkShape:
    """`rtt=40ms,jitter=5ms,bandwidth=100mbit`, any of the three; or a profile, changed by any of
    the three.

    ConfigError says what is wrong.
    """
    found: dict[str, float] = {}
    base = LinkShape()
    for index, part in enumerate(text.strip().lower().split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            if index or name not in PROFILES:
                raise ConfigError(
                    f"a link is one of {', '.join(PROFILES)}, or like"
                    f" rtt=40ms,jitter=5ms,bandwidth=100mbit; {part.strip()!r} is neither"
                )
            base = PROFILES[name]
            continue
        if name not in ("rtt", "jitter", "bandwidth"):
            raise ConfigError(f"a link has rtt, jitter and bandwidth; {name!r} is none of them")
        if name in found:
            raise ConfigError(f"{name} of a link is given twice")
        found[name] = _quantity(name, value, _RATE if name == "bandwidth" else _TIME)
    shape = LinkShape(
        found.get("rtt", base.rtt),
        found.get("jitter", base.jitter),
        found.get("bandwidth", base.bandwidth),
    )
    if shape.jitter > shape.rtt:
        raise ConfigError(f"the jitter of a link, {shape.jitter * 1000:g}ms, cannot exceed its rtt")
    if shape.rtt > 60:
        raise ConfigError(f"an rtt of {shape.rtt:g} seconds is beyond the limit of a minute")
    return shape


def _quantity(name: str, text: str, units: dict[str, float]) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None or match[2] not in units:
        raise ConfigError(
            f"{name} of a link is a number with one of the units {', '.join(units)}, not {text!r}"
        )
    value = float(match[1]) * units[match[2]]
    if name == "bandwidth" and value < 1000:
        raise ConfigError("the bandwidth of a link is at least 1kbit")
    return value


class Link:
    """One direction of a shaped link. Times are the caller's clock, in seconds."""

    __slots__ = ("_free", "_last", "_random", "shape")

    def __init__(self, shape: LinkShape, seed: int | None = None) -> None:
        self.shape = shape
        self._free = -math.inf
        self._last = -math.inf
        self._random = random.Random(seed)  # noqa: S311  (weather, not a secret)

    @property
    def busy_until(self) -> float:
        """The time at which the last message offered so far arrives."""
        return self._last

    def depart(self, now: float, size: int) -> float:
        """Offer a message of `size` bytes at time `now`. Returns the time at which it arrives."""
        shape = self.shape
        free = max(now, self._free)
        if shape.bandwidth:
            free += 8 * size / shape.bandwidth
        self._free = free
        arrival = free + shape.rtt / 2
        if shape.jitter:
            arrival += shape.jitter / 2 * self._random.uniform(-1, 1)
        self._last = max(arrival, self._last, now)
        return self._last


class Delay:
    """Calls `deliver` with each item when it has crossed a `Link`, in order."""

    def __init__(self, shape: LinkShape, deliver: Callable[[Any], None]) -> None:
        self.link = Link(shape)
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._queue: collections.deque[tuple[float, Any]] = collections.deque()
        self._alarm = Alarm(self._due)

    def put(self, item: Any, size: int) -> None:
        """Have `item` delivered when a message of `size` bytes that is offered now arrives."""
        when = self.link.depart(self._alarm.now(), size)
        self._queue.append((when, item))
        if len(self._queue) == 1:
            self._alarm.set(when)

    def crossing(self) -> float:
        """Seconds until all that was offered has crossed, and 0.005 more."""
        return max(0.0, self.link.busy_until - self._alarm.now()) + 0.005

    def close(self) -> None:
        """Deliver nothing more."""
        self._queue.clear()
        self._alarm.close()

    def _due(self) -> None:
        queue = self._queue
        while queue and queue[0][0] <= self._alarm.now():
            self._deliver(queue.popleft()[1])
        if queue:
            self._alarm.set(queue[0][0])


class Slow(Transport):
    """A transport whose messages first cross a modelled link. hold(due): the frames of a HOLD for
    the message that is being sent: that it is due, or that it is sent ahead."""

    def __init__(
        self, transport: Transport, shape: LinkShape, hold: Callable[[bool], list[Buffer]]
    ) -> None:
        self._transport, self._hold = transport, hold
        self._delay = Delay(shape, self._deliver)

    def transmit(self, frames: Sequence[Buffer]) -> bool:
        size = weight(frames)
        if size <= AHEAD:
            self._delay.put(frames, size)
        else:
            self._delay.put(self._hold(True), size)
            if self._transport.transmit(self._hold(False)):
                self._transport.transmit(frames)
        return True

    def tick(self, now: float) -> None:
        self._transport.tick(now)

    def look(self) -> None:
        self._transport.look()

    def crossing(self) -> float:
        """Seconds until all that was sent has crossed the modelled link."""
        return self._delay.crossing()

    def close(self) -> None:
        self._delay.close()
        self._transport.close()

    def _deliver(self, frames: Sequence[Buffer]) -> None:
        if self._transport.transmit(frames):
            self._transport.look()


class Held:
    """The receiving end: messages that have come ahead of their time on the modelled link, at most
    `most` of them."""

    __slots__ = ("_most", "_queue", "next")

    def __init__(self, most: int) -> None:
        self._most = most
        self.next = False  # whether the next message comes ahead of its time
        self._queue: collections.deque[tuple[int, Any]] = collections.deque()

    def keep(self, seq: int, item: Any) -> None:
        """Hold back a message that was sent ahead of its time; seq: its number. ProtocolError when
        more are held back than were to be."""
        self.next = False
        if len(self._queue) >= self._most:
            raise ProtocolError(f"more than {self._most} messages that are to be held back")
        self._queue.append((seq, item))

    def due(self, seq: int) -> list[Any]:
        """Handle a HOLD with number `seq`: the messages up to that number, which are due now; or
        none, where it is 0: then the next message is to be held back."""
        self.next = not seq
        found = []
        while self._queue and self._queue[0][0] <= seq:
            found.append(self._queue.popleft()[1])
        return found

    def clear(self) -> None:
        """The link has broken: drop all messages, as the peer sends them again."""
        self.next = False
        self._queue.clear()
