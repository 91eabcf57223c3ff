"""Axes, lengths and agreed seeds as users give them: whole numbers, NumPy's included."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import JobError
from ..views import SEEDS, Shape


def axes_of(axis: Any, ndim: int) -> Shape:
    """Axes counted from 0, in ascending order; all where `axis` is None. JobError for one that
    there is not, or that is named twice."""
    return tuple(range(ndim)) if axis is None else tuple(sorted(listed(axis, ndim)))


def listed(axis: Any, ndim: int) -> Shape:
    """One axis or several, counted from 0, in the order given."""
    axes = whole_numbers("axis", axis if isinstance(axis, (tuple, list)) else (axis,))
    for n in axes:
        if not -ndim <= n < ndim:
            raise JobError(f"axis {n} of a tensor with {ndim} axes")
    found = tuple(n % ndim for n in axes)
    if len(set(found)) != len(found):
        raise JobError(f"axis {axis} names one axis twice; name each once")
    return found


def whole_numbers(what: str, values: Any) -> Shape:
    """A tuple of whole numbers, NumPy's included; JobError for anything else."""
    try:
        if any(isinstance(n, (bool, np.bool_)) for n in values):
            raise TypeError
        return tuple(operator.index(n) for n in values)
    except TypeError:
        raise JobError(f"{what} takes whole numbers, not {values!r}") from None


def agreed_seed(seed: Any) -> int:
    """JobError unless it is a whole number from 0 to 2^48 − 1."""
    if (
        isinstance(seed, (bool, np.bool_))
        or not isinstance(seed, (int, np.integer))
        or not 0 <= seed < SEEDS
    ):
        raise JobError(f"an agreed seed is a whole number from 0 to 2^48 − 1, not {seed!r}")
    return int(seed)
