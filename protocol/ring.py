"""The rings Z_2^(64·L) that shares live in, behind one interface for every L.

An element of the one-limb ring is a uint64; an element of a wide ring is L uint64 limbs, least
significant first, on a trailing axis. Code above this module handles tensors by their *leading*
shape and never looks at the limbs. A value known only modulo 2^k (k ≤ 64·L) is carried in the same
words; its upper bits mean nothing until `low_bits` clears them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernels

Words = NDArray[np.uint64]
WORD = 64


def limbs_for(bits: int) -> int:
    """Limbs that hold `bits` bits."""
    return max(1, -(-bits // WORD))


class Ring:
    """Arithmetic modulo 2^(64·limbs) on arrays of leading shape + (limbs,) (no limb axis when limbs
    == 1)."""

    def __init__(self, limbs: int) -> None:
        self.limbs = limbs
        self.tail: tuple[int, ...] = () if limbs == 1 else (limbs,)
        narrow = limbs == 1
        self.add: Callable[..., Words] = np.add if narrow else kernels.wide_add
        self.sub: Callable[..., Words] = np.subtract if narrow else kernels.wide_sub
        self.neg: Callable[[Words], Words] = np.negative if narrow else kernels.wide_neg
        self.mul: Callable[[Words, Words], Words] = np.multiply if narrow else kernels.wide_mul
        self.matmul: Callable[[Words, Words], Words] = (
            kernels.matmul if narrow else kernels.wide_matmul
        )

    def encode(self, values: Any) -> Words:
        """Integers of any size (Python ints, or an object array of them) modulo 2^(64·limbs)."""
        integers = np.asarray(values, dtype=object)
        rest = ((integers >> (WORD * i)) % (1 << WORD) for i in range(self.limbs))
        parts = [np.asarray(limb).astype(np.uint64) for limb in rest]
        return parts[0] if self.limbs == 1 else np.stack(parts, axis=-1)

    @cache  # noqa: B019 - rings are themselves cached, one for each number of limbs
    def constant(self, value: int) -> Words:
        """One public integer as a ring element; not to be written to."""
        return self.encode(value)

    def decode(self, words: Words, bits: int) -> NDArray[Any]:
        """Signed integers (object array) from the low `bits` bits."""
        parts = words[..., None] if self.limbs == 1 else words
        total = sum(parts[..., i].astype(object) << (WORD * i) for i in range(self.limbs)) % (
            1 << bits
        )
        return np.asarray(total - (total >> (bits - 1) << bits), object)

    def zeros(self, shape: tuple[int, ...]) -> Words:
        """Zeros: words of `shape`, and an axis of limbs behind it where there are several."""
        return np.zeros(shape + self.tail, np.uint64)

    def shape_of(self, words: Words) -> tuple[int, ...]:
        """The leading shape."""
        return words.shape if self.limbs == 1 else words.shape[:-1]

    def sum(self, words: Words, axis: tuple[int, ...], keepdims: bool) -> Words:
        """Sum over leading axes (non-negative numbers)."""
        if self.limbs == 1:
            return np.asarray(words.sum(axis=axis, keepdims=keepdims, dtype=np.uint64))
        return kernels.wide_sum(words, axis, keepdims)

    def shift_left(self, words: Words, shift: int) -> Words:
        """Every element times 2^shift, modulo the ring; zeros if nothing of it is left."""
        if self.limbs == 1:
            return words << np.uint64(shift) if shift < WORD else np.zeros_like(words)
        return kernels.wide_shift_left(words, shift)

    def shift_right(self, words: Words, shift: int, limbs: int) -> Words:
        """Logical shift; the low `limbs` limbs of the result."""
        if self.limbs == 1:
            shifted = words >> np.uint64(shift) if shift < WORD else np.zeros_like(words)
            return shifted if limbs == 1 else kernels.widen(shifted, limbs, signed=False)
        return kernels.wide_shift_right(words, shift, limbs)

    def low_bits(self, words: Words, bits: int) -> Words:
        """The value modulo 2^bits, upper bits cleared."""
        if bits >= WORD * self.limbs:
            return words
        return words & self.constant((1 << bits) - 1)

    def resize(self, words: Words, limbs: int) -> Words:
        """The same low bits in `limbs` limbs; shares, masks and openings stay right in the smaller
        ring."""
        if limbs == self.limbs:
            return words
        if limbs > self.limbs:
            padded = np.zeros((*self.shape_of(words), limbs), np.uint64)
            padded[..., : self.limbs] = words[..., None] if self.limbs == 1 else words
            return padded
        return np.asarray(words[..., 0] if limbs == 1 else words[..., :limbs], order="C")

    def top_bit(self, words: Words, bits: int) -> NDArray[np.bool_]:
        """Bit `bits` − 1, by leading shape."""
        limb, bit = divmod(bits - 1, WORD)
        column = words if self.limbs == 1 else words[..., limb]
        return np.asarray((column >> np.uint64(bit)) & np.uint64(1), bool)


@cache
def ring(limbs: int) -> Ring:
    return Ring(limbs)
