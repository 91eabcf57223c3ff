"""An ONNX model as a network: what bob may know as its architecture, the rest as weights, which stay with alice.

Secret is every constant of real numbers, apart from single numbers that are written into the graph (a Constant node, a scalar) and
those that an operator must have in public, as the limits of a Clip: these are told when a model is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol.errors import ConfigError, DataError, JobError
from protocol.graph import Array
from protocol.networks import OPERATORS, Architecture, Constant, Entry, Imported, Node, Weight, named

from .classical import lower
from .draft import Draft, Step
from .folding import fold, reach, simplify
from .patterns import free_batch, recognise, summing
from .ranges import Ranges, Tried, fitted
from .reading import refuse

MANY = 64  # weights from which on their size says something
LOW, HIGH = -16.0, 16.0  # of an input of which nothing is said


@dataclass
class Model:
    """A network, its weights by name, and the names of numbers of the model that the architecture tells."""

    network: Architecture
    weights: dict[str, Array]
    told: list[str] = field(default_factory=list)
    calibrated: bool = False
    widest: tuple[str, float] = ("", 0.0)  # the layer that may have the largest numbers, and how large


def import_model(
    draft: Draft,
    ranges: Ranges | None = None,
    rows: Mapping[str, Any] | None = None,
    outputs: Sequence[str] = (),
    reveal: str = "bob",
    peak: float = np.inf,
    any_batch: bool = False,
) -> Model:
    """A model that was read. `ranges`: of its inputs, by name. `rows`: for calibration, by input. `outputs`: those wanted; all by default.
    `peak`: what no number in a layer is said to exceed. `any_batch`: take any number of rows, though it was exported for a fixed one.

    JobError with all that cannot be computed, ConfigError for names that there are not, DataError for rows of another shape.
    """
    _chosen(draft, outputs)
    summing(draft)
    problems = lower(draft)
    if not problems:
        simplify(draft)
        if any_batch:
            free_batch(draft)
        recognise(draft)
        fold(draft)
        model = _split(draft, _seen(ranges or {}, rows or {}), reveal)
        tried: Tried = fitted(model.network, model.weights, rows or {}, peak)
        model.network, problems, model.calibrated = tried.network, tried.problems, bool(rows)
        model.widest = (tried.widest, tried.peak)
    if problems:
        refuse(draft.path, problems)
    return model


def _seen(ranges: Ranges, rows: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Ranges of inputs: those that are stated, or what rows of calibration say, up to the next power of two."""
    found = {}
    for name, array in rows.items():
        peak = reach(np.asarray(array, np.float64))
        found[name] = (0.0 if np.min(array) >= 0.0 else -peak, peak)
    return found | dict(ranges)


def _chosen(draft: Draft, outputs: Sequence[str]) -> None:
    for name in outputs:
        if name not in draft.outputs:
            raise ConfigError(f"--output {name}: the model has no such output; it has {', '.join(draft.outputs)}")
    if outputs:
        draft.outputs = {name: draft.outputs[name] for name in outputs}
    draft.prune()


def _split(draft: Draft, ranges: Ranges, reveal: str) -> Model:
    """Names of inputs, weights and outputs become names that a job may have; those of tensors inside stay."""
    taken: set[str] = {"model", "network", *dir(Imported)}
    inputs: dict[str, Entry] = {}
    called = {}
    for name, shape in draft.inputs.items():
        called[name] = named(name.replace(".", "_").replace("-", "_"), taken)
        taken.add(called[name])
        low, high = ranges.get(called[name], ranges.get(name, (LOW, HIGH)))
        inputs[called[name]] = Entry(shape, low, high)
    for name in ranges:
        if name not in (*called, *called.values()):
            raise ConfigError(f"--range {name}=…: the model has no such input; it has {', '.join(called.values())}")
    weights: dict[str, Array] = {}
    constants: dict[str, Constant] = {}
    told = []
    for name, value in draft.constants.items():
        if value.dtype.kind not in "fiub":
            raise JobError(f"the constant {name} of the model holds no numbers")
        if value.dtype.kind == "f" and not _public(draft, name):
            if not np.isfinite(value).all():
                raise DataError(
                    f"the weights {name} of the model have NaN or infinity: train it again, or export it anew"
                )
            new = named(draft.bases.get(name, name), weights.keys() | taken)
            weights[new] = value.astype(np.float64)
        else:
            new = f"constant:{name}"
            constants[new] = Constant.of(value)
            if value.dtype.kind == "f":
                told.append(name)
        called[name] = new
    for step in draft.steps:
        for name in step.outputs:
            if name:
                called[name] = named(name, called.values())
    nodes = tuple(_node(step, called) for step in draft.steps)
    ends: dict[str, str] = {}
    for label, name in draft.outputs.items():
        ends[named(label.replace(".", "_"), ends)] = called[name]
    classes = {called[name]: texts for name, texts in draft.classes.items() if name in called}
    table = {name: Weight(value.shape, reach(value), _typical(value)) for name, value in weights.items()}
    shown = {label: classes[name] for label, name in ends.items() if name in classes}
    chosen: Any = reveal
    used = {name for node in nodes for name in node.inputs} | set(ends.values())
    return Model(Architecture(
        {name: entry for name, entry in inputs.items() if name in used}, table, constants, nodes, ends, shown, chosen
    ), weights, told)  # fmt: skip


def _typical(value: Array) -> float | None:
    """The root mean square of many weights around 0, up to the next power of two; None for others."""
    size = float(np.sqrt(np.mean(value * value)))
    return (
        min(reach(np.array(size)), reach(value))
        if value.size >= MANY and abs(float(value.mean())) <= size / 4
        else None
    )


def _public(draft: Draft, name: str) -> bool:
    """Whether a constant is told: a number of the graph, or what an operator must have in public."""
    if name in draft.literals:
        return True
    users = draft.users().get(name, [])
    return any(
        n in OPERATORS[step.operator].public
        for step in users
        for n, each in enumerate(step.inputs)
        if each == name and step.operator in OPERATORS
    )


def _node(step: Step, called: Mapping[str, str]) -> Node:
    attributes = {}
    for name, value in step.attributes.items():
        if name == "sums to one":
            continue
        if isinstance(value, np.ndarray):
            value = value.ravel()[0].item() if value.size == 1 else value.tolist()
        elif isinstance(value, list):
            value = [each if isinstance(each, (int, float, str)) else str(each) for each in value]
        elif not isinstance(value, (int, float, str)):
            value = str(type(value).__name__)
        attributes[name] = value
    return Node(
        step.operator,
        tuple(called.get(name, name) for name in step.inputs),
        tuple(called[name] if name else "" for name in step.outputs),
        attributes,
        name=step.name,
    )
