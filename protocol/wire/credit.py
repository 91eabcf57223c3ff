"""Flow control: how many chunks and bytes the sender may send before the receiver grants more.

The receiver owns the window and grants in messages of its own; the sender spends. Both ends are in
this file, so that they are tested against each other without a network. Grants are cumulative
totals, which only grow: a grant that arrives twice or late changes nothing (as MAX_DATA of QUIC,
rather than the increments of h2).

Pure: no message is built here. The caller puts `CreditWindow.grant()` into the body of a CREDIT
    message, and gives what it receives to `Credit.granted`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MpcError, ProtocolError, UsageError


@dataclass(slots=True)
class Credit:
    """The sender's side: what was granted and what is spent, in chunks and in bytes. Nothing may be
    sent before the first grant."""

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
        """Whether a chunk of `size` bytes may be sent now."""
        return self.chunks >= 1 and self.bytes >= size

    def spend(self, size: int) -> None:
        """Count a chunk of `size` bytes as sent. UsageError where it exceeds the credit."""
        if not self.allows(size):
            raise UsageError(
                f"a chunk of {size} bytes was to be sent with credit for {self.chunks} of"
                f" {self.bytes} bytes"
            )
        self.chunks_spent += 1
        self.bytes_spent += size

    def granted(self, chunks: object, size: object) -> bool:
        """Take the totals of a CREDIT message. Returns whether they allow more than before."""
        if type(chunks) is not int or type(size) is not int or chunks < 0 or size < 0:
            raise ProtocolError(
                "a credit arrived that is not a number of chunks and a number of bytes"
            )
        more = chunks > self.chunks_granted or size > self.bytes_granted
        self.chunks_granted = max(self.chunks_granted, chunks)
        self.bytes_granted = max(self.bytes_granted, size)
        return more


class CreditWindow:
    """The receiver's side: at most `chunks` chunks and `size` bytes may be on their way or
    unconsumed at any time.

    A new grant is due when half of either is consumed, so that grants are rare and the sender never
    waits for one. `size` must hold the largest chunk, or the sender could never send it.
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
        """A chunk of `size` bytes has arrived. ProtocolError where that exceeds the grants."""
        self._arrived += 1
        self._arrived_bytes += size
        if self._arrived > self._told[0] or self._arrived_bytes > self._told[1]:
            raise ProtocolError(f"a chunk of {size} bytes arrived without credit for it")

    def consumed(self, size: int) -> None:
        """A chunk of `size` bytes has been used, and its memory released."""
        self._consumed += 1
        self._consumed_bytes += size
        if self._consumed > self._arrived or self._consumed_bytes > self._arrived_bytes:
            raise MpcError("more was consumed than arrived: a fault of this program")

    @property
    def due(self) -> bool:
        """Whether a grant is to be sent now."""
        chunks, size = self._told
        return (
            2 * (self._consumed + self.chunks - chunks) >= self.chunks
            or 2 * (self._consumed_bytes + self.size - size) >= self.size
        )

    def grant(self) -> tuple[int, int]:
        """The totals (chunks, bytes) to put into a CREDIT message now."""
        self._told = (self._consumed + self.chunks, self._consumed_bytes + self.size)
        return self._told
