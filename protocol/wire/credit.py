"""Flow control: how much one side may still send before the other grants more.

The receiver owns the window and grants in messages of its own; the sender may only spend. Both ends
are kept here so that they are tested against each other without a network. Totals are cumulative
and only ever grow, so a grant that arrives twice or late changes nothing (the idea of MQTT's and
QUIC's MAX_DATA, rather than h2's increments).

Pure: no message is built here; the caller puts `CreditWindow.grant()` into a CREDIT body and hands
    what it received to `Credit.granted`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MpcError, ProtocolError, UsageError


@dataclass(slots=True)
class Credit:
    """The sender's side: what was granted, what was spent. Zero until the first grant."""

    chunks_granted: int = 0
    bytes_granted: int = 0
    chunks_spent: int = 0
    bytes_spent: int = 0

    @property
    def chunks(self) -> int:
        """Chunks that may still be sent."""
        return self.chunks_granted - self.chunks_spent

    @property
    def bytes(self) -> int:
        """Bytes that may still be sent."""
        return self.bytes_granted - self.bytes_spent

    def allows(self, size: int) -> bool:
        """May a chunk of `size` bytes be sent now?"""
        return self.chunks >= 1 and self.bytes >= size

    def spend(self, size: int) -> None:
        """Count a chunk of so many bytes as sent; UsageError if no credit is left for it."""
        if not self.allows(size):
            raise UsageError(
                f"a chunk of {size} bytes was to be sent with credit for {self.chunks} of"
                f" {self.bytes} bytes"
            )
        self.chunks_spent += 1
        self.bytes_spent += size

    def granted(self, chunks: object, size: object) -> bool:
        """Take the totals of a CREDIT message; True if they allow more than before."""
        if type(chunks) is not int or type(size) is not int or chunks < 0 or size < 0:
            raise ProtocolError(
                "a credit arrived that is not a number of chunks and a number of bytes"
            )
        more = chunks > self.chunks_granted or size > self.bytes_granted
        self.chunks_granted = max(self.chunks_granted, chunks)
        self.bytes_granted = max(self.bytes_granted, size)
        return more


class CreditWindow:
    """The receiver's side: at most `chunks` chunks and `size` bytes on their way or unconsumed at
    any time.

    A new grant is due when half of either is consumed: grants are rare and the sender never idles.
    `size` must be at least the largest chunk, or the sender can never send it.
    """

    __slots__ = (
        "_arrived",
        "_arrived_bytes",
        "_consumed",
        "_consumed_bytes",
        "_told",
        "chunks",
        "size",
    )

    def __init__(self, chunks: int, size: int) -> None:
        if chunks < 1 or size < 1:
            raise UsageError(
                f"a credit window of {chunks} chunks and {size} bytes lets nothing through"
            )
        self.chunks = chunks
        self.size = size
        self._arrived = self._arrived_bytes = 0
        self._consumed = self._consumed_bytes = 0
        self._told: tuple[int, int] = (0, 0)

    def arrived(self, size: int) -> None:
        """A chunk of `size` bytes arrived; ProtocolError if nobody had granted it."""
        self._arrived += 1
        self._arrived_bytes += size
        if self._arrived > self._told[0] or self._arrived_bytes > self._told[1]:
            raise ProtocolError(f"a chunk of {size} bytes arrived without credit for it")

    def consumed(self, size: int) -> None:
        """One chunk of `size` bytes was used and its memory is free."""
        self._consumed += 1
        self._consumed_bytes += size
        if self._consumed > self._arrived or self._consumed_bytes > self._arrived_bytes:
            raise MpcError("more was consumed than arrived: a fault of this program")

    @property
    def due(self) -> bool:
        """Is it time to send a grant?"""
        chunks, size = self._told
        return (
            2 * (self._consumed + self.chunks - chunks) >= self.chunks
            or 2 * (self._consumed_bytes + self.size - size) >= self.size
        )

    def grant(self) -> tuple[int, int]:
        """The totals (chunks, bytes) to put into a CREDIT message now."""
        self._told = (self._consumed + self.chunks, self._consumed_bytes + self.size)
        return self._told
