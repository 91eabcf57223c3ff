"""What a reveal is said to be is what the job wrote: a function by its name, whatever operations it
is made of."""

from __future__ import annotations

import numpy as np
import pytest

from protocol import ops
from protocol.describe import reveals
from protocol.jobs import Input, Job, trace

SAID = [
    (lambda x, y: np.log(y), "log of bob's y"),
    (lambda x, y: np.log(y + 2), "log of (bob's y plus 2)"),
    (lambda x, y: np.log(y) + 2, "log of bob's y plus 2"),
    (lambda x, y: np.log1p(y), "log1p of bob's y"),
    (lambda x, y: np.log10(y), "log10 of bob's y"),
    (lambda x, y: ops.exp(-y), "exp of (minus bob's y)"),
    (lambda x, y: ops.exp(y, most=5.0), "exp of bob's y (most=5)"),
    (lambda x, y: np.exp(y), "exp of bob's y"),
    (lambda x, y: 1 / y, "1 divided by bob's y"),
    (lambda x, y: y**-1, "bob's y to the power -1"),
    (lambda x, y: (x + y) ** 3, "(the sum of alice's x and bob's y) to the power 3"),
    (lambda x, y: x**2, "alice's x to the power 2"),
    (lambda x, y: x**1, "alice's x"),
    (lambda x, y: ops.reciprocal(y), "reciprocal of bob's y"),
    (lambda x, y: x / y, "alice's x divided by bob's y"),
    (lambda x, y: x / 4, "alice's x divided by 4"),
    (lambda x, y: (x + y) / 4, "(the sum of alice's x and bob's y) divided by 4"),
    (lambda x, y: np.sqrt(y), "sqrt of bob's y"),
    (lambda x, y: y**0.5, "bob's y to the power 0.5"),
    (lambda x, y: ops.rsqrt(y), "rsqrt of bob's y"),
    (lambda x, y: np.var(x, 0), "var of alice's x (axis=0)"),
    (lambda x, y: x.std(0), "std of alice's x (axis=0)"),
    (lambda x, y: x.mean(0), "the mean of alice's x"),
    (lambda x, y: x.sum(0) / 6, "(the sum over alice's x) divided by 6"),
    (lambda x, y: np.linalg.norm(x, ord=1, axis=0), "norm of alice's x (ord=1, axis=0)"),
    (lambda x, y: np.prod(y, axis=1), "prod of bob's y (axis=1)"),
    (lambda x, y: np.cumsum(y, axis=0), "cumsum of bob's y (axis=0)"),
    (lambda x, y: x.max(axis=1), "max of alice's x (axis=1)"),
    (lambda x, y: np.argmax(x, axis=1), "argmax of alice's x (axis=1)"),
    (lambda x, y: ops.is_max(x), "is_max of alice's x"),
    (lambda x, y: np.ptp(x, axis=0), "ptp of alice's x (axis=0)"),
    (
        lambda x, y: ops.where(x > y, x, 0),
        "alice's x where (a comparison with 0 of (the difference of alice's x and bob's y)) says"
        " so, else 0",
    ),
    (
        lambda x, y: ops.where(x > 0, 1, -1),
        "1 where (a comparison with 0 of alice's x) says so, else -1",
    ),
    (lambda x, y: abs(x), "the absolute value of alice's x"),
    (lambda x, y: np.sign(x), "sign of alice's x"),
    (lambda x, y: x == y, "whether alice's x equals bob's y"),
    (lambda x, y: x != 3, "whether alice's x differs from 3"),
    (lambda x, y: np.maximum(x, y), "the larger of alice's x and bob's y"),
    (lambda x, y: np.minimum(1.5, x), "the smaller of 1.5 and alice's x"),
    (lambda x, y: np.clip(x, -1, 1), "clip of alice's x (a_min=-1, a_max=1)"),
    (lambda x, y: ops.relu(x), "relu of alice's x"),
    (lambda x, y: ops.sigmoid(x, "accurate"), 'sigmoid of alice\'s x (method="accurate")'),
    (lambda x, y: np.tanh(x), "tanh of alice's x"),
    (lambda x, y: ops.gelu(x), "gelu of alice's x"),
    (lambda x, y: ops.softmax(x), "softmax of alice's x"),
    (lambda x, y: ops.logsumexp(x, axis=0), "logsumexp of alice's x (axis=0)"),
    (lambda x, y: ops.log_softmax(x).T, "log_softmax of alice's x"),
    (lambda x, y: ops.cross_entropy(x, y), "cross_entropy of alice's x and bob's y"),
    (
        lambda x, y: np.all(x > 0, axis=1),
        "all of (a comparison with 0 of alice's x) (axis=1)",
    ),
    (
        lambda x, y: np.einsum("ij,kj->ik", x, y),
        "einsum of alice's x and bob's y (subscripts=\"ij,kj->ik\")",
    ),
    (lambda x, y: x[:, [0, 2]], "a part of alice's x"),
    (lambda x, y: x[1:], "a part of alice's x"),
    (lambda x, y: np.take(x, [0, 0, 1, 1], 1), "a part of alice's x"),
    (lambda x, y: np.log(np.roll(y[::-1, None], 2)), "log of bob's y"),
    (
        lambda x, y: (x > 0) & ~(y > 1),
        "logical_and of (a comparison with 0 of alice's x) and (logical_not of (a comparison with 1"
        " of bob's y))",
    ),
    # an operation of one is described as that, and so is what only looks like one of several
    (lambda x, y: 2 * (x + 1), "2 times (alice's x plus 1)"),
    (lambda x, y: 2 * x + 1, "2 times alice's x plus 1"),
    (lambda x, y: +np.clip(x, None, None), "alice's x"),
    (lambda x, y: np.logical_not(x > 0), "logical_not of (a comparison with 0 of alice's x)"),
    (lambda x, y: 1 - np.logical_not(x > 0), "a comparison with 0 of alice's x"),
]


@pytest.mark.parametrize(("body", "expected"), SAID, ids=[text for _, text in SAID])
def test_a_function_is_said_by_its_name(body, expected):
    class Said(Job):
        x = Input("alice", (6, 4), low=-4, high=4)
        y = Input("bob", (6, 4), low=0.5, high=4)

        def step(self, v):
            pass

        def finish(self, v):
            v.reveal(out=body(v.x, v.y))

    (line,) = reveals(trace(Said(), {"x": (6, 4), "y": (6, 4)}).listing, (0, 1))
    said = line.split(" to alice and bob: ")[1]
    assert said == expected
