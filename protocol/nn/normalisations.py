"""Layers that standardise their input: of a batch, or of each row. Arguments, formulas and names of
parameters are PyTorch's.

x̂ = (x − mean) / √(var + eps), over the axes that share a mean. With var + eps known to lie above
eps, 1/√ takes the comparisons and waves of `ops.rsqrt`: nine rounds forward. Backward, by the
closed form

    ∂loss/∂x = (g − mean(g) − x̂·mean(g·x̂)) / √(var + eps)

from the openings of the forward pass: three rounds (Ioffe and Szegedy, "Batch normalization", 2015,
section 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import JobError
from ..ops import Secret, differentiated, rsqrt
from ..ops.cotangents import weighted
from ..ops.tensor import bounded
from ..views import Shape
from .layer import Layer, Parameter, Scope

WIDEST = 1024.0  # what a running mean, and the root of a running variance, are taken to stay below


def _standardised(x: Secret, axes: tuple[int, ...], eps: float) -> tuple[Secret, Secret, Secret]:
    """x̂, and the mean and the variance over the axes, which stay with length 1."""
    count = math.prod(x.shape[axis] for axis in axes)
    mean = x.mean(axes, keepdims=True)
    away = x - mean
    variance = bounded((away * away).mean(axes, keepdims=True), 0.0, math.inf)
    root = rsqrt(variance + eps)
    reach = math.sqrt(count) + 0.01  # |x − mean| is at most √count deviations
    out = bounded(away * root, -reach, reach)

    def pull(n: int, g: Any) -> Any:
        flow: Any = weighted(out, g)
        rest = g - g.mean(axes, keepdims=True) - out * flow.mean(axes, keepdims=True)
        return weighted(root, rest)

    return differentiated(out, [x], pull), mean, variance


@dataclass(eq=False)
class _Norm(Layer):
    """What the layers of this file have in common: eps, and a factor and a summand for each
    feature."""

    def _affine(self, shape: Shape) -> dict[str, Parameter]:
        return {
            "weight": Parameter(shape, np.ones(shape)),
            "bias": Parameter(shape, np.zeros(shape)),
        }

    def _checked(self, eps: float) -> None:
        if not 2.0**-18 <= eps <= 1.0:
            raise JobError(
                f"{type(self).__name__}: eps lies between 2^-18 (4e-6) and 1, not at {eps!r}"
            )


@dataclass(eq=False)
class LayerNorm(_Norm):
    """Each row standardised over its last axes, which have the shape `normalized_shape`; then ·
    weight + bias."""

    normalized_shape: int | tuple[int, ...]
    eps: float = 1e-5
    elementwise_affine: bool = True

    @property
    def own(self) -> Shape:
        shape = self.normalized_shape
        return (shape,) if isinstance(shape, int) else tuple(shape)

    def parameters(self) -> Mapping[str, Parameter]:
        self._checked(self.eps)
        return self._affine(self.own) if self.elementwise_affine else {}

    def forward(self, scope: Scope, x: Secret) -> Secret:
        if x.shape[-len(self.own) :] != self.own or x.ndim <= len(self.own):
            raise JobError(
                f"LayerNorm({self.normalized_shape}) of a tensor of shape {x.shape}: its last axes"
                f" must be {self.own}"
            )
        out, _, _ = _standardised(x, tuple(range(x.ndim - len(self.own), x.ndim)), self.eps)
        return out * scope["weight"] + scope["bias"] if self.elementwise_affine else out


@dataclass(eq=False)
class BatchNorm1d(_Norm):
    """Each feature (axis 1) standardised over the batch; then · weight + bias.

    In training by the mean and variance of the batch, which move running_mean and running_var by
    `momentum`; for predictions by those. Both are secret, carried from step to step, and no
    optimiser changes them.
    """

    num_features: int
    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    axes: ClassVar[tuple[int, ...]] = (0,)

    def parameters(self) -> Mapping[str, Parameter]:
        self._checked(self.eps)
        shape = (self.num_features,)
        found = self._affine(shape) if self.affine else {}
        return found | {
            "running_mean": Parameter(shape, np.zeros(shape), -WIDEST, WIDEST, trained=False),
            "running_var": Parameter(shape, np.ones(shape), 0.0, WIDEST**2, trained=False),
        }

    def forward(self, scope: Scope, x: Secret) -> Secret:
        name, shape = type(self).__name__, (1, self.num_features, *(1 for _ in self.axes[1:]))
        if x.ndim != len(shape) or x.shape[1] != self.num_features:
            raise JobError(
                f"{name}({self.num_features}) of a tensor of shape {x.shape}: {len(shape)} axes are"
                f" needed, and {self.num_features} along axis 1"
            )
        if scope.training:
            count = x.size // self.num_features
            if count < 2:
                raise JobError(
                    f"{name}: a batch of one value a feature has no variance; take a larger batch"
                )
            out, mean, variance = _standardised(x, self.axes, self.eps)
            for label, value in (
                ("running_mean", mean),
                ("running_var", variance * (count / (count - 1))),
            ):
                scope[label] = (
                    scope[label] * (1.0 - self.momentum)
                    + value.reshape(self.num_features) * self.momentum
                )
        else:
            root = rsqrt(bounded(scope["running_var"], 0.0, math.inf) + self.eps)
            out = (x - scope["running_mean"].reshape(shape)) * root.reshape(shape)
        return (
            out * scope["weight"].reshape(shape) + scope["bias"].reshape(shape)
            if self.affine
            else out
        )


@dataclass(eq=False)
class BatchNorm2d(BatchNorm1d):
    """The same of pictures (n, c, h, w): each channel over the batch and all places."""

    axes: ClassVar[tuple[int, ...]] = (0, 2, 3)
