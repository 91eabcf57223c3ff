"""A model whose weights were revealed, as ONNX: what of a job is the model, and what that reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.errors import ConfigError, DataError
from protocol.estimators import LogisticRegression
from protocol.graph import Array
from protocol.inputs import Input
from protocol.jobs import Job
from protocol.networks import Imported
from protocol.nn import Layer
from protocol.tables import Table
from protocol.wording import counted

from .formats.preparation import Fitted


@dataclass(frozen=True)
class Exportable:
    """What makes a model of the weights that a run reveals: its job, weights that it does not
    change, and, by tensor, what preparation learnt.
    """

    job: Job
    untrained: Mapping[str, Array] = field(repr=False)
    fitted: Mapping[str, Fitted] = field(repr=False)

    @staticmethod
    def of(job: Job, brought: Mapping[str, Array], fitted: Mapping[str, Fitted]) -> Exportable:
        """brought: this party's tensors, of which the weights that training leaves as they are
        become part of the model. fitted: what preparation learnt, by tensor."""
        layers = [each for each in job.stated().values() if isinstance(each, Imported)]
        kept = {f"{each.name}.{name}" for each in layers for name in each.weights()} - {
            name for each in layers for name in each.trained()
        }
        return Exportable(
            job, {name: array for name, array in brought.items() if name in kept}, fitted
        )

    def write(self, path: Path, revealed: Mapping[str, Array]) -> list[str]:
        """Write the model with these revealed weights, as `write_model` does."""
        return write_model(path, self.job, {**self.untrained, **revealed}, self.fitted)


def check_model(job: Job) -> None:
    """Before a run: can what it reveals be written as ONNX? ConfigError if not."""
    from .formats import onnx  # noqa: F401, which says what is not installed

    if model_of(job) is None and not _linear(job):
        raise ConfigError(
            f"the job {type(job).__name__} has no model that ONNX has a form of; write its results"
            " to a .npz"
        )


def write_model(
    path: Path, job: Job, weights: Mapping[str, Array], fitted: Mapping[str, Fitted]
) -> list[str]:
    """The model, with its tables' preparation as far as that is known: `fitted`, by tensor.
    Sentences to say about it.

    ConfigError, DataError or JobError where that cannot be.
    """
    from .formats.onnx.exporting import OFF, export_linear, export_model, save_onnx

    layer, rough = model_of(job), set[str]()
    if layer is not None:
        model, rough = export_model(layer, weights, _read(job, layer, fitted))
    elif "coef" in weights and weights["coef"].ndim == 2:
        coef = weights["coef"]
        rows = job.stated().get("x")
        read = _columns(rows, fitted) if isinstance(rows, Table) else ("n", len(coef))
        model = export_linear(weights, _link(job, coef.shape[1]), {"x": read})
    elif _linear(job):
        raise ConfigError(
            f"the coefficients of {type(job).__name__} were not revealed to this party: a run with"
            " weights = 'both', at both, reveals them"
        )
    else:
        raise ConfigError(
            f"the job {type(job).__name__} has no model of layers, as Training has, and the weights"
            " have no coef"
        )
    try:
        save_onnx(path, model)
    except OSError as error:
        raise DataError(
            f"the model cannot be written to {path} ({error.strerror}); mend that and export again"
        ) from None
    inputs = [each.name for each in model.graph.input]
    shown = ", ".join(inputs if len(inputs) <= 8 else [*inputs[:4], "…", *inputs[-3:]])
    return [
        (
            f"{path}: {counted(len(model.graph.node), 'node')}, of {shown}; rows along axis 0,"
            " as many as there are"
        ),
        *(
            f"its {name} is the true function; the one that was trained with is at most"
            f" {OFF[name]:g} off it"
            for name in sorted(rough)
        ),
    ]


def _linear(job: Job) -> bool:
    return isinstance(getattr(job, "fit_intercept", None), bool)


def model_of(job: Job) -> Layer | None:
    """The model of a job; ConfigError if it has several."""
    found = {name: each for name, each in job.stated().items() if isinstance(each, Layer)}
    if len(found) > 1:
        raise ConfigError(
            f"the job {type(job).__name__} has several models, {', '.join(found)}: one can be"
            " exported"
        )
    return next(iter(found.values()), None)


def _read(job: Job, layer: Layer, fitted: Mapping[str, Fitted]) -> dict[str, Any]:
    """What a model reads, as `export_model` takes it: of a training, its rows x."""
    rows = job.stated().get("x")
    if isinstance(rows, Table):
        return {"x": _columns(rows, fitted)}
    if isinstance(layer, Imported):
        return {name: each.shape for name, each in layer.network.inputs.items()}
    if not isinstance(rows, Input):
        raise ConfigError(
            f"the job {type(job).__name__} has no tensor x, so what its model reads is not known"
        )
    return {"x": rows.shape}


def _columns(table: Table, fitted: Mapping[str, Fitted]) -> Any:
    """Of a table with rows of both that is standardised on shares nobody knows the preparation: its
    rows come prepared."""
    from .formats.onnx.preparing import Columns

    if table.shared:
        return table.shape
    if table.horizontal:
        part = table.parts[0]
        known = next(
            (fitted[name] for name in map(table.tensor, table.owners) if name in fitted), None
        )
        return Columns(
            {table.name: part}, {} if known is None else {table.name: known}, table.row_shape
        )
    return Columns(
        {table.tensor(part.owner): part for part in table.parts}, fitted, table.row_shape
    )


def _link(job: Job, outputs: int) -> str:
    """What a linear model's scores go through: probabilities of a logistic regression."""
    if not isinstance(job, LogisticRegression):
        return ""
    return "Sigmoid" if outputs == 1 else "Softmax"
