"""What of a file of material has been used: written down durably, in two places, *before* it is
used.

One journal lies beside the material (`FILE.used`), its twin in the user's state folder under the
material's id; copying or restoring the material takes at most one of them back. The peer keeps the
same numbers and says them at every start (party/agreement.py). What counts is the most that any of
the three says. Numbers only grow:

    step 4096        rows of the steps below this are taken
    check 2          the same for the checks
    finish 1         the same for the finish
    sent 0 3f9a…     digest of what this party sent in round 0 of setup, and no other may be
    received 0 …     the same for what came from the peer
    program 0 …      digest of the plan that it was first used for: no other ever uses it

A line is appended and synced; each ends in a checksum. A last line that is torn was never acted
upon, and is dropped; damage anywhere else means that nobody knows what was used, and the material
is refused. It is no SQLite database because its pages have no checksums: with one byte changed,
`pragma integrity_check` finds nothing wrong, and a step of 4096 is read as 0.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocol.errors import MaterialError, ProtocolError
from protocol.files import durable, own_folder

MAGIC = "mpc-material-used-1"
MAX_ROUNDS = 1024  # of setup
COUNTED = ("step", "check", "finish")


class Journal:
    """The record of one party's use of one material. Safe to call from several threads; one process
    at a time has it."""

    def __init__(self, material: str, role: str, places: list[Path]) -> None:
        self.step = self.check = self.finish = 0
        self.sent: list[str] = []
        self.received: list[str] = []
        self.program: list[str] = []
        self._label = f"{material} {role}"
        self._guard = threading.Lock()
        self._files: list[tuple[Path, int]] = []
        try:
            for path in places:
                self._files.append((path, self._open(path)))
            said = [self._read(path, descriptor) for path, descriptor in self._files]
            for lines in said:
                for line in lines:
                    self._take(line)
            for (path, descriptor), lines in zip(self._files, said, strict=True):
                if missing := [line for line in self._lines() if line not in lines]:
                    self._append(path, descriptor, missing)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of both files, and of the lock on them."""
        for _, descriptor in self._files:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._files = []

    # ---- what is recorded ------------------------------------------------------------------------

    def reserve_steps(self, end: int) -> None:
        """Rows of the steps below `end` are taken, from the moment this returns on and forever."""
        with self._guard:
            if end > self.step:
                self._record([f"step {end}"])

    def reserve_check(self, end: int) -> None:
        """Record, durably, that the rows of checks below `end` are used up, before one of them is
        handed out."""
        with self._guard:
            if end > self.check:
                self._record([f"check {end}"])

    def reserve_finish(self, end: int) -> None:
        """The same of the rows of the finish."""
        with self._guard:
            if end > self.finish:
                self._record([f"finish {end}"])

    def bound(self, program: str) -> bool:
        """Whether the material is for this program: what it was first used for is."""
        return self.opened("program", 0, program)

    def opened(self, side: str, number: int, digest: str) -> bool:
        """What was "sent" or "received" in a round of setup; False if the record has something else
        there."""
        with self._guard:
            known: list[str] = getattr(self, side)
            if number < len(known):
                return known[number] == digest
            if number == len(known) < MAX_ROUNDS:
                self._record([f"{side} {number} {digest}"])
                return True
            return False

    # ---- what the peer is told, and tells --------------------------------------------------------

    def body(self) -> dict[str, Any]:
        """What the peer is told at the start of an attempt: how many rows of each phase are taken,
        and the digests of setup."""
        numbers = {name: getattr(self, name) for name in COUNTED}
        return {**numbers, "sent": list(self.sent), "received": list(self.received)}

    def absorb(self, theirs: object, who: str) -> Mapping[str, Any]:
        """The peer's record, taken over where it has more; MaterialError where the two contradict
        each other."""
        body: Mapping[str, Any] = theirs if isinstance(theirs, dict) else {}
        numbers: list[Any] = [body.get(name) for name in COUNTED]
        # what they received is what was sent here
        lists: list[Any] = [body.get("received"), body.get("sent")]
        if not all(type(n) is int and 0 <= n < 1 << 42 for n in numbers) or not all(
            _digests(each) for each in lists
        ):
            raise ProtocolError(f"{who} did not say how much of the material it has used")
        lines: list[str] = []
        with self._guard:
            for side, digests in zip(("sent", "received"), lists, strict=True):
                mine: list[str] = getattr(self, side)
                for number, digest in enumerate(digests):
                    if number >= len(mine):
                        lines.append(f"{side} {number} {digest}")
                    elif mine[number] != digest:
                        raise MaterialError(
                            f"the records of {who} and this party say different things about the"
                            " use of the material; make new material with `python -m dealer"
                            " precompute`"
                        )
            for name, taken in zip(COUNTED, numbers, strict=True):
                if taken > getattr(self, name):
                    lines.append(f"{name} {taken}")
            self._record(lines)
        return body

    # ---- files -----------------------------------------------------------------------------------

    def _record(self, lines: list[str]) -> None:
        if lines:
            for path, descriptor in self._files:
                self._append(path, descriptor, lines)
            for line in lines:
                self._take(line)

    def _take(self, line: str) -> None:
        word, *rest = line.split()
        if word in COUNTED:
            setattr(self, word, max(getattr(self, word), int(rest[0])))
            return
        known: list[str] = getattr(self, word)
        number, digest = int(rest[0]), rest[1]
        if number == len(known):
            known.append(digest)
        elif known[number] != digest:
            raise MaterialError(
                "the two records of used material,"
                f" {' and '.join(str(path) for path, _ in self._files)}, say different things; make"
                " new material with `python -m dealer precompute`"
            )

    def _lines(self) -> list[str]:
        opened = [
            f"{side} {n} {digest}"
            for side in ("program", "sent", "received")
            for n, digest in enumerate(getattr(self, side))
        ]
        return opened + [f"{name} {getattr(self, name)}" for name in COUNTED if getattr(self, name)]

    def _checked(self, line: str) -> str:
        return (
            f"{line}"
            f" {hashlib.blake2b(f'{self._label} {line}'.encode(), digest_size=4).hexdigest()}\n"
        )

    def _open(self, path: Path) -> int:
        """The journal at `path`, made if there is none, complete from its first moment on; locked
        for this process."""
        try:
            own_folder(path.parent)
            if not path.exists():
                with contextlib.suppress(FileExistsError), durable(path, replace=False) as file:
                    file.write(self._checked(f"{MAGIC} {self._label}").encode())
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise self._cannot(path, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise MaterialError(
                f"another process is using this material ({path} is locked); let it end first"
            ) from None
        except OSError:
            pass  # a file system without locks: the twin has one
        return descriptor

    def _read(self, path: Path, descriptor: int) -> list[str]:
        """The lines of a journal, checked; a torn last line is cut off."""
        try:
            data = b""
            while piece := os.read(descriptor, 1 << 20):
                data += piece
            good, lines = 0, []
            pieces = data.splitlines(keepends=True)
            for number, raw in enumerate(pieces):
                line = raw.decode("ascii", "replace")
                text = line.rpartition(" ")[0]
                if self._checked(text) == line:
                    lines.append(text)
                    good += len(raw)
                elif number == 0 or number < len(pieces) - 1:
                    raise MaterialError(
                        f"{path}, the record of used material, is damaged or of other material, so"
                        " nobody knows what is unused; make new material with `python -m dealer"
                        " precompute`"
                    )
            if not lines:
                raise MaterialError(
                    f"{path}, the record of used material, is empty; make new material"
                )
            if good < len(data):
                os.ftruncate(descriptor, good)
                os.fsync(descriptor)
        except OSError as error:
            raise self._cannot(path, error) from None
        return lines[1:]

    def _append(self, path: Path, descriptor: int, lines: list[str]) -> None:
        data = "".join(self._checked(line) for line in lines).encode()
        try:
            size = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, data) != len(data):
                    raise OSError(28, os.strerror(28))
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        except OSError as error:
            raise self._cannot(path, error) from None

    def _cannot(self, path: Path, error: OSError) -> MaterialError:
        return MaterialError(
            f"{path}, the record of used material, cannot be written ({error.strerror}); nothing is"
            " used without a record"
        )


def _digests(found: object) -> bool:
    return (
        isinstance(found, list)
        and len(found) <= MAX_ROUNDS
        and all(
            isinstance(each, str) and len(each) == 32 and not set(each) - set("0123456789abcdef")
            for each in found
        )
    )
