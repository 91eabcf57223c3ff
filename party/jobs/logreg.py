"""Logistic regression by stochastic gradient descent: three rounds a step, whatever the number of
columns."""

from __future__ import annotations

from protocol.jobs import Input, Job, Parameter, Variables
from protocol.ops import gradient, logistic_loss

from .samples import halves, uniform

_ROWS = uniform((10_000, 100), 1.0)


class Logreg(Job):
    """One epoch over 10,000 rows of 100 columns, in batches of 128.

    rate / batch is a power of two, so the update costs no precision and no truncation.
    """

    iterations = 78
    fraction_bits = 14
    batch = Parameter(128)
    rate = Parameter(0.5)
    method = Parameter("fourier")
    x = Input("bob", shape=("n", "k"), low=-1, high=1, default=_ROWS)
    y = Input("bob", shape=("n", 1), low=0, high=1, default=halves(_ROWS))
    w = Input("alice", shape=("k", 1), low=-2, high=2, default=uniform((100, 1), 0.1, seed=3))

    def step(self, v: Variables) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        (g,) = gradient(logistic_loss(x @ v.w, y, self.method).mean(), [v.w])
        v.w -= self.rate * g

    def finish(self, v: Variables) -> None:
        v.reveal(weights=v.w)
