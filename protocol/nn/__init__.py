"""Layers, losses, optimisers and their training: a shelf above the operations. Names and arguments are PyTorch's."""

from ..draws import Draw, glorot, he
from .convolutions import AvgPool2d, Conv1d, Conv2d, GlobalAvgPool2d, MaxPool2d
from .layer import Layer, Parameter, Residual, Sequential
from .layers import GELU, Dense, Dropout, Embedding, Flatten, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from .losses import MSE, BinaryCrossEntropy, CrossEntropy, Huber
from .optimisers import SGD, Optimiser
from .training import EarlyStop, Training, accuracy

__all__ = [
    "GELU",
    "MSE",
    "SGD",
    "AvgPool2d",
    "BinaryCrossEntropy",
    "Conv1d",
    "Conv2d",
    "CrossEntropy",
    "Dense",
    "Draw",
    "Dropout",
    "EarlyStop",
    "Embedding",
    "Flatten",
    "GlobalAvgPool2d",
    "Huber",
    "Layer",
    "LeakyReLU",
    "MaxPool2d",
    "Optimiser",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Training",
    "accuracy",
    "glorot",
    "he",
]
