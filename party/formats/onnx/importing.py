"""An ONNX model as a network: what bob may know as its architecture, the rest as weights, which
stay with alice.

Secret is every constant of real numbers, apart from single numbers that are written into the graph
(a Constant node, a scalar) and those that an operator must have in public, as the limits of a Clip:
these are told when a model is imported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol.errors import ConfigError, DataError, JobError
from protocol.graph import Array
from protocol.networks import (
    OPERATORS,
    Architecture,
    Imported,
    InputTensor,
    NetworkNode,
    PublicArray,
    Weight,
    named,
)

from .classical import lower
from .draft import Draft, DraftNode
from .folding import fold
from .patterns import free_batch, recognise, summing
from .ranges import CONSTANT, Ranges, fitted, reach
from .reading import refuse
from .simplifying import simplify

MANY = 64  # weights from which on their size says something
LOW, HIGH = -16.0, 16.0  # of an input of which nothing is said


@dataclass
class ImportedModel:
    """A network, its weights by name, and the names of numbers of the model that the architecture
    tells."""

    network: Architecture
    weights: dict[str, Array] = field(repr=False)
    told: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what is to be said of it besides
    calibrated: bool = False
    # the layer that may have the largest numbers, and how large
    widest: tuple[str, float] = ("", 0.0)


def import_model(
    draft: Draft,
    *,
    ranges: Ranges | None = None,
    rows: Mapping[str, Any] | None = None,
    outputs: Sequence[str] = (),
    reveal: str = "bob",
    peak: float = np.inf,
    any_batch: bool = False,
) -> ImportedModel:
    """A model that was read. `ranges`: of its inputs, by name. `rows`: for calibration, by input.
    `outputs`: those wanted; all by default.
    `peak`: what no number in a layer is said to exceed. `any_batch`: take any number of rows,
        though it was exported for a fixed one.

    JobError with all that cannot be computed, ConfigError for names that there are not, DataError
    for rows of another shape.
    """
    _chosen(draft, outputs)
    summing(draft)
    problems = lower(draft)
    if not problems:
        simplify(draft)
        problems = [
            CONSTANT.format(label)
            for label, name in draft.outputs.items()
            if name in draft.constants
        ]
    if not problems:
        if any_batch:
            free_batch(draft)
        recognise(draft)
        fold(draft)
        names = _names(draft)
        if unknown := [name for name in rows or {} if name not in names]:
            raise ConfigError(
                f"rows of calibration for {unknown[0]}: the model has the inputs {', '.join(names)}"
            )
        given = {names[name]: np.asarray(array) for name, array in (rows or {}).items()}
        model = _split(draft, names, _ranges(names, ranges or {}, given), reveal)
        given = {name: array for name, array in given.items() if name in model.network.inputs}
        tried = fitted(model.network, model.weights, given, peak)
        model.network, problems, model.calibrated = tried.network, tried.problems, bool(given)
        model.widest, model.notes = (tried.widest, tried.peak), draft.notes
    if problems:
        refuse(draft.path, problems)
    return model


def _names(draft: Draft) -> dict[str, str]:
    """What the model's inputs are called in a job."""
    found: dict[str, str] = {}
    for name in draft.inputs:
        found[name] = named(
            re.sub(r"[.\-]", "_", name), {"model", "network", *dir(Imported), *found.values()}
        )
    return found


def _ranges(
    names: Mapping[str, str], stated: Ranges, rows: Mapping[str, Array]
) -> dict[str, tuple[float, float]]:
    """Of inputs: those that are stated, or what rows of calibration say, up to the next power of
    two."""
    found: dict[str, tuple[float, float]] = dict.fromkeys(names.values(), (LOW, HIGH))
    for name, array in rows.items():
        peak = reach(array)
        found[name] = (0.0 if array.min(initial=0.0) >= 0.0 else -peak, peak)
    for name, ends in stated.items():
        if name not in (*names, *found):
            raise ConfigError(
                f"--range {name}=…: the model has no such input; it has {', '.join(found)}"
            )
        found[names.get(name, name)] = ends
    return found


