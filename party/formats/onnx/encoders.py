"""Encoders of ai.onnx.ml: thresholds, categories that are whole numbers, and gaps that are numbers.

Categories are told, since whoever brings the rows must know them; what they become is as secret as
a weight where it is a real number. Texts stay at their owner: no tensor here holds any.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .classes import TIE, Unable
from .draft import Draft, DraftNode

TEXTS = "its categories are texts, which no tensor here holds: number them before the model"


def binarizer(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """1 where an entry is above the threshold, else 0, as a comparison with a secret constant,
    which is raised by `TIE` of its size: entries that equal it in float32 stay below."""
    limit = float(node.attributes.get("threshold", 0.0))
    above = draft.constant(np.array([limit + TIE * abs(limit)]), f"{node.outputs[0]}.threshold")
    draft.kinds[node.outputs[0]] = "float"
    return [DraftNode("Greater", [node.inputs[0], above], node.outputs, name=node.name)]


def imputer(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Numbers that stand for gaps; rows that are brought here hold no NaN."""
    its, out = node.attributes, node.outputs[0]
    kind = "floats" if its.get("imputed_value_floats") else "int64s"
    gap = float(its.get(f"replaced_value_{kind.removesuffix('s')}", 0.0))
    draft.kinds[out] = draft.kinds.get(node.inputs[0], "float")
    if not np.isfinite(gap):
        draft.notes.append(
            f"{node.label} fills gaps, and rows that are brought here have none: fill them before"
        )
        return [DraftNode("Identity", node.inputs, node.outputs, name=node.name)]
    values = draft.constant(np.asarray(its[f"imputed_value_{kind}"], np.float64), f"{out}.values")
    literal = draft.constant(gap, f"{out}.gap", literal=True)
    return [
        DraftNode("Equal", [node.inputs[0], literal], [f"{out}.there"], name=node.name),
        DraftNode("Where", [f"{out}.there", values, node.inputs[0]], node.outputs, name=node.name),
    ]


def one_hot_encoder(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """(…) → (…, categories); a number that is no category is zeros."""
    if not (categories := node.attributes.get("cats_int64s")):
        raise Unable(TEXTS)
    maker = draft.makers().get(node.inputs[0])
    if maker is not None and maker.operator == "Cast":  # to whole numbers, which they are
        node.inputs = maker.inputs[:1]
    draft.kinds[node.outputs[0]] = "float"
    return _one_hot(draft, node, categories, node.outputs[0])


def label_encoder(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """What stands beside the key that the number is, or a default."""
    its, out = node.attributes, node.outputs[0]
    keys = its.get("keys_int64s") or its.get("keys_floats")
    if not keys:
        raise Unable(TEXTS)
    if found := its.get("values_int64s"):
        values, rest, literal = found, its.get("default_int64", -1), True
    elif found := its.get("values_floats"):
        values, rest, literal = found, its.get("default_float", 0.0), False
    else:
        raise Unable("what it makes is text, and no tensor here holds any")
    given = np.asarray(values, np.float64) - rest
    names = [
        draft.constant(value, f"{out}.{part}", literal)
        for value, part in ((given, "values"), (np.array([float(rest)]), "default"))
    ]
    axis = draft.constant(np.array([-1]), f"{out}.axis", literal=True)
    draft.kinds[out] = "int" if literal else "float"
    return [
        *_one_hot(draft, node, keys, f"{out}.keys"),
        DraftNode("Mul", [f"{out}.keys", names[0]], [f"{out}.each"], name=node.name),
        DraftNode("ReduceSum", [f"{out}.each", axis], [f"{out}.sum"], {"keepdims": 0}, node.name),
        DraftNode("Add", [f"{out}.sum", names[1]], [out], name=node.name),
    ]


def _one_hot(draft: Draft, node: DraftNode, keys: Any, out: str) -> list[DraftNode]:
    axis, there = (
        draft.constant(value, f"{out}.{part}", literal=True)
        for value, part in ((np.array([-1]), "axis"), (np.asarray(keys, np.float64), "keys"))
    )
    return [
        DraftNode("Unsqueeze", [node.inputs[0], axis], [f"{out}.apart"], name=node.name),
        DraftNode("Equal", [f"{out}.apart", there], [out], name=node.name),
    ]
