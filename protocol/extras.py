"""Libraries that only some of the options need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .errors import ConfigError, UsageError


@contextlib.contextmanager
def needed(what: str, extra: str, error: type[UsageError] = ConfigError) -> Iterator[None]:
    """A context that raises `error`, with what to install, if a library that is imported in it is
    missing: the extra of this project that `what` needs."""
    try:
        yield
    except ImportError as missing:
        raise error(
            f"{what} needs {missing.name}, which is not installed: python -m pip install"
            f" 'mpc-playground[{extra}]'"
        ) from None
