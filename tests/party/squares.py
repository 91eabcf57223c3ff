"""Least squares: x and y are bob's, the weights that gradient descent begins with alice's."""

from __future__ import annotations

import numpy as np

from protocol.jobs import Input, Job, Parameter

RNG = np.random.default_rng(5)
X = RNG.uniform(-1, 1, (6, 3))
W = RNG.uniform(-1, 1, (3, 1))
Y = X @ np.array([[0.5], [-1.0], [0.25]])


class Fit(Job):
    iterations = 8
    check_every = 2
    rate = Parameter(0.05)
    x = Input("bob", ("n", 3), -1, 1)
    y = Input("bob", ("n", 1), -4, 4)
    w = Input("alice", (3, 1), -4, 4)

    def step(self, v):
        v.w -= self.rate * (v.x.T @ (v.x @ v.w - v.y))

    def check(self, v):
        v.reveal(loss=((v.x @ v.w - v.y) ** 2).mean())

    def finish(self, v):
        v.reveal(weights=v.w)
        v.reveal(to="bob", fitted=v.x @ v.w)


class Early(Fit):
    def stop(self, history):
        return len(history["loss"]) == 2


def least_squares(steps: int = 8) -> np.ndarray:
    w = W.copy()
    for _ in range(steps):
        w -= 0.05 * X.T @ (X @ w - Y)
    return w
