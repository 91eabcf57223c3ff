"""Files that are complete and durable, or not there at all, and readable by their owner alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

CACHEDIR_TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# Records of what randomness was used. Restored from a backup they would let masks be used twice.\n"
)


@contextmanager
def durable(path: Path, replace: bool = True) -> Iterator[IO[bytes]]:
    """What is written in the block becomes the file `path` (mode 0600) when the block ends well, and nothing otherwise.

    Written beside, synced, named, the folder synced. FileExistsError if the name is taken and not to be replaced;
    any OSError is the caller's to put into words.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # unlike rename, fails when the name is taken
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def is_unused(folder: Path) -> bool:
    """Whether nothing is in the folder, or no folder there: it is this program's own then. May raise OSError."""
    return not folder.exists() or not any(folder.iterdir())


def own_folder(folder: Path) -> None:
    """Make a folder for records (mode 0700) unless it is there; one that was empty is kept out of backups. May raise OSError."""
    unused = is_unused(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if unused:
        keep_out_of_backups(folder)


def keep_out_of_backups(folder: Path) -> None:
    """Tag a folder so that backup tools pass it over (bford.info/cachedir): a record that is taken back lets masks be used twice."""
    with suppress(FileExistsError), open(folder / "CACHEDIR.TAG", "xb", opener=partial(os.open, mode=0o600)) as file:
        file.write(CACHEDIR_TAG)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
