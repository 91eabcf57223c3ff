"""Secure operations. Each is one class: its shape, range, float64 meaning and protocol side by side."""

from .activations import erf, gelu, silu, softplus, tanh
from .arrays import expand_dims, flip, squeeze, stack, swapaxes
from .contractions import dot, einsum, matmul, outer
from .convolution import avg_pool2d, conv1d, conv2d, global_avg_pool2d
from .exponential import exp
from .extrema import argmax, argmin, is_max, max, max_pool2d, min
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
from .gradient import differentiated, gradient
from .indexing import array_split, one_hot, pad, repeat, roll, split, take, tile
from .inverses import divide, log, log1p, reciprocal, rsqrt, sqrt
from .rectifiers import elu, leaky_relu
from .softmax import cross_entropy, log_softmax, logsumexp, softmax
from .stepwise import Stepwise, dropout
from .tensor import Secret, concatenate, polynomial

__all__ = [
    "Secret",
    "Stepwise",
    "absolute",
    "argmax",
    "argmin",
    "array_split",
    "avg_pool2d",
    "clip",
    "concatenate",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "differentiated",
    "divide",
    "dot",
    "dropout",
    "einsum",
    "elu",
    "erf",
    "exp",
    "expand_dims",
    "flip",
    "gelu",
    "global_avg_pool2d",
    "gradient",
    "is_max",
    "leaky_relu",
    "log",
    "log1p",
    "log_softmax",
    "logistic_loss",
    "logsumexp",
    "matmul",
    "max",
    "max_pool2d",
    "maximum",
    "min",
    "minimum",
    "one_hot",
    "outer",
    "pad",
    "polynomial",
    "reciprocal",
    "relu",
    "relu_derivative",
    "repeat",
    "roll",
    "rsqrt",
    "sigmoid",
    "sigmoid_derivative",
    "sign",
    "silu",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "squeeze",
    "stack",
    "swapaxes",
    "take",
    "tanh",
    "tile",
    "where",
    "within",
]
