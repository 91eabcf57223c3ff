"""How large the tensors of a network get: the fewer bits a plan needs, and a try of all its
operators before anything runs.

With the weights at hand, intervals through all layers are much narrower than with limits of the
weights alone, and rows of the owner's show what really comes. What is written into the network is
the narrower of both as a power of two, the rows' with a margin: bob learns it, and it is an
assumption that the plan lists and the guard watches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from protocol.errors import DataError, MpcError
from protocol.fixedpoint import check
from protocol.graph import Array, Graph
from protocol.networks import OPERATORS, Architecture, InputTensor, NetworkNode, computed
from protocol.nodes import Source
from protocol.ops import Secret

Ranges = Mapping[str, tuple[float, float]]
MARGIN = (
    2.0  # by how much values may be larger than those of the rows, before the next power of two
)
ROWS = 2  # with which a network is tried
ZEROS = 2.0**-7  # the range of zeros: wide enough to be resolved by the usual fraction bits
BATCH = 32  # rows of calibration that are computed at once
MOST_WEIGHTS = 40_000_000  # up to which intervals are computed from weights, unless there are rows
WIDENING = {
    "Gemm",
    "MatMul",
    "Conv",
    "Affine",
    "Add",
    "Sub",
    "Mul",
    "Sum",
    "ReduceSum",
    "Einsum",
    "Pow",
    "CumSum",
}
SUMS = {"Add", "Sub", "Sum"}
MOVES = {
    "Neg",
    "Concat",
    "Reshape",
    "Flatten",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Slice",
    "Split",
    "Gather",
    "Expand",
}

CONSTANT = "the output {} depends on no input: it is a constant of the model"


def reach(value: Any) -> float:
    """The least power of two, from 2^-20 on, that no entry of a constant exceeds; ZEROS where all
    are 0."""
    peak = max(float(value.max(initial=0.0)), -float(value.min(initial=0.0)))
    return 2.0 ** max(-20, math.ceil(math.log2(peak))) if peak > 0.0 else ZEROS


@dataclass(frozen=True)
class Tried:
    """A network with its ranges; operator, node and reason of all that cannot be computed; the
    widest layer, and how wide it is."""

    network: Architecture
    problems: list[str]
    widest: str
    peak: float


def fitted(
    network: Architecture,
    weights: Mapping[str, Array],
    rows: Mapping[str, Any],
    peak: float = np.inf,
) -> Tried:
    """Try all nodes, and state ranges where they are news. What comes after a node that fails is
    looked up and no more.

    `peak`: what no layer is said to exceed.
    """
    small = sum(array.size for array in weights.values()) <= MOST_WEIGHTS
    limits = _limits(network, weights, rows) if rows or small else {}
    read = _looked_at(network)
    graph = Graph()
    known = _inputs(network, graph, ROWS)
    for name, weight in network.weights.items():
        known[name] = Secret(
            graph, graph.add(Source(name, weight.shape, 0), interval=(-weight.limit, weight.limit))
        )
    problems, nodes = [], []
    for node in network.nodes:
        if node.operator not in OPERATORS:
            problems.append(f"{node.label}: there is no such operator here")
        elif all(name in known for name in node.inputs):
            try:
                found = computed(node, known)
                stated = _news(node, found, limits, read, peak)
                if stated:
                    node = msgspec.structs.replace(node, within=stated)
                    found = computed(node, known)
                known |= found
            except MpcError as error:
                problems.append(str(error))
        nodes.append(node)
    for name, tensor in network.outputs.items():
        if tensor in known and not isinstance(known[tensor], Secret):
            problems.append(CONSTANT.format(name))
    wide = {name: value._node.peak for name, value in known.items() if isinstance(value, Secret)}
    widest = max(wide, key=lambda name: wide[name])
    return Tried(
        msgspec.structs.replace(network, nodes=tuple(nodes)), problems, widest, wide[widest]
    )


def _inputs(network: Architecture, graph: Graph, count: int) -> dict[str, Any]:
    known: dict[str, Any] = {"": None} | {
        name: each.array for name, each in network.constants.items()
    }
    for name, entry in network.inputs.items():
        shape = tuple(length if isinstance(length, int) else count for length in entry.shape)
        known[name] = Secret(
            graph, graph.add(Source(name, shape, 1), interval=(entry.low, entry.high))
        )
    return known


def _looked_at(network: Architecture) -> set[str]:
    """Tensors whose range matters: those that others than sums read, moved about or not."""
    found: set[str] = set()
    for node in reversed(network.nodes):
        if node.operator not in SUMS and (node.operator not in MOVES or found & set(node.outputs)):
            found |= set(node.inputs)
    return found


def _news(
    node: NetworkNode,
    found: Mapping[str, Any],
    limits: Mapping[str, float],
    read: set[str],
    peak: float,
) -> dict[str, float]:
    if node.operator not in WIDENING:
        return {}
    stated = {}
    for name, value in found.items():
        limit = min(limits.get(name, np.inf), peak)
        if isinstance(value, Secret) and name in read and 2.0 * limit <= value._node.peak:
            stated[name] = limit
    return stated


def _limits(
    network: Architecture, weights: Mapping[str, Array], rows: Mapping[str, Any]
) -> dict[str, float]:
    """Of every tensor that can be computed in the clear, its largest magnitude as a power of
    two."""
    limits: dict[str, float] = {}
    seen: dict[str, float] = {}
    for given in _batches(network, rows):
        graph = Graph()
        known = _inputs(network, graph, max((len(array) for array in given.values()), default=ROWS))
        known |= {name: np.asarray(array, np.float64) for name, array in weights.items()}
        for node in network.nodes:
            if node.operator in OPERATORS and all(name in known for name in node.inputs):
                try:
                    known |= computed(node, known)
                except MpcError:
                    continue  # said where all nodes are tried
        tensors = {name: value._node for name, value in known.items() if isinstance(value, Secret)}
        limits |= {
            name: reach(np.array(node.peak))
            for name, node in tensors.items()
            if np.isfinite(node.peak)
        }
        if given:
            graph.revealed = dict(tensors)
            with np.errstate(all="ignore"):
                values = graph.run_clear(given, 0)
            seen |= {
                name: max(seen.get(name, 0.0), reach(MARGIN * each))
                for name, each in values.items()
                if np.isfinite(each).all()
            }
    return limits | {name: min(limits.get(name, np.inf), limit) for name, limit in seen.items()}


def _batches(network: Architecture, rows: Mapping[str, Any]) -> Iterator[dict[str, Array]]:
    """Rows of calibration a few at a time, as many as the model takes; without rows for every
    input, once nothing."""
    if rows.keys() != network.inputs.keys():
        yield {}
        return
    given = {name: _checked(name, network.inputs[name], array) for name, array in rows.items()}
    fixed = [entry.shape[0] for entry in network.inputs.values() if isinstance(entry.shape[0], int)]
    size = min(fixed, default=BATCH)
    for start in range(0, min(map(len, given.values())), size):
        part = {name: array[start : start + size] for name, array in given.items()}
        if not fixed or all(len(array) == size for array in part.values()):
            yield part


def _checked(name: str, entry: InputTensor, array: Any) -> Array:
    """Rows of calibration in the shape of their input, however many."""
    found = np.asarray(array)
    if found.ndim != len(entry.shape) or found.shape[1:] != entry.shape[1:] or not len(found):
        raise DataError(
            f"rows of calibration for {name} have the shape {found.shape}; the model takes"
            f" {entry.shape}"
        )
    return check(name, found, entry.low, entry.high, "rows of calibration")
