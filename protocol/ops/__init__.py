"""Secure operations. Each is one class: its shape, range, float64 meaning and protocol side by side."""

from .activations import gelu, silu, softplus, tanh
from .arrays import dot, expand_dims, flip, outer, squeeze, stack, swapaxes
from .convolution import avg_pool2d, conv1d, conv2d, global_avg_pool2d
from .exponential import exp
from .functions import (
    absolute,
    clip,
    logistic_loss,
    maximum,
    minimum,
    relu,
    relu_derivative,
    sigmoid,
    sigmoid_derivative,
    sign,
    where,
    within,
)
from .gradient import Gradient, differentiated, gradient
from .tensor import Secret, concatenate, matmul, polynomial

__all__ = [
    "Gradient",
    "Secret",
    "absolute",
    "avg_pool2d",
    "clip",
    "concatenate",
    "conv1d",
    "conv2d",
    "differentiated",
    "dot",
    "exp",
    "expand_dims",
    "flip",
    "gelu",
    "global_avg_pool2d",
    "gradient",
    "logistic_loss",
    "matmul",
    "maximum",
    "minimum",
    "outer",
    "polynomial",
    "relu",
    "relu_derivative",
    "sigmoid",
    "sigmoid_derivative",
    "sign",
    "silu",
    "softplus",
    "squeeze",
    "stack",
    "swapaxes",
    "tanh",
    "where",
    "within",
]
