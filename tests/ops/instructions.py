"""Instructions of random programs, and what their kinds are made of: a kind draws one that fits the
tensors there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.bounds import Bounded


class Tensors(list[Bounded]):
    """What there is so far; in a step, which one it is."""

    def __init__(self, tensors: Iterable[Bounded], step: int | None = None) -> None:
        super().__init__(tensors)
        self.step = step


@dataclass(frozen=True)
class Instruction:
    """Makes one tensor of those before it: of secrets, and of bounded float64 arrays. UnfitError
    where it is not offered for these."""

    text: str
    secure: Callable[[list[Any]], Any]
    clear: Callable[[Tensors], Bounded]


Maker = Callable[[Any, Tensors], Instruction | None]
KINDS: dict[str, Maker] = {}


def kind(maker: Maker) -> Maker:
    KINDS[maker.__name__] = maker
    return maker


def any_of(draw: Any, tensors: Tensors) -> tuple[int, tuple[int, ...]]:
    n = draw(st.integers(0, len(tensors) - 1))
    return n, tensors[n].value.shape


def like(draw: Any, tensors: Tensors, n: int) -> int:
    """One that may be computed with tensor n, entry by entry."""
    shape = tensors[n].value.shape
    alike = [k for k, tensor in enumerate(tensors) if tensor.value.shape == shape]
    broadcast = [
        k for k, tensor in enumerate(tensors) if fits(tensor.value.shape, shape) and k not in alike
    ]
    return int(draw(st.sampled_from(alike + broadcast)))


def fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return math.prod(np.broadcast_shapes(a, b)) <= 64
    except ValueError:
        return False


def axis_of(draw: Any, shape: tuple[int, ...]) -> int | None:
    return draw(st.sampled_from([None, *range(len(shape)), *range(-len(shape), 0)]))  # type: ignore[no-any-return]
