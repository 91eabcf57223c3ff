"""What layers, losses, optimisers and schedules are given: PyTorch's arguments, and a sentence for
what is none."""

from __future__ import annotations

import numpy as np
import pytest
from test_layers import both, drawn, trainer

from protocol import nn
from protocol.draws import Draw, he
from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.nn import (
    MSE,
    SGD,
    Adam,
    AvgPool2d,
    BatchNorm1d,
    BinaryCrossEntropy,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    Embedding,
    ExponentialLR,
    Flatten,
    Huber,
    LayerNorm,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    StepLR,
)
from protocol.simulate import simulate


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: Dense(4, (8,)), r"Dense: out_features is a whole number above 0, not \(8,\)"),
        (lambda: Dense(4, 2.0), "Dense: out_features is a whole number"),
        (lambda: Dense(4, 2, limit=0), "Dense: limit is a number above 0, not 0"),
        (lambda: Conv2d(1, 1, 3, limit="8"), "Conv2d: limit is a number above 0, not '8'"),
        (lambda: Dense(0, 2), "Dense: in_features is a whole number above 0, not 0"),
        (lambda: Dense(4, 2, bias="no"), "Dense: bias is True or False, not 'no'"),
        (lambda: Conv2d(1, True, 3), "Conv2d: out_channels is a whole number"),
        (lambda: Embedding(4, -1), "Embedding: embedding_dim is a whole number"),
        (lambda: Dropout(1.5), "Dropout: p is a number from 0 on and below 1, not 1.5"),
        (
            lambda: Sequential(Dense(4, 2), Dropout),
            r"number 1 is the class Dropout; write Dropout\(…\)",
        ),
        (lambda: Sequential(Dense(2, 2), 0.5), "Sequential: number 1 is a layer, not 0.5"),
        (lambda: Residual(Dense(2, 2), shortcut=Dense), "shortcut is the class Dense"),
        (lambda: ReLU(6), "ReLU: inplace is True or False, not 6"),
        (lambda: Dropout(0.5, seed="a"), "an agreed seed is a whole number"),
        (lambda: Conv2d(1, 1, 2.0), "Conv2d: kernel_size is one whole number ≥ 1"),
        (lambda: Conv2d(1, 1, 2, stride=0), "Conv2d: stride is one whole number ≥ 1"),
        (lambda: Conv2d(1, 1, 2, padding="full"), "Conv2d: padding is a whole number ≥ 0"),
        (lambda: Conv2d(2, 3, 2, groups=2), "2 → 3 channels in 2 groups: whole groups"),
        (lambda: MaxPool2d(-2), "MaxPool2d: kernel_size is one whole number ≥ 1"),
        (lambda: AvgPool2d(2, padding=2), "padding is at most half of kernel_size, not 2 of 2"),
        (lambda: AvgPool2d(2, count_include_pad=1), "count_include_pad is True or False"),
        (lambda: BatchNorm1d(4.0), "BatchNorm1d: num_features is a whole number above 0"),
        (lambda: BatchNorm1d(4, momentum=2), "BatchNorm1d: momentum is a number from 0 on"),
        (lambda: LayerNorm((4, "2")), r"LayerNorm: normalized_shape\[1\] is a whole number"),
        (lambda: LayerNorm(()), "LayerNorm: normalized_shape is a whole number above 0"),
        (lambda: Dense(4, 2, init=he).weights(), "init is what weights are drawn from, as he"),
        (lambda: Dense(4, 2, init=np.ones((4, 2))).weights(), r"shape \(2, 4\), not ndarray"),
        (
            lambda: Dense(1, 9, limit=4).inputs(),
            r"1.41 does not fit into \[-4, 4\]: draw",
        ),
        (lambda: he(0), "he: fan_in is a whole number above 0, not 0"),
        (lambda: Draw(-1.0), "Draw: deviation is a number above 0, not -1"),
        (lambda: CrossEntropy(1.5), "label_smoothing is a number from 0 on and below 1, not 1.5"),
        (
            lambda: BinaryCrossEntropy(method="exact"),
            "method is 'fourier' or 'interpolated' or 'acc",
        ),
        (lambda: BinaryCrossEntropy(pos_weight=0), "pos_weight is a number above 0, not 0"),
        (lambda: CrossEntropy(weight=[1.0, -1.0]), "CrossEntropy: weight is a number above 0"),
        (lambda: Flatten("all"), "Flatten: start_dim is the number of an axis, not 'all'"),
        (lambda: MaxPool2d(2, ceil_mode=1), "MaxPool2d: ceil_mode is True or False"),
        (lambda: MaxPool2d(2, dilation=0), "MaxPool2d: dilation is one whole number"),
        (lambda: Adam(eps=1e-8), "eps is a number from 1.5e-05 on and below 1, not 1e-08: a grad"),
        (lambda: StepLR(0.1, gamma=0), "StepLR: gamma is a number above 0, not 0"),
        (lambda: ExponentialLR(0.1, gamma=-1), "ExponentialLR: gamma is a number above 0"),
        (lambda: CrossEntropy(limit=0.0), "CrossEntropy: limit is a number above 0"),
        (lambda: Huber("1"), "Huber: delta is a number above 0, not '1'"),
        (lambda: SGD(lr=0), "SGD: lr is a number above 0, not 0"),
        (lambda: SGD(lr=StepLR), r"SGD: lr is the class StepLR; write StepLR\(…\)"),
        (lambda: SGD(lr=lambda: 0.1), "lr is a number, or a function of the step"),
        (lambda: SGD(momentum=0.9, dampening=1.5), "SGD: dampening is a number from 0 on"),
        (lambda: SGD(nesterov=True), "SGD: nesterov needs a momentum"),
        (lambda: SGD(clip_value=0), "SGD: clip_value is a number above 0"),
        (lambda: StepLR(0.1).over(2.5, 10), "StepLR: epoch is a whole number above 0"),
        (lambda: SGD(momentum=-9), "SGD: momentum is a number from 0 on and below 1, not -9"),
        (lambda: SGD(lr="fast"), "SGD: lr is a number above 0, not 'fast'"),
        (lambda: SGD(weight_decay=-0.1), "SGD: weight_decay is a number from 0 on, not -0.1"),
    ],
)
def test_what_is_no_argument_is_refused_where_it_is_made(made, says):
    with pytest.raises(JobError, match=says):
        made()


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_a_rate_below_0_is_refused_with_its_step(optimiser):
    """Of any step, when the job is traced; 0, as a warm-up may begin with, is a rate."""
    falling = trainer(Dense(4, 2), MSE(), optimiser(lr=lambda step: 0.3 - 0.1 * step), (4,), (2,))
    with pytest.raises(
        JobError, match=rf"{optimiser.__name__}: lr\(4\) is a number from 0 on, not -0.1"
    ):
        simulate(falling, drawn(falling), 6)
    rising = trainer(Dense(4, 2), MSE(), optimiser(lr=lambda step: 0.1 * step), (4,), (2,))
    plain, run = both(rising, drawn(rising), 3)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= 2e-4, name


@pytest.mark.parametrize(
    ("dims", "shape"), [((), (2, 60)), ((2,), (2, 3, 20)), ((0,), (120,)), ((-3, 2), (2, 12, 5))]
)
def test_flatten_joins_the_axes_of_pytorch(dims, shape):
    class Flat(Job):
        iterations, model = 0, Sequential(Flatten(*dims))
        x = Input("bob", (2, 3, 4, 5), -1, 1)

        def finish(self, v):
            v.reveal(out=self.model(v, v.x))

    x = drawn(Flat())["x"]
    assert np.abs(simulate(Flat(), {"x": x}).results[0]["out"] - x.reshape(shape)).max() <= 1e-4


@pytest.mark.parametrize(
    ("name", "here"), [("Linear", "Dense"), ("BCELoss", "BinaryCrossEntropy"), ("Module", "Layer")]
)
def test_what_is_called_otherwise_in_pytorch_says_how_it_is_called_here(name, here):
    with pytest.raises(JobError, match=f"{name} is called {here}"):
        exec(f"from protocol.nn import {name}")
    assert not hasattr(nn, "Transformer")
