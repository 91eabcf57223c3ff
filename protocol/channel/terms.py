"""The terms of a connection: its counters, its timeouts and limits, what it reports while it waits,
and what a transport must do for it.

Declarations alone, so that transports and users need not import connection.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..wire.codec import DEFAULT_LIMITS, MessageLimits
from ..wire.messages import Buffer
from ..wire.reliable import Window

# the reason that a listener gives when the session was accepted by an earlier process
FORGOTTEN = "this process does not know the session any more"
DOWN = 1.0  # seconds that `Connection.flush` waits for a link that is down
GLUED = 1000  # messages with frames glued to them that are dropped before the connection ends


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
    stale: int = 0  # of another link, an earlier instance or an earlier attempt
    reconnects: int = 0
    glued: int = 0  # messages dropped because foreign frames followed them; they are sent again

    @property
    def wire_bytes(self) -> int:
        """Bytes of all frames, sent and received."""
        return self.wire_bytes_sent + self.wire_bytes_received

    def forgives(self) -> bool:
        """Count a message with frames glued to it; False once they are more than GLUED, which no
        network that changes bytes explains."""
        self.glued += 1
        return self.glued <= GLUED


@dataclass(frozen=True, slots=True)
class Waiting:
    """The argument of `Connection.on_waiting`, called about once a second while a task waits."""

    peer: str
    seconds: float  # since this wait began
    silent: float  # seconds since the last frame from the peer
    connected: bool


@dataclass(frozen=True, slots=True)
class Options:
    """Timeouts and limits of a connection. Seconds and bytes."""

    timeout: float = 60.0  # silence of the peer after which the connection ends
    ping: float = 1.0  # silence after which a ping is sent
    window: Window = field(default_factory=Window)
    inbox_count: int = 4096  # messages received and not yet taken by the user, at most
    inbox_bytes: int = 1 << 30  # bytes of their payload, at most
    limits: MessageLimits = DEFAULT_LIMITS

    @property
    def renew(self) -> float:
        """Seconds of silence after which the side that connected opens a new TCP connection."""
        return self.timeout / 2


def weight(frames: Sequence[Buffer]) -> int:
    """Bytes of the frames of one message; the first frame is of type `bytes`."""
    if len(frames) == 1:
        return len(frames[0])
    return sum(memoryview(frame).nbytes for frame in frames)


class Transport(Protocol):
    """What moves the frames of one connection. It calls `Connection.arrived`, `opened`,
    `interrupted` and `ended`."""

    def transmit(self, frames: Sequence[Buffer]) -> bool:
        """Send the frames of one message. False: it cannot be sent now; `Connection.writable` is
        called when it may be."""

    def tick(self, now: float) -> None:
        """The time is `now` (seconds, of `monotonic`): do what is due. Called by the connection
        every `connection.TICK` seconds."""

    def look(self) -> None:
        """Deliver all messages that have arrived. Called after every `transmit` that was not made
        while one was delivered."""

    def close(self) -> None:
        """Release what moves the frames. Nothing is transmitted or delivered any more."""
