"""A model as a list of texts, "dense 32", "relu", "dense 10": each layer's input follows from what
stands before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

from ..errors import JobError
from ..nn import (
    GELU,
    AvgPool2d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from ..views import Shape

PLAIN: dict[str, Callable[[], Layer]] = {
    "relu": ReLU,
    "leaky-relu": LeakyReLU,
    "gelu": GELU,
    "silu": SiLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}
KINDS = {
    "dense": '"dense 32": outputs',
    "conv": (
        '"conv 8 3": channels, and the size of its kernels, whose result is padded to the same size'
    ),
    "maxpool": '"maxpool 2": the size of a window',
    "avgpool": '"avgpool 2": the size of a window',
    "flatten": '"flatten"',
    "dropout": '"dropout 0.25": the part that is dropped',
} | {name: f'"{name}"' for name in PLAIN}


def built(texts: Iterable[str], shape: Shape) -> tuple[list[Layer], Shape]:
    """The layers that are called so, for rows of this shape, and the shape of what they make;
    JobError names the one that is wrong."""
    found: list[Layer] = []
    for text in texts:
        layer, shape = _layer(str(text), shape)
        found.append(layer)
    return found, shape


def _layer(text: str, shape: Shape) -> tuple[Layer, Shape]:
    kind, *words = text.split() or [""]
    if kind not in KINDS:
        raise JobError(f"there is no layer {text!r}; there are {', '.join(KINDS)}")
    try:
        numbers = [float(word) for word in words]
        if kind in PLAIN or kind == "flatten":
            () = numbers
        elif kind == "dropout":
            (part,) = numbers
            return Dropout(part), shape
        sizes = [int(number) for number in numbers]
        if sizes != numbers or min(sizes, default=1) < 1:
            raise ValueError
        if kind == "dense":
            (width,) = sizes
            (before,) = _of(text, shape, 1)
            return Dense(before, width), (width,)
        if kind == "conv":
            width, size = sizes
            depth, *axes = _of(text, shape, 3)
            return Conv2d(depth, width, size, padding="same"), (width, *axes)
        if kind in ("maxpool", "avgpool"):
            (size,) = sizes
            depth, *axes = _of(text, shape, 3)
            if min(axes) < size:
                raise JobError(f"{text!r}: what it is made of, {shape}, is smaller than its window")
            pool: Layer = MaxPool2d(size) if kind == "maxpool" else AvgPool2d(size)
            return pool, (depth, *(length // size for length in axes))
    except ValueError:
        raise JobError(f"the layer {text!r} is written like {KINDS[kind]}") from None
    return (Flatten(), (prod(shape),)) if kind == "flatten" else (PLAIN[kind](), shape)


def _of(text: str, shape: Shape, axes: int) -> Shape:
    if len(shape) != axes:
        what = (
            'rows of numbers; put "flatten" before it'
            if axes == 1
            else "pictures (channels, height, width)"
        )
        raise JobError(f"the layer {text!r} is for {what}, and what stands before it makes {shape}")
    return shape
