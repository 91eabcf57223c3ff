"""Plain arrays: .npy (memory-mapped where it is large), .npz, IDX as of MNIST, and text of numbers
alone. Nothing is ever unpickled."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from . import text
from .files import PACKED, Fault, kind_of, opened, split

KINDS = ".npy, .npz, .csv, .tsv, .txt or IDX"
LARGE = 1 << 24  # bytes from which on a .npy file is mapped and not read
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@dataclass(frozen=True, repr=False)
class Read:
    """An array as it stands in a file, of the file's own type."""

    array: NDArray[Any]
    kind: str
    about: str = ""  # after the file's name: what was made of a first line and a first column
    unsure: bool = False  # whether the first row may be a header that looks like numbers


def read_tensor(name: str, path: Path, header: bool | None = None) -> Read:
    """The array in a file (FILE.npz:ARRAY picks one; else the one called `name`); DataError that
    begins with the tensor and the file."""
    file, part = split(path)
    kind, option = kind_of(file), f"--data {name}=FILE"
    with opened(f"tensor {name}", file, option) as stream:
        if kind == "text":
            form = text.form_of(stream, header)
            return Read(text.numbers(stream, form), kind, form.about, form.unsure)
        if kind in ("npy", "npz", "idx"):
            return Read(read(stream, file, kind, part, name), kind)
        wide = " (a table of named columns is brought with --table)" if kind else ""
        raise Fault(f"is of a kind that cannot be read; give {KINDS}{wide}")


def read(stream: IO[bytes], file: Path, kind: str, part: str = "", name: str = "") -> NDArray[Any]:
    """The array in a .npy, .npz or IDX file; of a .npz the one called `part`, or `name`, or the
    only one."""
    if kind == "npy" and file.suffix.lower() not in PACKED and file.stat().st_size >= LARGE:
        return np.asarray(_mapped(file))
    found = (
        _npy(stream)
        if kind == "npy"
        else _npz(stream, part, name)
        if kind == "npz"
        else _idx(stream)
    )
    return np.asarray(found)


def _unreadable(error: Exception) -> Fault:
    """What NumPy or zipfile says of a bad file, as a sentence of ours."""
    if (
        "allow_pickle" in str(error)
        or "dtype object" in str(error)
        or "Python objects" in str(error)
    ):
        return Fault("holds Python objects, which are never loaded; save an array of numbers")
    if isinstance(error, MemoryError):
        return Fault("announces an array that is larger than the memory; save it again")
    return Fault("is damaged or of another format than its name says; save it again")


def _npy(stream: IO[bytes]) -> Any:
    try:
        return np.lib.format.read_array(stream, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # the seam: a bad header makes NumPy raise nearly anything
        raise _unreadable(error) from None


def _mapped(path: Path) -> Any:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # the seam, as in _npy
        raise _unreadable(error) from None


def _npz(stream: IO[bytes], part: str, name: str) -> Any:
    try:
        archive = np.load(stream, allow_pickle=False)
    except Exception as error:  # the seam, as in _npy
        raise _unreadable(error) from None
    if not isinstance(archive, NpzFile):
        raise Fault("is damaged or of another format than its name says; save it with numpy.savez")
    with archive:
        names = archive.files
        chosen = part or (name if name in names or len(names) != 1 else names[0])
        if chosen not in names:
            there = ", ".join(ascii(each)[1:-1] for each in names[:10]) or "nothing"
            way = f"--data {name}=FILE.npz:ARRAY" if name else "FILE.npz:ARRAY"
            raise Fault(
                f"holds no array {chosen or 'that is alone'}; it holds {there}: name one as {way}"
            )
        try:
            return archive[chosen]
        except Exception as error:  # the seam, as in _npy
            raise _unreadable(error) from None


def _idx(stream: IO[bytes]) -> Any:
    """The format of http://yann.lecun.com/exdb/mnist: two zero bytes, type, axes; lengths as 32-bit
    big-endian numbers; entries."""
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or not 0 < head[3] <= 8:
        raise Fault("is damaged or no IDX file; save it again")
    lengths, kind = stream.read(4 * head[3]), np.dtype(_IDX_TYPES[head[2]])
    shape = struct.unpack(f">{len(lengths) // 4}I", lengths[: len(lengths) // 4 * 4])
    body = stream.read()
    if len(shape) != head[3] or len(body) != math.prod(shape) * kind.itemsize:
        raise Fault(
            "is damaged: it does not hold the entries that its header announces; save it again"
        )
    return np.frombuffer(body, kind).reshape(shape)
