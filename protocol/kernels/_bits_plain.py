"""The plain half of `bits`: every function fills `out`, a column of words at a time."""

from __future__ import annotations

import numpy as np

from . import digits
from .layout import I64, U64


def planes(words: U64, bits: int, out: U64) -> None:
    rows, n, limbs = words.shape
    whole = np.zeros((rows, 64 * out.shape[1], limbs), "<u8")
    whole[:, :n] = words
    single = np.unpackbits(whole.view(np.uint8), axis=-1, bitorder="little")[..., :bits]
    blocks = single.reshape(rows, -1, 64, bits).swapaxes(2, 3)
    packed = np.packbits(blocks, axis=-1, bitorder="little")
    out[...] = np.ascontiguousarray(packed).view("<u8")[..., 0]


def unpack(words: U64, out: U64) -> None:
    stored = np.ascontiguousarray(words, "<u8").view(np.uint8)
    out[...] = np.unpackbits(stored, axis=-1, bitorder="little", count=out.shape[1])


def thermometer(planes: U64, widths: I64, out: U64) -> None:
    digits.thermometer(planes.T, widths, out.T)


def compare(planes: U64, dealt: U64, widths: I64, one: int, out: U64) -> None:
    t = np.empty((max(17, 1 << int(widths.max())), len(planes)), np.uint64)
    digits.compare(planes.T, dealt.T, widths, _column(one, planes), t, out.T)


def select(digit: U64, sizes: I64, out: U64) -> None:
    digits.select(digit.T, sizes, out.T)


def products(masks: U64, sizes: I64, out: U64) -> None:
    digits.products(masks.T, sizes, np.empty((1 << int(sizes.max()), len(masks)), np.uint64), out.T)


def join(digit: U64, opened: U64, masks: U64, dealt: U64, sizes: I64, one: int, out: U64) -> None:
    a, u = np.empty((2, 1 << int(sizes.max()), len(digit)), np.uint64)
    digits.join(digit.T, opened.T, masks.T, dealt.T, sizes, _column(one, digit), a, u, out.T)


def gate(
    beta: U64, c: U64, s: U64, read: U64, wrap: U64, gated: U64, gated_wrap: U64,
    bits: int, shift: int, wraps: int, party: int, out: U64,
) -> None:  # fmt: skip
    spare, down, top = np.uint64(64 - bits), np.uint64(shift), np.uint64(bits - 1)
    quarter = np.uint64(1 << (bits - 2))
    e = ((c + quarter) << spare) >> spare
    gamma = (e >> down) - (quarter >> down)
    unwrapped = np.uint64(wraps) & ~(e >> top)
    y = gamma * np.uint64(1 - party) - read + unwrapped * wrap
    masked = gamma * s - gated + unwrapped * gated_wrap
    out[...] = masked + beta * (y - masked - masked)


def _column(one: int, like: U64) -> U64:
    return np.full(len(like), one % 2**64, np.uint64)
