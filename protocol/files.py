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
    """A context that writes the file `path` (mode 0600): the file is there, complete and durable,
    when the block has ended well; otherwise nothing is.

    It is written under another name, synced and renamed, and the folder is synced. Files that a
    killed process left unfinished beside `path` are removed first. FileExistsError if there is a
    file and replace is false; any OSError is left to the caller.
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
    """Whether a folder is empty or does not exist, so that this program may use it as its own. May
    raise OSError."""
    return not folder.exists() or not any(folder.iterdir())


def own_folder(folder: Path) -> None:
    """Make a folder for records (mode 0700) if there is none; an empty one is kept out of backups.
    May raise OSError."""
    unused = is_unused(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if unused:
        keep_out_of_backups(folder)


def keep_out_of_backups(folder: Path) -> None:
    """Tag a folder so that backup tools skip it (bford.info/cachedir): with a record restored from
    a backup, masks would be used twice."""
    with (
        suppress(FileExistsError),
        open(folder / "CACHEDIR.TAG", "xb", opener=partial(os.open, mode=0o600)) as file,
    ):
        file.write(CACHEDIR_TAG)


def remove_unfinished(folder: Path, name: str) -> None:
    """Remove unfinished files, whose names begin with `name`, that killed processes left. Those
    that another process is writing are locked, and stay."""
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
    """The mode of a file that others than its owner may read or write, as "0644"; "" of any other
    file."""
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
