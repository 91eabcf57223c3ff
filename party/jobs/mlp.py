"""A network of 784-128-128-10 with ReLU, trained on the mean squared error: 17 rounds a step."""

from __future__ import annotations

from protocol.jobs import Input, Job, Parameter, Variables
from protocol.ops import Secret, cross_entropy, gradient, relu, within

from .samples import classes, pictures, uniform

_PICTURES = pictures(1024, 784)


class Mlp(Job):
    """Three dense layers. The plan's own choice is 20 fraction bits; 12 take a round and a third of
    the bytes less."""

    iterations = 8
    fraction_bits = 12
    integer_bits = 12
    batch = Parameter(128)
    rate = Parameter(0.125)
    x = Input("bob", shape=("n", 784), low=0, high=1, default=_PICTURES)
    y = Input("bob", shape=("n", 10), low=0, high=1, default=classes(_PICTURES, 10))
    w0 = Input(
        "alice",
        shape=(784, 128),
        low=-2,
        high=2,
        default=uniform((784, 128), 0.1, seed=3),
        typical=0.06,
    )
    w1 = Input(
        "alice",
        shape=(128, 128),
        low=-2,
        high=2,
        default=uniform((128, 128), 0.1, seed=4),
        typical=0.06,
    )
    w2 = Input(
        "alice",
        shape=(128, 10),
        low=-2,
        high=2,
        default=uniform((128, 10), 0.1, seed=5),
        typical=0.06,
    )
    b0 = Input("alice", shape=(128,), low=-2, high=2, default=(0.0,) * 128)
    b1 = Input("alice", shape=(128,), low=-2, high=2, default=(0.0,) * 128)
    b2 = Input("alice", shape=(10,), low=-2, high=2, default=(0.0,) * 10)

    def loss(self, z: Secret, y: Secret) -> Secret:
        """Half of the squared error, a row's summed over the classes, on average over the batch."""
        error = z - y
        return (error * error).sum() / (2 * self.batch)

    def step(self, v: Variables) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        h0 = relu(x @ v.w0 + v.b0)
        h1 = relu(h0 @ v.w1 + v.b1)
        loss = self.loss(h1 @ v.w2 + v.b2, y)
        names = ("w0", "w1", "w2", "b0", "b1", "b2")
        for name, g in zip(names, gradient(loss, [v[name] for name in names]), strict=True):
            v[name] -= self.rate * g

    def finish(self, v: Variables) -> None:
        v.reveal(w0=v.w0, b0=v.b0, w1=v.w1, b1=v.b1, w2=v.w2, b2=v.b2)


class MlpCrossEntropy(Mlp):
    """The same network, trained on the cross-entropy of a softmax over its ten outputs: four rounds
    more."""

    def loss(self, z: Secret, y: Secret) -> Secret:
        return cross_entropy(within(z, -8.0, 8.0), y)
