"""Encoders of ai.onnx.ml: thresholds, categories that are whole numbers, and gaps that are numbers.

Categories are told, since whoever brings the rows must know them; what they become is as secret as
a weight where it is a real number. Texts stay at their owner: no tensor here holds any.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .classes import TIE, Unable
from .draft import Draft, Step

TEXTS = "its categories are texts, which no tensor here holds: number them before the model"


def binarizer(draft: Draft, step: Step) -> list[Step]:
    limit = float(step.attributes.get("threshold", 0.0))
    above = draft.constant(np.array([limit + TIE * abs(limit)]), f"{step.outputs[0]}.threshold")
    draft.kinds[step.outputs[0]] = "float"
    return [Step("Greater", [step.inputs[0], above], step.outputs, name=step.name)]


def imputer(draft: Draft, step: Step) -> list[Step]:
    """Numbers that stand for gaps; rows that are brought here hold no NaN."""
    its, out = step.attributes, step.outputs[0]
    kind = "floats" if its.get("imputed_value_floats") else "int64s"
    gap = float(its.get(f"replaced_value_{kind.removesuffix('s')}", 0.0))
    draft.kinds[out] = draft.kinds.get(step.inputs[0], "float")
    if not np.isfinite(gap):
        draft.notes.append(
            f"{step.label} fills gaps, and rows that are brought here have none: fill them before"
        )
        return [Step("Identity", step.inputs, step.outputs, name=step.name)]
    values = draft.constant(np.asarray(its[f"imputed_value_{kind}"], np.float64), f"{out}.values")
    literal = draft.constant(gap, f"{out}.gap", literal=True)
    return [
        Step("Equal", [step.inputs[0], literal], [f"{out}.there"], name=step.name),
        Step("Where", [f"{out}.there", values, step.inputs[0]], step.outputs, name=step.name),
    ]


def one_hot_encoder(draft: Draft, step: Step) -> list[Step]:
    """(…) → (…, categories); a number that is no category is zeros."""
    if not (categories := step.attributes.get("cats_int64s")):
        raise Unable(TEXTS)
    maker = draft.makers().get(step.inputs[0])
    if maker is not None and maker.operator == "Cast":  # to whole numbers, which they are
        step.inputs = maker.inputs[:1]
    draft.kinds[step.outputs[0]] = "float"
    return _one_hot(draft, step, categories, step.outputs[0])


def label_encoder(draft: Draft, step: Step) -> list[Step]:
    """What stands beside the key that the number is, or a default."""
    its, out = step.attributes, step.outputs[0]
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
        *_one_hot(draft, step, keys, f"{out}.keys"),
        Step("Mul", [f"{out}.keys", names[0]], [f"{out}.each"], name=step.name),
        Step("ReduceSum", [f"{out}.each", axis], [f"{out}.sum"], {"keepdims": 0}, step.name),
        Step("Add", [f"{out}.sum", names[1]], [out], name=step.name),
    ]


def _one_hot(draft: Draft, step: Step, keys: Any, out: str) -> list[Step]:
    axis, there = (
        draft.constant(value, f"{out}.{part}", literal=True)
        for value, part in ((np.array([-1]), "axis"), (np.asarray(keys, np.float64), "keys"))
    )
    return [
        Step("Unsqueeze", [step.inputs[0], axis], [f"{out}.apart"], name=step.name),
        Step("Equal", [f"{out}.apart", there], [out], name=step.name),
    ]
