"""Dense layers, dropout, activations. Arguments, and shapes of weights, are PyTorch's."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from .. import ops
from ..arguments import flags, positive, ranges, sizes
from ..draws import Draw
from ..errors import JobError
from ..ops import Secret
from ..ops.axes import agreed_seed, axes_of
from .layer import LIMIT, Layer, LayerWeight, Scope, affine


@dataclass(eq=False)
class Dense(Layer):
    """x @ weight.T + bias, weight (out_features, in_features); a matrix product: one round.
    PyTorch's Linear.

    init: what the weights are drawn from, or the array that they are; He's distribution by default.
    limit: what weights and biases stay within, in absolute value; the guard watches it.
    """

    in_features: int
    out_features: int
    bias: bool = True
    init: Any = None
    limit: float = LIMIT

    def __post_init__(self) -> None:
        sizes(self, in_features=self.in_features, out_features=self.out_features)
        positive(self, limit=self.limit)
        flags(self, bias=self.bias)

    def weights(self) -> Mapping[str, LayerWeight]:
        shape = (self.out_features, self.in_features)
        return affine(self, shape, self.in_features, self.init, self.bias)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        if x.shape[-1:] != (self.in_features,):
            raise JobError(
                f"{self.in_features} → {self.out_features} of a tensor of shape {x.shape}: its"
                f" last axis must have {self.in_features}; put a Flatten() before it if these are"
                " pictures"
            )
        out = x @ scope["weight"].T
        return out + scope["bias"] if self.bias else out


@dataclass(eq=False)
class Embedding(Layer):
    """The row of weight (num_embeddings, embedding_dim) that each secret one-hot vector along the
    last axis names; one round."""

    num_embeddings: int
    embedding_dim: int
    init: Any = Draw(1.0)  # noqa: RUF009, frozen
    limit: float = LIMIT

    def __post_init__(self) -> None:
        positive(self, limit=self.limit)
        sizes(self, num_embeddings=self.num_embeddings, embedding_dim=self.embedding_dim)

    def weights(self) -> Mapping[str, LayerWeight]:
        shape = (self.num_embeddings, self.embedding_dim)
        return affine(self, shape, self.num_embeddings, self.init, bias=False)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        if x.shape[-1:] != (self.num_embeddings,):
            raise JobError(
                f"of a tensor of shape {x.shape}: its last axis has the one-hot vectors, of"
                f" {self.num_embeddings} entries each"
            )
        return x @ scope["weight"]


@dataclass(eq=False)
class Flatten(Layer):
    """The axes from start_dim to end_dim as one: all but the first, by default."""

    start_dim: int = 1
    end_dim: int = -1

    def __post_init__(self) -> None:
        for name in ("start_dim", "end_dim"):
            if type(axis := getattr(self, name)) is not int:
                raise JobError(f"Flatten: {name} is the number of an axis, not {axis!r}")

    def forward(self, scope: Scope, x: Secret) -> Secret:
        first, last = (axes_of(axis, x.ndim)[0] for axis in (self.start_dim, self.end_dim))
        if first > last:
            raise JobError(f"axes {self.start_dim} to {self.end_dim} of shape {x.shape} are none")
        joined = math.prod(x.shape[first : last + 1])
        return x.reshape(*x.shape[:first], joined, *x.shape[last + 1 :])


@dataclass(eq=False)
class Dropout(Layer):
    """In training, every entry with probability p as 0, the others divided by 1 − p; no round.

    Which ones is agreed, not secret, and another in each step: it follows from the step, `seed`,
    and where the layer stands.
    """

    p: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        ranges(self, 0.0, 1.0, p=self.p)
        agreed_seed(self.seed)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        if not scope.training:
            return x
        own = hashlib.blake2b(f"{scope.path} {self.seed}".encode(), digest_size=6)
        return ops.dropout(x, self.p, int.from_bytes(own.digest()))


@dataclass(eq=False)
class LeakyReLU(Layer):
    """x where x ≥ 0, else negative_slope · x; the rounds of a comparison."""

    negative_slope: float = 0.01
    inplace: bool = False

    def __post_init__(self) -> None:
        flags(self, inplace=self.inplace)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        return ops.leaky_relu(x, self.negative_slope)


@dataclass(eq=False)
class Activation(Layer):
    """A function of every entry. inplace: as PyTorch's; the result is the same."""

    inplace: bool = False
    function: ClassVar[Any]  # of a Secret

    def __post_init__(self) -> None:
        flags(self, inplace=self.inplace)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        made: Secret = self.function(x)
        return made


@dataclass(eq=False)
class ReLU(Activation):
    """`ops.relu` of every entry: max(x, 0)."""

    function = staticmethod(ops.relu)


@dataclass(eq=False)
class GELU(Activation):
    """`ops.gelu` of every entry: x · Φ(x)."""

    function = staticmethod(ops.gelu)


@dataclass(eq=False)
class SiLU(Activation):
    """`ops.silu` of every entry: x · sigmoid(x)."""

    function = staticmethod(ops.silu)


@dataclass(eq=False)
class Tanh(Activation):
    """`ops.tanh` of every entry."""

    function = staticmethod(ops.tanh)


@dataclass(eq=False)
class Sigmoid(Activation):
    """`ops.sigmoid` of every entry, in its accurate form."""

    function = staticmethod(partial(ops.sigmoid, method="accurate"))


@dataclass(eq=False)
class Softmax(Layer):
    """Of the entries along an axis; `ops.softmax` says in which range."""

    dim: int = -1

    def forward(self, scope: Scope, x: Secret) -> Secret:
        return ops.softmax(x, self.dim)
