"""What a result says beside its arrays."""

from __future__ import annotations

import numpy as np
import pytest

from party import plain, simulate
from protocol.errors import OutOfRangeError
from protocol.jobs import Input, Job
from protocol.nn import MSE, SGD, Dense, Sequential, Training


def test_a_twin_that_grows_without_end_is_no_result():
    class Grows(Job):
        x = Input("bob", (2,))
        iterations = 20

        def setup(self, v):
            v.y = v.x

        def step(self, v):
            v.y = v.y * v.y * v.y * 1000.0

        def finish(self, v):
            v.reveal(y=v.y)

    with pytest.raises(OutOfRangeError, match="y is not finite, in float64 too"):
        plain(Grows, x=[1.0, 2.0])


def test_a_loss_that_still_falls_is_said():
    class Slow(Training):
        x = Input("bob", ("n", 2))
        y = Input("bob", ("n", 1))
        model, loss, optimiser = Sequential(Dense(2, 1)), MSE(), SGD(lr=0.02)
        batch, held_out, metrics = 8, 0.2, {"loss": MSE()}

    x = np.random.default_rng(0).normal(size=(100, 2))
    y = x @ [1.0, -2.0]  # one axis, as scikit-learn has targets
    for epochs, falls in ((4, True), (2, False)):
        Slow.epochs = epochs
        found = simulate(Slow, x=x, y=y)
        losses = [float(each) for each in found.history["loss"]]
        said = f"the loss still fell in the last epoch, from {losses[-2]:.4g} to {losses[-1]:.4g}"
        assert any(said in each for each in found.remarks) == falls
        assert (said in repr(found)) == falls
