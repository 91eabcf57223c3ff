"""The bit algorithms of a comparison, each written once for two readers.

Compiled (`_bits_numba`), an argument is a row of words and an element is one word: 64 bits side by
side. Plain (`_bits_plain`), it is a matrix and an element is a whole column of words. Both see only
&, |, ^, ~ and indices.

A number is cut into digits of 4 bits or another width, as evenly as can be, highest first. Against
a public c, a digit r is two bits, "less" = [c < r] and "equal" = [c = r], and neighbouring digits
join into a wider one:

    less = less_0 ⊕ equal_0·less_1 ⊕ equal_0·equal_1·less_2 ⊕ …,  equal = equal_0·equal_1·equal_2·…

For that a group of m digits opens equal_0 … equal_(e−1), less_1 … less_(m−1), masked, in this
order; e = m, but m − 1 in the last group, whose "equal" nobody needs. `products` deals products of
masks in the order in which `join` reads them.
"""

from __future__ import annotations

from typing import Any

from .layout import I64, U64


def thermometer(planes: U64, widths: I64, out: U64) -> None:
    """Bit planes of r, lowest first → [digit ≥ v], v = 1 … 2^w − 1, of the digits below the top
    bit; that bit.

    A digit grows by one bit b after the other: [d ≥ v] becomes b ∨ [d ≥ v] below b's own weight,
    and b ∧ [d ≥ v − weight] above it.
    """
    low = top = len(planes) - 1
    at = 0
    for width in widths:
        low -= width
        for i in range(width):
            b, weight = planes[low + i], 1 << i
            for v in range(at, at + weight - 1):
                out[v + weight] = b & out[v]
                out[v] = b | out[v]
            out[at + weight - 1] = b
        at += (1 << width) - 1
    out[at] = planes[top]


def compare(planes: U64, dealt: U64, widths: I64, one: Any, t: U64, out: U64) -> None:
    """Planes of the public c and a share of `thermometer` of r → a share of (less, equal) for each
    digit.

    The top bits are XORed into the first "less". It is never a factor, so it passes through every
    `join`, and what is left in the end is the top bit of c − r. `one` is all ones for one party, 0
    for the other; `t` has 2^w elements for the widest digit, 17 at least.
    """

    def pick(b1: U64, b0: U64, x0: U64, x1: U64, x2: U64, x3: U64) -> U64:
        y0 = x0 ^ (b0 & (x0 ^ x1))
        y1 = x2 ^ (b0 & (x2 ^ x3))
        return y0 ^ (b1 & (y0 ^ y1))

    low = top = len(planes) - 1
    zero = one ^ one
    at = column = 0
    for width in widths:
        low -= width
        count = 1 << width
        if width <= 4:  # all that most comparisons have, and the compiler unrolls it
            b0 = planes[low]
            b1 = planes[low + 1] if width > 1 else zero
            b2 = planes[low + 2] if width > 2 else zero
            b3 = planes[low + 3] if width > 3 else zero
            t[0] = one
            for v in range(1, 17):
                t[v] = dealt[at + v - 1] if v < count else zero
            x0, x1 = pick(b1, b0, t[1], t[2], t[3], t[4]), pick(b1, b0, t[5], t[6], t[7], t[8])
            x2, x3 = (
                pick(b1, b0, t[9], t[10], t[11], t[12]),
                pick(b1, b0, t[13], t[14], t[15], t[16]),
            )
            less = pick(b3, b2, x0, x1, x2, x3)  # [digit ≥ c + 1]
            x0, x1 = pick(b1, b0, t[0], t[1], t[2], t[3]), pick(b1, b0, t[4], t[5], t[6], t[7])
            x2, x3 = (
                pick(b1, b0, t[8], t[9], t[10], t[11]),
                pick(b1, b0, t[12], t[13], t[14], t[15]),
            )
            out[column] = less
            out[column + 1] = less ^ pick(b3, b2, x0, x1, x2, x3)
        else:
            # [digit ≥ c], [digit ≥ c + 1]: the bits of c choose among [digit ≥ v]
            for more in range(2):
                for v in range(count - more):
                    t[v] = dealt[at + v - 1 + more] if v + more else one
                if more:
                    t[count - 1] = zero
                for i in range(width):
                    b = planes[low + i]
                    for v in range(count >> (i + 1)):
                        t[v] = t[2 * v] ^ (b & (t[2 * v] ^ t[2 * v + 1]))
                out[column + 1 - more] = t[0]
            out[column + 1] ^= out[column]
        at += count - 1
        column += 2
    out[0] ^= dealt[at] ^ (planes[top] & one)


