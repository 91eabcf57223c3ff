"""Checkpoints: what a killed party needs to go on from the newest step that both parties hold.

A checkpoint is this party's shares of the carried variables after a step. The shares of one step fit together only if both
stem from one epoch, so a checkpoint is known by (ticket, step), where the ticket names the epoch's attempt. The rules:

* a file is complete or does not exist: written beside, synced, renamed, the folder synced; readable by its owner alone;
* it checks itself: a digest over everything; a file that fails is skipped, never deleted;
* the newest that the peer is known to hold, the one before it, and everything newer are kept; older ones go.

A finished run leaves its results in the same folder, so that a party killed between learning and reporting reports after all.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from protocol.errors import ConfigError
from protocol.files import durable, own_folder
from protocol.graph import Array
from protocol.ring import Words

MAGIC = b"mpc-checkpoint-1\n"
_DIGEST = 32


@dataclass(frozen=True)
class Point:
    """A step that can be gone on from, and the attempt it was reached in."""

    ticket: str
    step: int


class Store:
    """The state folder of one party in one session."""

    def __init__(self, folder: Path, session: str, role: str) -> None:
        self._folder, self._prefix = folder, f"{session}.{role}"
        self._digest = ""
        self._common: list[Point] = []  # that the peer holds too, oldest first
        try:
            own_folder(folder)
            probe = folder / f".{self._prefix}.probe"
            probe.write_bytes(b"")
            probe.unlink()
            for unfinished in folder.glob(f".{self._prefix}.*.new"):  # this party was killed while it wrote them
                unfinished.unlink()
        except OSError as error:
            raise ConfigError(f"the state folder {folder} cannot be written: {error.strerror}") from None

    def bind(self, digest: str) -> None:
        """Only checkpoints of the plan with this digest count from now on."""
        self._digest = digest

    @property
    def points(self) -> list[Point]:
        """Every readable checkpoint of this plan, newest step first."""
        found = [(path, self._read(path)) for path in self._folder.glob(f"{self._prefix}.*.checkpoint")]
        points = [Point(body["ticket"], body["step"]) for _, body in found if body is not None]
        return sorted(points, key=lambda point: point.step, reverse=True)

    def load(self, point: Point) -> list[Words]:
        """The shares at a point, in the plan's order of carried variables."""
        body = self._read(self._path(point))
        if body is None:
            raise ConfigError(f"the checkpoint of step {point.step} in {self._folder} has become unreadable")
        self._common = [point]
        return [np.frombuffer(raw, np.uint64).reshape(shape).copy() for raw, shape in body["state"]]

    def save(self, point: Point, epoch: int, state: list[Words]) -> None:
        """Write a checkpoint durably."""
        body = {
            "digest": self._digest,
            "ticket": point.ticket,
            "step": point.step,
            "epoch": epoch,
            "state": [[words.tobytes(), list(words.shape)] for words in state],
        }
        self._write(self._path(point), body)

    def confirm(self, point: Point) -> None:
        """The peer holds this point too: what is older than the common one before it may go."""
        if point in self._common:
            return
        self._common = [*self._common[-1:], point]
        keep = {self._path(each) for each in self._common}
        for path in self._folder.glob(f"{self._prefix}.*.checkpoint"):
            if path not in keep:
                with contextlib.suppress(OSError):
                    path.unlink()

    def epoch(self) -> int:
        """The highest epoch on record."""
        bodies = (self._read(path, any_plan=True) for path in self._folder.glob(f"{self._prefix}.*.checkpoint"))
        return max((body["epoch"] for body in bodies if body is not None), default=0)

    def finish(self, results: Mapping[str, Array], fingerprint: str) -> None:
        """Record the results of a finished run that was started as `fingerprint` says."""
        packed = {name: [array.tobytes(), list(array.shape)] for name, array in results.items()}
        self._write(self._done, {"fingerprint": fingerprint, "results": packed})

    def finished(self, fingerprint: str) -> dict[str, Array] | None:
        """The results on record, if the run that was started so has finished."""
        body = self._read(self._done, any_plan=True)
        if body is None or body["fingerprint"] != fingerprint:
            return None
        return {name: np.frombuffer(raw).reshape(shape).copy() for name, (raw, shape) in body["results"].items()}

    @property
    def _done(self) -> Path:
        return self._folder / f"{self._prefix}.results"

    def _path(self, point: Point) -> Path:
        return self._folder / f"{self._prefix}.{point.step:012d}.{point.ticket}.checkpoint"

    def _write(self, path: Path, body: Mapping[str, Any]) -> None:
        data = msgpack.packb(body)
        try:
            with durable(path) as file:
                file.write(MAGIC + hashlib.blake2b(data, digest_size=_DIGEST).digest() + data)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written: {error.strerror}; the run can be continued from the one before"
            ) from None

    def _read(self, path: Path, any_plan: bool = False) -> dict[str, Any] | None:
        """The body of a file that is whole and of this plan."""
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        head, data = raw[: len(MAGIC) + _DIGEST], raw[len(MAGIC) + _DIGEST :]
        if head != MAGIC + hashlib.blake2b(data, digest_size=_DIGEST).digest():
            return None
        body: dict[str, Any] = msgpack.unpackb(data)
        return body if any_plan or body.get("digest") == self._digest else None
