"""A party's own tensors: read from files and checked against what the job declares, and results written back.

This is where data that others prepared enters, so every fault ends in one DataError that names the tensor,
the file and what to do. It may name lines and positions, never values: the data is secret. Nothing is ever
unpickled.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from array import array
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.npyio import NpzFile

from protocol.draws import Draw
from protocol.errors import ConfigError, DataError
from protocol.files import durable
from protocol.fixedpoint import Array, check
from protocol.jobs import Input
from protocol.prg import fresh_seed

SUFFIXES = (".npy", ".npz", ".csv")
DELIMITERS = "\t;,"


def parse_assignments(texts: Iterable[str]) -> dict[str, Path]:
    """["x=train.npy", …] → {"x": Path("train.npy"), …}; a .npz without a name stands for all arrays in it."""
    found: dict[str, Path] = {}
    for text in (each for given in texts for each in _arrays_of(given)):
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ConfigError(f"--data {text!r} is not an assignment; write --data NAME=FILE, as in --data x=train.npy")
        if name in found:
            raise ConfigError(f"--data gives tensor {name} twice, {found[name]} and {path}; keep one")
        found[name] = Path(path)
    return found


def _arrays_of(text: str) -> list[str]:
    """weights.npz → an assignment for each of its arrays; any other text as it is."""
    if "=" in text or not text.lower().endswith(".npz"):
        return [text]
    try:
        with zipfile.ZipFile(text) as archive:
            return [f"{name.removesuffix('.npy')}={text}:{name.removesuffix('.npy')}" for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        raise DataError(f"--data {text}: there is no such file, or it is no .npz; check the path") from None


def load_tensor(name: str, path: Path, declared: Input) -> Array:
    """The tensor in a .npy, .npz (FILE.npz:KEY picks an array) or .csv file, checked against its Input."""
    base, npz, key = str(path).partition(".npz:")
    file = Path(base + npz.removesuffix(":"))
    readers = {".npy": _npy, ".npz": lambda stream: _npz(stream, key or None, name), ".csv": _csv}
    read = readers.get(file.suffix.lower())
    if read is None:
        raise DataError(f"tensor {name}: {file} is of a kind that cannot be read; give {', '.join(SUFFIXES)}")
    try:
        if file.is_fifo() or file.is_char_device():  # which may never come to an end
            raise _Fault("is no file but a pipe or a device; write the data to a file first")
        with file.open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                raise _Fault("is empty; write the data to it")
            found = read(stream)
        return _checked(name, found, declared, str(path), from_csv=read is _csv)
    except _Fault as fault:
        raise DataError(f"tensor {name}: {file} {fault}") from None
    except FileNotFoundError:
        raise DataError(f"tensor {name}: {file} does not exist; check the path in --data {name}=FILE") from None
    except IsADirectoryError:
        raise DataError(f"tensor {name}: {file} is a directory; name a file in --data {name}=FILE") from None
    except OSError as error:
        raise DataError(f"tensor {name}: {file} cannot be read ({error.strerror}); see to its permissions") from None


def given_tensor(name: str, given: Any, declared: Input) -> Array:
    """The tensor in an array, a list, or a frame of pandas or polars by the order of its columns, checked against its Input."""
    try:
        found = np.asarray(given.to_numpy() if hasattr(given, "to_numpy") else given)
    except ValueError:
        raise DataError(f"tensor {name} has rows of different lengths; make all rows alike") from None
    return _checked(name, found, declared, "as given")


def default_tensor(name: str, declared: Input, key: Callable[[], bytes] = fresh_seed) -> Array:
    """The value that the job itself gives for an Input; where it is to be drawn, by this secret key."""
    if declared.default is None:
        raise DataError(f"tensor {name} has no default in the job; bring it with --data {name}=FILE")
    if isinstance(declared.default, Draw):
        shape = tuple(length for length in declared.shape if isinstance(length, int))
        if len(shape) != len(declared.shape):
            raise DataError(
                f"tensor {name} has axes of unknown length, so it cannot be drawn; declare their lengths in the job"
            )
        drawn = declared.default.array(key(), name, shape)
        return drawn.clip(declared.low, declared.high)
    try:
        found = np.asarray(declared.default)
    except ValueError:
        raise DataError(f"tensor {name} (the job's default) has rows of different lengths; mend the job") from None
    return _checked(name, found, declared, "the job's default")


class _Fault(Exception):
    """The end of the sentence that begins with tensor and file."""


def _checked(name: str, found: Any, declared: Input, where: str, from_csv: bool = False) -> Array:
    actual = np.asarray(found)
    want = declared.shape
    if actual.ndim == 1 and len(want) == 2 and want[1] == 1:
        actual = actual[:, None]
    elif from_csv and len(want) < 2 and sum(length != 1 for length in actual.shape) <= len(want):
        actual = actual.reshape((-1,) * len(want))
    sizes = zip(want, actual.shape, strict=False)
    if actual.ndim != len(want) or any(isinstance(w, int) and w != got for w, got in sizes):
        raise DataError(
            f"tensor {name} ({where}) has shape {_shape(actual.shape)}; the job declares {_shape(want)}: "
            "bring data of that shape"
        )
    if not actual.size:
        raise DataError(
            f"tensor {name} ({where}) holds no values; its shape is {_shape(actual.shape)}: bring some rows"
        )
    return check(name, actual, declared.low, declared.high, where)


def _shape(shape: Iterable[int | str]) -> str:
    parts = [str(length) for length in shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


# ---- formats -------------------------------------------------------------------------------------------


def _unreadable(error: Exception) -> _Fault:
    """What NumPy or zipfile says of a bad file, as a sentence of ours."""
    if "allow_pickle" in str(error):
        return _Fault("holds Python objects, which are never loaded; save an array of numbers")
    if isinstance(error, MemoryError):
        return _Fault("announces an array that is larger than the memory; save it again")
    return _Fault("is damaged or of another format than its name says; save it again")


def _npy(stream: IO[bytes]) -> Any:
    try:
        return np.lib.format.read_array(stream, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # the seam: a bad header makes NumPy raise nearly anything
        raise _unreadable(error) from None


def _npz(stream: IO[bytes], key: str | None, name: str) -> Any:
    try:
        archive = np.load(stream, allow_pickle=False)
    except Exception as error:  # the seam, as in _npy
        raise _unreadable(error) from None
    if not isinstance(archive, NpzFile):
        raise _Fault("is damaged or of another format than its name says; save it with numpy.savez")
    with archive:
        names = archive.files
        chosen = key or (name if name in names or len(names) != 1 else names[0])
        if chosen not in names:
            there = ", ".join(ascii(each)[1:-1] for each in names[:10]) or "nothing"
            raise _Fault(f"holds no array {chosen}; it holds {there}: name one as --data {name}=FILE.npz:ARRAY")
        try:
            return archive[chosen]
        except Exception as error:  # the seam, as in _npy
            raise _unreadable(error) from None


def _csv(stream: IO[bytes]) -> Any:
    """Rows of numbers, perhaps below a header: a first row in which no cell is a number."""
    lines = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    values = array("d")
    width = 0
    try:
        first = next((line for line in lines if line.strip()), "")
        lines.seek(0)
        rows = csv.reader(lines, delimiter=next((d for d in DELIMITERS if d in first), ","), strict=True)
        for row in rows:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if width and len(row) != width:
                raise _Fault(f"has {len(row)} columns in line {rows.line_num} and {width} before; make all lines alike")
            bad = _add(values, row)
            if bad is not None and (width or not _is_header(row)):
                raise _Fault(f"has no number in line {rows.line_num}, column {bad}; clean the data first")
            width = len(row)
    except UnicodeDecodeError:
        raise _Fault("is not UTF-8 text; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise _Fault(f"is not well-formed CSV in line {rows.line_num} ({error}); save it again") from None
    if not values:
        raise _Fault("has no rows of numbers; write the data to it")
    return np.frombuffer(values, np.float64).reshape(-1, width)


def _add(values: array[float], row: list[str]) -> int | None:
    """Append the row's numbers, or none of them and return the column (from 1) of the first fault."""
    try:
        values.extend(array("d", map(float, row)))
    except ValueError:
        return next(column for column, cell in enumerate(row, 1) if not _is_number(cell))
    return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_header(row: list[str]) -> bool:
    return any(cell.strip() for cell in row) and not any(map(_is_number, row))


