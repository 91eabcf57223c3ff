"""Secure operations. Each is one class: its shape, range, float64 meaning and protocol side by side."""

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
    "clip",
    "concatenate",
    "matmul",
    "maximum",
    "minimum",
    "polynomial",
    "relu",
    "relu_derivative",
    "sigmoid",
    "sigmoid_derivative",
    "sign",
    "where",
    "within",
]
