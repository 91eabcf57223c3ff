"""Networks as data: an architecture that both parties hold, weights that one of them brings. No
file format of others is known here."""

from . import arrays, functions, layers, trees
from .architecture import (
    Architecture,
    InputTensor,
    NetworkNode,
    PublicArray,
    Weight,
    named,
    read,
    write,
)
from .model import Imported, Inference, prediction
from .operators import NEWEST, OPERATORS, TARGET, Value, computed, run

__all__ = [
    "NEWEST",
    "OPERATORS",
    "TARGET",
    "Architecture",
    "Imported",
    "Inference",
    "InputTensor",
    "NetworkNode",
    "PublicArray",
    "Value",
    "Weight",
    "arrays",
    "computed",
    "functions",
    "layers",
    "named",
    "prediction",
    "read",
    "run",
    "trees",
    "write",
]
