"""What a layer is: weights by name, and what it makes of a tensor. No layer has a backward pass:
`gradient` has.

    class Digits(Job):
        model = Sequential(Dense(64, 32), ReLU(), Dense(32, 10), owner="joint")
        def step(self, v):
            loss = CrossEntropy()(self.model(v, v.x), v.y)

A model as an attribute of a job brings its weights as Inputs of the job, called as PyTorch calls
them in a `state_dict`: model.0.weight, model.0.bias, model.2.weight and so on. Names, arguments and
shapes of layers are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..arguments import made
from ..draws import Draw, he
from ..errors import JobError
from ..inputs import member
from ..jobs import JOINT, ROLES, Bundle, Input, Variables
from ..ops import Secret
from ..views import Shape

# what a weight is taken to stay below in absolute value; training beyond it is noticed by the
# guard
LIMIT = 8.0


@dataclass(frozen=True)
class LayerWeight:
    """A tensor of a layer, a bias too: its shape, its range, and what it is drawn from, or the
    array, where nobody brings a file."""

    shape: Shape
    default: Any
    low: float = -LIMIT
    high: float = LIMIT
    typical: float | None = None  # as an Input has it
    trained: bool = True  # False: no optimiser changes it, but perhaps the layer itself


def affine(
    owner: Layer, shape: Shape, fan_in: int, init: Any, bias: bool
) -> dict[str, LayerWeight]:
    """weight of this shape, drawn from `init` or from He's distribution, and a bias for each of its
    rows, within ±owner.limit; JobError where `init` is neither a draw nor an array of that
    shape."""
    if init is None:
        init = he(fan_in)
    if not isinstance(init, Draw) and np.shape(init) != shape:
        raise JobError(
            f"{type(owner).__name__}: init is what weights are drawn from, as he({fan_in}), or an"
            f" array of shape {shape}, not {type(init).__name__} {np.shape(init) or ''}"
        )
    within = (-owner.limit, owner.limit)
    found = {"weight": LayerWeight(shape, init, *within)}
    return found | ({"bias": LayerWeight(shape[:1], np.zeros(shape[0]), *within)} if bias else {})


@dataclass(frozen=True)
class Scope:
    """A layer's own variables during one pass: scope["weight"] is v["model.0.weight"].

    paths: of the layers that have weights, by their `id`: one that stands in several places
        has the same weights in all of them.
    """

    v: Variables
    path: str
    training: bool
    paths: Mapping[int, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Secret:
        return self.v[f"{self.path}.{name}"]

    def __setitem__(self, name: str, value: Secret) -> None:
        self.v[f"{self.path}.{name}"] = value

    def apply(self, name: str, layer: Layer, x: Secret) -> Secret:
        """What a layer inside, which is called so, makes of x."""
        return layer.made_of(
            replace(self, path=self.paths.get(id(layer), f"{self.path}.{name}")), x
        )


class _LayerError(JobError):
    """One that says already which layer it is of."""


class Layer(Bundle):
    """Subclass this: `forward`, and `weights` or `inside`. `owner` is whose the weights are;
    "joint": drawn so that neither knows them. `limit` is what each of them is taken to
    stay within, in absolute value, biases too."""

    owner: str = JOINT
    limit: float = LIMIT

    def weights(self) -> Mapping[str, LayerWeight]:
        """Its own, by name."""
        return {}

    def inside(self) -> Mapping[str, Layer]:
        """The layers that it is made of, by name; `forward` has scope.apply(name, layer, x) of
        them."""
        return {}

    def forward(self, scope: Scope, x: Secret) -> Secret:
        """What the layer makes of x."""
        raise NotImplementedError

    def made_of(self, scope: Scope, x: Secret) -> Secret:
        """The same; its operations, and a JobError, are known by the layer's name."""
        name = f"{scope.path}, {type(self).__name__}"
        try:
            with x._graph.placed(name):
                return self.forward(scope, x)
        except _LayerError:
            raise
        except JobError as error:
            named = _LayerError(f"{name}: {error}")
            raise named.with_traceback(error.__traceback__) from None

    def places(self) -> dict[str, Layer]:
        """The layers that have weights, this one included, by their paths from here: each once,
        where it stands first."""
        found: dict[str, Layer] = {"": self} if self.weights() else {}
        for name, layer in self.inside().items():
            for path, each in layer.places().items():
                if not any(each is other for other in found.values()):
                    found[member(name, path)] = each
        return found

    def paths(self) -> dict[int, str]:
        """Of these layers, by their `id`, as the job calls them."""
        return {id(layer): member(self.name, path) for path, layer in self.places().items()}

    def sources(self) -> Iterable[object]:
        return self.places().values()

    def __call__(self, v: Variables, x: Secret, *, training: bool = True) -> Secret:
        """What the model makes of x, a batch along axis 0, with the weights as they stand in
        `v`.

        training: drop out; False for predictions.
        """
        if not self.name:
            raise JobError(
                f"a {type(self).__name__} computes as an attribute of a job's class: model ="
                " Sequential(…)"
            )
        return self.made_of(Scope(v, self.name, training, self.paths()), x)

    def inputs(self) -> dict[str, Input]:
        if self.owner not in (*ROLES, JOINT):
            raise JobError(
                "the weights of a model belong to 'alice', to 'bob' or to both, 'joint', not to"
                f" {self.owner!r}"
            )
        return {
            name: Input(
                self.owner, each.shape, each.low, each.high, each.default, typical=each.typical
            )
            for name, each in self.tensors().items()
        }

    def tensors(self) -> dict[str, LayerWeight]:
        """The weights of all its layers, as in "0.weight"."""
        return {
            f"{path}.{name}" if path else name: each
            for path, layer in self.places().items()
            for name, each in layer.weights().items()
        }

    def names(self) -> list[str]:
        """The names of all its variables, as the job's `v` has them: PyTorch's `state_dict`."""
        return [f"{self.name}.{name}" for name in self.tensors()]

    def trained(self) -> list[str]:
        """Of those, what an optimiser changes: PyTorch's `parameters`."""
        return [f"{self.name}.{name}" for name, each in self.tensors().items() if each.trained]


