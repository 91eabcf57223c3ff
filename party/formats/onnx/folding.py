"""What is known before anybody's data come is computed at once, in the clear: constants, and scales that a layer can take in.

A batch normalisation, a Scaler, sums and products with constants are affine maps by channel, or by column. A chain of them becomes one;
one behind a convolution or a matrix product becomes part of its weights, and so does one before a matrix product.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from protocol.networks.arrays import FLOATS, TRUTH, WHOLES

from .classical import TIE
from .draft import Constant, Draft, Step

AFFINE = "Affine"  # x, scale, shift: as the network's own operator
LINEAR = "Gemm"  # x, weights, bias
OUTCOMES = {"ArgMax", "ArgMin", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "And"}


def simplify(draft: Draft) -> None:
    """Constants, and what does nothing, in place."""
    _constants(draft)
    _aliases(draft)


def fold(draft: Draft) -> None:
    """Affine maps, in place."""
    _affine(draft)
    _linear(draft)
    _chains(draft)
    _backwards(draft)
    _forwards(draft)
    _shown(draft)
    draft.prune()


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
        told = all(name in draft.literals or draft.constants[name].dtype.kind in "iub" for name in step.inputs if name)
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
    if step.operator.startswith("Random") or step.operator in ("If", "Loop", "Scan", "Bernoulli", "Multinomial"):
        return None
    attributes = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in step.attributes.items()
    }
    node = helper.make_node(step.operator, step.inputs, step.outputs, **attributes)
    feeds = {name: draft.constants[name] for name in step.inputs if name}
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in step.outputs if name]
    model = helper.make_model(
        helper.make_graph([node], "constant", inputs, outputs), opset_imports=[helper.make_opsetid("", draft.opset)]
    )
    try:
        return [np.asarray(each) for each in ReferenceEvaluator(model).run(None, feeds)]
    except Exception:  # the seam: whatever a kernel raises; the node stays, and is looked up as any other
        return None


def _real(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, list) and bool(value) and isinstance(value[0], float))


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
    """Whether real numbers are known to be whole: places, labels and outcomes that were moved about and cast."""
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
        step.operator in OUTCOMES or (step.operator == "ArrayFeatureExtractor" and _integers(draft, step.inputs[0]))
    )


def _integers(draft: Draft, name: str) -> bool:
    value = draft.constants.get(name)
    return value is not None and (
        value.dtype.kind in "iu" or (value.dtype.kind == "f" and np.array_equal(value, np.rint(value)))
    )


def _is_shape(draft: Draft, name: str) -> bool:
    """Whether whole numbers that are computed with stand for lengths: then they stay as they are."""
    makers, waiting = draft.makers(), [name]
    while waiting:
        step = makers.get(waiting.pop())
        if step is not None:
            if step.operator == "Shape":
                return True
            waiting += step.inputs
    return False


# ---- affine maps ---------------------------------------------------------------------------------------


def _affine(draft: Draft) -> None:
    """Every affine map with constants, as a step of its own kind."""
    for step in draft:
        found = _map(draft, step)
        if found is None:
            continue
        x, scale, shift = found
        literal = all(name in draft.literals for name in step.inputs if name and name != x)
        names = [
            draft.constant(value, f"{step.outputs[0]}.{part}", literal)
            for part, value in (("scale", scale), ("shift", shift))
        ]
        draft.replace(step, [Step(AFFINE, [x, *names], step.outputs[:1], name=step.name, literal=literal)])


def _map(draft: Draft, step: Step) -> tuple[str, Constant, Constant] | None:
    """x, scale and shift of a step that is scale · x + shift."""
    if step.domain:
        return None
    if step.operator == "BatchNormalization":
        return _normalisation(draft, step)
    if step.operator not in ("Add", "Sub", "Mul", "Div", "Sum") or len(step.inputs) != 2:
        return None
    constant = [name in draft.constants for name in step.inputs]
    if constant[0] == constant[1]:
        return None
    x, c = step.inputs if constant[1] else step.inputs[::-1]
    array = draft.constants[c]
    rank = draft.shapes.get(x)
    if array.dtype.kind != "f" or draft.kinds.get(x, "float") != "float" or (rank is None and array.ndim > 2):
        return None
    if rank is not None and (array.ndim > len(rank) or any(
        own not in (1, length) for own, length in zip(array.shape[::-1], rank[::-1], strict=False)
    )):  # fmt: skip
        return None  # it makes x larger
    value = array.astype(np.float64)
    one, zero = np.ones(()), np.zeros(())
    match step.operator:
        case "Add" | "Sum":
            return x, one, value
        case "Mul":
            return x, value, zero
        case "Sub":
            return (x, one, -value) if constant[1] else (x, -one, value)
        case "Div" if constant[1] and value.all():
            return x, 1.0 / value, zero
    return None


def _normalisation(draft: Draft, step: Step) -> tuple[str, Constant, Constant] | None:
    x, *rest = step.inputs
    if (
        any(name not in draft.constants for name in rest)
        or step.attributes.get("training_mode", 0)
        or any(step.outputs[1:])
    ):
        return None
    gamma, beta, mean, variance = (draft.constants[name].astype(np.float64) for name in rest)
    rank = len(draft.shapes.get(x, (None,) * 4))
    scale = gamma / np.sqrt(variance + step.attributes.get("epsilon", 1e-5))
    around = (-1,) + (1,) * max(0, rank - 2)
    return x, scale.reshape(around), (beta - mean * scale).reshape(around)


def _linear(draft: Draft) -> None:
    """Products of rows with constant matrices, in the one form x @ W + b."""
    for step in draft:
        matrix = draft.constants.get(step.inputs[1]) if len(step.inputs) > 1 else None
        if step.domain or matrix is None or matrix.ndim != 2 or step.inputs[0] in draft.constants:
            continue
        if step.operator == "MatMul":
            step.operator = LINEAR
        elif step.operator == LINEAR and not step.attributes.get("transA", 0):
            factor, offset = step.attributes.get("alpha", 1.0), step.attributes.get("beta", 1.0)
            bias = draft.constants.get(step.inputs[2]) if len(step.inputs) > 2 and step.inputs[2] else None
            if (
                len(step.inputs) > 2
                and step.inputs[2]
                and (bias is None or bias.size not in (1, bias.shape[-1] if bias.ndim else 1))
            ):
                continue
            turned = matrix.T if step.attributes.get("transB", 0) else matrix
            step.inputs[1] = draft.constant(turned if factor == 1.0 else turned * factor, f"{step.inputs[1]}")
            if bias is not None:
                step.inputs[2] = draft.constant(bias.ravel() * offset, f"{step.inputs[2]}")
            step.attributes = {}


def _after(draft: Draft, users: dict[str, list[Step]], step: Step) -> Step | None:
    """The only step that takes what `step` makes."""
    (name,) = step.outputs[:1]
    found = users.get(name, [])
    return (
        found[0]
        if len(found) == 1 and found[0].inputs.count(name) == 1 and name not in draft.outputs.values()
        else None
    )


def _parts(draft: Draft, step: Step) -> tuple[Constant, Constant]:
    scale, shift = (np.asarray(draft.constants[name], np.float64) for name in step.inputs[1:])
    return scale, shift


def _chains(draft: Draft) -> None:
    """Affine maps one after the other become one."""
    users = draft.users()
    for step in draft:
        following = _after(draft, users, step)
        if step.operator != AFFINE or following is None or following.operator != AFFINE:
            continue
        (scale, shift), (factor, offset) = _parts(draft, step), _parts(draft, following)
        literal = step.literal and following.literal
        names = [
            draft.constant(value, f"{following.outputs[0]}.{part}", literal)
            for part, value in (("scale", scale * factor), ("shift", shift * factor + offset))
        ]
        users[step.inputs[0]].remove(step)
        users[step.inputs[0]].append(following)
        following.inputs, following.literal = [step.inputs[0], *names], literal
        draft.steps.remove(step)


def _vectors(draft: Draft, step: Step, axis: int, length: int) -> tuple[Constant, Constant] | None:
    """Scale and shift of an affine map, as numbers along one axis; None where they vary otherwise."""
    scale, shift = (_vector(each, axis, length) for each in _parts(draft, step))
    return None if scale is None or shift is None else (scale, shift)


def _vector(value: Constant, axis: int, length: int) -> Constant | None:
    """A constant that varies along one axis alone, counted from the end, as so many numbers; None for any other."""
    if value.size == 1:
        return np.full(length, float(value.ravel()[0]))
    if value.ndim < -axis or value.shape[axis] != length or value.size != length:
        return None
    return value.ravel()


def _backwards(draft: Draft) -> None:
    """Into the convolution or product before."""
    users = draft.users()
    for step in draft:
        following = _after(draft, users, step)
        if step.operator not in (LINEAR, "Conv") or step.domain or following is None or following.operator != AFFINE:
            continue
        if any(name not in draft.constants for name in step.inputs[1:] if name) or (
            step.operator == LINEAR and step.attributes
        ):
            continue
        weights = draft.constants[step.inputs[1]]
        axis, length = (-1, weights.shape[1]) if step.operator == LINEAR else (1 - weights.ndim, weights.shape[0])
        found = _vectors(draft, following, axis, length)
        if found is None:
            continue
        scale, shift = found
        own = np.zeros(()) if len(step.inputs) < 3 or not step.inputs[2] else draft.constants[step.inputs[2]]
        around = (1, -1) if step.operator == LINEAR else (-1,) + (1,) * (weights.ndim - 1)
        scaled = weights if np.all(scale == 1.0) else weights * scale.reshape(around)
        names = draft.constant(scaled, step.inputs[1]), draft.constant(own * scale + shift, f"{step.outputs[0]}.bias")
        step.inputs[1:] = names
        draft.steps.remove(following)
        step.outputs = following.outputs
        users = draft.users()


def _forwards(draft: Draft) -> None:
    """Into the product behind, or the tests of trees."""
    users = draft.users()
    for step in draft:
        following = _after(draft, users, step)
        if step.operator != AFFINE or following is None or following.inputs[0] != step.outputs[0]:
            continue
        if following.operator == "Trees":
            if _into_trees(draft, step, following):
                draft.steps.remove(step)
                users = draft.users()
            continue
        if following.operator != LINEAR or following.attributes:
            continue
        if any(name not in draft.constants for name in following.inputs[1:] if name):
            continue
        weights = draft.constants[following.inputs[1]]
        found = _vectors(draft, step, -1, weights.shape[0])
        if found is None:
            continue
        scale, shift = found
        own = np.zeros(weights.shape[1]) if len(following.inputs) < 3 else draft.constants[following.inputs[2]]
        following.inputs = [
            step.inputs[0],
            draft.constant(weights * scale[:, None], following.inputs[1]),
            draft.constant(own + shift @ weights, f"{following.outputs[0]}.bias"),
        ]
        draft.steps.remove(step)
        users = draft.users()


def _into_trees(draft: Draft, step: Step, trees: Step) -> bool:
    """sign · (s·x + t) ≤ θ is sign(s) · sign · x ≤ (θ − sign · t) / |s|: features are still picked by ones."""
    features, thresholds = (draft.constants[name] for name in trees.inputs[1:3])
    found = _vectors(draft, step, -1, len(features))
    if found is None:
        return False
    scale, shift = found
    size = np.abs(scale) @ np.abs(features)
    limits = (thresholds - shift @ features + TIE * (np.abs(shift) @ np.abs(features))) / np.where(
        size == 0.0, 1.0, size
    )
    trees.inputs[:3] = [
        step.inputs[0],
        draft.constant(np.sign(scale)[:, None] * features, trees.inputs[1]),
        draft.constant(limits, trees.inputs[2]),
    ]
    return True


def _shown(draft: Draft) -> None:
    """Affine maps that are left, as a sum or a product where they are no more."""
    for step in draft:
        if step.operator != AFFINE:
            continue
        x, scale, shift = step.inputs
        one, none = (bool(np.all(draft.constants[name] == value)) for name, value in ((scale, 1.0), (shift, 0.0)))
        if one:
            step.operator, step.inputs = "Add", [x, shift]
        elif none:
            step.operator, step.inputs = "Mul", [x, scale]


def reach(value: Constant) -> float:
    """The least power of two that no entry of a constant exceeds."""
    peak = float(np.abs(value).max(initial=0.0))
    return 2.0 ** max(-20, math.ceil(math.log2(peak))) if peak > 0.0 else 2.0**-20
