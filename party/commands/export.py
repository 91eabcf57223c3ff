"""`python -m party export`: a model whose weights were revealed, as ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protocol.config import Config
from protocol.errors import ConfigError, DataError
from protocol.graph import Array
from protocol.jobs import Job
from protocol.nn import Layer

from ..loading import load_job, parameters


def run(settings: Config) -> int:
    from ..formats.onnx.exporting import OFF, export_model, save_model

    job = load_job(settings.job, parameters(settings.param))
    layer = _model(job)
    if settings.out is None or settings.out.suffix.lower() != ".onnx":
        raise ConfigError("say where the model goes: --out MODEL.onnx")
    if not settings.weights:
        raise ConfigError("give the weights, as a run wrote them with --out: --weights FILE.npz")
    weights: dict[str, Array] = {}
    for file in settings.weights:
        weights |= _weights(Path(file))
    network = getattr(layer, "network", None)
    names = ["x"] if network is None else list(network.inputs)
    for name in names:
        if name not in job.inputs and network is None:
            raise ConfigError(f"the job {type(job).__name__} has no tensor x, so what its model reads is not known")
    shapes = {name: job.inputs[name].shape if network is None else network.inputs[name].shape for name in names}
    model, rough = export_model(layer, weights, shapes)
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


def _model(job: Job) -> Layer:
    found = {
        name: each
        for base in reversed(type(job).__mro__)
        for name, each in vars(base).items()
        if isinstance(each, Layer)
    }
    if len(found) != 1:
        there = ", ".join(found) or "none"
        raise ConfigError(
            f"the job {type(job).__name__} needs one model of layers to export, as Training has; it has {there}"
        )
    return next(iter(found.values()))


def _weights(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(f"the weights {path} cannot be read ({error.strerror or 'no .npz'}); check --weights") from None
    except Exception:  # the seam: a bad file makes NumPy raise nearly anything
        raise DataError(f"the weights {path} are no .npz that a run wrote; check --weights") from None