# ---- results -------------------------------------------------------------------------------------------


def check_output(path: Path, axes: int = 2) -> None:
    """Before a run: can results be written to `path`? The first of them has `axes` axes; CSV takes two."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--out {path} has none of the endings that can be written: {', '.join(SUFFIXES)}")
    if path.suffix.lower() == ".csv" and axes > 2:
        raise ConfigError(f"--out {path}: a CSV file has two axes and the result has {axes}; write .npy or .npz")
    if path.is_dir():
        raise ConfigError(f"--out {path} is a directory; name a file")
    if not path.parent.is_dir():
        raise ConfigError(f"--out {path}: the directory {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"--out {path}: the directory {path.parent} cannot be written to; see to its permissions")


def save_results(path: Path, results: Mapping[str, Any]) -> None:
    """All results to a .npz, the first to a .npy or .csv; for the owner alone, complete or not at all."""
    arrays = {name: np.asarray(result, np.float64) for name, result in results.items()}
    if not arrays:
        raise ConfigError(f"--out {path}: nothing was revealed to this party, so there is nothing to write")
    first = next(iter(arrays.values()))
    check_output(path, first.ndim)
    try:
        with durable(path) as stream:
            _write(stream, path.suffix.lower(), arrays, first)
    except OSError as error:
        raise DataError(
            f"the results could not be written to {path} ({error.strerror}); mend that and run again"
        ) from None


def _write(stream: IO[bytes], suffix: str, arrays: Mapping[str, Array], first: Array) -> None:
    if suffix == ".npy":
        np.lib.format.write_array(stream, first, allow_pickle=False)
    elif suffix == ".csv":
        np.savetxt(stream, np.atleast_1d(first), fmt="%.17g", delimiter=",")
    else:  # numpy.savez would not take tensors called "file" or "allow_pickle"
        with zipfile.ZipFile(stream, "w") as archive:
            for name, each in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, each, allow_pickle=False)
