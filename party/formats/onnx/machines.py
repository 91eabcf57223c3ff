"""Support vector machines of ai.onnx.ml: kernels of the rows with secret vectors, and sums of them.

    LINEAR   xv            POLY     (g·xv + c)^d
    SIGMOID  tanh(g·xv + c)    RBF  e^(−g·|x − v|²)

With a linear kernel the vectors add up to one product before anybody sees them. Scores and labels
are those of onnxruntime: of two classes the one score with both signs; of several a score for each
two of them, and the label that most of these vote for.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from .classes import Unable, labels_of, looked_up
from .draft import Draft, DraftNode

FARTHEST = -32.0  # e to this is taken to be nothing


def svm_regressor(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """The sum of the kernels with each support vector, weighted, plus rho. Unable with a transform
    behind it, for one class, or without vectors."""
    its = node.attributes
    if its.get("post_transform", "NONE") != "NONE" or its.get("one_class", 0):
        raise Unable("with a post_transform or one_class it is not offered")
    coefficients = np.asarray(its["coefficients"], np.float64)[:, None]
    count = its.get("n_supports", 0)
    if not count:
        raise Unable("without support vectors it is not offered")
    return _sums(
        draft, node, count, coefficients, np.asarray(its["rho"], np.float64), node.outputs[0]
    )


def svm_classifier(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """A sum of kernels for each two classes, and from these the label and the scores. Unable with a
    transform behind it, without vectors, and for probabilities of more than two classes, which
    libsvm finds by iteration."""
    its, names = node.attributes, labels_of(node)
    sizes = its.get("vectors_per_class") or []
    if its.get("post_transform", "NONE") != "NONE" or len(sizes) != len(names):
        raise Unable("with a post_transform, or without support vectors, it is not offered")
    if (probable := bool(its.get("prob_a"))) and len(names) > 2:
        raise Unable(
            "probabilities of several classes are found by iteration, which is not offered:"
            " train it with probability=False"
        )
    ends = np.cumsum([0, *sizes])
    given = np.asarray(its["coefficients"], np.float64).reshape(len(names) - 1, -1)
    pairs = list(combinations(range(len(names)), 2))
    columns = np.zeros((ends[-1], len(pairs)))
    for n, (i, j) in enumerate(pairs):
        columns[ends[i] : ends[i + 1], n] = given[j - 1, ends[i] : ends[i + 1]]
        columns[ends[j] : ends[j + 1], n] = given[i, ends[j] : ends[j + 1]]
    rho = np.asarray(its["rho"], np.float64)
    if len(names) == 2:
        return _two(draft, node, names, columns, rho, probable)
    return _several(draft, node, names, pairs, columns, rho)


def _two(
    draft: Draft,
    node: DraftNode,
    names: list[Any],
    columns: np.ndarray[Any, Any],
    rho: np.ndarray[Any, Any],
    probable: bool,
) -> list[DraftNode]:
    """The score is above 0 for the second class."""
    label, out = node.outputs
    score, other, place = f"{out}.score", f"{out}.other", f"{label}.place"
    zero, flat = (
        draft.constant(value, f"{label}.{part}", literal=True)
        for value, part in ((0.0, "limit"), (np.array([-1]), "shape"))
    )
    nodes = [
        *_sums(draft, node, len(columns), -columns, -rho, score),
        DraftNode("Greater", [score, zero], [f"{place}.column"], name=node.name),
        DraftNode("Reshape", [f"{place}.column", flat], [place], name=node.name),
        *looked_up(draft, node, place, label, names),
    ]
    first, second = score, other
    if probable:
        a, b = (float(node.attributes[name][0]) for name in ("prob_a", "prob_b"))
        scale, shift = (
            draft.constant(np.array([value]), f"{out}.{part}")
            for value, part in ((a, "slope"), (-b, "offset"))
        )
        one = draft.constant(1.0, "one", literal=True)
        nodes += [
            DraftNode("Affine", [score, scale, shift], [f"{out}.logit"], name=node.name),
            DraftNode("Sigmoid", [f"{out}.logit"], [f"{out}.first"], name=node.name),
            DraftNode("Sub", [one, f"{out}.first"], [other], name=node.name),
        ]
        first = f"{out}.first"
    else:
        nodes.append(DraftNode("Neg", [score], [other], name=node.name))
    draft.kinds[out] = draft.kinds[first] = draft.kinds[second] = "float"
    sums = {"sums to one": True} if probable else {}
    return [*nodes, DraftNode("Concat", [first, second], [out], {"axis": 1, **sums}, node.name)]


def _several(
    draft: Draft,
    node: DraftNode,
    names: list[Any],
    pairs: list[tuple[int, int]],
    columns: np.ndarray[Any, Any],
    rho: np.ndarray[Any, Any],
) -> list[DraftNode]:
    """A score of two is above 0 for the first of them; ties of votes are the first class's."""
    label, out = node.outputs
    votes, offset = np.zeros((len(pairs), len(names))), np.zeros(len(names))
    for n, (i, j) in enumerate(pairs):
        votes[n, i], votes[n, j] = 1.0, -1.0
        offset[j] += 1.0
    zero, weight, bias = (
        draft.constant(value, f"{label}.{part}", literal=True)
        for value, part in ((0.0, "limit"), (votes, "pairs"), (offset, "offset"))
    )
    place = f"{label}.place"
    return [
        *_sums(draft, node, len(columns), columns, rho, out),
        DraftNode("Greater", [out, zero], [f"{label}.first"], name=node.name),
        DraftNode("MatMul", [f"{label}.first", weight], [f"{label}.more"], name=node.name),
        DraftNode("Add", [f"{label}.more", bias], [f"{label}.votes"], name=node.name),
        DraftNode("ArgMax", [f"{label}.votes"], [place], {"axis": 1, "keepdims": 0}, node.name),
        *looked_up(draft, node, place, label, names),
    ]


