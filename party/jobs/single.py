"""One operation on fresh tensors in every step: what `python -m party bench` measures, and `plan
--job single` takes apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from protocol.errors import JobError
from protocol.jobs import Input, Job, Parameter, Variables
from protocol.ops import (
    Secret,
    absolute,
    exp,
    gelu,
    max_pool2d,
    maximum,
    polynomial,
    reciprocal,
    relu,
    sigmoid,
    sigmoid_derivative,
    sign,
    silu,
    softmax,
    softplus,
    tanh,
)
from protocol.ops.polynomials import SIGMOID_10
from protocol.views import Shape

from .samples import uniform

WIDE = 2.0**44  # at 16 fraction bits, all that fits a 64-bit word with its sign and the offset
LARGE = 2.0**19
CLASSES = 10
PICTURE = (8, 28, 28)  # channels, rows, columns
DEGREE_16 = tuple(1.0 / 2**n for n in range(17))

UNARY: dict[str, tuple[float, Callable[[Secret], Secret]]] = {
    "scale": (1000.0, lambda x: x * 0.3),
    "square": (1000.0, lambda x: x * x),
    "poly9": (8.0, lambda x: polynomial(x, SIGMOID_10, limit=10.0)),
    "poly16": (1.0, lambda x: polynomial(x, DEGREE_16, limit=1.0)),
    "sigmoid": (8.0, sigmoid),
    "sigmoid-fourier": (8.0, lambda x: sigmoid(x, "fourier")),
    "sigmoid-accurate": (30.0, lambda x: sigmoid(x, "accurate")),
    "sigmoid-derivative": (8.0, sigmoid_derivative),
    "exp": (28.0, lambda x: exp(x - 28.0)),
    "reciprocal": (LARGE, lambda x: reciprocal(x + LARGE)),
    "softmax": (8.0, softmax),
    "maxpool": (64.0, lambda x: max_pool2d(x, 2)),
    "softplus": (8.0, softplus),
    "silu": (8.0, silu),
    "gelu": (8.0, gelu),
    "tanh": (4.0, tanh),
    "ltz": (WIDE, lambda x: x < 0.0),
    "sign": (WIDE, sign),
    "relu": (WIDE, relu),
    "absolute": (WIDE, absolute),
}
BINARY: dict[str, tuple[float, Callable[[Secret, Secret], Secret]]] = {
    "add": (1000.0, lambda x, y: x + y),
    "mul": (1000.0, lambda x, y: x * y),
    "matmul": (8.0, lambda x, y: x @ y),
    "maximum": (WIDE / 2, maximum),
}


class Single(Job):
    """`operation` on x (and y): vectors of `size` elements; for softmax these in rows of 10, for
    maxpool in pictures of 8 × 28 × 28, for matmul square matrices of `size` rows.
    """

    iterations = 1
    fraction_bits = 16
    integer_bits = 32
    operation = Parameter("mul")
    size = Parameter(1_000_000)

    @property
    def dims(self) -> Shape:
        """The shape of each operand."""
        if self.operation == "softmax":
            return (max(1, self.size // CLASSES), CLASSES)
        if self.operation == "maxpool":
            return (max(1, self.size // math.prod(PICTURE)), *PICTURE)
        return (self.size, self.size) if self.operation == "matmul" else (self.size,)

    @property
    def inputs(self) -> dict[str, Input]:
        if self.operation not in UNARY | BINARY:
            raise JobError(
                f"there is no operation {self.operation!r}; there are"
                f" {', '.join([*UNARY, *BINARY])}"
            )
        peak = UNARY[self.operation][0] if self.operation in UNARY else BINARY[self.operation][0]
        owners = {"x": "alice"} if self.operation in UNARY else {"x": "alice", "y": "bob"}
        return {
            name: Input(owner, self.dims, -peak, peak, uniform(self.dims, peak, seed))
            for seed, (name, owner) in enumerate(owners.items())
        }

    def result(self, v: Variables) -> Secret:
        """The operation, of x and where it takes two of y."""
        if self.operation in UNARY:
            return UNARY[self.operation][1](v.x)
        return BINARY[self.operation][1](v.x, v.y)

    def setup(self, v: Variables) -> None:
        v.out = self.result(v)

    def step(self, v: Variables) -> None:
        for name in self.inputs:
            setattr(v, name, getattr(v, name)[...])  # carried, so that every step opens it anew
        v.out = self.result(v)

    def finish(self, v: Variables) -> None:
        v.reveal(out=v.out.reshape(-1)[:100])
