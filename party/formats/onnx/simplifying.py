"""Nodes that nobody's data reach, or that change nothing at prediction: computed at once, in the
clear, or left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from protocol.networks import OPERATORS
from protocol.networks.arrays import FLOATS, TRUTH, WHOLES

from .draft import Constant, Draft, Step

OUTCOMES = {
    "ArgMax",
    "ArgMin",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Equal",
    "Not",
    "And",
}


def simplify(draft: Draft) -> None:
    """Constants, and what does nothing, in place."""
    _constants(draft)
    _aliases(draft)


def _constants(draft: Draft) -> None:
    """Nodes of constants alone become constants."""
    kept = []
    for step in draft.steps:
        if step.domain or any(name not in draft.constants for name in step.inputs if name):
            kept.append(step)
            continue
        values = _evaluated(draft, step)
        if values is None:
            kept.append(step)
            continue
        told = all(
            name in draft.literals or draft.constants[name].dtype.kind in "iub"
            for name in step.inputs
            if name
        )
        for name, value in zip(step.outputs, values, strict=False):
            if name:
                draft.constants[name] = value
                if told and value.size == 1:
                    draft.literals.add(name)
    draft.steps = kept


def _evaluated(draft: Draft, step: Step) -> list[Constant] | None:
    """By onnx's own reference; None for what it cannot."""
    if step.operator == "Constant":
        value = next(iter(step.attributes.values()), None)
        return None if value is None else [np.asarray(value, np.float32 if _real(value) else None)]
    if step.operator == "ConstantOfShape":
        value = np.asarray(step.attributes.get("value", np.float32(0.0))).ravel()[0]
        return [np.full(draft.constants[step.inputs[0]].tolist(), value)]
    if step.operator.startswith("Random") or step.operator in (
        "If",
        "Loop",
        "Scan",
        "Bernoulli",
        "Multinomial",
    ):
        return None
    attributes = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in step.attributes.items()
    }
    node = helper.make_node(step.operator, step.inputs, step.outputs, **attributes)
    feeds = {name: draft.constants[name] for name in step.inputs if name}
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in feeds.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in step.outputs if name]
    model = helper.make_model(
        helper.make_graph([node], "constant", inputs, outputs),
        opset_imports=[helper.make_opsetid("", draft.opset)],
    )
    try:
        return [np.asarray(each) for each in ReferenceEvaluator(model).run(None, feeds)]
    except (
        Exception
    ):  # the seam: whatever a kernel raises; the node stays, and is looked up as any other
        return None


def _real(value: Any) -> bool:
    return isinstance(value, float) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], float)
    )


def _aliases(draft: Draft) -> None:
    """Nodes that change nothing at prediction are left out."""
    for step in draft:
        x = step.inputs[0] if step.inputs else ""
        if x in draft.constants or not x:
            continue
        plain = step.operator == "Identity" or (
            step.operator == "Dropout"
            and not any(step.outputs[1:])
            and not any(np.any(draft.constants.get(name, 1)) for name in step.inputs[2:] if name)
        )
        if step.operator == "Cast" and not step.domain:
            kind, to = draft.kinds.get(x), step.attributes.get("to")
            plain = (
                (kind == "float" and to in FLOATS)
                or (kind in ("int", "bool") and to in (*WHOLES, *FLOATS) and kind != "string")
                or (kind == "bool" and to == TRUTH)
                or (to in WHOLES and _is_whole(draft, x))
            )
            plain = plain and not _is_shape(draft, x)
        if plain:
            if step.outputs[0] in draft.classes:
                draft.classes[x] = draft.classes[step.outputs[0]]
            draft.steps.remove(step)
            draft.rename(step.outputs[0], x)


def _is_whole(draft: Draft, name: str) -> bool:
    """Whether real numbers are known to be whole: places, labels and outcomes that were moved about
    and cast."""
    makers = draft.makers()
    while (step := makers.get(name)) is not None and step.operator in (
        "Cast",
        "Identity",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
    ):
        name = step.inputs[0]
    return step is not None and (
        step.operator in OUTCOMES
        or (step.operator == "ArrayFeatureExtractor" and _integers(draft, step.inputs[0]))
    )


def _integers(draft: Draft, name: str) -> bool:
    value = draft.constants.get(name)
    return value is not None and (
        value.dtype.kind in "iu"
        or (value.dtype.kind == "f" and np.array_equal(value, np.rint(value)))
    )


def _is_shape(draft: Draft, name: str) -> bool:
    """Whether whole numbers that are computed with stand for lengths: then they stay as they
    are."""
    makers, waiting = draft.makers(), [name]
    while waiting:
        step = makers.get(waiting.pop())
        if step is not None:
            if step.operator == "Shape":
                return True
            sizes = OPERATORS[step.operator].public if step.operator in OPERATORS else ()
            waiting += [each for n, each in enumerate(step.inputs) if n not in sizes]
    return False
