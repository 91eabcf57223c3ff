"""1/x, a/x, 1/√x, √x and log x of a secret x > 0, over forty binary orders of magnitude, or as many
as its range has.

*Normalisation.* With b_e = [x < 4^e] for e = L + 1 … U − 1, all on one opening of x and one mask's
digits, and with 4^L ≤ x < 4^U,

    N = 4^(1−U) + Σ_e (4^(1−e) − 4^(−e))·b_e,  y = x·N = 4^(1−U)·x + Σ_e (4^(1−e) − 4^(−e))·b_e·x

telescope to N = 4^(−E) and y ∈ [1, 4) for the E with 4^E ≤ x < 4^(E+1). The factors are powers of
two and their differences, so both are exact; b_e·x is a `Gate` on what is open. √N, 1/√N and log N
are sums over the same bits. A short series of waves gives F(y), and

    1/x = F(y)·N,    a/x = (a·N)·F(y),    1/√x = F(y)·√N,    √x = F(y)/√N,    log x = F(y) − log N.

Rounds: those of a comparison, one that opens y and one that opens F(y), which log x does without.
    Where x is known to lie within a factor of 10, F(x) alone: one round, and another for a
    quotient.

Hides: x, y, N and F(y) are opened under fresh uniform masks, and the comparisons hide what
    `correlations/bits.py` says; nothing else is opened.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import JobError
from ..views import Broadcast
from .gradient import differentiated
from .inverse_series import NARROW, SLACK, WIDE, fit
from .public import public
from .spelling import offers, written
from .statement import Within
from .tensor import Secret, bounded, secret

SMALLEST, LARGEST = 2.0**-20, 2.0**20
"""What x is taken to lie between where nothing else is known: by what x is made of, an Input's
range, or `within`. A root is taken of 0 too."""
LEAST, MOST = 2.0**-40, 2.0**100  # what is known counts for as much: of 1/x and a/x, 2^64 at most
USUAL, KNOWN, SPAN = 20, 40, 60
"""How many binary orders below the largest x the smallest may lie if that is below 1; if x is known
to be above 0; and at most, of 1/x."""

QUOTIENTS = ("reciprocal", "division")
SIGNED = ", and of either sign a / x is sign(x) * a / absolute(x)"


class _Normalised:
    """x as y · 4^E with y in [1, 4), or, within a factor of 10, as y · scale with y in [1, 10]."""

    def __init__(self, name: str, x: Secret, zero: float = 0.0) -> None:
        """`zero`: x may lie below this power of four; there y has no meaning, and 4^E is 0."""
        least, most = _window(name, x)
        if name == "sqrt":
            zero = 4.0 ** math.floor(math.log(least, 4))
        self.x = _positive(name, x, 0.0 if zero else least, most)
        self.low, self.high = self.x._node.interval
        self.zero, self.low = self.low < zero, max(self.low, zero)
        self.bits: list[tuple[int, Secret]] = []
        self.middle = 0
        if self.high / self.low <= WIDE and not self.zero:
            self.top, self.first, self.last, self.step = WIDE, 0, 1, self.low
            exponent = math.floor(math.log2(self.low))
            if self.high <= math.ldexp(WIDE, exponent):
                self.step = math.ldexp(1.0, exponent)  # a power of two costs nothing
            self.y = bounded(self.x * (1.0 / self.step), 1.0 - SLACK, WIDE + SLACK)
            return
        self.top, self.step = NARROW, 1.0
        self.first, self.last = math.floor(math.log(self.low, 4)), math.ceil(math.log(self.high, 4))
        if self.high > LARGEST or self.low >= 1.0:
            self.middle = self.last - 1
        self.bits = [(e, self.x < 4.0**e) for e in range(self.first + 1, self.last)]
        y = self.x * 4.0 ** (1 - self.last)
        for e, bit in self.bits:
            y = y + bounded(bit * self.x, 0.0, 4.0**e) * (4.0 ** (1 - e) - 4.0**-e)
        self.y = bounded(y, 1.0 - SLACK, NARROW + SLACK)

    def function(self, name: str, low: float, high: float) -> Secret:
        """F(y), which lies in [low, high]."""
        return fit(name, self.top).of(self.y, low, high)

    def times_power(self, p: float, *factors: Secret) -> Secret:
        """4^(−pE) · the factors, for a p of which 4^p is a power of two; or step^(−p) · them.

        A power is an exact number, but a product reads its operands with the fraction bits of the
        job. So one that may be smaller is multiplied as a whole number, 4^(p(M − E)), and what is
        too large by then is the product, by a power of two, which costs nothing.
        """
        m = self.middle if p > 0.0 else 0
        power = float(self.step**-p) if self.top == WIDE else self._power(p, m)
        first, *rest = factors
        found = first * power
        for each in rest:
            found = found * each
        return found * 4.0 ** (-p * m) if m else found

    def _power(self, p: float, m: int) -> Secret | float:
        """4^(p(m − E)), exactly."""
        least, most = 4.0 ** (p * (m + 1 - self.last)), 4.0 ** (p * (m - self.first))
        total: Any = (self.x < 4.0**self.first) * -most if self.zero else 0.0
        for e, bit in self.bits:
            total = bit * (4.0 ** (p * (m + 1 - e)) - 4.0 ** (p * (m - e))) + total
        low = 0.0 if self.zero else min(least, most)
        return bounded(total + least, low, max(least, most))

    def result(self, found: Secret, low: float, high: float) -> Secret:
        return bounded(found, low - abs(low) * SLACK, high + abs(high) * SLACK)


def _window(name: str, x: Secret) -> tuple[float, float]:
    """From what on, and up to what, the function is made for x, by what x is known to be.

    What is known to be below 2^20 is taken down to 2^-20, as what nothing is known of; a range of
    small numbers down to 2^-20 of it, one that is above 0 as far as 2^-40 of it, or its low end.
    """
    secret(name, x)
    low, high = x._node.interval
    inverse = name in QUOTIENTS
    if not 0.0 < high <= (2.0 ** (SPAN + 4) if inverse else MOST):
        return SMALLEST, LARGEST
    least = min(SMALLEST, high * 2.0**-USUAL)
    if low > 0.0:
        least = min(least, max(low, high * 2.0**-KNOWN))
    if inverse:
        least = max(least, high * 2.0**-SPAN)
    return least, max(high, LARGEST)


def _positive(name: str, x: Secret, least: float, most: float) -> Secret:
    """x, said to lie in [least, most] where it is not known to lie in a narrower range."""
    low, high = x._node.interval
    if high <= LEAST or low >= most:
        above = "above 0" if high <= 0.0 else "above 2^-40; multiply what it is made of"
        what = "below 2^64; divide what it is made of" if low >= most else above
        raise JobError(
            f"{name} of a tensor that lies in [{low:g}, {high:g}]: it is for what is {what}"
        )
    if low >= least and high <= most:
        return x
    below = (
        ("; of what may be 0, it takes x + eps" + SIGNED * (low < 0.0 and name in QUOTIENTS))
        if low <= 0.0 < least
        else ""
    )
    lower = ", and may lie below by what is known of it" if low < least and low <= 0.0 else ""
    ends = [f"2^{math.log2(end):.3g}" if end else "0" for end in (least, most)]
    low, high = max(low, least), min(high, most)
    x._graph.assume(
        f"what {name} is taken of ({x._node.op.name} of shape {x.shape}) is assumed to stay in"
        f" [{low:g}, {high:g}]{lower}"
    )
    instead = f"{name} is made for [{ends[0]}, {ends[1]}]{below}"
    return x._apply(Within(Broadcast(x.shape), low, high, instead, assumed=True))


@written()
def reciprocal(x: Secret) -> Secret:
    """1/x for x in [2^-20, 2^20], or in the range that it is known to lie in, up to 2^64, as far as
    2^-60 of its high end; a comparison and two rounds, one in all where x is known to lie within a
    factor of 10, as in [1, 10].

    Off by at most (1e-5 + 10·2^-f)/x + 2^-f for f fraction bits. Elsewhere the result is
    meaningless: the guard counts such x.
    """
    n = _Normalised("reciprocal", x)
    found = n.times_power(1.0, n.function("reciprocal", 1.0 / n.top, 1.0))
    out = n.result(found, 1.0 / n.high, 1.0 / n.low)
    return differentiated(out, [x], lambda i, g: -(out * out) * g)


def cut_off(name: str, x: Secret, least: float) -> Secret:
    """1/x or 1/√x, "reciprocal" or "rsqrt", where x is `least` at least, a power of four from 2^-20
    on, and 0 where it is smaller: in the rounds of those, and as exact."""
    n, p = _Normalised(name, x, zero=least), {"reciprocal": 1.0, "rsqrt": 0.5}[name]
    return n.result(n.times_power(p, n.function(name, n.top**-p, 1.0)), 0.0, n.low**-p)


@written("{x1} divided by {x2}")
def divide(x1: Any, x2: Any) -> Secret:
    """x1 / x2. A secret divisor lies where `reciprocal` takes it: a comparison and two rounds; two
    in all where it is known to lie within a factor of 10.

    Off by at most |x1/x2|·(1e-5 + 10·2^-f) + (2 + 1/x2)·2^-f, and by |x1|·2^-f more where x2 may be
    above 2^f and below 1. A divisor elsewhere is counted by the guard.
    JobError for a public divisor with zeros.
    """
    if not isinstance(x2, Secret):
        divisor = public(x2)
        if not np.all(divisor):
            raise JobError("division of a secret tensor by zero")
        return x1 * (1.0 / divisor)  # type: ignore[no-any-return]
    if not isinstance(x1, Secret):
        return reciprocal(x2) * x1  # type: ignore[no-any-return]
    n = _Normalised("division", x2)
    (low, high), (least, most) = x1._node.interval, (1.0 / n.high, 1.0 / n.low)
    corners = [a * b for a in (low, high) for b in (least, most)]
    found = n.times_power(1.0, x1, n.function("reciprocal", 1.0 / n.top, 1.0))
    out = n.result(found, min(corners), max(corners))

    def pull(i: int, g: Any) -> Any:
        return divide(g, x2) if i == 0 else -out * divide(g, x2)

    return differentiated(out, [x1, x2], pull)


@written()
def rsqrt(x: Secret) -> Secret:
    """1/√x for x in [2^-20, 2^20], or in the range that it is known to lie in, up to 2^100; a
    comparison and two rounds, one in all where x is known to lie within a factor of 10.

    Off by at most (1e-5 + 4·2^-f)/√x + 2^-f. Elsewhere the result is meaningless: the guard counts
    such x.
    """
    n = _Normalised("rsqrt", x)
    found = n.times_power(0.5, n.function("rsqrt", n.top**-0.5, 1.0))
    out = n.result(found, n.high**-0.5, n.low**-0.5)
    return differentiated(out, [x], lambda i, g: out * out * out * g * -0.5)


@offers(np.sqrt)
@written()
def sqrt(x: Secret) -> Secret:
    """√x for x up to 2^20, or in the range that it is known to lie in, up to 2^100; a comparison
    and two rounds, one in all where x is known to lie within a factor of 10.

    Off by at most (1e-5 + 2·2^-f)·√x + 2^-f; but 0 of an x that may be 0 and is below 2^-20, or
    below 2^-20 of the largest that it may be if that is below 1. Elsewhere the result is
    meaningless: the guard counts such x. The gradient, 1/(2√x), is that of `rsqrt`, which has none
    at 0.
    """
    secret("sqrt", x)
    if x._node.interval == (0.0, 0.0):
        return x  # a deviation of one row
    n = _Normalised("sqrt", x)
    found = n.times_power(-0.5, n.function("sqrt", 1.0, n.top**0.5))
    out = n.result(found, 0.0 if n.zero else n.low**0.5, n.high**0.5)
    return differentiated(out, [x], lambda i, g: rsqrt(x) * g * 0.5)


@offers(np.log)
@written()
def log(x: Secret) -> Secret:
    """The natural logarithm for x in [2^-20, 2^20], or in the range that it is known to lie in, up
    to 2^100; a comparison and a round, one in all where x is known to lie within a factor of 10.

    Off by at most 1e-5 + 2^(5−f), and by the error of x, relatively: what is brought is rounded to
    f bits, of which 1e-5 keeps three if there are 20, and its logarithm is 0.05 off. The plan says
    so, and takes more bits for a job with a precision, 1e-4 say. Elsewhere the result is
    meaningless: the guard counts such x.
    """
    n = _Normalised("log", x)
    found = n.function("log", 0.0, math.log(n.top))
    if n.bits:
        total: Any = 0.0
        for _, bit in n.bits:
            total = bit + total
        found = found + ((n.last - 1) - total) * math.log(4.0)
    elif n.step != 1.0:
        found = found + math.log(n.step)
    out = bounded(found, math.log(n.low) - SLACK, math.log(n.high) + SLACK)
    return differentiated(out, [x], lambda i, g: reciprocal(x) * g)


@offers(np.log1p)
@written()
def log1p(x: Secret) -> Secret:
    """log(1 + x), as `log` has it."""
    secret("log1p", x)
    return log(x + 1.0)


offers(np.reciprocal)(reciprocal)
offers(np.divide, np.true_divide)(divide)
