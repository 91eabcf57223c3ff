"""Exactly once and in order, between two process instances, over a link that may drop, repeat,
reorder or be cut.

Every numbered message has a sequence number (1, 2, 3 …). Every header, numbered or not, carries the
highest number received without a gap (`ack`). An unnumbered header carries the last number sent, so
that whoever reads it learns of a gap. Sent messages are retained until acknowledged; sending again
is moving `handed` back ("go back n").

    sender     acked ≤ handed ≤ sent   handed: passed to the transport since it was last (re)opened
    receiver   received                only received + 1 is acceptable; anything else is dropped

In lockstep traffic each reply carries the acknowledgement, and this adds no message of its own. In
a one-way stream the receiver owes an acknowledgement after `ACK_COUNT` messages or `ACK_BYTES` (but
never after a single message, which its own reply will acknowledge), or after one whole tick.

Pure: no socket, no frames, no clock of its own (`tick` is told the time). A new instance on either
    side is a new link number and a new object; headers with another link number never get here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Flag, auto
from typing import Generic, TypeVar

from ..errors import LinkError, ProtocolError

ACK_COUNT = 64
ACK_BYTES = 1 << 20

T = TypeVar("T")


class Due(Flag):
    """Unnumbered messages that `Reliable.tick` asks the link to send."""

    NOTHING = 0
    ACK = auto()  # tell the peer what arrived
    NUDGE = auto()  # something is missing: ask for it
    PROBE = auto()  # no acknowledgement for a while: ask whether it arrived


@dataclass(frozen=True, slots=True)
class Window:
    """How many messages, and bytes of them, may be sent and not acknowledged. One message alone may
    exceed `size`."""

    count: int = 1024
    size: int = 256 << 20  # bytes
    stall: float = (
        1.0  # seconds without progress before a probe, and between two nudges for one gap
    )


class Reliable(Generic[T]):
    """Sequence numbers, acknowledgements and retained messages of both directions of one link. T:
    what the caller needs to send a message again."""

    __slots__ = (
        "_last_nudge",
        "_nudged_at",
        "_owed_bytes",
        "_owed_count",
        "_owed_tick",
        "_progress",
        "_retained",
        "_stalled_at",
        "_window",
        "acked",
        "ceiling",
        "duplicates",
        "gap",
        "handed",
        "received",
        "resent",
        "retained_bytes",
        "sent",
        "told",
    )

    def __init__(self, window: Window | None = None) -> None:
        self._window = window or Window()
        self._retained: deque[tuple[T, int]] = deque()
        self.retained_bytes = 0
        self.sent = 0
        self.acked = 0
        self.handed = 0
        self.ceiling = 0  # highest number ever handed to the transport
        self.received = 0
        self.told = 0  # the highest acknowledgement that was sent
        self.duplicates = 0
        self.resent = 0
        self.gap = False
        self._owed_count = 0
        self._owed_bytes = 0
        self._owed_tick = -1
        self._progress = -1
        self._stalled_at = 0.0
        self._last_nudge = -1
        self._nudged_at = 0.0

    # ── sending ───────────────────────────────────────────────────────────────────────────────────

    def enqueue(self, item: T, size: int) -> int:
        """Retain an outgoing message of `size` bytes. Returns its sequence number. LinkError where
        the window is full."""
        retained = self._retained
        if retained and (
            len(retained) >= self._window.count or self.retained_bytes + size > self._window.size
        ):
            raise LinkError(
                f"{len(retained)} messages ({self.retained_bytes} bytes) are sent and not"
                " acknowledged, which is the limit: the other side does not keep up, or credit was"
                " exceeded"
            )
        retained.append((item, size))
        self.retained_bytes += size
        self.sent += 1
        return self.sent

    def mark_handed(self, seq: int) -> None:
        """The transport has taken message `seq`, whose header carried the present
        acknowledgement."""
        self.handed = seq
        if seq > self.ceiling:
            self.ceiling = seq
        else:
            self.resent += 1
        self.mark_told()

    def mark_told(self) -> None:
        """The transport has taken a header with the present acknowledgement."""
        self.told = self.received
        self._owed_count = self._owed_bytes = 0

    def to_hand(self) -> tuple[int, T] | None:
        """The next message that the transport has not been given, with its sequence number; None
        where there is none."""
        index = self.handed - self.acked
        if index >= len(self._retained):
            return None
        return self.handed + 1, self._retained[index][0]

    def rewind(self) -> None:
        """The transport may have lost all that it was given: give it all unacknowledged messages
        again."""
        self.handed = self.acked

    # ── receiving ─────────────────────────────────────────────────────────────────────────────────

    def numbered(self, seq: int, ack: int, size: int) -> bool:
        """A numbered header has arrived. Returns whether its message is the next one, to be
        delivered."""
        if ack > self.acked:
            self._acknowledged(ack)
        if seq == self.received + 1:
            self.received = seq
            self.gap = False
            self._owed_count += 1
            self._owed_bytes += size
            return True
        if seq <= self.received:
            self.duplicates += 1
            # the sender missed our acknowledgement
            self._owed_count = max(self._owed_count, ACK_COUNT)
        else:
            self.gap = True
        return False

    def unnumbered(self, last: int, ack: int) -> None:
        """An unnumbered header has arrived; `last`: the highest number that the peer has given to
        its transport."""
        if ack > self.acked:
            self._acknowledged(ack)
        if last > self.received:
            self.gap = True

    def _acknowledged(self, ack: int) -> None:
        if ack > self.ceiling:
            raise ProtocolError(
                f"message {ack} was acknowledged, but only {self.ceiling} were ever sent"
            )
        retained = self._retained
        for _ in range(ack - self.acked):
            self.retained_bytes -= retained.popleft()[1]
        self.acked = ack
        if self.handed < ack:
            self.handed = ack

    # ── what to say ───────────────────────────────────────────────────────────────────────────────

    @property
    def owes_ack(self) -> bool:
        """Whether so much has arrived that the peer is sent an acknowledgement without waiting for
        a message that carries it."""
        count = self._owed_count
        return count > 1 and (count >= ACK_COUNT or self._owed_bytes >= ACK_BYTES)

    def wants_nudge(self, now: float) -> bool:
        """Whether the peer is to be asked to send again what is missing: once for each gap, and
        once more when `stall` seconds have not closed it."""
        if not self.gap:
            return False
        if self._last_nudge == self.received and now - self._nudged_at < self._window.stall:
            return False
        self._last_nudge = self.received
        self._nudged_at = now
        return True

    def tick(self, now: float) -> Due:
        """Returns what is due at `now`, seconds of a monotonic clock. To be called a few times a
        second."""
        due = Due.NOTHING
        if self.wants_nudge(now):
            due |= Due.NUDGE
        if self.told != self.received and self._owed_tick == self.told:
            due |= Due.ACK
        self._owed_tick = self.told if self.told != self.received else -1
        if self.handed == self.acked or self._progress != self.acked:
            self._progress = self.acked
            self._stalled_at = now
        elif now - self._stalled_at >= self._window.stall:
            self._stalled_at = now
            due |= Due.PROBE
        return due
