"""Long-lived CurveZMQ keys: key pairs, their files, and the list of the keys that may connect.

A public key is one line, which can be sent by chat or read out over the telephone:

    mpc1-alice-<56 characters of base32: 32 bytes of key, 3 of SHA-256(role, key)>

The checksum finds typing errors and a changed role. It does not protect against an attacker who
exchanges the line: comparing it over another channel does. A key is bound to its role: `Allow` says
which role an authenticated key has, and no message of a peer can change that. Keys do not expire.

Rules: a secret key never appears in a `repr`, an error or a log. A secret's file that others could
    read is refused, not repaired, because it may have been read already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from ..errors import ConfigError
from ..files import durable, exposed
from ..wire.messages import ROLES

_PUBLIC = "mpc1"
_SECRET = "mpc1secret"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key (32 bytes) and its role. `str` gives the line that is handed to others."""

    role: str
    raw: bytes

    def __str__(self) -> str:
        return _line(_PUBLIC, self.role, self.raw)

    __repr__ = __str__

    @property
    def z85(self) -> bytes:
        """The key in ZeroMQ's notation: 40 characters of Z85."""
        return bytes(z85.encode(self.raw))

    @property
    def short(self) -> str:
        """The beginning of the line, to recognise the key by in a log."""
        return str(self)[:24] + "…"

    @classmethod
    def parse(cls, text: str, role: str | None = None) -> PublicKey:
        """The key that a line says, of `role` if that is given. ConfigError where it does not."""
        if text.strip().startswith(_SECRET):
            raise ConfigError(
                "a secret key stands where a public key belongs: give the line that keygen printed"
            )
        found, raw = _parse(_PUBLIC, text)
        if role is not None and found != role:
            raise ConfigError(
                f"the key {text.strip()[:24]}… is of {found}, and one of {role} is needed here"
            )
        return cls(found, raw)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The public and the secret key of one process."""

    public: PublicKey
    secret: bytes = field(repr=False)

    @property
    def role(self) -> str:
        """The role that the key is for."""
        return self.public.role

    @property
    def secret_z85(self) -> bytes:
        """The secret key in ZeroMQ's notation: 40 characters of Z85. For the socket alone."""
        return bytes(z85.encode(self.secret))

    @classmethod
    def generate(cls, role: str) -> KeyPair:
        """A new CURVE key pair of a role, from the operating system's randomness."""
        _check_role(role)
        public, secret = zmq.curve_keypair()
        return cls(PublicKey(role, z85.decode(public)), z85.decode(secret))

    def save(self, path: Path) -> None:
        """Write the secret key to a new file with mode 0600. ConfigError where there is a file, or
        it cannot be written."""
        path = Path(path)
        try:
            with durable(path, replace=False) as file:
                file.write(f"{_line(_SECRET, self.role, self.secret)}\n".encode())
        except FileExistsError:
            raise ConfigError(
                f"{path} exists: a key is never overwritten; move it away first"
            ) from None
        except OSError as error:
            raise ConfigError(f"the key file {path} cannot be written: {error.strerror}") from None

    @classmethod
    def load(cls, path: Path, role: str | None = None) -> KeyPair:
        """Read the key pair of a secret key's file, of `role` if that is given. ConfigError where
        others can read the file, or it does not hold such a key."""
        path = Path(path)
        try:
            with path.open() as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ConfigError(f"the key file {path} is not a regular file")
                if mode := exposed(status):
                    raise ConfigError(
                        f"the key file {path} can be read by others (mode {mode}): make a new key,"
                        " or `chmod 600` it if you are sure that nobody did"
                    )
                text = file.read(1024)
        except OSError as error:
            raise ConfigError(f"the key file {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"the key file {path} does not hold a key") from None
        try:
            found, secret = _parse(_SECRET, text)
        except ConfigError as error:
            raise ConfigError(f"the key file {path}: {error}") from None
        if role is not None and found != role:
            raise ConfigError(
                f"the key file {path} is of {found}, and one of {role} is needed here"
            )
        return cls(PublicKey(found, z85.decode(zmq.curve_public(z85.encode(secret)))), secret)


class Allow:
    """The public keys that may connect, each for its role. It is looked up at every handshake, so
    `replace` takes effect at the next one."""

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        self._roles: dict[bytes, str] = {}
        self.replace(keys)

    def replace(self, keys: Iterable[PublicKey]) -> None:
        """Replace all keys of the list by `keys`."""
        self._roles = {key.raw: key.role for key in keys}

    def role_of(self, raw: bytes) -> str | None:
        """The role that may connect with this public key of 32 bytes; None where the key is not on
        the list."""
        return self._roles.get(raw)

    def __len__(self) -> int:
        return len(self._roles)

    @classmethod
    def load(cls, path: Path) -> Allow:
        """Read a list from a file: one public key a line; empty lines, and all after a `#`, are
        ignored. ConfigError with file and line for what is no key."""
        try:
            lines = Path(path).read_text().splitlines()
        except OSError as error:
            raise ConfigError(f"the list of keys {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"the list of keys {path} is not text") from None
        keys = []
        for number, line in enumerate(lines, 1):
            if text := line.partition("#")[0].strip():
                try:
                    keys.append(PublicKey.parse(text))
                except ConfigError as error:
                    raise ConfigError(f"{path}, line {number}: {error}") from None
        return cls(keys)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise ConfigError(f"there is no role {role!r}; the roles are {', '.join(ROLES)}")


def _checksum(prefix: str, role: str, raw: bytes) -> bytes:
    return hashlib.sha256(f"{prefix}-{role}-".encode() + raw).digest()[:3]


def _line(prefix: str, role: str, raw: bytes) -> str:
    return (
        f"{prefix}-{role}-{base64.b32encode(raw + _checksum(prefix, role, raw)).decode().lower()}"
    )


def _parse(prefix: str, text: str) -> tuple[str, bytes]:
    """(role, key) of a line. The text is never quoted: it may be a secret."""
    text = text.strip()
    parts = text.split("-")
    if len(parts) != 3 or parts[0] != prefix:
        what = "mpc1secret-<role>-…" if prefix == _SECRET else "mpc1-<role>-…"
        raise ConfigError(f"this is not a key: one starts with {what} and is one line")
    role, code = parts[1], parts[2]
    _check_role(role)
    try:
        data = base64.b32decode(code.upper())
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 35 or data[32:] != _checksum(prefix, role, data[:32]):
        raise ConfigError(
            f"this key of {role} is mistyped: {len(code)} characters behind the role, or a"
            " wrong one"
        )
    return role, data[:32]
