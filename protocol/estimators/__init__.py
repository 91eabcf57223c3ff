"""Estimators ready by name, with scikit-learn's parameters and results: jobs, made of
`protocol.ops` and `protocol.nn`."""

from ..jobs import Job
from .linear import LeastSquares, LinearRegression, Ridge
from .logistic import LogisticRegression
from .networks import CNNClassifier, MLPClassifier, MLPRegressor
from .statistics import GroupStatistics, Statistics

BY_NAME: dict[str, type[Job]] = {
    "linear-regression": LinearRegression,
    "ridge": Ridge,
    "logistic-regression": LogisticRegression,
    "mlp-classifier": MLPClassifier,
    "mlp-regressor": MLPRegressor,
    "cnn-classifier": CNNClassifier,
    "statistics": Statistics,
    "group-statistics": GroupStatistics,
}

__all__ = [
    "BY_NAME",
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