def _chosen(draft: Draft, outputs: Sequence[str]) -> None:
    for name in outputs:
        if name not in draft.outputs:
            raise ConfigError(
                f"--output {name}: the model has no such output; it has {', '.join(draft.outputs)}"
            )
    if outputs:
        draft.outputs = {name: draft.outputs[name] for name in outputs}
    draft.prune()


def _split(draft: Draft, names: Mapping[str, str], ranges: Ranges, reveal: Any) -> ImportedModel:
    """What is told, and what stays. Weights and outputs get names that a job may have."""
    weights: dict[str, Array] = {}
    constants: dict[str, PublicArray] = {}
    called, told = dict(names), []
    for name, value in draft.constants.items():
        if value.dtype.kind == "f" and not _public(draft, name):
            called[name] = named(draft.bases.get(name, name), {*weights, *names.values()})
            weights[called[name]] = _weight(name, value)
            continue
        if value.dtype.kind not in "fiub":
            raise JobError(f"the constant {name} of the model holds no numbers")
        called[name] = f"constant:{name}"
        constants[called[name]] = PublicArray.of(value)
        told += [name] if value.dtype.kind == "f" else []
    for name in (each for node in draft.nodes for each in node.outputs if each):
        called[name] = named(name, called.values())
    nodes = tuple(_node(node, called) for node in draft.nodes)
    outputs: dict[str, str] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for label, name in draft.outputs.items():
        own = named(label.replace(".", "_"), outputs)
        outputs[own] = called[name]
        if name in draft.classes:
            classes[own] = draft.classes[name]
    used = {name for node in nodes for name in node.inputs} | set(outputs.values())
    inputs = {
        names[name]: InputTensor(shape, *ranges[names[name]])
        for name, shape in draft.inputs.items()
        if names[name] in used
    }
    table = {
        name: Weight(value.shape, reach(value), _typical(value)) for name, value in weights.items()
    }
    return ImportedModel(
        Architecture(inputs, table, constants, nodes, outputs, classes, reveal), weights, told
    )


def _weight(name: str, value: Any) -> Array:
    if not np.isfinite(value).all():
        raise DataError(
            f"the weights {name} of the model have NaN or infinity: train it again, or export it"
            " anew"
        )
    # as they were: large ones, half the memory
    return np.asarray(value, None if value.dtype == np.float32 else np.float64)


def _typical(value: Array) -> float | None:
    """The root mean square of many weights around 0, up to the next power of two; None for
    others."""
    flat = value.ravel(order="K")
    size = math.sqrt(float(np.einsum("i,i->", flat, flat, dtype=np.float64)) / max(1, flat.size))
    around_zero = value.size >= MANY and abs(float(value.mean(dtype=np.float64))) <= size / 4
    return min(reach(np.array(size)), reach(value)) if around_zero else None


def _public(draft: Draft, name: str) -> bool:
    """Whether a constant is told: a number of the graph, or what an operator must have in
    public."""
    if name in draft.literals:
        return True
    users = draft.users().get(name, [])
    return any(
        n in OPERATORS[node.operator].public
        for node in users
        for n, each in enumerate(node.inputs)
        if each == name and node.operator in OPERATORS
    )


def _node(node: DraftNode, called: Mapping[str, str]) -> NetworkNode:
    attributes = {}
    for name, value in node.attributes.items():
        if name == "sums to one":
            continue
        if isinstance(value, np.ndarray):
            value = value.ravel()[0].item() if value.size == 1 else value.tolist()
        elif isinstance(value, list):
            value = [each if isinstance(each, (int, float, str)) else str(each) for each in value]
        elif not isinstance(value, (int, float, str)):
            value = str(type(value).__name__)
        attributes[name] = value
    return NetworkNode(
        node.operator,
        tuple(called.get(name, name) for name in node.inputs),
        tuple(called[name] if name else "" for name in node.outputs),
        attributes,
        name=node.name,
    )
