"""Secure operations. Each is one class: its shape, range, float64 meaning and protocol side by side."""

from .arrays import dot, expand_dims, flip, outer, squeeze, stack, swapaxes
from .convolution import (
    avg_pool2d,
    avg_pool2d_gradient,
    conv2d,
    conv2d_input_gradient,
    conv2d_kernel_gradient,
)
from .functions import (
    absolute,
    clip,
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
from .tensor import Secret, concatenate, matmul, polynomial

__all__ = [
    "Secret",
    "absolute",
    "avg_pool2d",
    "avg_pool2d_gradient",
    "clip",
    "concatenate",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_kernel_gradient",
    "dot",
    "expand_dims",
    "flip",
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
    "squeeze",
    "stack",
    "swapaxes",
    "where",
    "within",
]
