"""`python -m party export`: a model whose weights were revealed, as ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protocol.config import Config
from protocol.errors import ConfigError, DataError
from protocol.estimators import LogisticRegression
from protocol.graph import Array
from protocol.inputs import Input
from protocol.jobs import Job
from protocol.networks import Imported
from protocol.nn import Layer
from protocol.tables import Table

from ..loading import load_job, parameters


def run(settings: Config) -> int:
    from ..formats.onnx.exporting import OFF, export_linear, export_model, save_model

    job = load_job(settings.job, parameters(settings.param))
    if settings.out is None or settings.out.suffix.lower() != ".onnx":
        raise ConfigError("say where the model goes: --out MODEL.onnx")
    if not settings.weights:
        raise ConfigError("give the weights, as a run wrote them with --out: --weights FILE.npz")
    weights: dict[str, Array] = {}
    for file in settings.weights:
        weights |= _weights(Path(file))
    layer, rough = _layer(job), set[str]()
    if layer is not None:
        model, rough = export_model(layer, weights, _read(job, layer))
    elif "coef" in weights and weights["coef"].ndim == 2:
        model = export_linear(weights, _link(job, weights["coef"].shape[1]))
    else:
        raise ConfigError(
            f"the job {type(job).__name__} has no model of layers, as Training has, and the weights have no coef"
        )
    try:
        save_model(settings.out, model)
    except OSError as error:
        raise DataError(
            f"the model cannot be written to {settings.out} ({error.strerror}); mend that and export again"
        ) from None
    print(f"wrote {settings.out}: {len(model.graph.node)} nodes, float32; rows along axis 0, as many as there are")
    for name in sorted(rough):
        print(f"  its {name} is the true function; the one that was trained with is at most {OFF[name]:g} off it")
    return 0


def _layer(job: Job) -> Layer | None:
    """The model of a job; ConfigError if it has several."""
    found = {name: each for name, each in job.stated().items() if isinstance(each, Layer)}
    if len(found) > 1:
        raise ConfigError(f"the job {type(job).__name__} has several models, {', '.join(found)}: one can be exported")
    return next(iter(found.values()), None)


def _read(job: Job, layer: Layer) -> dict[str, tuple[int | str, ...]]:
    """What a model reads: the shapes of its inputs by name; of a training, its rows x."""
    if isinstance(layer, Imported):
        return {name: each.shape for name, each in layer.network.inputs.items()}
    rows = job.stated().get("x")
    if not isinstance(rows, (Input, Table)):
        raise ConfigError(f"the job {type(job).__name__} has no tensor x, so what its model reads is not known")
    return {"x": rows.shape}


def _link(job: Job, outputs: int) -> str:
    """What a linear model's scores go through: probabilities of a logistic regression."""
    if not isinstance(job, LogisticRegression):
        return ""
    return "Sigmoid" if outputs == 1 else "Softmax"


def _weights(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(f"the weights {path} cannot be read ({error.strerror or 'no .npz'}); check --weights") from None
    except Exception:  # the seam: a bad file makes NumPy raise nearly anything
        raise DataError(f"the weights {path} are no .npz that a run wrote; check --weights") from None
