"""Layers, losses, optimisers and their training: a shelf above the operations. Names and arguments are PyTorch's."""

from ..draws import Draw, glorot, he
from .layer import Layer, Parameter, Residual, Sequential
from .layers import GELU, Dense, Embedding, Flatten, ReLU, Sigmoid, SiLU, Softmax, Tanh
from .losses import MSE, BinaryCrossEntropy, CrossEntropy, Huber
from .optimisers import SGD

__all__ = [
    "GELU",
    "MSE",
    "SGD",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Dense",
    "Draw",
    "Embedding",
    "Flatten",
    "Huber",
    "Layer",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "glorot",
    "he",
]
