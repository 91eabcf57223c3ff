"""A plan on its way to the dealer: the dealing part (shapes, masks, correlations, number of steps),
and nothing of user code.

`python -m party plan --save FILE` writes one, `python -m dealer precompute --plan FILE` works from
it. It holds no secret. A digest in it tells a damaged file, which is refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import contract_codec
from .contract import Dealing
from .errors import ConfigError, ProtocolError

MAGIC = b"mpc-plan-1\n"
_DIGEST = 32
_MOST = 64 << 20  # bytes


def save_plan(path: Path, dealing: Dealing) -> None:
    """Write what a dealer has to know of a plan, behind its digest; nothing in it is secret.
    ConfigError where the file cannot be written."""
    data = contract_codec.pack(dealing)
    try:
        Path(path).write_bytes(MAGIC + hashlib.blake2b(data, digest_size=_DIGEST).digest() + data)
    except OSError as error:
        raise ConfigError(f"the plan cannot be written to {path}: {error.strerror}") from None


def load_plan(path: Path) -> Dealing:
    """The dealing part in a plan file; ConfigError in one sentence for anything else."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MOST + 1)
    except OSError as error:
        raise ConfigError(
            f"the plan {path} cannot be read: {error.strerror}; check --plan"
        ) from None
    head, data = raw[: len(MAGIC) + _DIGEST], raw[len(MAGIC) + _DIGEST :]
    if not raw.startswith(MAGIC):
        raise ConfigError(
            f"{path} is not a plan: make one with `python -m party plan --job … --save FILE`"
        )
    if len(raw) > _MOST or head != MAGIC + hashlib.blake2b(data, digest_size=_DIGEST).digest():
        raise ConfigError(
            f"the plan {path} is damaged: make it again with `python -m party plan --job … --save"
            " FILE`"
        )
    try:
        return contract_codec.unpack(data)
    except ProtocolError as error:
        raise ConfigError(f"{path}: {error}") from None
