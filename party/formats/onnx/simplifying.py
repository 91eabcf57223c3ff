"""Nodes that nobody's data reach, or that change nothing at prediction: computed at once, in the
clear, or left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from protocol.networks import OPERATORS
from protocol.networks.arrays import FLOATS, TRUTH, WHOLES

from .draft import Constant, Draft, DraftNode

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
    """Compute nodes of constants, and leave out nodes that change nothing, in place."""
    _constants(draft)
    _aliases(draft)


def _constants(draft: Draft) -> None:
    """Nodes of constants alone become constants."""
    kept = []
    for node in draft.nodes:
        if node.domain or any(name not in draft.constants for name in node.inputs if name):
            kept.append(node)
            continue
        values = _evaluated(draft, node)
        if values is None:
            kept.append(node)
            continue
        told = all(
            name in draft.literals or draft.constants[name].dtype.kind in "iub"
            for name in node.inputs
            if name
        )
        for name, value in zip(node.outputs, values, strict=False):
            if name:
                draft.constants[name] = value
                if told and value.size == 1:
                    draft.literals.add(name)
    draft.nodes = kept


def _evaluated(draft: Draft, node: DraftNode) -> list[Constant] | None:
    """By onnx's own reference; None for what it cannot."""
    if node.operator == "Constant":
        value = next(iter(node.attributes.values()), None)
        return None if value is None else [np.asarray(value, np.float32 if _real(value) else None)]
    if node.operator == "ConstantOfShape":
        value = np.asarray(node.attributes.get("value", np.float32(0.0))).ravel()[0]
        return [np.full(draft.constants[node.inputs[0]].tolist(), value)]
    if node.operator.startswith("Random") or node.operator in (
        "If",
        "Loop",
        "Scan",
        "Bernoulli",
        "Multinomial",
    ):
        return None
    attributes = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
    }
    single = helper.make_node(node.operator, node.inputs, node.outputs, **attributes)
    feeds = {name: draft.constants[name] for name in node.inputs if name}
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in feeds.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.outputs if name]
    model = helper.make_model(
        helper.make_graph([single], "constant", inputs, outputs),
        opset_imports=[helper.make_opsetid("", draft.opset)],
    )
    try:
        return [np.asarray(each) for each in ReferenceEvaluator(model).run(None, feeds)]
    except Exception:  # the seam: a kernel raises nearly anything; the node stays, as any other
        return None


def _real(value: Any) -> bool:
    return isinstance(value, float) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], float)
    )


def _aliases(draft: Draft) -> None:
    """Nodes that change nothing at prediction are left out."""
    for node in draft:
        x = node.inputs[0] if node.inputs else ""
        if x in draft.constants or not x:
            continue
        plain = node.operator == "Identity" or (
            node.operator == "Dropout"
            and not any(node.outputs[1:])
            and not any(np.any(draft.constants.get(name, 1)) for name in node.inputs[2:] if name)
        )
        if node.operator == "Cast" and not node.domain:
            kind, to = draft.kinds.get(x), node.attributes.get("to")
            plain = (
                (kind == "float" and to in FLOATS)
                or (kind in ("int", "bool") and to in (*WHOLES, *FLOATS) and kind != "string")
                or (kind == "bool" and to == TRUTH)
                or (to in WHOLES and _is_whole(draft, x))
            )
            plain = plain and not _is_shape(draft, x)
        if plain:
            if node.outputs[0] in draft.classes:
                draft.classes[x] = draft.classes[node.outputs[0]]
            draft.nodes.remove(node)
            draft.rename(node.outputs[0], x)


def _is_whole(draft: Draft, name: str) -> bool:
    """Whether real numbers are known to be whole: places, labels and outcomes that were moved about
    and cast."""
    makers = draft.makers()
    while (node := makers.get(name)) is not None and node.operator in (
        "Cast",
        "Identity",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
    ):
        name = node.inputs[0]
    return node is not None and (
        node.operator in OUTCOMES
        or (node.operator == "ArrayFeatureExtractor" and _integers(draft, node.inputs[0]))
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
        node = makers.get(waiting.pop())
        if node is not None:
            if node.operator == "Shape":
                return True
            sizes = OPERATORS[node.operator].public if node.operator in OPERATORS else ()
            waiting += [each for n, each in enumerate(node.inputs) if n not in sizes]
    return False
