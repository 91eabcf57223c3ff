"""Layers that standardise their input: of a batch, or of each row. Arguments, formulas and names of
weights are PyTorch's.

x̂ = (x − mean) / √(var + eps), over the axes that share a mean. With var + eps known to lie above
eps, 1/√ takes the comparisons and waves of `ops.rsqrt`: nine rounds forward. Backward, by the
closed form

    ∂loss/∂x = (g − mean(g) − x̂·mean(g·x̂)) / √(var + eps)

from the openings of the forward pass: three rounds (Ioffe and Szegedy, "Batch normalization", 2015,
section 3).

What is standardised may be in any unit: what is likely to be far from its mean, as features that
nobody has scaled, is multiplied by a power of two first, so that the root keeps its digits. A
variance counts as no less than 2^-18 then, in the unit that this makes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..arguments import flags, positive, ranges, sizes
from ..errors import JobError
from ..nodes import Source, whole
from ..ops import Secret, differentiated, rsqrt
from ..ops.cotangents import weighted
from ..ops.tensor import bounded
from ..ranges import Spread
from ..views import Shape
from .layer import LIMIT, Layer, LayerWeight, Scope

# how much smaller than what is likely a deviation is expected to be at times: taken for as small as
# eps allows, of which it is far, a few layers of gradients would leave the ring
NARROW = 16.0
WIDEST = 1024.0  # what a running mean, and the root of a running variance, are taken to stay below
USUAL = 128.0  # deviations up to this are standardised as they are
LEAST_EPS = 2.0**-18  # what fixed point tells from 0


def unit(x: Secret) -> float:
    """The power of two, 1 at least, that x is divided by before it is standardised."""
    far = x._node.likely.deviation
    return 2.0 ** max(0, math.frexp(far / USUAL)[1]) if math.isfinite(far) else 1.0


def _standardised(x: Secret, axes: tuple[int, ...], eps: float) -> tuple[Secret, Secret, Secret]:
    """x̂, and the mean and the variance over the axes, which stay with length 1."""
    count = math.prod(x.shape[axis] for axis in axes)
    own, mean = unit(x), x.mean(axes, keepdims=True)
    away: Any = x - mean if own == 1.0 else (x - mean) * (1 / own)
    variance = bounded((away * away).mean(axes, keepdims=True), 0.0, math.inf)
    root = rsqrt(variance + max(eps / own**2, LEAST_EPS))
    reach = math.sqrt(count) + 0.01  # |x − mean| is at most √count deviations
    out = bounded(away * root, -reach, reach)
    out._node.spread, usual = Spread(0.0, 1.0), away._node.likely.rms
    if usual > 0.0:
        root._node.spread = Spread(min(NARROW / usual, root._node.likely.mean), NARROW / usual)

    def pull(n: int, g: Any) -> Any:
        flow: Any = weighted(out, g)
        rest = g - g.mean(axes, keepdims=True) - out * flow.mean(axes, keepdims=True)
        return weighted(root, rest) if own == 1.0 else weighted(root, rest) * (1 / own)

    spread = variance if own == 1.0 else variance * own**2
    return differentiated(out, [x], pull), mean, spread


def _kept(x: Secret) -> None:
    """JobError for features whose running means would leave their range at once."""
    node = whole(x._node)
    most = node.peak if isinstance(node.op, Source) else max(node.likely)
    if WIDEST < most < math.inf:
        raise JobError(
            f"running means are kept within ±{WIDEST:g}, and features may be {most:.3g} here:"
            f" divide them by 2^{math.ceil(math.log2(most / WIDEST))} or standardise them before,"
            " and declare the range that they have then, or take LayerNorm, which keeps none"
        )


class _Norm(Layer):
    """What the layers of this file have in common: eps, and a factor and a summand for each
    feature."""

    eps: float

    def __post_init__(self) -> None:
        ranges(self, LEAST_EPS, 1.0, eps=self.eps)
        positive(self, limit=self.limit)

    def _affine(self, shape: Shape, bias: bool = True) -> dict[str, LayerWeight]:
        within = (-self.limit, self.limit)
        weight = {"weight": LayerWeight(shape, np.ones(shape), *within)}
        return weight | ({"bias": LayerWeight(shape, np.zeros(shape), *within)} if bias else {})


@dataclass(eq=False)
class LayerNorm(_Norm):
    """Each row standardised over its last axes, which have the shape `normalized_shape`; then ·
    weight + bias."""

    normalized_shape: int | Sequence[int]
    eps: float = 1e-5
    elementwise_affine: bool = True
    bias: bool = True
    limit: float = LIMIT

    def __post_init__(self) -> None:
        super().__post_init__()
        flags(self, elementwise_affine=self.elementwise_affine, bias=self.bias)
        own = self.own
        sizes(
            self,
            normalized_shape=len(own),
            **{f"normalized_shape[{n}]": k for n, k in enumerate(own)},
        )

    @property
    def own(self) -> Shape:
        """The shape that is normalised, as a tuple: the last axes of the input."""
        shape = self.normalized_shape
        return tuple(shape) if isinstance(shape, Sequence) else (shape,)

    def weights(self) -> Mapping[str, LayerWeight]:
        return self._affine(self.own, self.bias) if self.elementwise_affine else {}

    def forward(self, scope: Scope, x: Secret) -> Secret:
        if x.shape[-len(self.own) :] != self.own or x.ndim <= len(self.own):
            raise JobError(
                f"of a tensor of shape {x.shape}: behind rows, its last axes must be {self.own}"
            )
        out, _, _ = _standardised(x, tuple(range(x.ndim - len(self.own), x.ndim)), self.eps)
        if self.elementwise_affine:
            out = out * scope["weight"]
        return out + scope["bias"] if self.elementwise_affine and self.bias else out


@dataclass(eq=False)
class BatchNorm1d(_Norm):
    """Each feature (axis 1) of (n, c), or of sequences (n, c, length), standardised over the batch
    and all places; then · weight + bias.

    In training by the mean and variance of the batch, which move running_mean and running_var by
    `momentum`, or with None make them the mean of all steps so far; for predictions by those. Both
    are secret, carried from step to step, and no optimiser changes them.
    """

    num_features: int
    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = True
    limit: float = LIMIT
    ranks: ClassVar[tuple[int, ...]] = (2, 3)

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes(self, num_features=self.num_features)
        flags(self, affine=self.affine)
        if self.momentum is not None:
            ranges(self, 0.0, math.nextafter(1.0, 2.0), momentum=self.momentum)

    def weights(self) -> Mapping[str, LayerWeight]:
        shape = (self.num_features,)
        found = self._affine(shape) if self.affine else {}
        return found | {
            "running_mean": LayerWeight(shape, np.zeros(shape), -WIDEST, WIDEST, trained=False),
            "running_var": LayerWeight(shape, np.ones(shape), 0.0, WIDEST**2, trained=False),
        }

    def forward(self, scope: Scope, x: Secret) -> Secret:
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            raise JobError(
                f"of a tensor of shape {x.shape}: {' or '.join(map(str, self.ranks))} axes are"
                f" needed, and {self.num_features} along axis 1"
            )
        axes = (0, *range(2, x.ndim))
        shape = (1, self.num_features) + (1,) * (x.ndim - 2)
        if scope.training:
            count = x.size // self.num_features
            if count < 2:
                raise JobError(
                    "a batch of one value a feature has no variance; take a larger batch"
                )
            _kept(x)
            out, mean, variance = _standardised(x, axes, self.eps)
            part: Any = self.momentum
            rest: Any = None if part is None else 1.0 - part
            if part is None:
                part = scope.v.schedule(lambda step: 1.0 / (step + 1))
                rest = scope.v.schedule(lambda step: step / (step + 1))
            for label, value in (
                ("running_mean", mean),
                ("running_var", variance * (count / (count - 1))),
            ):
                scope[label] = scope[label] * rest + value.reshape(self.num_features) * part
        else:
            root = rsqrt(bounded(scope["running_var"], 0.0, math.inf) + self.eps)
            out = (x - scope["running_mean"].reshape(shape)) * root.reshape(shape)
            out._node.spread = Spread(
                0.0, NARROW
            )  # of what was learnt, 1; of other rows, who knows
        return (
            out * scope["weight"].reshape(shape) + scope["bias"].reshape(shape)
            if self.affine
            else out
        )


@dataclass(eq=False)
class BatchNorm2d(BatchNorm1d):
    """The same of pictures (n, c, h, w): each channel over the batch and all places."""

    ranks: ClassVar[tuple[int, ...]] = (4,)
