"""Scales that a layer can take in.

A batch normalisation, a Scaler, sums and products with constants are affine maps by channel, or by
column. A chain of them becomes one; one behind a convolution or a matrix product becomes part of
its weights, and so does one before a matrix product or the tests of trees.
"""

from __future__ import annotations

import numpy as np

from .classes import TIE
from .draft import Constant, Draft, DraftNode

AFFINE = "Affine"  # x, scale, shift: as the network's own operator
LINEAR = "Gemm"  # x, weights, bias


def fold(draft: Draft) -> None:
    """Rewrite affine maps with constants, in place: chains become one map, and maps beside a layer
    become part of its weights."""
    _affine(draft)
    _linear(draft)
    _chains(draft)
    _backwards(draft)
    _forwards(draft)
    _shown(draft)
    draft.prune()


def _affine(draft: Draft) -> None:
    """Every affine map with constants, as a node of its own kind."""
    for node in draft:
        found = _map(draft, node)
        if found is None:
            continue
        x, scale, shift = found
        literal = all(name in draft.literals for name in node.inputs if name and name != x)
        names = [
            draft.constant(value, f"{node.outputs[0]}.{part}", literal)
            for part, value in (("scale", scale), ("shift", shift))
        ]
        draft.replace(
            node,
            [DraftNode(AFFINE, [x, *names], node.outputs[:1], name=node.name, literal=literal)],
        )


def _map(draft: Draft, node: DraftNode) -> tuple[str, Constant, Constant] | None:
    """x, scale and shift of a node that is scale · x + shift."""
    if node.domain:
        return None
    if node.operator == "BatchNormalization":
        return _normalisation(draft, node)
    if node.operator not in ("Add", "Sub", "Mul", "Div", "Sum") or len(node.inputs) != 2:
        return None
    constant = [name in draft.constants for name in node.inputs]
    if constant[0] == constant[1]:
        return None
    x, c = node.inputs if constant[1] else node.inputs[::-1]
    array = draft.constants[c]
    rank = draft.shapes.get(x)
    if (
        array.dtype.kind != "f"
        or draft.kinds.get(x, "float") != "float"
        or (rank is None and array.ndim > 2)
    ):
        return None
    if rank is not None and (array.ndim > len(rank) or any(
        own not in (1, length) for own, length in zip(array.shape[::-1], rank[::-1], strict=False)
    )):  # fmt: skip
        return None  # it makes x larger
    value = array.astype(np.float64)
    one, zero = np.ones(()), np.zeros(())
    match node.operator:
        case "Add" | "Sum":
            return x, one, value
        case "Mul":
            return x, value, zero
        case "Sub":
            return (x, one, -value) if constant[1] else (x, -one, value)
        case "Div" if constant[1] and value.all():
            return x, 1.0 / value, zero
    return None


def _normalisation(draft: Draft, node: DraftNode) -> tuple[str, Constant, Constant] | None:
    x, *rest = node.inputs
    if (
        any(name not in draft.constants for name in rest)
        or node.attributes.get("training_mode", 0)
        or any(node.outputs[1:])
    ):
        return None
    gamma, beta, mean, variance = (draft.constants[name].astype(np.float64) for name in rest)
    rank = len(draft.shapes.get(x, (None,) * 4))
    scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    around = (-1,) + (1,) * max(0, rank - 2)
    return x, scale.reshape(around), (beta - mean * scale).reshape(around)


def _linear(draft: Draft) -> None:
    """Products of rows with constant matrices, in the one form x @ W + b."""
    for node in draft:
        matrix = draft.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if node.domain or matrix is None or matrix.ndim != 2 or node.inputs[0] in draft.constants:
            continue
        if node.operator == "MatMul":
            node.operator = LINEAR
        elif node.operator == LINEAR and not node.attributes.get("transA", 0):
            factor, offset = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
            bias = (
                draft.constants.get(node.inputs[2])
                if len(node.inputs) > 2 and node.inputs[2]
                else None
            )
            if (
                len(node.inputs) > 2
                and node.inputs[2]
                and (bias is None or bias.size not in (1, bias.shape[-1] if bias.ndim else 1))
            ):
                continue
            turned = matrix.T if node.attributes.get("transB", 0) else matrix
            node.inputs[1] = draft.constant(
                turned if factor == 1.0 else turned * factor, f"{node.inputs[1]}"
            )
            if bias is not None:
                node.inputs[2] = draft.constant(bias.ravel() * offset, f"{node.inputs[2]}")
            node.attributes = {}


def _after(draft: Draft, users: dict[str, list[DraftNode]], node: DraftNode) -> DraftNode | None:
    """The only node that takes what `node` makes."""
    (name,) = node.outputs[:1]
    found = users.get(name, [])
    return (
        found[0]
        if len(found) == 1
        and found[0].inputs.count(name) == 1
        and name not in draft.outputs.values()
        else None
    )


def _parts(draft: Draft, node: DraftNode) -> tuple[Constant, Constant]:
    scale, shift = (np.asarray(draft.constants[name], np.float64) for name in node.inputs[1:])
    return scale, shift


