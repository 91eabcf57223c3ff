"""Where a user's files of this project are, and where they go when there is no home that can be
written to.

A service account or a container may have none. What can be made again at any time (machine code,
keys for one machine) then goes to a folder of this user's in the place for temporary files; what
must last is refused by whoever keeps it.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from .errors import ConfigError

NAME = "mpc-playground"


def state_folder() -> Path:
    """Where a program keeps what must outlive a run: $XDG_STATE_HOME/mpc-playground, else
    ~/.local/state/mpc-playground."""
    return _folder("XDG_STATE_HOME", ".local/state")


def config_folder() -> Path:
    """Where the configuration and the keys are: $XDG_CONFIG_HOME/mpc-playground, else
    ~/.config/mpc-playground."""
    return _folder("XDG_CONFIG_HOME", ".config")


def cache_folder() -> Path:
    """Where downloads and compiled code are kept: $XDG_CACHE_HOME/mpc-playground, else
    ~/.cache/mpc-playground."""
    return _folder("XDG_CACHE_HOME", ".cache")


def usable(folder: Path) -> bool:
    """Whether this user can write to `folder`, which is made if it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # os.access knows nothing of full disks and sandboxes
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def temporary_folder() -> Path | None:
    """A folder that is this user's alone among the temporary files; None if there is no such place.

    Anybody may make a folder there by any name first, so whose it is, is looked at.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    private = (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    )
    return folder if private and usable(folder) else None


def _folder(variable: str, beneath: str) -> Path:
    if given := os.environ.get(variable):
        return Path(given) / NAME
    try:
        return Path.home() / beneath / NAME
    except RuntimeError:
        raise ConfigError(
            f"this user has no home folder; set {variable} to a folder of its own"
        ) from None
