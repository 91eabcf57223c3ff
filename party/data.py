"""Results written back to files: for the owner alone, complete or not at all."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from protocol.errors import ConfigError, DataError
from protocol.files import durable
from protocol.fixedpoint import Array

SUFFIXES = (".npy", ".npz", ".csv")


def check_output(path: Path, axes: int = 2) -> None:
    """Before a run: can results be written to `path`? The first of them has `axes` axes; CSV takes
    two."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"--out {path} has none of the endings that can be written: {', '.join(SUFFIXES)}"
        )
    if path.suffix.lower() == ".csv" and axes > 2:
        raise ConfigError(
            f"--out {path}: a CSV file has two axes and the result has {axes}; write .npy or .npz"
        )
    if path.is_dir():
        raise ConfigError(f"--out {path} is a directory; name a file")
    if not path.parent.is_dir():
        raise ConfigError(
            f"--out {path}: the directory {path.parent} does not exist; make it first"
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(
            f"--out {path}: the directory {path.parent} cannot be written to; see to its"
            " permissions"
        )


def save_results(
    path: Path, results: Mapping[str, Any], ids: tuple[str, Sequence[str]] | None = None
) -> None:
    """All results to a .npz, the first to a .npy or .csv; for the owner alone, complete or not at
    all.

    A .csv has the result's name as its header, NAME.0, NAME.1 … over several columns; `ids`, a
    column's name and a text for each row, stand before it.
    """
    arrays = {name: _real(result) for name, result in results.items()}
    if not arrays:
        raise ConfigError(
            f"--out {path}: nothing was revealed to this party, so there is nothing to write"
        )
    first = next(iter(arrays.values()))
    check_output(path, first.ndim)
    try:
        with durable(path) as stream:
            _write(stream, path.suffix.lower(), arrays, ids)
    except OSError as error:
        raise DataError(
            f"the results could not be written to {path} ({error.strerror}); mend that and run"
            " again"
        ) from None


def _real(result: Any) -> Array:
    """float64; weights of an imported model that are float32 stay so, and names of classes."""
    array = np.asarray(result)
    return array if array.dtype.kind == "U" or array.dtype == np.float32 else array.astype(float)


def _write(
    stream: IO[bytes],
    suffix: str,
    arrays: Mapping[str, Array],
    ids: tuple[str, Sequence[str]] | None,
) -> None:
    name, first = next(iter(arrays.items()))
    if suffix == ".npy":
        np.lib.format.write_array(stream, first, allow_pickle=False)
    elif suffix == ".csv":
        table = first if first.ndim == 2 else first.reshape(-1, 1)
        names = [name] if table.shape[1] == 1 else [f"{name}.{n}" for n in range(table.shape[1])]
        before = [[]] * len(table) if ids is None else [[each] for each in ids[1]]
        cell = str if table.dtype.kind == "U" else "{:.17g}".format
        text = io.TextIOWrapper(stream, "utf-8", newline="")
        written = csv.writer(text, lineterminator="\n")
        written.writerow([*([] if ids is None else [ids[0]]), *names])
        written.writerows([*own, *map(cell, row)] for own, row in zip(before, table, strict=True))
        text.detach()
    else:  # numpy.savez would not take tensors called "file" or "allow_pickle"
        with zipfile.ZipFile(stream, "w") as archive:
            for name, each in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, each, allow_pickle=False)
