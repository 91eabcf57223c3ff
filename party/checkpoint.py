"""The state folder: what a killed party needs to go on from the newest step that both parties hold,
and to end (ending.py).

A checkpoint is this party's shares of the carried variables after a step. The shares of one step
fit together only if both stem from one attempt at the run, so a checkpoint is known by (ticket,
step), where the ticket names the attempt. The rules:

* a file is complete or does not exist: written beside, synced, renamed, the folder synced; readable
  by its owner alone;
* it checks itself: a digest over everything; a file that fails is skipped, never deleted;
* it belongs to the inputs it was computed from: each has a keyed digest of this party's own
  tensors, the key beside it;
* the newest that the peer is known to hold, the one before it, and everything newer are kept; older
  ones go;
* the number of an attempt is on disk before the attempt begins, so no number is ever used twice.

    SESSION.ROLE.STEP.TICKET.checkpoint    shares after a step
    SESSION.ROLE.rows                      the rows that both have, where tables are matched by ids
    SESSION.ROLE.ending, .results          the end of a run
    SESSION.ROLE.epoch                     the highest number of an attempt
    SESSION.ROLE.key                       the key of the digests of inputs
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protocol.errors import ConfigError, DataError
from protocol.files import own_folder, remove_unfinished, sync_folder
from protocol.fixedpoint import pieces
from protocol.graph import Array
from protocol.ring import Words

from . import checked
from .checked import packed, unpacked

MAGIC = b"mpc-checkpoint-2\n"
_DIGEST = 32
ANOTHER = "name another --session, or start once with --fresh, which sets the old state aside"


@dataclass(frozen=True)
class Point:
    """A step from which a run can resume, and the ticket of the attempt that reached it."""

    ticket: str
    step: int


class Store:
    """The state folder of one party in one session."""

    def __init__(self, folder: Path, session: str, role: str) -> None:
        self.folder, self._prefix = folder, f"{session}.{role}"
        self._digest = self._fingerprint = ""
        self._inputs: dict[str, str] = {}
        self._common: list[Point] = []  # that the peer holds too, oldest first
        name = re.escape(self._prefix)
        self._checkpoint = re.compile(rf"{name}\.\d{{12}}\.[0-9a-z-]+\.checkpoint")
        self._of_a_run = re.compile(
            rf"{name}\.(\d{{12}}\.[0-9a-z-]+\.checkpoint|rows|ending|results)"
        )
        try:
            own_folder(folder)
            probe = folder / f".{self._prefix}.probe"
            probe.write_bytes(b"")
            probe.unlink()
            remove_unfinished(folder, self._prefix)  # this party was killed while it wrote them
        except OSError as error:
            raise ConfigError(
                f"the state folder {folder} cannot be written: {error.strerror}"
            ) from None

    def key(self) -> bytes:
        """A secret of 32 bytes, drawn once for this folder. What this party draws in a run
        is derived from it, so that a run that resumes draws the same again."""
        return self._key(new=not self._files(self._of_a_run))

    def belong(self, fingerprint: str, inputs: Mapping[str, Array]) -> None:
        """From now on, use only state of the run named `fingerprint`. DataError if that was
        computed from other inputs than these."""
        self._fingerprint = fingerprint
        found = [body for body in map(self._read, self._files(self._of_a_run)) if self._ours(body)]
        key = self._key(new=not found)
        self._inputs = {name: _keyed(key, name, array) for name, array in inputs.items()}
        for body in found:
            for name, digest in self._inputs.items():
                if not hmac.compare_digest(str(body["inputs"].get(name)), digest):
                    raise DataError(
                        f"{name} is not the tensor that the state in {self.folder} was computed"
                        f" from; bring that, {ANOTHER}"
                    )

    def bind(self, digest: str) -> None:
        """From now on, use only state of this plan and, where rows are matched, of these rows."""
        self._digest = digest

    def set_aside(self) -> Path | None:
        """Move the state of this session into a new folder, and return that; None if there is no
        state. Attempts are numbered on from where they were."""
        found = self._files(self._of_a_run)
        if not found:
            return None
        self.reserve(self.attempt())
        try:
            number = 1
            while (aside := self.folder / f"{self._prefix}.aside-{number}").exists():
                number += 1
            aside.mkdir(mode=0o700)
            for path in found:
                path.rename(aside / path.name)
            sync_folder(aside)
            sync_folder(self.folder)
        except OSError as error:
            raise ConfigError(
                f"the state in {self.folder} cannot be set aside: {error.strerror}"
            ) from None
        return aside

    # ---- checkpoints -----------------------------------------------------------------------------

    @property
    def points(self) -> list[Point]:
        """Every readable checkpoint of this plan, newest step first; those of one step in the same
        order at both parties."""
        bodies = [
            body for body in map(self._read, self._files(self._checkpoint)) if self._counts(body)
        ]
        points = [Point(body["ticket"], body["step"]) for body in bodies]
        return sorted(points, key=lambda point: (point.step, point.ticket), reverse=True)

    def load(self, point: Point) -> tuple[list[Words], dict[str, Any] | None]:
        """What was saved at a point: this party's shares of the carried variables, and what checks
        had revealed. ConfigError if the file can no longer be read."""
        body = self._read(self._path(point))
        if not self._counts(body):
            raise ConfigError(
                f"the checkpoint of step {point.step} in {self.folder} has become unreadable"
            )
        self._common = [point]
        return unpacked(body["state"]), body.get("history")

    def save(
        self,
        point: Point,
        attempt: int,
        state: list[Words],
        history: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint durably. state: from `Machine.state`. history: what checks have
        revealed."""
        body = {
            "ticket": point.ticket,
            "step": point.step,
            "epoch": attempt,
            "state": packed(state),
            "history": history,
        }
        self._write(self._path(point), body)

    def confirm(self, point: Point) -> None:
        """The peer has written this point too: delete all checkpoints but this one and the one that
        both had confirmed before it."""
        if point in self._common:
            return
        self._common = [*self._common[-1:], point]
        keep = {self._path(each) for each in self._common}
        for path in self._files(self._checkpoint):
            if path not in keep:
                with contextlib.suppress(OSError):
                    path.unlink()

    # ---- attempts --------------------------------------------------------------------------------

    def attempt(self) -> int:
        """The highest number of an attempt on record; 0 if there is none."""
        bodies = map(self._read, [self._named("epoch"), *self._files(self._of_a_run)])
        return max((body["epoch"] for body in bodies if body), default=0)

    def reserve(self, attempt: int) -> None:
        """Record durably that this number of an attempt is used, before it is."""
        self._write(self._named("epoch"), {"epoch": attempt})

    # ---- the rows, and the end -------------------------------------------------------------------

    def record(self, name: str, body: Mapping[str, Any]) -> None:
        """Write "rows", "ending" or "results" durably. The body has an "epoch"."""
        self._write(self._named(name), body)

    def recorded(self, name: str, any_plan: bool = False) -> dict[str, Any] | None:
        """The record of this name, if its file is whole and of this run and, unless `any_plan`, of
        the plan that is bound."""
        body = self._read(self._named(name))
        return body if self._ours(body) and (any_plan or self._counts(body)) else None

    def forget(self, name: str) -> None:
        """Delete the record of this name, which is out of date; ConfigError if it cannot be
        deleted."""
        try:
            self._named(name).unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise self._cannot(self._named(name), error) from None

    # ---- files -----------------------------------------------------------------------------------

    def _named(self, name: str) -> Path:
        return self.folder / f"{self._prefix}.{name}"

    def _path(self, point: Point) -> Path:
        return self._named(f"{point.step:012d}.{point.ticket}.checkpoint")

    def _files(self, pattern: re.Pattern[str]) -> list[Path]:
        return [path for path in self.folder.iterdir() if pattern.fullmatch(path.name)]

    def _ours(self, body: dict[str, Any] | None) -> bool:
        return body is not None and body.get("fingerprint") == self._fingerprint

    def _counts(self, body: dict[str, Any] | None) -> bool:
        return body is not None and body.get("digest") == self._digest and self._ours(body)

    def _key(self, new: bool) -> bytes:
        """The key of this folder's digests of inputs and of its draws; made if there is none and
        nothing depends on it."""
        body = self._read(self._named("key"))
        if body is not None:
            return bytes(body["key"])
        if not new:
            raise ConfigError(
                f"{self._named('key')} is missing or damaged, so nobody can tell which inputs the"
                f" state beside it is of; {ANOTHER}"
            )
        key = secrets.token_bytes(32)
        self._write(self._named("key"), {"key": key})
        return key

    def _write(self, path: Path, body: Mapping[str, Any]) -> None:
        belonging = {
            "digest": self._digest,
            "fingerprint": self._fingerprint,
            "inputs": self._inputs,
        }
        try:
            checked.write(path, MAGIC, {**belonging, **body})
        except OSError as error:
            raise self._cannot(path, error) from None

    def _cannot(self, path: Path, error: OSError) -> ConfigError:
        return ConfigError(
            f"{path} cannot be written: {error.strerror}; nothing is lost: mend that, and give the"
            " same command again"
        )

    def _read(self, path: Path) -> Any:
        """The body of a file that is whole, a dictionary; None of any other."""
        try:
            return checked.read(path, MAGIC)
        except (OSError, checked.Damaged):
            return None


def _keyed(key: bytes, name: str, array: Array) -> str:
    """A digest of a tensor that tells nothing about it without the key."""
    digest = hashlib.blake2b(
        f"{name} {array.dtype.str} {array.shape}\n".encode(), key=key, digest_size=_DIGEST
    )
    rows = array if array.ndim else array[None]
    for piece in pieces(rows):
        digest.update(np.ascontiguousarray(rows[piece]))
    return digest.hexdigest()