def _chains(draft: Draft) -> None:
    """Affine maps one after the other become one."""
    users = draft.users()
    for node in draft:
        following = _after(draft, users, node)
        if node.operator != AFFINE or following is None or following.operator != AFFINE:
            continue
        (scale, shift), (factor, offset) = _parts(draft, node), _parts(draft, following)
        literal = node.literal and following.literal
        names = [
            draft.constant(value, f"{following.outputs[0]}.{part}", literal)
            for part, value in (("scale", scale * factor), ("shift", shift * factor + offset))
        ]
        users[node.inputs[0]].remove(node)
        users[node.inputs[0]].append(following)
        following.inputs, following.literal = [node.inputs[0], *names], literal
        draft.nodes.remove(node)


def _vectors(
    draft: Draft, node: DraftNode, axis: int, length: int
) -> tuple[Constant, Constant] | None:
    """Scale and shift of an affine map, as numbers along one axis; None where they vary
    otherwise."""
    scale, shift = (_vector(each, axis, length) for each in _parts(draft, node))
    return None if scale is None or shift is None else (scale, shift)


def _vector(value: Constant, axis: int, length: int) -> Constant | None:
    """A constant that varies along one axis alone, counted from the end, as so many numbers; None
    for any other."""
    if value.size == 1:
        return np.full(length, float(value.ravel()[0]))
    if value.ndim < -axis or value.shape[axis] != length or value.size != length:
        return None
    return value.ravel()


def _backwards(draft: Draft) -> None:
    """Into the convolution or product before."""
    users = draft.users()
    for node in draft:
        following = _after(draft, users, node)
        if (
            node.operator not in (LINEAR, "Conv")
            or node.domain
            or following is None
            or following.operator != AFFINE
        ):
            continue
        if any(name not in draft.constants for name in node.inputs[1:] if name) or (
            node.operator == LINEAR and node.attributes
        ):
            continue
        weights = draft.constants[node.inputs[1]]
        axis, length = (
            (-1, weights.shape[1])
            if node.operator == LINEAR
            else (1 - weights.ndim, weights.shape[0])
        )
        found = _vectors(draft, following, axis, length)
        if found is None:
            continue
        scale, shift = found
        own = (
            np.zeros(())
            if len(node.inputs) < 3 or not node.inputs[2]
            else draft.constants[node.inputs[2]]
        )
        around = (1, -1) if node.operator == LINEAR else (-1,) + (1,) * (weights.ndim - 1)
        scaled = weights if np.all(scale == 1.0) else weights * scale.reshape(around)
        names = (
            draft.constant(scaled, node.inputs[1]),
            draft.constant(own * scale + shift, f"{node.outputs[0]}.bias"),
        )
        node.inputs[1:] = names
        draft.nodes.remove(following)
        node.outputs = following.outputs
        users = draft.users()


def _forwards(draft: Draft) -> None:
    """Into the product behind, or the tests of trees."""
    users = draft.users()
    for node in draft:
        following = _after(draft, users, node)
        if node.operator != AFFINE or following is None or following.inputs[0] != node.outputs[0]:
            continue
        if following.operator == "Trees":
            if _into_trees(draft, node, following):
                draft.nodes.remove(node)
                users = draft.users()
            continue
        if following.operator != LINEAR or following.attributes:
            continue
        if any(name not in draft.constants for name in following.inputs[1:] if name):
            continue
        weights = draft.constants[following.inputs[1]]
        found = _vectors(draft, node, -1, weights.shape[0])
        if found is None:
            continue
        scale, shift = found
        own = (
            np.zeros(weights.shape[1])
            if len(following.inputs) < 3
            else draft.constants[following.inputs[2]]
        )
        following.inputs = [
            node.inputs[0],
            draft.constant(weights * scale[:, None], following.inputs[1]),
            draft.constant(own + shift @ weights, f"{following.outputs[0]}.bias"),
        ]
        draft.nodes.remove(node)
        users = draft.users()


def _into_trees(draft: Draft, node: DraftNode, trees: DraftNode) -> bool:
    """sign · (s·x + t) ≤ θ is sign(s) · sign · x ≤ (θ − sign · t) / |s|: features are still picked
    by ones."""
    features, thresholds = (draft.constants[name] for name in trees.inputs[1:3])
    found = _vectors(draft, node, -1, len(features))
    if found is None:
        return False
    scale, shift = found
    size = np.abs(scale) @ np.abs(features)
    limits = (thresholds - shift @ features + TIE * (np.abs(shift) @ np.abs(features))) / np.where(
        size == 0.0, 1.0, size
    )
    trees.inputs[:3] = [
        node.inputs[0],
        draft.constant(np.sign(scale)[:, None] * features, trees.inputs[1]),
        draft.constant(limits, trees.inputs[2]),
    ]
    return True


def _shown(draft: Draft) -> None:
    """Affine maps that are left, as a sum or a product where they are no more."""
    for node in draft:
        if node.operator != AFFINE:
            continue
        x, scale, shift = node.inputs
        one, none = (
            bool(np.all(draft.constants[name] == value))
            for name, value in ((scale, 1.0), (shift, 0.0))
        )
        if one:
            node.operator, node.inputs = "Add", [x, shift]
        elif none:
            node.operator, node.inputs = "Mul", [x, scale]
