"""What a layer is: parameters by name, and what it makes of a tensor. No layer has a backward pass:
`gradient` has.

    class Digits(Job):
        model = Sequential(Dense(64, 32), ReLU(), Dense(32, 10), owner="joint")
        def step(self, v):
            loss = CrossEntropy()(self.model(v, v.x), v.y)

A model as an attribute of a job brings its parameters as Inputs of the job, called as PyTorch calls
them in a `state_dict`: model.0.weight, model.0.bias, model.2.weight and so on. Names, arguments and
shapes of layers are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..draws import Draw, he
from ..errors import JobError
from ..jobs import JOINT, ROLES, Bundle, Input, Variables
from ..ops import Secret
from ..ops.tensor import number
from ..views import Shape

# what a parameter is taken to stay below in absolute value; training beyond it is noticed by the
# guard
LIMIT = 8.0


@dataclass(frozen=True)
class Parameter:
    """A tensor of a layer: its shape, its range, and what it is drawn from, or the array, where
    nobody brings a file."""

    shape: Shape
    default: Any
    low: float = -LIMIT
    high: float = LIMIT
    typical: float | None = None  # as an Input has it
    trained: bool = True  # False: no optimiser changes it, but perhaps the layer itself


def affine(shape: Shape, fan_in: int, init: Draw | None, bias: bool) -> dict[str, Parameter]:
    """weight of this shape, drawn from `init` or from He's distribution, and a bias for each of its
    rows."""
    found = {"weight": Parameter(shape, he(fan_in) if init is None else init)}
    return found | ({"bias": Parameter(shape[:1], np.zeros(shape[0]))} if bias else {})


def nested(layers: Mapping[str, Layer]) -> dict[str, Parameter]:
    """The parameters of layers inside another, by their names there."""
    return {
        f"{name}.{own}": each
        for name, layer in layers.items()
        for own, each in layer.parameters().items()
    }


def sizes(owner: object, **values: Any) -> None:
    """JobError unless each is a whole number above 0."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise JobError(
                f"{type(owner).__name__}: {name} is a whole number above 0, not {value!r}"
            )


def flags(owner: object, **values: Any) -> None:
    """JobError unless each is True or False."""
    for name, value in values.items():
        if type(value) is not bool:
            raise JobError(f"{type(owner).__name__}: {name} is True or False, not {value!r}")


def ranges(owner: object, low: float, below: float, **values: Any) -> None:
    """JobError unless each is a number from `low` on and below `below`."""
    for name, value in values.items():
        if not low <= number(f"{type(owner).__name__}'s {name}", value) < below:
            limit = "" if below == math.inf else f" and below {below:g}"
            raise JobError(
                f"{type(owner).__name__}: {name} is a number from {low:g} on{limit}, not {value!r}"
            )


@dataclass(frozen=True)
class Scope:
    """A layer's own variables during one pass: scope["weight"] is v["model.0.weight"]."""

    v: Variables
    path: str
    training: bool

    def __getitem__(self, name: str) -> Secret:
        return self.v[f"{self.path}.{name}"]

    def __setitem__(self, name: str, value: Secret) -> None:
        self.v[f"{self.path}.{name}"] = value

    def inside(self, name: str) -> Scope:
        """The scope of a layer in this one."""
        return Scope(self.v, f"{self.path}.{name}", self.training)


class Layer(Bundle):
    """Subclass this: `parameters` and `forward`. `owner` is whose the parameters are; "joint":
    drawn so that neither knows them."""

    owner: str = JOINT

    def parameters(self) -> Mapping[str, Parameter]:
        """By name, those of layers inside included, as in "0.weight"."""
        return {}

    def forward(self, scope: Scope, x: Secret) -> Secret:
        """What the layer makes of x."""
        raise NotImplementedError

    def __call__(self, v: Variables, x: Secret, *, training: bool = True) -> Secret:
        """What the model makes of x, a batch along axis 0, with the parameters as they stand in
        `v`.

        training: drop out; False for predictions.
        """
        if not self.name:
            raise JobError(
                f"a {type(self).__name__} computes as an attribute of a job's class: model ="
                " Sequential(…)"
            )
        return self.forward(Scope(v, self.name, training), x)

    def inputs(self) -> dict[str, Input]:
        if self.owner not in (*ROLES, JOINT):
            raise JobError(
                f"the parameters of a model are 'alice''s, 'bob''s or 'joint', not {self.owner!r}'s"
            )
        return {
            name: Input(
                self.owner, each.shape, each.low, each.high, each.default, typical=each.typical
            )
            for name, each in self.parameters().items()
        }

    def names(self) -> list[str]:
        """The names of all its variables, as the job's `v` has them: PyTorch's `state_dict`."""
        return [f"{self.name}.{name}" for name in self.parameters()]

    def trained(self) -> list[str]:
        """Of those, what an optimiser changes: PyTorch's `parameters`."""
        return [f"{self.name}.{name}" for name, each in self.parameters().items() if each.trained]


class Sequential(Layer):
    """One layer after another; model.0 is the first."""

    def __init__(self, *layers: Layer, owner: str = JOINT) -> None:
        for at, layer in enumerate(layers):
            if isinstance(layer, type) and issubclass(layer, Layer):
                raise JobError(
                    f"Sequential: number {at} is the class {layer.__name__}; a layer is"
                    f" {layer.__name__}(…)"
                )
            if not isinstance(layer, Layer):
                raise JobError(
                    f"Sequential takes layers, not {type(layer).__name__} as number {at}"
                )
        self.layers, self.owner = layers, owner

    def parameters(self) -> Mapping[str, Parameter]:
        return nested({str(number): layer for number, layer in enumerate(self.layers)})

    def forward(self, scope: Scope, x: Secret) -> Secret:
        for at, layer in enumerate(self.layers):
            x = layer.forward(scope.inside(str(at)), x)
        return x


class Residual(Layer):
    """x + block(x); `shortcut`, a layer, instead of x where the block changes the shape.
    Parameters: block.…, shortcut.…"""

    def __init__(self, *block: Layer, shortcut: Layer | None = None, owner: str = JOINT) -> None:
        self.block, self.shortcut, self.owner = Sequential(*block), shortcut, owner

    def parameters(self) -> Mapping[str, Parameter]:
        return nested(
            {"block": self.block} | ({} if self.shortcut is None else {"shortcut": self.shortcut})
        )

    def forward(self, scope: Scope, x: Secret) -> Secret:
        past = x if self.shortcut is None else self.shortcut.forward(scope.inside("shortcut"), x)
        out = self.block.forward(scope.inside("block"), x)
        if out.shape != past.shape:
            raise JobError(
                f"Residual: the block makes {out.shape} of what is {past.shape} beside it; give a"
                " shortcut"
            )
        return past + out
