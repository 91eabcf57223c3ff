"""Beaver products with reusable masks: any bilinear map B of two opened tensors.

    [B(x,y)] = B(εx,εy) − B(εx,[ρy]) − B([ρx],εy) + [B(ρx,ρy)]           (εx = x + ρx, εy = y + ρy)

Only [B(ρx,ρy)] is dealt; x and y are opened once each, whatever they are used for. Party 0 folds
the public term into its own: B(εx, εy − ρy0), so a product is two local maps for each party.
Beaver, CRYPTO '91.

Hides: nothing is opened here. The dealt share is uniform on its own (Bob's) or a keystream
    (Alice's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import kernels
from ..ring import Words, ring
from ..views import Shape
from .base import Field, Mask
from .checking import Checker, Need, Unfit
from .kind import Correlation


@dataclass(frozen=True)
class Product(Correlation):
    """B is "mul" (elementwise, broadcasting) or "matmul" (as numpy.matmul, ≥ 2 axes each)."""

    kind: ClassVar[str] = "product"
    bilinear: str
    a: Mask
    b: Mask
    limbs: int

    @property
    def shape(self) -> Shape:
        """The shape of the product, by NumPy's rules."""
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

    @property
    def grain(self) -> int:
        return int(self.bilinear == "mul" and self.a.shape == self.b.shape)

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a) + it.operand(self.b)
        a, b = self.a.shape, self.b.shape
        if not self.a.limbs == self.b.limbs == self.limbs:
            raise Unfit("its operands are in different rings")
        if self.bilinear == "mul":
            shape, inner = it.broadcast(a, b), 1
        elif self.bilinear == "matmul" and len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2]:
            lead = it.broadcast(a[:-2], b[:-2])
            shape, inner = (*lead, a[-2], b[-1]), a[-1]
            if lead:
                words += 2 * self.limbs * it.size((*lead, a[-2] + b[-1], inner))
        else:
            raise Unfit(f"it multiplies shapes {a} and {b}")
        return Need(words, it.size(shape) * inner * self.limbs**2)

    def deal(self, masks: list[Words]) -> list[Words]:
        r, ndim = ring(self.limbs), len(self.shape)
        if self.grain:
            return [r.mul(*masks)]
        ra, rb = (
            _lift(m, len(o.shape), ndim, self.limbs)
            for m, o in zip(masks, self.operands, strict=True)
        )
        return [r.mul(ra, rb) if self.bilinear == "mul" else r.matmul(ra, rb)]

    def consume(
        self, party: int, ea: Words, ra: Words, eb: Words, rb: Words, dealt: Words
    ) -> Words:
        """This party's share of B(x, y): [B(ρx,ρy)] − B(εx,[ρy]) − B([ρx],εy), and at party 0 +
        B(εx,εy)."""
        share = kernels.beaver_mul if self.bilinear == "mul" else kernels.beaver_matmul
        return share(party, ea, ra, eb, rb, dealt, self.limbs)


def _lift(r: Words, ndim: int, target: int, limbs: int) -> Words:
    """Give a batch of tensors the target's number of axes, so that broadcasting spares the batch
    axis."""
    tail = r.shape[r.ndim - len(ring(limbs).tail) :]
    return r.reshape((r.shape[0],) + (1,) * (target - ndim) + r.shape[1 : 1 + ndim] + tail)
