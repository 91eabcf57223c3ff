"""Which format a file is of, and its bytes, unpacked where they are compressed."""

from __future__ import annotations

import gzip
import importlib
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from protocol.errors import DataError

PACKED = (".gz", ".zip", ".zst")
KINDS = {
    ".npy": "npy",
    ".npz": "npz",
    ".csv": "text",
    ".tsv": "text",
    ".tab": "text",
    ".txt": "text",
    ".dat": "text",
    ".data": "text",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".xlsx": "excel",
    ".xlsm": "excel",
}
_IDX = re.compile(r"idx\d(-ubyte)?$|\.idx$", re.IGNORECASE)  # train-images-idx3-ubyte
_PART = re.compile(
    r"(.+?\.(?:npz|xlsx|xlsm)(?:\.gz|\.zip|\.zst)?):(.*)$", re.IGNORECASE | re.DOTALL
)


class Fault(Exception):
    """The end of a sentence that begins with what was asked for and the file."""


def split(path: Path) -> tuple[Path, str]:
    """FILE.npz:ARRAY, FILE.xlsx:SHEET → the file, and which part of it; "" for no part."""
    found = _PART.match(str(path))
    return (Path(found[1]), found[2]) if found else (path, "")


def kind_of(path: Path) -> str:
    """ "text", "npy", "idx" and so on; "" for what cannot be read."""
    name = path.name.lower()
    packed = Path(name).suffix in PACKED
    kind = _kind(Path(name).stem if packed else name)
    if not kind and name.endswith(".zip"):  # train.zip, with a train.csv in it
        try:
            with zipfile.ZipFile(path) as archive:
                inside = _members(archive)
        except (OSError, zipfile.BadZipFile):
            return ""
        kind = _kind(Path(inside[0]).name.lower()) if len(inside) == 1 else ""
    return kind


def _kind(name: str) -> str:
    return "idx" if _IDX.search(name) else KINDS.get(Path(name).suffix, "")


def _members(archive: zipfile.ZipFile) -> list[str]:
    """The files in it, without those that a file manager adds."""
    there = (
        each
        for each in archive.namelist()
        if not each.endswith("/") and not each.startswith("__MACOSX")
    )
    return [each for each in there if not Path(each).name.startswith(".")]


@contextmanager
def opened(what: str, path: Path, option: str) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked; a Fault in the block and what the system says become DataErrors
    about `what`, given by `option`."""
    try:
        if path.is_fifo() or path.is_char_device():  # which may never come to an end
            raise Fault("is no file but a pipe or a device; write the data to a file first")
        with path.open("rb") as raw:
            if not os.fstat(raw.fileno()).st_size:
                raise Fault("is empty; write the data to it")
            with _unpacked(raw, path.suffix.lower()) as stream:
                yield stream
    except Fault as fault:
        raise DataError(f"{what}: {path} {fault}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile):
        raise DataError(
            f"{what}: {path} is damaged or not compressed as its name says; compress it again"
        ) from None
    except FileNotFoundError:
        raise DataError(f"{what}: {path} does not exist; check the path in {option}") from None
    except IsADirectoryError:
        raise DataError(f"{what}: {path} is a directory; name a file in {option}") from None
    except OSError as error:
        raise DataError(
            f"{what}: {path} cannot be read ({error.strerror}); see to its permissions"
        ) from None


@contextmanager
def _unpacked(raw: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    if suffix == ".gz":
        with gzip.open(raw, "rb") as stream:
            yield stream  # type: ignore[misc]
    elif suffix == ".zip":
        try:
            archive = zipfile.ZipFile(raw)
            names = _members(archive)
            if len(names) != 1:
                raise Fault(f"holds {len(names)} files; a .zip with one file in it can be read")
            member = archive.open(names[0])
        except (NotImplementedError, RuntimeError):
            raise Fault(
                "is encrypted, or compressed in a way that is not read here; compress it again"
            ) from None
        except UnicodeDecodeError:  # of the name of the file in it
            raise zipfile.BadZipFile from None
        with archive, member:
            yield member
    elif suffix == ".zst":
        yield io.BytesIO(_unpacked_zst(raw.read()))
    else:
        yield raw


def _unpacked_zst(packed: bytes) -> bytes:
    zstandard = needed("zstandard", "a .zst file is unpacked with zstandard")
    found = []
    while packed:  # frame by frame
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            found.append(frame.decompress(packed))
        except zstandard.ZstdError:
            raise EOFError from None
        if not frame.eof:
            raise EOFError
        packed = frame.unused_data
    return b"".join(found)


def needed(library: str, why: str) -> Any:
    """An optional library; Fault with what to install."""
    try:
        return importlib.import_module(library)
    except ImportError:
        raise Fault(
            f"cannot be read here: {why}, which is not installed; pip install"
            " 'mpc-playground[tables]'"
        ) from None
