"""The keys that a process uses: its own, or on loopback a set that all processes of one user share.

Every link is encrypted, and both ends are authenticated. Between hosts each process has a file with
its key pair, and the public keys of the others. On one machine, where one user runs all three
processes, keys are made at first use in that user's state folder, so that nothing has to be
configured and nothing is sent in plain text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from .channel import KeyPair, PublicKey
from .errors import ConfigError
from .places import config_folder, state_folder, temporary_folder, usable
from .wire.messages import ROLES

PLAINTEXT = (
    "WARNING: --insecure-plaintext: nothing is encrypted and nobody proves who he is; "
    "every process on this machine can read along and take part"
)


def is_loopback(address: str) -> bool:
    """Whether an address can only be reached from this machine."""
    parts = urlsplit(address)
    if parts.scheme == "ipc" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def make_key(role: str, file: Path | None) -> tuple[PublicKey, Path]:
    """Make a key pair of `role` in a new file, and the folders it needs. Returns the public key,
    and the path of the secret one."""
    path = config_folder() / f"{role}.key" if file is None else file
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder {path.parent} for the key cannot be made: {error.strerror}; name another"
            " with --out"
        ) from None
    pair = KeyPair.generate(role)
    pair.save(path)
    return pair.public, path


def own_key(
    role: str, file: Path | None, addresses: Sequence[str], insecure: bool
) -> KeyPair | None:
    """This process's key pair; None for plain text, which only loopback addresses and an explicit
    option allow."""
    outside = [address for address in addresses if not is_loopback(address)]
    if insecure:
        if outside:
            raise ConfigError(
                f"--insecure-plaintext is for loopback only, and {outside[0]} is not; give each"
                " process a key"
            )
        return None
    if file is not None:
        return KeyPair.load(file, role)
    if outside:
        raise ConfigError(
            f"{outside[0]} is another host, so {role} needs a key: make one with keygen and name it"
            " with --key"
        )
    return _shared(role)


def other_key(role: str, line: str | None, shared: bool) -> PublicKey | None:
    """The public key of `role` from its line, or the one that this user's processes share on
    loopback."""
    if line is not None:
        return PublicKey.parse(line, role)
    return _shared(role).public if shared else None


def needed_key(role: str, line: str | None, shared: bool, option: str) -> PublicKey:
    """As `other_key`; ConfigError where there is none."""
    key = other_key(role, line, shared)
    if key is None:
        raise ConfigError(
            f"with --key, the public key of {role} is needed too: give the line that its keygen"
            f" printed with {option}"
        )
    return key


def shared_folder() -> Path:
    """The folder of the keys for loopback; among temporary files if this user has no state folder,
    as they can be made again."""
    try:
        folder = state_folder() / "loopback-keys"
        why = f"{folder} cannot be written to"
    except ConfigError as error:
        folder, why = None, str(error)
    if folder is not None and usable(folder):
        return folder
    if (place := temporary_folder()) is None or not usable(place / "loopback-keys"):
        raise ConfigError(
            f"there is no place for loopback keys ({why}); set XDG_STATE_HOME to a folder of this"
            " user's"
        )
    return place / "loopback-keys"


def _shared(role: str) -> KeyPair:
    """The key pair of `role` for this user's loopback sessions, made if it does not exist."""
    if role not in ROLES:
        raise ConfigError(f"there is no role {role!r}")
    path = shared_folder() / f"{role}.key"
    if not path.exists():
        try:
            KeyPair.generate(role).save(path)
        except ConfigError:
            if not path.exists():  # another process was first
                raise
    return KeyPair.load(path, role)
