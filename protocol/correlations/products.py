"""Beaver products with reusable masks: any bilinear map B of two opened tensors.

    [B(x,y)] = B(εx,εy) − B(εx,[ρy]) − B([ρx],εy) + [B(ρx,ρy)]           (εx = x + ρx, εy = y + ρy)

Only [B(ρx,ρy)] is dealt; x and y are opened once each, whatever they are used for. Party 0 folds the public term into
its own: B(εx, εy − ρy0), so a product is two local maps for each party. Beaver, CRYPTO '91.

Hides: nothing is opened here. The dealt share is uniform on its own (Bob's) or a keystream (Alice's).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ring import Words, ring
from ..views import Shape
from .base import Field, Mask


@dataclass(frozen=True)
class Product:
    """B is "mul" (elementwise, broadcasting) or "matmul" (as numpy.matmul, ≥ 2 axes each)."""

    kind: ClassVar[str] = "product"
    bilinear: str
    a: Mask
    b: Mask
    limbs: int

    @property
    def shape(self) -> Shape:
        if self.bilinear == "mul":
            return np.broadcast_shapes(self.a.shape, self.b.shape)
        lead = np.broadcast_shapes(self.a.shape[:-2], self.b.shape[:-2])
        return (*lead, self.a.shape[-2], self.b.shape[-1])

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a, self.b)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field(self.shape, self.limbs),)

    def deal(self, masks: list[Words]) -> list[Words]:
        ra, rb = (_lift(r, len(m.shape), len(self.shape), self.limbs) for r, m in zip(masks, self.operands, strict=True))
        return [self.map(ra, rb)]

    @property
    def map(self) -> Callable[[Words, Words], Words]:
        return ring(self.limbs).mul if self.bilinear == "mul" else ring(self.limbs).matmul

    def consume(self, party: int, ea: Words, ra: Words, eb: Words, rb: Words, dealt: Words) -> Words:
        """This party's share of B(x, y): shape `self.shape`."""
        r = ring(self.limbs)
        if party == 0:
            return r.add(r.sub(self.map(ea, r.sub(eb, rb)), self.map(ra, eb)), dealt)
        return r.sub(dealt, r.add(self.map(ea, rb), self.map(ra, eb)))


def _lift(r: Words, ndim: int, target: int, limbs: int) -> Words:
    """Give a batch of tensors the target's number of axes, so that broadcasting leaves the batch axis alone."""
    tail = r.shape[r.ndim - len(ring(limbs).tail) :]
    return r.reshape((r.shape[0],) + (1,) * (target - ndim) + r.shape[1 : 1 + ndim] + tail)
