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
from .draft import Draft, Step

FARTHEST = -32.0  # e to this is taken to be nothing


def svm_regressor(draft: Draft, step: Step) -> list[Step]:
    its = step.attributes
    if its.get("post_transform", "NONE") != "NONE" or its.get("one_class", 0):
        raise Unable("with a post_transform or one_class it is not offered")
    coefficients = np.asarray(its["coefficients"], np.float64)[:, None]
    count = its.get("n_supports", 0)
    if not count:
        raise Unable("without support vectors it is not offered")
    return _sums(
        draft, step, count, coefficients, np.asarray(its["rho"], np.float64), step.outputs[0]
    )


def svm_classifier(draft: Draft, step: Step) -> list[Step]:
    its, names = step.attributes, labels_of(step)
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
        return _two(draft, step, names, columns, rho, probable)
    return _several(draft, step, names, pairs, columns, rho)


def _two(
    draft: Draft,
    step: Step,
    names: list[Any],
    columns: np.ndarray[Any, Any],
    rho: np.ndarray[Any, Any],
    probable: bool,
) -> list[Step]:
    """The score is above 0 for the second class."""
    label, out = step.outputs
    score, other, place = f"{out}.score", f"{out}.other", f"{label}.place"
    zero, flat = (
        draft.constant(value, f"{label}.{part}", literal=True)
        for value, part in ((0.0, "limit"), (np.array([-1]), "shape"))
    )
    steps = [
        *_sums(draft, step, len(columns), -columns, -rho, score),
        Step("Greater", [score, zero], [f"{place}.column"], name=step.name),
        Step("Reshape", [f"{place}.column", flat], [place], name=step.name),
        *looked_up(draft, step, place, label, names),
    ]
    first, second = score, other
    if probable:
        a, b = (float(step.attributes[name][0]) for name in ("prob_a", "prob_b"))
        scale, shift = (
            draft.constant(np.array([value]), f"{out}.{part}")
            for value, part in ((a, "slope"), (-b, "offset"))
        )
        one = draft.constant(1.0, "one", literal=True)
        steps += [
            Step("Affine", [score, scale, shift], [f"{out}.logit"], name=step.name),
            Step("Sigmoid", [f"{out}.logit"], [f"{out}.first"], name=step.name),
            Step("Sub", [one, f"{out}.first"], [other], name=step.name),
        ]
        first = f"{out}.first"
    else:
        steps.append(Step("Neg", [score], [other], name=step.name))
    draft.kinds[out] = draft.kinds[first] = draft.kinds[second] = "float"
    sums = {"sums to one": True} if probable else {}
    return [*steps, Step("Concat", [first, second], [out], {"axis": 1, **sums}, step.name)]


def _several(
    draft: Draft,
    step: Step,
    names: list[Any],
    pairs: list[tuple[int, int]],
    columns: np.ndarray[Any, Any],
    rho: np.ndarray[Any, Any],
) -> list[Step]:
    """A score of two is above 0 for the first of them; ties of votes are the first class's."""
    label, out = step.outputs
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
        *_sums(draft, step, len(columns), columns, rho, out),
        Step("Greater", [out, zero], [f"{label}.first"], name=step.name),
        Step("MatMul", [f"{label}.first", weight], [f"{label}.more"], name=step.name),
        Step("Add", [f"{label}.more", bias], [f"{label}.votes"], name=step.name),
        Step("ArgMax", [f"{label}.votes"], [place], {"axis": 1, "keepdims": 0}, step.name),
        *looked_up(draft, step, place, label, names),
    ]


def _sums(
    draft: Draft,
    step: Step,
    count: int,
    columns: np.ndarray[Any, Any],
    rho: np.ndarray[Any, Any],
    out: str,
) -> list[Step]:
    """kernel(rows, vectors) @ columns + rho, (n, columns)."""
    its, x, name = step.attributes, step.inputs[0], step.outputs[-1]
    vectors = np.asarray(its["support_vectors"], np.float64).reshape(count, -1)
    kind = its.get("kernel_type", "LINEAR")
    gamma, constant, degree = its.get("kernel_params") or (1.0, 0.0, 3.0)

    def weight(value: Any, part: str) -> str:
        return draft.constant(np.asarray(value), f"{name}.{part}")

    draft.kinds[out] = "float"
    if kind == "LINEAR":
        product = [weight(vectors.T @ columns, "weight"), weight(rho, "bias")]
        return [Step("Gemm", [x, *product], [out], name=step.name)]
    near, found = f"{out}.near", f"{out}.kernel"
    if kind == "RBF":
        steps = _distances(draft, step, vectors, gamma, near)
        steps.append(Step("Exp", [near], [found], name=step.name))
    elif kind in ("POLY", "SIGMOID"):
        shift = weight(np.full(count, constant), "shift")
        product = [weight(gamma * vectors.T, "vectors"), shift]
        steps = [Step("Gemm", [x, *product], [near], name=step.name)]
        power = draft.constant(degree, f"{out}.degree", literal=True)
        last = ("Tanh", [near]) if kind == "SIGMOID" else ("Pow", [near, power])
        steps.append(Step(*last, [found], name=step.name))
    else:
        raise Unable(f"there is no kernel {kind}")
    draft.kinds[near] = draft.kinds[found] = "float"
    return [
        *steps,
        Step(
            "Gemm", [found, weight(columns, "weight"), weight(rho, "bias")], [out], name=step.name
        ),
    ]


def _distances(
    draft: Draft, step: Step, vectors: np.ndarray[Any, Any], gamma: float, out: str
) -> list[Step]:
    """−γ·|x − v|² = 2γ·xv − γ·|v|² − γ·|x|², of every row and vector, no less than `FARTHEST`."""
    x, name = step.inputs[0], step.outputs[-1]
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
        Step("Gemm", [x, double, minus], [f"{out}.product"], name=step.name),
        Step("Mul", [x, x], [f"{out}.squares"], name=step.name),
        Step("MatMul", [f"{out}.squares", scale], [f"{out}.length"], name=step.name),
        Step("Sub", [f"{out}.product", f"{out}.length"], [f"{out}.difference"], name=step.name),
        Step("Clip", [f"{out}.difference", low, high], [out], name=step.name),
    ]
