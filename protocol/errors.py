"""Every error this project raises on purpose, split by who is to blame.

    MpcError                     exit code
    ├── UsageError                   2   this process was asked for something impossible
    │   ├── ConfigError                  an option, a variable, a configuration file, a key
    │   ├── JobError                     a job file, or an operation in it
    │   └── DataError                    a data file or an array: shape, dtype, range
    │       └── ShareError               a party's file of a model that stays shared
    ├── AgreementError               3   the parties were not started with the same intentions
    ├── LinkError                    4   the peer or the dealer never came, fell silent, left
    ├── Stopped                      4   the other side gave up, said why, and will not be back
    ├── ProtocolError                5   the other side sent what the plan does not allow
    └── MaterialError                6   dealt randomness is exhausted, spent, or of another session

Any of them, and MemoryError, ends a process with 7 instead if this host lacked something that may
be there again: room on a disk, descriptors, memory. Service managers start again after every code
but 0 and 2.

Rules: a message is one sentence that says what happened, where, and what to do. No message ever
    contains a secret value, a share, a mask or a key. Foreign exceptions (zmq, OSError, msgpack)
    are translated at the seam where they arise; `exit_code` is what a command line returns for the
    error. `told` is what the peer is told in its place, where the text may name a path, a line of a
    job, or what a user's own code said; the dealer is told neither.
"""

from __future__ import annotations

import errno
import re

_PLACED = re.compile(r"\(at (step \d+ of \d+|the \w+, (before|after) the steps)\)$")


class MpcError(Exception):
    """The end of a command or of a run, in one sentence. told: what the peer is told instead, where
    the sentence names what only this party may know. exit_code: of the process that ends by it."""

    exit_code = 1
    told: str | None = None

    def __init__(self, text: str, *, told: str | None = None) -> None:
        super().__init__(text)
        if told is not None:
            self.told = told

    @property
    def for_peer(self) -> str:
        """The sentence for the peer."""
        return str(self) if self.told is None else self.told

    def at(self, place: str) -> MpcError:
        """The same, and where in a run it happened, unless a peer whose last words they are has
        said so."""
        if _PLACED.search(self.for_peer):
            return self
        return type(self)(
            f"{self} (at {place})", told=None if self.told is None else f"{self.told} (at {place})"
        )


class UsageError(MpcError):
    """This process was asked for something that it cannot do."""

    exit_code = 2
    told = "it cannot do what it was asked for, as its own output says"


class ConfigError(UsageError):
    """An option, an environment variable, a configuration file or a key cannot be used."""

    told = "its configuration or a file of its own cannot be used, as its own output says"


class JobError(UsageError):
    """A job file, or an operation in it, has no meaning."""

    told = "its job cannot be run, as its own output says"


class DataError(UsageError):
    """A data file or an array has another shape, dtype or range than is declared."""

    told = "its data cannot be used, as its own output says"


class ShareError(DataError):
    """A party's file of a model that stays shared cannot be used."""

    told = "its share of the model cannot be used, as its own output says"


class AgreementError(MpcError):
    """The parties were not started with the same intentions; the message names the first
    difference."""

    exit_code = 3


class LinkError(MpcError):
    """The peer or the dealer never came, fell silent, or left."""

    exit_code = 4


class Stopped(MpcError):
    """The other side has given up and said why; it does not come back."""

    exit_code = 4


class ProtocolError(MpcError):
    """The other side sent what the plan, or the protocol of the link, does not allow."""

    exit_code = 5


class MaterialError(MpcError):
    """Dealt randomness is exhausted, was used before, or is of another session."""

    exit_code = 6
    told = "its material cannot be used, as its own output says"


class OutOfRangeError(MpcError):
    """Values in the run left the range that was declared or assumed for them: its results are not
    revealed."""

    exit_code = 8


LACKING = 7
_MAY_PASS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOBUFS,
}


def exit_code(error: BaseException) -> int:
    """What a process that ends with `error` returns. An OSError that it arose from is looked at
    too."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (
            isinstance(cause, OSError) and cause.errno in _MAY_PASS
        ):
            return LACKING
        cause = cause.__cause__ or cause.__context__
    return error.exit_code if isinstance(error, MpcError) else 1
