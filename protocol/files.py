"""Files that are complete and durable, or not there at all, and readable by their owner alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

CACHEDIR_TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n# Records of what randomness was used. Restored"
    b" from a backup they would let masks be used twice.\n"
)


@contextmanager
def durable(path: Path, replace: bool = True) -> Iterator[IO[bytes]]:
    """What is written in the block becomes the file `path` (mode 0600) when the block ends well,
    and nothing otherwise.

    Written beside, synced, named, the folder synced. What a killed process left half-written beside
    `path` is removed first. FileExistsError if the name is taken and not to be replaced; any
    OSError is the caller's to put into words.
    """
    remove_unfinished(path.parent, path.name)
    descriptor, temporary = _beside(path)
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
    """Whether nothing is in the folder, or no folder there: it is this program's own then. May
    raise OSError."""
    return not folder.exists() or not any(folder.iterdir())


def own_folder(folder: Path) -> None:
    """Make a folder for records (mode 0700) unless it is there; one that was empty is kept out of
    backups. May raise OSError."""
    unused = is_unused(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if unused:
        keep_out_of_backups(folder)


def keep_out_of_backups(folder: Path) -> None:
    """Tag a folder so that backup tools pass it over (bford.info/cachedir): a record that is taken
    back lets masks be used twice."""
    with (
        suppress(FileExistsError),
        open(folder / "CACHEDIR.TAG", "xb", opener=partial(os.open, mode=0o600)) as file,
    ):
        file.write(CACHEDIR_TAG)


def remove_unfinished(folder: Path, name: str) -> None:
    """Remove what killed processes left of files whose names begin with `name`. Whoever still
    writes holds a lock."""
    for path in folder.iterdir():
        if path.name.startswith(f".{name}.") and path.name.endswith(".new"):
            with contextlib.suppress(OSError):  # in use, or gone meanwhile
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)


def exposed(found: os.stat_result) -> str:
    """The mode of a file which others than its owner may read or write, "0644"; "" of one that they
    may not."""
    return f"{stat.S_IMODE(found.st_mode):04o}" if found.st_mode & 0o077 else ""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, opened exclusively (mode 0600) and locked for as long as it is
    open."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # else another process took it for a left-over before it was locked
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)
