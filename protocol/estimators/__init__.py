"""Estimators ready by name, with scikit-learn's parameters and results: jobs, made of `protocol.ops` and `protocol.nn`."""

from .linear import LeastSquares, LinearRegression, Ridge

__all__ = ["LeastSquares", "LinearRegression", "Ridge"]
