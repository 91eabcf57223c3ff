"""`python -m party export`: a model whose weights were revealed, as ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocol.errors import ConfigError, DataError
from protocol.graph import Array
from protocol.jobs import Job
from protocol.matching import matching
from protocol.tables import tables

from ..columns import own_tables
from ..command_settings import ExportSettings
from ..exporting import write_model
from ..formats.preparation import Fitted
from ..given import Given, assigned, header_of
from ..loading import load_job, parameters
from ..rows import Cut


def run(settings: ExportSettings) -> int:
    """Write the model to --out and print what the file holds. Exit code 0; MpcError if the job has
    no form in ONNX, or the weights are not the job's."""
    job = load_job(settings.job, parameters(settings.param))
    if settings.out is None or settings.out.suffix.lower() != ".onnx":
        raise ConfigError("say where the model goes: --out MODEL.onnx")
    if not settings.weights:
        raise ConfigError("give the weights, as a run wrote them with --out: --weights FILE.npz")
    weights: dict[str, Array] = {}
    for file in settings.weights:
        weights |= _weights(Path(file))
    first, *more = write_model(settings.out, job, weights, _prepared(settings, job))
    print(f"wrote {first}")
    for sentence in more:
        print(f"  {sentence}")
    return 0


def _prepared(settings: ExportSettings, job: Job) -> Mapping[str, Fitted]:
    """What preparation learns from the rows of the training, where they are given."""
    given = Given(
        tables=assigned(settings.table, "--table", plain=True), header=header_of(settings.header)
    )
    if not given.tables:
        return {}
    if matching(job) is not None:
        raise ConfigError(
            "the rows of this job are matched by ids, so what its preparation learnt is known where"
            " it was run: there, --out MODEL.onnx"
        )
    owners = {owner for table in tables(job).values() for owner in table.owners}
    if settings.role is None and len(owners) != 1:
        raise ConfigError("say whose rows --table has: --role alice or --role bob")
    role = settings.role or owners.pop()
    prepared = own_tables(job, role, given.of(job, role), Cut.of(job, None))
    return {name: each.fitted for name, each in prepared.items() if each.fitted is not None}


def _weights(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(
            f"the weights {path} cannot be read ({error.strerror or 'no .npz'}); check --weights"
        ) from None
    except Exception:  # the seam: a bad file makes NumPy raise nearly anything
        raise DataError(
            f"the weights {path} are no .npz that a run wrote; check --weights"
        ) from None
