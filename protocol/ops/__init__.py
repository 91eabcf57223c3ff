"""Secure operations. Each is one class with its shape, its range, its float64 meaning and its protocol side by side."""

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
]