class Sequential(Layer):
    """One layer after another; model.0 is the first. One that stands in several places shares its
    weights there, as in PyTorch."""

    def __init__(self, *layers: Layer, owner: str = JOINT) -> None:
        for at, layer in enumerate(layers):
            made(self, f"number {at}", layer, Layer, "a layer")
        self.layers, self.owner = layers, owner

    def inside(self) -> Mapping[str, Layer]:
        return {str(at): layer for at, layer in enumerate(self.layers)}

    def forward(self, scope: Scope, x: Secret) -> Secret:
        for name, layer in self.inside().items():
            x = scope.apply(name, layer, x)
        return x


class Residual(Layer):
    """x + block(x); `shortcut`, a layer, instead of x where the block changes the shape.
    Weights: block.…, shortcut.…"""

    def __init__(self, *block: Layer, shortcut: Layer | None = None, owner: str = JOINT) -> None:
        if shortcut is not None:
            made(self, "shortcut", shortcut, Layer, "a layer")
        self.block, self.shortcut, self.owner = Sequential(*block), shortcut, owner

    def inside(self) -> Mapping[str, Layer]:
        return {"block": self.block} | (
            {} if self.shortcut is None else {"shortcut": self.shortcut}
        )

    def forward(self, scope: Scope, x: Secret) -> Secret:
        past = x if self.shortcut is None else scope.apply("shortcut", self.shortcut, x)
        out = scope.apply("block", self.block, x)
        if out.shape != past.shape:
            raise JobError(
                f"the block makes {out.shape} of what is {past.shape} beside it; give a shortcut"
            )
        return past + out
