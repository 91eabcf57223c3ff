"""A network of 784-128-128-10 with ReLU, trained on the mean squared error: 17 rounds a step.

How the numbers fit one 64-bit word: a weight is carried at scale s = 2f + log2(batch / rate), where its
update arrives, so it is never truncated; it is *opened* once a step modulo 2^64 and used at scale f in the
ring of 64 − (s − f) bits. What is read from that ring is a layer's pre-activation at 2f, so f, s and its
range must satisfy 2f + log2(range) + 2 ≤ 64 − (s − f). That is what the ranges declared here are for: f =
13 and s = 36 leave 41 bits, 26 of them behind the binary point.
"""

from __future__ import annotations

from protocol.jobs import Input, Job, Variables
from protocol.ops import Secret, cross_entropy, gradient, relu, within

from .samples import classes, pictures, uniform

_PICTURES = pictures(1024, 784)
LIMIT = 64.0  # what every pre-activation, and every gradient that arrives at one, is assumed to stay within


class Mlp(Job):
    """Three dense layers; rate / batch is a power of two, so that it is a matter of scale alone."""

    iterations = 8
    fraction_bits = 13
    integer_bits = 12
    batch = 128
    rate = 0.125
    x = Input("bob", shape=("n", 784), low=0, high=1, default=_PICTURES)
    y = Input("bob", shape=("n", 10), low=0, high=1, default=classes(_PICTURES, 10))
    w0 = Input("alice", shape=(784, 128), low=-2, high=2, default=uniform((784, 128), 0.1, seed=3))
    w1 = Input("alice", shape=(128, 128), low=-2, high=2, default=uniform((128, 128), 0.1, seed=4))
    w2 = Input("alice", shape=(128, 10), low=-2, high=2, default=uniform((128, 10), 0.1, seed=5))
    b0 = Input("alice", shape=(128,), low=-2, high=2, default=(0.0,) * 128)
    b1 = Input("alice", shape=(128,), low=-2, high=2, default=(0.0,) * 128)
    b2 = Input("alice", shape=(10,), low=-2, high=2, default=(0.0,) * 10)

    @property
    def reach(self) -> float:
        """What the last layer's outputs are assumed to stay within, without their bias."""
        return LIMIT

    def loss(self, z: Secret, y: Secret) -> Secret:
        error = z - y
        return (error * error).sum() / (2 * self.batch)

    def step(self, v: Variables) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        h0 = relu(within(x @ v.w0, -LIMIT, LIMIT) + v.b0)
        h1 = relu(within(h0 @ v.w1, -LIMIT, LIMIT) + v.b1)
        loss = self.loss(within(h1 @ v.w2, -self.reach, self.reach) + v.b2, y)
        names = ("w0", "w1", "w2", "b0", "b1", "b2")
        for name, g in zip(names, gradient(loss, [v[name] for name in names], peak=LIMIT), strict=True):
            v[name] -= self.rate * g

    def finish(self, v: Variables) -> None:
        v.reveal(w0=v.w0, b0=v.b0, w1=v.w1, b1=v.b1, w2=v.w2, b2=v.b2)


class MlpCrossEntropy(Mlp):
    """The same network, trained on the cross-entropy of a softmax over its ten outputs: five rounds more."""

    @property
    def reach(self) -> float:
        return 6.0  # and the bias 2: no two classes are more than 16 apart

    def loss(self, z: Secret, y: Secret) -> Secret:
        return cross_entropy(z, y)
