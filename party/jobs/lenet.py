"""LeNet-5's layers on pictures of 28 × 28: two 5 × 5 convolutions of 6 and 16 kernels, each with 2
× 2 max-pooling and ReLU, and dense layers of 120 and 10; trained on the cross-entropy of a softmax.
The maximum of a window and 0 is pooling and ReLU at once.

Its numbers fit one 64-bit word as those of `mlp` do. (Y. LeCun et al., Gradient-based learning
applied to document recognition, 1998.)
"""

from __future__ import annotations

import numpy as np

from protocol.jobs import Input, Job, Parameter, Variables
from protocol.ops import Secret, conv2d, cross_entropy, gradient, max_pool2d, relu, within

from .samples import classes, pictures, uniform

_PICTURES = pictures(512, 784)
# what every pre-activation, and every gradient that arrives at one, is assumed to stay within
LIMIT = 64.0


class LeNet(Job):
    """rate / batch is a power of two, so that it is a matter of scale alone."""

    iterations = 8
    fraction_bits = 13
    integer_bits = 12
    batch = Parameter(64)
    rate = Parameter(0.03125)
    x = Input("bob", ("n", 1, 28, 28), low=0, high=1, default=_PICTURES.reshaped(512, 1, 28, 28))
    y = Input("bob", ("n", 10), 0, 1, default=classes(_PICTURES, 10), row_sum=1)
    k0 = Input("alice", (6, 1, 5, 5), low=-2, high=2, default=uniform((6, 1, 5, 5), 0.2, seed=3))
    k1 = Input("alice", (16, 6, 5, 5), low=-2, high=2, default=uniform((16, 6, 5, 5), 0.1, seed=4))
    w0 = Input("alice", (256, 120), low=-2, high=2, default=uniform((256, 120), 0.1, seed=5))
    w1 = Input("alice", (120, 10), low=-2, high=2, default=uniform((120, 10), 0.1, seed=6))
    c0 = Input("alice", (6, 1, 1), low=-2, high=2, default=np.zeros((6, 1, 1)))
    c1 = Input("alice", (16, 1, 1), low=-2, high=2, default=np.zeros((16, 1, 1)))
    b0 = Input("alice", (120,), low=-2, high=2, default=np.zeros(120))
    b1 = Input("alice", (10,), low=-2, high=2, default=np.zeros(10))
    names = ("k0", "c0", "k1", "c1", "w0", "b0", "w1", "b1")

    def step(self, v: Variables) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        h = _features(_features(x, v.k0, v.c0), v.k1, v.c1).reshape(self.batch, -1)
        h = relu(within(h @ v.w0, -LIMIT, LIMIT) + v.b0)
        # and the bias 2: no two classes are more than 16 apart
        loss = cross_entropy(within(h @ v.w1, -6.0, 6.0) + v.b1, y)
        for name, g in zip(
            self.names, gradient(loss, [v[name] for name in self.names], peak=LIMIT), strict=True
        ):
            v[name] -= self.rate * g

    def finish(self, v: Variables) -> None:
        v.reveal({name: v[name] for name in self.names})


def _features(x: Secret, kernels: Secret, bias: Secret) -> Secret:
    return max_pool2d(within(conv2d(x, kernels), -LIMIT, LIMIT) + bias, 2, initial=0.0)
