"""What scikit-learn's models are in ONNX (the domain ai.onnx.ml), as products, comparisons and
sums.

Coefficients, thresholds and trees stand in attributes there; here they become weights, as secret as
any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .classes import TIE, Unable, labels_of, many_classes, two_classes
from .draft import Draft, Step
from .encoders import binarizer, imputer, label_encoder, one_hot_encoder
from .machines import svm_classifier, svm_regressor

TURNS = {  # mode → sign of the feature, whether "true" is where sign · x ≤ sign · threshold fails
    "BRANCH_LEQ": (1.0, False),
    "BRANCH_GT": (1.0, True),
    "BRANCH_GTE": (-1.0, False),
    "BRANCH_LT": (-1.0, True),
}

ALIKE = (
    "Affine",
    "Scaler",
    "Cast",
    "Identity",
    "Mul",
    "Add",
    "Sub",
    "Div",
    "Normalizer",
)  # the shape of the first operand


def lower(draft: Draft) -> list[str]:
    """Rewrite all steps of the domain, in place; the reasons of those that cannot be."""
    problems = []
    for step in draft:
        if not step.domain:
            continue
        rule = _RULES.get(step.operator)
        try:
            if rule is None:
                raise Unable(
                    f"there is no such operator here; of {step.domain} there are"
                    f" {', '.join(_RULES)}"
                )
            draft.replace(step, rule(draft, step))
        except Unable as error:
            problems.append(f"{step.label}: {error}")
            draft.replace(step, [])
        except (KeyError, ValueError, IndexError) as error:
            problems.append(
                f"{step.label}: its attributes do not fit together ({' '.join(str(error).split())})"
            )
            draft.replace(step, [])
    return problems


def _scaler(draft: Draft, step: Step) -> list[Step]:
    offset, scale = (
        np.atleast_1d(np.asarray(step.attributes.get(name, default), np.float64))
        for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    names = [draft.constant(value, f"{step.outputs[0]}.{part}") for part, value in
             (("scale", scale), ("shift", -offset * scale))]  # fmt: skip
    draft.kinds[step.outputs[0]] = "float"
    return [Step("Affine", [step.inputs[0], *names], step.outputs, name=step.name)]


def _zip_map(draft: Draft, step: Step) -> list[Step]:
    """Columns stay columns; what they are called is kept."""
    names = (
        step.attributes.get("classlabels_strings")
        or step.attributes.get("classlabels_int64s")
        or []
    )
    draft.classes[step.outputs[0]] = tuple(map(str, names))
    draft.kinds[step.outputs[0]] = "float"
    return [Step("Identity", step.inputs, step.outputs, name=step.name)]


def _normalizer(draft: Draft, step: Step) -> list[Step]:
    """Of probabilities that add up to 1 already, nothing."""
    maker = draft.makers().get(step.inputs[0])
    if (
        step.attributes.get("norm", "MAX") == "L1"
        and maker is not None
        and maker.attributes.get("sums to one")
    ):
        return [Step("Identity", step.inputs, step.outputs, name=step.name)]
    norm = step.attributes.get("norm", "MAX")
    if norm == "MAX":
        draft.notes.append(
            f"{step.label} divides rows by their largest magnitude, as scikit-learn does; by the"
            " largest number of a row, as ONNX has it, results differ where the entry farthest from"
            " 0 is negative"
        )
    return [
        Step(
            "Normalizer",
            step.inputs,
            step.outputs,
            {"norm": norm},
            step.name,
        )
    ]


def _extractor(draft: Draft, step: Step) -> list[Step]:
    """Of a public row of class labels."""
    table = step.inputs[0]
    if table in draft.constants and draft.constants[table].dtype.kind in "OUS":
        names = draft.constants[table].ravel()
        draft.classes[step.outputs[0]] = tuple(str(each) for each in names)
        table = draft.constant(
            np.arange(names.size)[None], f"{step.outputs[0]}.places", literal=True
        )
    elif table in draft.constants:
        draft.literals.add(table)
    draft.kinds[step.outputs[0]] = "int"
    return [Step("ArrayFeatureExtractor", [table, *step.inputs[1:]], step.outputs, name=step.name)]


def _linear_regressor(draft: Draft, step: Step) -> list[Step]:
    count = step.attributes.get("targets", 1)
    if step.attributes.get("post_transform", "NONE") != "NONE":
        raise Unable(f"its post_transform {step.attributes['post_transform']} is not offered")
    out = step.outputs[0]
    return [_product(draft, step.inputs[0], step, count, out)]


def _product(
    draft: Draft, x: str, step: Step, count: int, out: str, rows: Any = None, intercepts: Any = None
) -> Step:
    if rows is None:
        rows = np.asarray(step.attributes["coefficients"], np.float64).reshape(count, -1)
        intercepts = np.asarray(step.attributes.get("intercepts", [0.0] * count), np.float64)
    draft.kinds[out] = "float"
    weights = [
        draft.constant(rows.T, f"{step.outputs[-1]}.weight"),
        draft.constant(intercepts, f"{step.outputs[-1]}.bias"),
    ]
    return Step("Gemm", [x, *weights], [out], name=step.name)


def _linear_classifier(draft: Draft, step: Step) -> list[Step]:
    labels, post = labels_of(step), step.attributes.get("post_transform", "NONE")
    intercepts = np.asarray(step.attributes["intercepts"], np.float64)
    rows = np.asarray(step.attributes["coefficients"], np.float64).reshape(intercepts.size, -1)
    opposite = (
        len(rows) == 2 and np.array_equal(rows[0], -rows[1]) and intercepts[0] == -intercepts[1]
    )
    if opposite and post == "LOGISTIC":
        rows, intercepts = rows[1:], intercepts[1:]
    scores = f"{step.outputs[1]}.scores"
    product = _product(draft, step.inputs[0], step, len(rows), scores, rows, intercepts)
    if len(rows) == 1 and len(labels) == 2:
        if post != "LOGISTIC":
            raise Unable(
                f"one row of coefficients for two classes is offered with LOGISTIC, not with {post}"
            )
        return [product, *two_classes(draft, step, scores, labels, 0.0, "LOGISTIC")]
    if len(rows) != len(labels):
        raise Unable(f"it has {len(rows)} rows of coefficients for {len(labels)} classes")
    return [product, *many_classes(draft, step, scores, labels, post)]


# ---- trees ---------------------------------------------------------------------------------------


def _tree_regressor(draft: Draft, step: Step) -> list[Step]:
    count = step.attributes.get("n_targets", 1)
    if step.attributes.get("post_transform", "NONE") != "NONE":
        raise Unable(f"its post_transform {step.attributes['post_transform']} is not offered")
    kind = step.attributes.get("aggregate_function", "SUM")
    if kind not in ("SUM", "AVERAGE"):
        raise Unable(f"it takes the {kind} of its trees; their SUM and AVERAGE are offered")
    trees = len(set(step.attributes["nodes_treeids"]))
    return _trees(
        draft, step, "target", count, step.outputs[0], 1.0 / trees if kind == "AVERAGE" else 1.0
    )


def _tree_classifier(draft: Draft, step: Step) -> list[Step]:
    labels, post = labels_of(step), step.attributes.get("post_transform", "NONE")
    ids, weights = set(step.attributes["class_ids"]), step.attributes["class_weights"]
    scores = f"{step.outputs[1]}.scores"
    if len(labels) == 2 and len(ids) == 1:  # one score, as onnxruntime reads it
        step.attributes["class_ids"] = [0] * len(weights)
        ensemble = _trees(draft, step, "class", 1, scores)
        if min(weights) >= 0.0:
            return [*ensemble, *two_classes(draft, step, scores, labels, 0.5, "COMPLEMENT")]
        return [
            *ensemble,
            *two_classes(
                draft, step, scores, labels, 0.0, "LOGISTIC" if post == "LOGISTIC" else "NEGATIVE"
            ),
        ]
    return [
        *_trees(draft, step, "class", len(labels), scores),
        *many_classes(draft, step, scores, labels, post),
    ]


def _trees(
    draft: Draft, step: Step, kind: str, count: int, out: str, factor: float = 1.0
) -> list[Step]:
    """All trees as the matrices of the operator Trees, of the columns up to the last that they look
    at."""
    its = step.attributes
    nodes: dict[int, dict[int, int]] = {}
    for place, (tree, node) in enumerate(
        zip(its["nodes_treeids"], its["nodes_nodeids"], strict=True)
    ):
        nodes.setdefault(tree, {})[node] = place
    worth: dict[tuple[int, int], np.ndarray[Any, Any]] = {}
    values = zip(
        *(its[f"{kind}_{name}"] for name in ("treeids", "nodeids", "ids", "weights")), strict=True
    )
    for tree, node, target, weight in values:
        worth.setdefault((tree, node), np.zeros(count))[target] += weight * factor
    forest = [_tree(its, tree, places, worth, count) for tree, places in nodes.items()]
    m, ends = max(1, *(len(tests) for tests, _ in forest)), max(len(leaves) for _, leaves in forest)
    known = _width(draft, step)
    width = known or max(its["nodes_featureids"]) + 1
    features, thresholds = np.zeros((width, len(forest), m)), np.zeros((len(forest), m))
    # a leaf that there is not is never picked
    paths, turns = (
        np.zeros((len(forest), m, ends)),
        np.ones((len(forest), 1, ends)),
    )
    leaves = np.zeros((len(forest), ends, count))
    for t, (tests, tips) in enumerate(forest):
        for n, (feature, sign, threshold) in enumerate(tests):
            features[feature, t, n], thresholds[t, n] = (
                sign,
                sign * threshold + TIE * abs(threshold),
            )
        for n, (path, value) in enumerate(tips):
            leaves[t, n], turns[t, 0, n] = value, 0.0
            # a wrong turn: 1 − b where the path needs b = 1, and b where it needs 0
            for (
                test,
                passed,
            ) in path:
                paths[t, test, n] = -1.0 if passed else 1.0
                turns[t, 0, n] += passed
    base = np.asarray(its.get("base_values") or [0.0] * count, np.float64) * np.ones(count)
    parts = {
        "features": features.reshape(width, -1),
        "thresholds": thresholds.ravel(),
        "paths": paths,
        "turns": turns,
        "leaves": leaves.reshape(-1, count),
        "bias": base,
    }
    draft.kinds[out] = "float"
    names = [
        draft.constant(value, f"{step.name or 'trees'}.{part}") for part, value in parts.items()
    ]
    trees = Step("Trees", [step.inputs[0], *names], [out], name=step.name)
    if known:
        return [trees]
    start, end, axis = (
        draft.constant(np.array([n]), f"{out}.ends", literal=True) for n in (0, width, 1)
    )
    trees.inputs[0] = f"{out}.columns"
    return [
        Step("Slice", [step.inputs[0], start, end, axis], trees.inputs[:1], name=step.name),
        trees,
    ]


def _width(draft: Draft, step: Step) -> int | None:
    """How many columns the input has, where that is known."""
    makers, name = draft.makers(), step.inputs[0]
    while (
        name not in draft.inputs
        and name not in draft.shapes
        and name in makers
        and makers[name].operator in ALIKE
    ):
        name = makers[name].inputs[0]
    shape = draft.inputs.get(name) or draft.shapes.get(name) or (None,)
    return shape[-1] if isinstance(shape[-1], int) else None


Test = tuple[int, float, float]
Leaf = tuple[list[tuple[int, bool]], "np.ndarray[Any, Any]"]


def _tree(
    its: dict[str, Any], tree: int, places: dict[int, int], worth: Any, count: int
) -> tuple[list[Test], list[Leaf]]:
    """The tests of a tree, and its leaves: each with the outcomes on the way to it."""
    below = {
        its[f"nodes_{side}nodeids"][p]
        for p in places.values()
        if its["nodes_modes"][p] != "LEAF"
        for side in ("true", "false")
    }
    (root,) = set(places) - below
    tests: list[Test] = []
    leaves: list[Leaf] = []
    waiting: list[tuple[int, list[tuple[int, bool]]]] = [(root, [])]
    while waiting:
        node, path = waiting.pop()
        place = places[node]
        mode = its["nodes_modes"][place]
        if mode == "LEAF":
            leaves.append((path, worth.get((tree, node), np.zeros(count))))
            continue
        if mode not in TURNS:
            raise Unable(f"its tests {mode} are not offered; there are {', '.join(TURNS)}")
        sign, turned = TURNS[mode]
        tests.append((its["nodes_featureids"][place], sign, float(its["nodes_values"][place])))
        for side, passed in (("true", not turned), ("false", turned)):
            waiting.append((its[f"nodes_{side}nodeids"][place], [*path, (len(tests) - 1, passed)]))
    return tests, leaves


_RULES: dict[str, Callable[[Draft, Step], list[Step]]] = {
    "Scaler": _scaler,
    "Normalizer": _normalizer,
    "ZipMap": _zip_map,
    "ArrayFeatureExtractor": _extractor,
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "TreeEnsembleClassifier": _tree_classifier,
    "TreeEnsembleRegressor": _tree_regressor,
    "SVMClassifier": svm_classifier,
    "SVMRegressor": svm_regressor,
    "Binarizer": binarizer,
    "Imputer": imputer,
    "OneHotEncoder": one_hot_encoder,
    "LabelEncoder": label_encoder,
}
