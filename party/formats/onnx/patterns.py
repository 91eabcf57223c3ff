"""Several nodes that are one operator of the table."""

from __future__ import annotations

import math

import numpy as np

from .draft import Draft, DraftNode


def recognise(draft: Draft) -> None:
    """Replace each pattern of this module by the operator that it stands for, in place."""
    _gelu(draft)
    _normalised(draft)
    _places(draft)


def _number(draft: Draft, node: DraftNode) -> tuple[str, float] | None:
    """The other operand and the number, of a node with one number and one tensor."""
    for x, c in (node.inputs, node.inputs[::-1]) if len(node.inputs) == 2 else ():
        if c in draft.constants and draft.constants[c].size == 1 and x not in draft.constants:
            return x, float(draft.constants[c].ravel()[0])
    return None


def _is(draft: Draft, node: DraftNode | None, operator: str, value: float) -> str | None:
    """The tensor of a node that is `operator` of it and about this number."""
    if node is None or node.operator != operator or (found := _number(draft, node)) is None:
        return None
    return found[0] if math.isclose(found[1], value, rel_tol=1e-4) else None


def _gelu(draft: Draft) -> None:
    """x · (1 + erf(x / √2)) / 2, with the half in any of the three places where exporters put
    it."""
    for node in draft:
        if node.operator != "Erf":
            continue
        makers, users = draft.makers(), draft.users()

        def only(name: str, users: dict[str, list[DraftNode]] = users) -> DraftNode | None:
            found = users.get(name, [])
            return found[0] if len(found) == 1 and name not in draft.outputs.values() else None

        before = makers.get(node.inputs[0])
        x = _is(draft, before, "Div", math.sqrt(2.0)) or _is(draft, before, "Mul", math.sqrt(0.5))
        plus = only(node.outputs[0])
        if x is None or _is(draft, plus, "Add", 1.0) is None:
            continue
        assert plus is not None
        product = only(plus.outputs[0])
        if product is None or product.operator != "Mul":
            continue
        (other,) = [name for name in product.inputs if name != plus.outputs[0]] or [""]
        halved = only(product.outputs[0])
        # (x · (1 + erf)) · ½
        if other == x and halved is not None and _is(draft, halved, "Mul", 0.5):
            product = halved
        elif _is(draft, makers.get(other), "Mul", 0.5) != x:  # (½ x) · (1 + erf)
            if (
                not _is(draft, product, "Mul", 0.5)
                or (halved is None)
                or set(halved.inputs) != {x, product.outputs[0]}
            ):
                continue
            product = halved  # x · (½ (1 + erf))
        draft.replace(product, [DraftNode("Gelu", [x], product.outputs, name=node.name)])
    draft.prune()


def _normalised(draft: Draft) -> None:
    """x − log Σ eˣ of every row, and e to that: the probabilities of naive Bayes."""
    for node in draft:
        makers = draft.makers()
        if node.operator == "Exp" and node.inputs[0] in makers:
            before = makers[node.inputs[0]]
            if before.operator == "LogSoftmax":
                draft.replace(
                    node,
                    [DraftNode("Softmax", before.inputs, node.outputs, {"axis": 1}, node.name)],
                )
        if node.operator != "Sub" or node.inputs[1] not in makers:
            continue
        total = makers[node.inputs[1]]
        column = total.operator == "Reshape"  # of sums without their axis
        if column:
            target = draft.constants.get(total.inputs[1], np.array([]))
            total = makers.get(total.inputs[0], total)
            column = np.array_equal(target, [-1, 1])
        if total.operator != "ReduceLogSumExp" or total.inputs[0] != node.inputs[0]:
            continue
        axes = draft.constants.get(total.inputs[1], ()) if len(total.inputs) == 2 else ()
        if np.array_equal(axes, [1]) and column != bool(total.attributes.get("keepdims", 1)):
            draft.replace(
                node,
                [DraftNode("LogSoftmax", node.inputs[:1], node.outputs, {"axis": 1}, node.name)],
            )
    draft.prune()


def _places(draft: Draft) -> None:
    """Where the largest probability stands, there stands the largest score."""
    makers = draft.makers()
    for node in draft:
        maker = makers.get(node.inputs[0]) if node.operator in ("ArgMax", "ArgMin") else None
        if maker is None or maker.domain:
            continue
        along = maker.attributes.get("axis", -1) - node.attributes.get("axis", 0)
        rank = len(draft.shapes.get(maker.inputs[0], ()))
        if maker.operator == "Sigmoid" or (
            maker.operator in ("Softmax", "LogSoftmax") and (along == 0 or abs(along) == rank)
        ):
            node.inputs = [maker.inputs[0]]


def free_batch(draft: Draft) -> None:
    """Any number of rows, though the model was exported for a fixed one: reshapes that keep the
    first axis say so."""
    lengths = {name: shape[0] for name, shape in draft.inputs.items() if shape}
    draft.inputs = {name: ("n", *shape[1:]) for name, shape in draft.inputs.items() if shape}
    for node in draft:
        target = draft.constants.get(node.inputs[1]) if node.operator == "Reshape" else None
        if target is None or not target.size or node.attributes.get("allowzero", 0):
            continue
        first = (draft.shapes.get(node.inputs[0]) or (None,))[0]
        if first in lengths.values() and target.ravel()[0] == first:
            node.inputs[1] = draft.constant(
                np.concatenate([[0], target.ravel()[1:]]), node.inputs[1]
            )


def summing(draft: Draft) -> None:
    """Mark what adds up to 1 along the last axis: a later normalisation by the sum changes
    nothing."""
    for node in draft:
        if node.operator == "Softmax":
            node.attributes["sums to one"] = True
        elif node.operator == "Concat" and len(node.inputs) == 2:
            makers = draft.makers()
            first = makers.get(node.inputs[0])
            if first is not None and first.operator == "Sub" and first.inputs[1] == node.inputs[1]:
                one = draft.constants.get(first.inputs[0])
                if one is not None and one.size == 1 and np.all(one == 1.0):
                    node.attributes["sums to one"] = True
