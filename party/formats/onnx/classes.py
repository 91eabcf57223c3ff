"""Labels of classes: which has the largest score, and what it is called."""

from __future__ import annotations

from typing import Any

import numpy as np

from .draft import Draft, Step

TIE = (
    2.0**-22
    # of a number that a test compares: two that are equal in float32, which models are in, are no
    # further apart
)


class Unable(Exception):
    """Why a step cannot be computed."""


def labels_of(step: Step) -> list[Any]:
    for name in ("classlabels_int64s", "classlabels_ints", "classlabels_strings"):
        if found := step.attributes.get(name):
            return list(found)
    raise Unable("it has no labels of its classes")


def many_classes(draft: Draft, step: Step, scores: str, labels: list[Any], post: str) -> list[Step]:
    """The label of the largest score, and the scores transformed."""
    label, out = step.outputs
    steps = [Step("ArgMax", [scores], [f"{label}.place"], {"axis": 1, "keepdims": 0}, step.name)]
    steps += looked_up(draft, step, f"{label}.place", label, labels)
    operator, more = {
        "NONE": ("Identity", {}),
        "SOFTMAX": ("Softmax", {"axis": 1, "sums to one": True}),
        "LOGISTIC": ("Sigmoid", {}),
    }.get(post, ("", {}))
    if not operator:
        raise Unable(f"its post_transform {post} is not offered")
    draft.kinds[out] = "float"
    return [*steps, Step(operator, [scores], [out], dict(more), step.name)]


def two_classes(
    draft: Draft, step: Step, score: str, labels: list[Any], limit: float, post: str
) -> list[Step]:
    """Of one score (n, 1), which is compared with `limit`; by LOGISTIC, [σ(−s), σ(s)]."""
    label, out = step.outputs
    place, one = f"{label}.place", draft.constant(1.0, "one", literal=True)
    bound = draft.constant(limit, f"{label}.limit", literal=True)
    flat = draft.constant(np.array([-1]), f"{label}.shape", literal=True)
    steps = [
        Step("Greater", [score, bound], [f"{place}.column"], name=step.name),
        Step("Reshape", [f"{place}.column", flat], [place], name=step.name),
        *looked_up(draft, step, place, label, labels),
    ]
    second, first = f"{out}.second", f"{out}.first"
    match post:
        case "LOGISTIC":
            steps += [
                Step("Sigmoid", [score], [second], name=step.name),
                Step("Sub", [one, second], [first], name=step.name),
            ]
        case "COMPLEMENT":
            steps.append(Step("Sub", [one, score], [first], name=step.name))
            second = score
        case _:
            steps.append(Step("Neg", [score], [first], name=step.name))
            second = score
    draft.kinds[out] = draft.kinds[second] = draft.kinds[first] = "float"
    sums = {"sums to one": True} if post != "NEGATIVE" else {}
    return [*steps, Step("Concat", [first, second], [out], {"axis": 1, **sums}, step.name)]


def looked_up(draft: Draft, step: Step, place: str, label: str, labels: list[Any]) -> list[Step]:
    """The labels at secret places 0, 1, …; text stays a place, and the network knows the texts."""
    draft.kinds[label] = draft.kinds[place] = "int"
    if isinstance(labels[0], str):
        draft.classes[label] = tuple(labels)
    if isinstance(labels[0], str) or labels == list(range(len(labels))):
        return [Step("Identity", [place], [label], name=step.name)]
    table = draft.constant(np.array([labels], np.int64), f"{label}.labels", literal=True)
    flat = draft.constant(np.array([-1]), f"{label}.shape", literal=True)
    return [
        Step("ArrayFeatureExtractor", [table, place], [f"{label}.row"], name=step.name),
        Step("Reshape", [f"{label}.row", flat], [label], name=step.name),
    ]
