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
from .draft import Draft, DraftNode
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
    """Rewrite all nodes of the domain, in place; the reasons of those that cannot be."""
    problems = []
    for node in draft:
        if not node.domain:
            continue
        rule = _RULES.get(node.operator)
        try:
            if rule is None:
                raise Unable(
                    f"there is no such operator here; of {node.domain} there are"
                    f" {', '.join(_RULES)}"
                )
            draft.replace(node, rule(draft, node))
        except Unable as error:
            problems.append(f"{node.label}: {error}")
            draft.replace(node, [])
        except (KeyError, ValueError, IndexError) as error:
            problems.append(
                f"{node.label}: its attributes do not fit together ({' '.join(str(error).split())})"
            )
            draft.replace(node, [])
    return problems


def _scaler(draft: Draft, node: DraftNode) -> list[DraftNode]:
    offset, scale = (
        np.atleast_1d(np.asarray(node.attributes.get(name, default), np.float64))
        for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    names = [draft.constant(value, f"{node.outputs[0]}.{part}") for part, value in
             (("scale", scale), ("shift", -offset * scale))]  # fmt: skip
    draft.kinds[node.outputs[0]] = "float"
    return [DraftNode("Affine", [node.inputs[0], *names], node.outputs, name=node.name)]


def _zip_map(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Columns stay columns; what they are called is kept."""
    names = (
        node.attributes.get("classlabels_strings")
        or node.attributes.get("classlabels_int64s")
        or []
    )
    draft.classes[node.outputs[0]] = tuple(map(str, names))
    draft.kinds[node.outputs[0]] = "float"
    return [DraftNode("Identity", node.inputs, node.outputs, name=node.name)]


def _normalizer(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Of probabilities that add up to 1 already, nothing."""
    maker = draft.makers().get(node.inputs[0])
    if (
        node.attributes.get("norm", "MAX") == "L1"
        and maker is not None
        and maker.attributes.get("sums to one")
    ):
        return [DraftNode("Identity", node.inputs, node.outputs, name=node.name)]
    norm = node.attributes.get("norm", "MAX")
    if norm == "MAX":
        draft.notes.append(
            f"{node.label} divides rows by their largest magnitude, as scikit-learn does; by the"
            " largest number of a row, as ONNX has it, results differ where the entry farthest from"
            " 0 is negative"
        )
    return [
        DraftNode(
            "Normalizer",
            node.inputs,
            node.outputs,
            {"norm": norm},
            node.name,
        )
    ]


def _extractor(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Of a public row of class labels."""
    table = node.inputs[0]
    if table in draft.constants and draft.constants[table].dtype.kind in "OUS":
        names = draft.constants[table].ravel()
        draft.classes[node.outputs[0]] = tuple(str(each) for each in names)
        table = draft.constant(
            np.arange(names.size)[None], f"{node.outputs[0]}.places", literal=True
        )
    elif table in draft.constants:
        draft.literals.add(table)
    draft.kinds[node.outputs[0]] = "int"
    return [
        DraftNode("ArrayFeatureExtractor", [table, *node.inputs[1:]], node.outputs, name=node.name)
    ]


def _linear_regressor(draft: Draft, node: DraftNode) -> list[DraftNode]:
    count = node.attributes.get("targets", 1)
    if node.attributes.get("post_transform", "NONE") != "NONE":
        raise Unable(f"its post_transform {node.attributes['post_transform']} is not offered")
    out = node.outputs[0]
    return [_product(draft, node.inputs[0], node, count, out)]


def _product(
    draft: Draft,
    x: str,
    node: DraftNode,
    count: int,
    out: str,
    rows: Any = None,
    intercepts: Any = None,
) -> DraftNode:
    if rows is None:
        rows = np.asarray(node.attributes["coefficients"], np.float64).reshape(count, -1)
        intercepts = np.asarray(node.attributes.get("intercepts", [0.0] * count), np.float64)
    draft.kinds[out] = "float"
    weights = [
        draft.constant(rows.T, f"{node.outputs[-1]}.weight"),
        draft.constant(intercepts, f"{node.outputs[-1]}.bias"),
    ]
    return DraftNode("Gemm", [x, *weights], [out], name=node.name)


def _linear_classifier(draft: Draft, node: DraftNode) -> list[DraftNode]:
    labels, post = labels_of(node), node.attributes.get("post_transform", "NONE")
    intercepts = np.asarray(node.attributes["intercepts"], np.float64)
    rows = np.asarray(node.attributes["coefficients"], np.float64).reshape(intercepts.size, -1)
    opposite = (
        len(rows) == 2 and np.array_equal(rows[0], -rows[1]) and intercepts[0] == -intercepts[1]
    )
    if opposite and post == "LOGISTIC":
        rows, intercepts = rows[1:], intercepts[1:]
    scores = f"{node.outputs[1]}.scores"
    product = _product(draft, node.inputs[0], node, len(rows), scores, rows, intercepts)
    if len(rows) == 1 and len(labels) == 2:
        if post != "LOGISTIC":
            raise Unable(
                f"one row of coefficients for two classes is offered with LOGISTIC, not with {post}"
            )
        return [product, *two_classes(draft, node, scores, labels, 0.0, "LOGISTIC")]
    if len(rows) != len(labels):
        raise Unable(f"it has {len(rows)} rows of coefficients for {len(labels)} classes")
    return [product, *many_classes(draft, node, scores, labels, post)]


# ---- trees ---------------------------------------------------------------------------------------


def _tree_regressor(draft: Draft, node: DraftNode) -> list[DraftNode]:
    count = node.attributes.get("n_targets", 1)
    if node.attributes.get("post_transform", "NONE") != "NONE":
        raise Unable(f"its post_transform {node.attributes['post_transform']} is not offered")
    kind = node.attributes.get("aggregate_function", "SUM")
    if kind not in ("SUM", "AVERAGE"):
        raise Unable(f"it takes the {kind} of its trees; their SUM and AVERAGE are offered")
    trees = len(set(node.attributes["nodes_treeids"]))
    return _trees(
        draft, node, "target", count, node.outputs[0], 1.0 / trees if kind == "AVERAGE" else 1.0
    )


def _tree_classifier(draft: Draft, node: DraftNode) -> list[DraftNode]:
    labels, post = labels_of(node), node.attributes.get("post_transform", "NONE")
    ids, weights = set(node.attributes["class_ids"]), node.attributes["class_weights"]
    scores = f"{node.outputs[1]}.scores"
    if len(labels) == 2 and len(ids) == 1:  # one score, as onnxruntime reads it
        node.attributes["class_ids"] = [0] * len(weights)
        ensemble = _trees(draft, node, "class", 1, scores)
        if min(weights) >= 0.0:
            return [*ensemble, *two_classes(draft, node, scores, labels, 0.5, "COMPLEMENT")]
        return [
            *ensemble,
            *two_classes(
                draft, node, scores, labels, 0.0, "LOGISTIC" if post == "LOGISTIC" else "NEGATIVE"
            ),
        ]
    return [
        *_trees(draft, node, "class", len(labels), scores),
        *many_classes(draft, node, scores, labels, post),
    ]


def _trees(
    draft: Draft, node: DraftNode, kind: str, count: int, out: str, factor: float = 1.0
) -> list[DraftNode]:
    """All trees as the matrices of the operator Trees, of the columns up to the last that they look
    at."""
    its = node.attributes
    places_of: dict[int, dict[int, int]] = {}
    for place, (tree, vertex) in enumerate(
        zip(its["nodes_treeids"], its["nodes_nodeids"], strict=True)
    ):
        places_of.setdefault(tree, {})[vertex] = place
    worth: dict[tuple[int, int], np.ndarray[Any, Any]] = {}
    values = zip(
        *(its[f"{kind}_{name}"] for name in ("treeids", "nodeids", "ids", "weights")), strict=True
    )
    for tree, vertex, target, weight in values:
        worth.setdefault((tree, vertex), np.zeros(count))[target] += weight * factor
    forest = [_tree(its, tree, places, worth, count) for tree, places in places_of.items()]
    m, ends = max(1, *(len(tests) for tests, _ in forest)), max(len(leaves) for _, leaves in forest)
    known = _width(draft, node)
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
        draft.constant(value, f"{node.name or 'trees'}.{part}") for part, value in parts.items()
    ]
    trees = DraftNode("Trees", [node.inputs[0], *names], [out], name=node.name)
    if known:
        return [trees]
    start, end, axis = (
        draft.constant(np.array([n]), f"{out}.ends", literal=True) for n in (0, width, 1)
    )
    trees.inputs[0] = f"{out}.columns"
    return [
        DraftNode("Slice", [node.inputs[0], start, end, axis], trees.inputs[:1], name=node.name),
        trees,
    ]


def _width(draft: Draft, node: DraftNode) -> int | None:
    """How many columns the input has, where that is known."""
    makers, name = draft.makers(), node.inputs[0]
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
        vertex, path = waiting.pop()
        place = places[vertex]
        mode = its["nodes_modes"][place]
        if mode == "LEAF":
            leaves.append((path, worth.get((tree, vertex), np.zeros(count))))
            continue
        if mode not in TURNS:
            raise Unable(f"its tests {mode} are not offered; there are {', '.join(TURNS)}")
        sign, turned = TURNS[mode]
        tests.append((its["nodes_featureids"][place], sign, float(its["nodes_values"][place])))
        for side, passed in (("true", not turned), ("false", turned)):
            waiting.append((its[f"nodes_{side}nodeids"][place], [*path, (len(tests) - 1, passed)]))
    return tests, leaves


_RULES: dict[str, Callable[[Draft, DraftNode], list[DraftNode]]] = {
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
