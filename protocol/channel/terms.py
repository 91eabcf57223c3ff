"""The terms of a connection: what it counts, how patient it is, what it tells while waiting, what
carries it.

Plain declarations, so that transports and users need not import the machinery of connection.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..wire.codec import DEFAULT_LIMITS, MessageLimits
from ..wire.messages import Buffer
from ..wire.reliable import Window

# why a listener that began after its caller was let in hangs up: it is another's
FORGOTTEN = "this process does not know the session any more"
DOWN = 1.0  # seconds that a goodbye waits for a link that is down to come back


GLUED = 1000


@dataclass(slots=True)
class Counters:
    """What crossed a connection. `bytes_*` are payload: the buffers of the session's messages, each
    once.

    `wire_bytes_*` are all frames handed to or taken from the transport, with headers, repeats and
    pings.
    """

    messages_sent: int = 0
    bytes_sent: int = 0
    messages_received: int = 0
    bytes_received: int = 0
    wire_bytes_sent: int = 0
    wire_bytes_received: int = 0
    control_sent: int = 0
    resent: int = 0
    duplicates: int = 0
    stale: int = 0  # of another link, an earlier instance or an earlier epoch
    reconnects: int = 0
    glued: int = (
        0  # messages passed over because frames stood behind them; they are asked for again
    )

    @property
    def wire_bytes(self) -> int:
        """In both directions."""
        return self.wire_bytes_sent + self.wire_bytes_received

    def forgives(self) -> bool:
        """Count a glued message; False once there are more than a network that changes bytes
        explains."""
        self.glued += 1
        return self.glued <= GLUED


@dataclass(frozen=True, slots=True)
class Waiting:
    """What `on_waiting` is told about once a second."""

    peer: str
    seconds: float  # since this wait began
    silent: float  # since anything at all was heard
    connected: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How patient and how generous a connection is. Seconds and bytes."""

    timeout: float = 60.0  # silence after which the peer is given up
    ping: float = 1.0  # idle time after which a sign of life is asked for
    window: Window = field(default_factory=Window)
    inbox_count: int = 4096  # received, and not yet taken by the user
    inbox_bytes: int = 1 << 30
    limits: MessageLimits = DEFAULT_LIMITS

    @property
    def renew(self) -> float:
        """Seconds of silence, or without an answer, after which whoever dialled tries a new TCP
        connection."""
        return self.timeout / 2


def weight(frames: Sequence[Buffer]) -> int:
    """Bytes of the frames of one message, of which the first is `bytes`."""
    if len(frames) == 1:
        return len(frames[0])
    return sum(memoryview(frame).nbytes for frame in frames)


class Transport(Protocol):
    """What moves frames for one connection."""

    def transmit(self, frames: Sequence[Buffer]) -> bool:
        """Take one message. False: not possible now; `Connection.writable` will be called when it
        may be."""

    def tick(self, now: float) -> None:
        """The time is `now` (seconds, of `monotonic`): do what is due. Called by the connection
        every `connection.TICK` seconds."""

    def look(self) -> None:
        """Deliver what has arrived, now. Called after every `transmit` not caused by a delivery."""

    def close(self) -> None:
        """Release what moves the frames. Nothing is transmitted or delivered any more."""
