"""Large tensors as several buffers of one message. Each buffer is encrypted, sent and decrypted
while it fits a processor's cache, and while the one before is on its way: 16 MB in one buffer cost
CURVE half as much again, and arrive later by the time that encrypting all of it takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .messages import Buffer

Words = NDArray[np.uint64]
FRAME_WORDS = 32 << 10  # 256 KiB
MOST = 512  # buffers to a message


def split(words: Words) -> tuple[Buffer, ...]:
    """Contiguous words, cut into the buffers of one message."""
    if words.size <= FRAME_WORDS:
        return (memoryview(words).cast("B"),)
    size = max(FRAME_WORDS, -(-words.size // MOST))
    flat = memoryview(words).cast("B")
    return tuple(flat[8 * at : 8 * (at + size)] for at in range(0, words.size, size))


def pieces(buffers: Sequence[Buffer], expected: int) -> list[Words] | None:
    """The words in the buffers of a message, without a copy. None where a buffer has no whole
    number of words, or they are not `expected` in all."""
    if len(buffers) == 1:
        return [np.frombuffer(buffers[0], np.uint64)] if len(buffers[0]) == 8 * expected else None
    sizes = [len(buffer) for buffer in buffers]
    if not sizes or sum(sizes) != 8 * expected or any(size % 8 for size in sizes):
        return None
    return [np.frombuffer(buffer, np.uint64) for buffer in buffers]


def joined(found: Sequence[Words]) -> Words:
    """The words of all pieces in one array."""
    return found[0] if len(found) == 1 else np.concatenate(found)
