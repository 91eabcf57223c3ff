"""Layers, losses, optimisers and their training: a shelf above the operations. Names and arguments
are PyTorch's."""

from __future__ import annotations

from typing import Any

from ..draws import Draw, glorot, he
from ..errors import JobError
from .convolutions import (
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    GlobalAvgPool2d,
    MaxPool1d,
    MaxPool2d,
)
from .layer import Layer, LayerWeight, Residual, Sequential
from .layers import (
    GELU,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from .losses import MSE, BinaryCrossEntropy, CrossEntropy, Huber
from .metrics import accuracy, auc, r2
from .normalisations import BatchNorm1d, BatchNorm2d, LayerNorm
from .optimisers import SGD, Adam, AdamW, Optimiser
from .schedules import CosineAnnealingLR, ExponentialLR, Schedule, StepLR
from .training import EarlyStop, Training

__all__ = [
    "GELU",
    "MSE",
    "SGD",
    "Adam",
    "AdamW",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BinaryCrossEntropy",
    "Conv1d",
    "Conv2d",
    "CosineAnnealingLR",
    "CrossEntropy",
    "Dense",
    "Draw",
    "Dropout",
    "EarlyStop",
    "Embedding",
    "ExponentialLR",
    "Flatten",
    "GlobalAvgPool2d",
    "Huber",
    "Layer",
    "LayerNorm",
    "LayerWeight",
    "LeakyReLU",
    "MaxPool1d",
    "MaxPool2d",
    "Optimiser",
    "ReLU",
    "Residual",
    "Schedule",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "StepLR",
    "Tanh",
    "Training",
    "accuracy",
    "auc",
    "glorot",
    "he",
    "r2",
]

# what is called otherwise in PyTorch, and by what it is called here
_OTHERWISE = {
    "Linear": "Dense",
    "MSELoss": "MSE",
    "BCEWithLogitsLoss": "BinaryCrossEntropy",
    "BCELoss": "BinaryCrossEntropy, of logits: without the Sigmoid before it",
    "CrossEntropyLoss": "CrossEntropy",
    "NLLLoss": "CrossEntropy, of logits: without the LogSoftmax before it",
    "HuberLoss": "Huber",
    "SmoothL1Loss": "Huber",
    "AdaptiveAvgPool2d": "GlobalAvgPool2d, of one place",
    "Module": "Layer",
}


def __getattr__(name: str) -> Any:
    if name in _OTHERWISE:
        raise JobError(f"{name} is called {_OTHERWISE[name]} here: import that from protocol.nn")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