def _sums(
    draft: Draft,
    node: DraftNode,
    count: int,
    columns: np.ndarray[Any, Any],
    rho: np.ndarray[Any, Any],
    out: str,
) -> list[DraftNode]:
    """kernel(rows, vectors) @ columns + rho, (n, columns)."""
    its, x, name = node.attributes, node.inputs[0], node.outputs[-1]
    vectors = np.asarray(its["support_vectors"], np.float64).reshape(count, -1)
    kind = its.get("kernel_type", "LINEAR")
    gamma, constant, degree = its.get("kernel_params") or (1.0, 0.0, 3.0)

    def weight(value: Any, part: str) -> str:
        return draft.constant(np.asarray(value), f"{name}.{part}")

    draft.kinds[out] = "float"
    if kind == "LINEAR":
        product = [weight(vectors.T @ columns, "weight"), weight(rho, "bias")]
        return [DraftNode("Gemm", [x, *product], [out], name=node.name)]
    near, found = f"{out}.near", f"{out}.kernel"
    if kind == "RBF":
        nodes = _distances(draft, node, vectors, gamma, near)
        nodes.append(DraftNode("Exp", [near], [found], name=node.name))
    elif kind in ("POLY", "SIGMOID"):
        shift = weight(np.full(count, constant), "shift")
        product = [weight(gamma * vectors.T, "vectors"), shift]
        nodes = [DraftNode("Gemm", [x, *product], [near], name=node.name)]
        power = draft.constant(degree, f"{out}.degree", literal=True)
        last = ("Tanh", [near]) if kind == "SIGMOID" else ("Pow", [near, power])
        nodes.append(DraftNode(*last, [found], name=node.name))
    else:
        raise Unable(f"there is no kernel {kind}")
    draft.kinds[near] = draft.kinds[found] = "float"
    return [
        *nodes,
        DraftNode(
            "Gemm", [found, weight(columns, "weight"), weight(rho, "bias")], [out], name=node.name
        ),
    ]


def _distances(
    draft: Draft, node: DraftNode, vectors: np.ndarray[Any, Any], gamma: float, out: str
) -> list[DraftNode]:
    """−γ·|x − v|² = 2γ·xv − γ·|v|² − γ·|x|², of every row and vector, no less than `FARTHEST`."""
    x, name = node.inputs[0], node.outputs[-1]
    double, minus, scale = (
        draft.constant(np.asarray(value), f"{name}.{part}")
        for value, part in (
            (2.0 * gamma * vectors.T, "vectors"),
            (-gamma * (vectors**2).sum(axis=1), "shift"),
            (np.full((vectors.shape[1], 1), gamma), "scale"),
        )
    )
    low, high = (draft.constant(value, f"{out}.end", literal=True) for value in (FARTHEST, 0.0))
    return [
        DraftNode("Gemm", [x, double, minus], [f"{out}.product"], name=node.name),
        DraftNode("Mul", [x, x], [f"{out}.squares"], name=node.name),
        DraftNode("MatMul", [f"{out}.squares", scale], [f"{out}.length"], name=node.name),
        DraftNode(
            "Sub", [f"{out}.product", f"{out}.length"], [f"{out}.difference"], name=node.name
        ),
        DraftNode("Clip", [f"{out}.difference", low, high], [out], name=node.name),
    ]
