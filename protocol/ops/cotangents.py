"""What backward rules are written with: public cotangents are arrays, and those of ones are no
work."""

from __future__ import annotations

import numpy as np

from ..graph import Array
from ..nodes import Tensor


def sole(array: Array) -> float | None:
    """The number that all entries of an array are, if they are one."""
    return float(array.flat[0]) if array.size and np.all(array == array.flat[0]) else None


def weighted(x: Tensor, g: Tensor) -> Tensor:
    """x · g, where a public g of ones is no operation at all."""
    if (
        isinstance(g, np.ndarray)
        and sole(g) == 1.0
        and np.broadcast_shapes(g.shape, x.shape) == x.shape
    ):
        return x
    product: Tensor = x * g
    return product
