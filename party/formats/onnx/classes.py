"""Labels of classes: which has the largest score, and what it is called."""

from __future__ import annotations

from typing import Any

import numpy as np

from .draft import Draft, DraftNode

TIE = (
    2.0**-22
    # of a number that a test compares: two that are equal in float32, which models are in, are no
    # further apart
)


class Unable(Exception):
    """Raised for a node that cannot be computed; the text says why."""


def labels_of(node: DraftNode) -> list[Any]:
    """The labels of a classifier's classes, numbers or texts, in its order; Unable if it has
    none."""
    for name in ("classlabels_int64s", "classlabels_ints", "classlabels_strings"):
        if found := node.attributes.get(name):
            return list(found)
    raise Unable("it has no labels of its classes")


def many_classes(
    draft: Draft, node: DraftNode, scores: str, labels: list[Any], post: str
) -> list[DraftNode]:
    """The label of the largest score, and the scores transformed."""
    label, out = node.outputs
    nodes = [
        DraftNode("ArgMax", [scores], [f"{label}.place"], {"axis": 1, "keepdims": 0}, node.name)
    ]
    nodes += looked_up(draft, node, f"{label}.place", label, labels)
    operator, more = {
        "NONE": ("Identity", {}),
        "SOFTMAX": ("Softmax", {"axis": 1, "sums to one": True}),
        "LOGISTIC": ("Sigmoid", {}),
    }.get(post, ("", {}))
    if not operator:
        raise Unable(f"its post_transform {post} is not offered")
    draft.kinds[out] = "float"
    return [*nodes, DraftNode(operator, [scores], [out], dict(more), node.name)]


def two_classes(
    draft: Draft, node: DraftNode, score: str, labels: list[Any], limit: float, post: str
) -> list[DraftNode]:
    """Of one score (n, 1), which is compared with `limit`; by LOGISTIC, [σ(−s), σ(s)]."""
    label, out = node.outputs
    place, one = f"{label}.place", draft.constant(1.0, "one", literal=True)
    bound = draft.constant(limit, f"{label}.limit", literal=True)
    flat = draft.constant(np.array([-1]), f"{label}.shape", literal=True)
    nodes = [
        DraftNode("Greater", [score, bound], [f"{place}.column"], name=node.name),
        DraftNode("Reshape", [f"{place}.column", flat], [place], name=node.name),
        *looked_up(draft, node, place, label, labels),
    ]
    second, first = f"{out}.second", f"{out}.first"
    match post:
        case "LOGISTIC":
            nodes += [
                DraftNode("Sigmoid", [score], [second], name=node.name),
                DraftNode("Sub", [one, second], [first], name=node.name),
            ]
        case "COMPLEMENT":
            nodes.append(DraftNode("Sub", [one, score], [first], name=node.name))
            second = score
        case _:
            nodes.append(DraftNode("Neg", [score], [first], name=node.name))
            second = score
    draft.kinds[out] = draft.kinds[second] = draft.kinds[first] = "float"
    sums = {"sums to one": True} if post != "NEGATIVE" else {}
    return [*nodes, DraftNode("Concat", [first, second], [out], {"axis": 1, **sums}, node.name)]


def looked_up(
    draft: Draft, node: DraftNode, place: str, label: str, labels: list[Any]
) -> list[DraftNode]:
    """The labels at secret places 0, 1, …; text stays a place, and the network knows the texts."""
    draft.kinds[label] = draft.kinds[place] = "int"
    if isinstance(labels[0], str):
        draft.classes[label] = tuple(labels)
    if isinstance(labels[0], str) or labels == list(range(len(labels))):
        return [DraftNode("Identity", [place], [label], name=node.name)]
    table = draft.constant(np.array([labels], np.int64), f"{label}.labels", literal=True)
    flat = draft.constant(np.array([-1]), f"{label}.shape", literal=True)
    return [
        DraftNode("ArrayFeatureExtractor", [table, place], [f"{label}.row"], name=node.name),
        DraftNode("Reshape", [f"{label}.row", flat], [label], name=node.name),
    ]
