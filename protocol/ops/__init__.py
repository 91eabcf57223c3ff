"""Secure operations. Each is one class with its shape, its range, its float64 meaning and its protocol side by side."""

from .tensor import Secret, concatenate, matmul, polynomial, sigmoid, sigmoid_derivative

__all__ = ["Secret", "concatenate", "matmul", "polynomial", "sigmoid", "sigmoid_derivative"]
