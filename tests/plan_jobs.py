"""Small jobs that between them have what a plan must get right, and lines of built-in ones."""

from __future__ import annotations

from pathlib import Path

from party import jobs
from protocol.jobs import Input, Job, Parameter
from protocol.ops import concatenate, polynomial, sigmoid


def line(job: str, text: str) -> str:
    """The first line of a built-in job that has `text`, as messages name it: "seed.py:12"."""
    path = Path(next(iter(jobs.__path__))) / f"{job}.py"
    lines = path.read_text().splitlines()
    return f"{path.name}:{next(n for n, each in enumerate(lines, 1) if text in each)}"


class Decay(Job):
    fraction_bits = 20
    w = Input("alice", shape=(3,), low=-4, high=4)

    def step(self, v):
        v.w = v.w * 0.9

    def finish(self, v):
        v.reveal(w=v.w)


class OnlyInSetup(Job):
    fraction_bits = 20
    x = Input("bob", shape=("n",), low=-1, high=1)
    w = Input("alice", shape=("n",), low=-1, high=1)

    def setup(self, v):
        v.squared = v.x * v.x

    def step(self, v):
        v.w = v.w + v.squared * 0.125

    def finish(self, v):
        v.reveal(w=v.w, squared=v.squared)


class Regression(Job):
    """Minibatches that wrap around at the end of the data."""

    fraction_bits = 20
    x = Input("bob", shape=("n", "m"), low=-1, high=1)
    y = Input("bob", shape=("n", 1), low=-16, high=16)
    w = Input("alice", shape=("m", 1), low=-4, high=4)
    batch = Parameter(16)

    def step(self, v):
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        v.w = v.w + x.T @ (y - x @ v.w) / 64

    def finish(self, v):
        v.reveal(w=v.w)


class TwoLayers(Job):
    """Forward, backward and update, by hand."""

    fraction_bits = 20
    x = Input("bob", shape=("n", 5), low=-1, high=1)
    y = Input("bob", shape=("n", 2), low=0, high=1)
    w0 = Input("alice", shape=(5, 4), low=-8, high=8)
    b0 = Input("alice", shape=(4,), low=-8, high=8)
    w1 = Input("alice", shape=(4, 2), low=-8, high=8)

    def step(self, v):
        hidden = sigmoid(v.x @ v.w0 + v.b0)
        out = sigmoid(hidden @ v.w1)
        delta = (out - v.y) * out * (1 - out)
        back = (delta @ v.w1.T) * hidden * (1 - hidden)
        v.w1 = v.w1 - hidden.T @ delta
        v.w0 = v.w0 - v.x.T @ back
        v.b0 = v.b0 - back.sum(axis=0)

    def finish(self, v):
        v.reveal(w0=v.w0, b0=v.b0, w1=v.w1)


class OneModel(Job):
    fraction_bits = 20
    x = Input("bob", shape=(6, 3), low=-1, high=1)
    w = Input("alice", shape=(3, 1), low=-8, high=8)

    def step(self, v):
        v.w = v.w + v.x.T @ (1 - sigmoid(v.x @ v.w))

    def finish(self, v):
        v.reveal(w=v.w, out=sigmoid(v.x @ v.w))


class TwoModels(OneModel):
    """The same twice, side by side."""

    x2 = Input("bob", shape=(6, 3), low=-1, high=1)
    w2 = Input("alice", shape=(3, 1), low=-8, high=8)

    def step(self, v):
        super().step(v)
        v.w2 = v.w2 + v.x2.T @ (1 - sigmoid(v.x2 @ v.w2))

    def finish(self, v):
        super().finish(v)
        v.reveal(w2=v.w2, out2=sigmoid(v.x2 @ v.w2))


class Mixed(Job):
    """A little of everything, some of it on scalars."""

    fraction_bits = 20
    a = Input("alice", shape=(3, 4), low=-2, high=2)
    b = Input("bob", shape=(4,), low=-1, high=1)

    def step(self, v):
        v.a = concatenate([v.a[1:], v.a[:1]]) * 0.5 + v.b

    def finish(self, v):
        v.reveal(
            product=v.a * v.b,
            total=(v.a @ v.b).sum(),
            cube=polynomial(v.b, (0.5, -1, 0, 1), limit=1),
            mean=v.a.T.mean(axis=1),
            scalar=v.b[0] * v.b[1] * v.b[2],
        )
