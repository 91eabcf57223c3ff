"""Estimators ready by name, with scikit-learn's parameters and results: jobs, made of `protocol.ops` and `protocol.nn`."""

from .linear import LeastSquares, LinearRegression, Ridge
from .logistic import LogisticRegression
from .networks import CNNClassifier, MLPClassifier, MLPRegressor
from .statistics import GroupStatistics, Statistics

__all__ = [
    "CNNClassifier",
    "GroupStatistics",
    "LeastSquares",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "Ridge",
    "Statistics",
]