def select(digits: U64, sizes: I64, out: U64) -> None:
    """The bits to be opened before `join`."""
    first = column = 0
    for group in range(len(sizes)):
        m = sizes[group]
        for i in range(m if group < len(sizes) - 1 else m - 1):
            out[column] = digits[2 * (first + i) + 1]
            column += 1
        for i in range(1, m):
            out[column] = digits[2 * (first + i)]
            column += 1
        first += m


def products(masks: U64, sizes: I64, a: U64, out: U64) -> None:
    """Masks of the opened bits → the products of them that `join` needs. `a` has 2^m elements for
    the largest group."""
    at = column = 0
    for group in range(len(sizes)):
        m = sizes[group]
        e = m if group < len(sizes) - 1 else m - 1
        for i in range(e):  # a[S] = Π of the masks in S, a set of digits written as a binary number
            a[1 << i] = masks[column + i]
            for s in range(1, 1 << i):
                a[s + (1 << i)] = a[s] & masks[column + i]
                out[at] = a[s + (1 << i)]
                at += 1
        for i in range(1, m):
            for s in range(1, 1 << i):
                out[at] = a[s] & masks[column + e + i - 1]
                at += 1
        column += e + m - 1


def join(
    digits: U64, opened: U64, masks: U64, dealt: U64, sizes: I64, one: Any, a: U64, u: U64, out: U64
) -> None:
    """Shares of (less, equal) for each group, from those of its digits. `a` and `u` have 2^m
    elements.

    A product Π (E_i ⊕ a_i) of opened E and masks a is folded by one factor after the other:
    u[S] ← E_i·u[S] ⊕ u[S ∪ {i}].
    """
    at = column = first = 0
    for group in range(len(sizes)):
        m = sizes[group]
        e = m if group < len(sizes) - 1 else m - 1
        a[0] = one
        for i in range(e):
            a[1 << i] = masks[column + i]
            for s in range(1, 1 << i):
                a[s + (1 << i)] = dealt[at]
                at += 1
        out[2 * group] = digits[2 * first]
        for i in range(1, m):
            less = opened[column + e + i - 1]
            u[0] = (less & a[0]) ^ masks[column + e + i - 1]
            for s in range(1, 1 << i):
                u[s] = (less & a[s]) ^ dealt[at]
                at += 1
            for j in range(i - 1, -1, -1):
                for s in range(1 << j):
                    u[s] = (opened[column + j] & u[s]) ^ u[s + (1 << j)]
            out[2 * group] ^= u[0]
        if e == m:
            for j in range(m - 1, -1, -1):
                for s in range(1 << j):
                    a[s] = (opened[column + j] & a[s]) ^ a[s + (1 << j)]
        out[2 * group + 1] = a[0]  # of no meaning in the last group
        column += e + m - 1
        first += m


def spread(count: int, parts: int) -> tuple[int, ...]:
    """`count` in so many parts, as evenly as can be, the largest last."""
    return tuple((count + n) // parts for n in range(parts))


def groups(digits: int) -> tuple[int, ...]:
    """How many digits each group joins: at most four, as evenly as can be, the largest first."""
    return spread(digits, -(-digits // 4))[::-1]


def counts(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Bits opened by a `join`, and products dealt for it."""
    opened = dealt = 0
    for group, m in enumerate(sizes):
        e = m if group < len(sizes) - 1 else m - 1
        opened += e + m - 1
        dealt += (1 << e) - 1 - e + (1 << m) - 1 - m
    return opened, dealt


def widths(bits: int, digits: int = 0) -> tuple[int, ...]:
    """Of the digits of a number of `bits` bits, the top bit apart: so many digits, or as many as
    have up to 4 bits."""
    return spread(bits - 1, digits or -(-(bits - 1) // 4))


def planes_dealt(bits: int, digits: int = 0) -> tuple[int, int]:
    """Digits of a number of `bits` bits, and the length of its `thermometer`."""
    found = widths(bits, digits)
    return len(found), 1 + sum((1 << width) - 1 for width in found)
