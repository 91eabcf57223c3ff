"""Estimators ready by name, with scikit-learn's parameters and results: jobs, made of `protocol.ops` and `protocol.nn`."""

from .linear import LeastSquares, LinearRegression, Ridge
from .logistic import LogisticRegression
from .statistics import GroupStatistics, Statistics

__all__ = ["GroupStatistics", "LeastSquares", "LinearRegression", "LogisticRegression", "Ridge", "Statistics"]
