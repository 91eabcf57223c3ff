"""What a secret tensor refuses: to be looked at, to be changed in place, and operators of Python's
that have no meaning on secrets, each with a sentence that says what to write instead.

NumPy's functions that are not offered are in `refusals`.
"""

from __future__ import annotations

from typing import NoReturn

from ..errors import JobError
from .spelling import refusing


class MissingError(JobError, AttributeError):
    """What a secret tensor does not have; Python asks for attributes in ways that expect its own
    error."""


class Opaque:
    """The base class of a secret tensor. JobError for `bool`, `float`, `int`, iteration, conversion
    to an array, pickling, assignment to entries and operators that are not offered; MissingError
    for attributes that a tensor of NumPy may have and this one has not."""

    __slots__ = ()

    def __getattr__(self, name: str) -> NoReturn:
        there = ", ".join(each for each in dir(type(self)) if each[0] != "_")
        raise MissingError(
            f"a secret tensor has no {name}; it has {there}, and there are the functions of"
            " protocol.ops"
        )

    _unseen = refusing(
        "has no value here: a job cannot look at, compare, iterate over or convert a secret; "
        "choose between tensors with where, maximum, minimum or clip"
    )
    __bool__ = __float__ = __int__ = __index__ = __complex__ = __iter__ = __contains__ = _unseen
    __array__ = __reduce_ex__ = _unseen
    __setitem__ = __delitem__ = refusing(
        "is not changed in place: make another, with concatenate of its parts, or with where(a"
        " condition, one, another)"
    )
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = refusing(
        "has no // and %: write x / y for the quotient; v.reveal(…, bits=0) reveals it rounded"
    )
    __divmod__ = __rdivmod__ = refusing("has no divmod: divide by a public number with /")
    __round__ = __trunc__ = __floor__ = __ceil__ = refusing(
        "is not rounded: v.reveal(…, bits=0) reveals whole numbers"
    )
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = refusing(
        "has no << and >>: multiply by a power of two"
    )
    __xor__ = __rxor__ = refusing(
        "has no ^: write a + b - 2 * a * b for outcomes a and b of comparisons"
    )
    __rpow__ = refusing("cannot be an exponent: powers have whole public exponents, as in x**3")
