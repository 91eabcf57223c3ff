"""A run's material from a file instead of from a dealer: open it, agree with the peer how much of it is used, take the rest in order.

    Material    the opened file: its seal, this party's seed, its journal
    Place       which rows this attempt begins at: agreed with the peer, so that both use the same row for the same step
    FileIntake  the rows of one attempt, with the interface of `intake.Intake`

Single use. A row is handed out only after the journal has it as taken, durably, in blocks (`_Blocks`); an attempt begins behind the
most that either party's journal says; what is skipped is lost. Of setup there is one row. Every attempt sends its openings again,
and they are the same words or the run ends: `sending` and `heard` compare them with what the journal has from the first time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protocol import contract_codec
from protocol.channel import KeyPair, PublicKey
from protocol.contract import Dealing
from protocol.dealing import ALICE, BOB, alice_material, bob_material, dealt_part, own_masks
from protocol.errors import ConfigError, MaterialError
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.material import HEAD, ONCE, Cell, Header, Layout, Seal, period, row_for
from protocol.places import state_folder
from protocol.ring import Words

from .journal import COUNTED, Journal
from .links import PEER
from .observing import StepObserver

AFRESH = "make new material with `python -m dealer precompute`"


@dataclass(frozen=True)
class Place:
    """The rows that an attempt begins at."""

    step: int
    check: int
    finish: int


class Material(StepObserver):
    """One party's file, opened: MaterialError if it is not whole, not for this session, not for this key, or not of this dealer."""

    def __init__(self, path: Path, role: str, session: str, keys: KeyPair, dealer: PublicKey) -> None:
        self.path, self.role = path, role
        try:
            self._file = os.open(path, os.O_RDONLY)
            raw, size = os.pread(self._file, HEAD, 0), os.fstat(self._file).st_size
        except OSError as error:
            raise ConfigError(f"the material {path} cannot be read: {error.strerror}; check --material") from None
        try:
            self.header = Header.unpack(raw)
            self._check(session, keys, dealer, size)
            self._seal = Seal.to_read(self.header, keys.secret)
            self._dealing: Dealing | None = None
            self._layout: Layout
            self._said: dict[str, Any] = {}
            secret = Cell(0, HEAD, 32 + 16)
            sealed = os.pread(self._file, secret.bytes, secret.offset)
            self.seed = self.header.stream_seed(self._seal.open(secret, sealed))
        except MaterialError as error:
            raise self._wrong(error) from None
        name = f"{self.header.material}.{role}.used"
        beside = path.with_name(f"{path.name}.{self.header.material[:8]}.used")
        self.journal = Journal(self.header.material, role, [state_folder() / "material" / name, beside])

    @property
    def id(self) -> str:
        return self.header.material

    def _wrong(self, error: MaterialError) -> MaterialError:
        return MaterialError(f"the material {self.path} {error}", told=f"the material {error}")

    def _check(self, session: str, keys: KeyPair, dealer: PublicKey, size: int) -> None:
        header = self.header
        if header.role != self.role:
            raise MaterialError(f"is for {header.role}, and this party is {self.role}; take the other file of the two")
        if header.session != session:
            raise MaterialError(
                f"is for the session {header.session!r}, not {session!r}; give its --session, or {AFRESH}"
            )
        if header.owner != keys.public.raw:
            raise MaterialError(
                f"is sealed for the key {PublicKey(self.role, header.owner).short}, and this party's is {keys.public.short}; "
                "use that key, or have it made again for this one"
            )
        if header.dealer != dealer.raw:
            raise MaterialError(
                f"was made by the dealer {PublicKey('dealer', header.dealer).short}, and this party trusts {dealer.short}; "
                "check --dealer-key"
            )
        header.check_date(time.time())
        if size != header.size:
            raise MaterialError(
                f"has {size:,} bytes and should have {header.size:,}; copy it again from where it was made"
            )

    def check_date(self) -> None:
        """MaterialError if the file may no longer be used."""
        try:
            self.header.check_date(time.time())
        except MaterialError as error:
            raise self._wrong(error) from None

    def close(self) -> None:
        os.close(self._file)
        self.journal.close()

    def bind(self, dealing: Dealing, program: str) -> None:
        """From now on for this plan, known by its digest; MaterialError if it was made for another, or first used for one.

        The dealer is told what to deal and not for what program, not even by a digest, from which a short one could be guessed.
        So it is the record of its use, and not the file, that says which program it is for.
        """
        if contract_codec.digest(dealing) != self.header.digest:
            raise self._wrong(
                MaterialError(
                    f"was made for another plan (other shapes, another job, or another number of iterations); {AFRESH}"
                )
            )
        if not self.journal.bound(program):
            raise self._wrong(
                MaterialError(
                    f"was begun with another job, which takes as many masks; start the same job on the same terms, or {AFRESH}"
                )
            )
        self._dealing, self._layout = dealing, Layout(dealing, self.header.extent, self.role)

    def offer(self) -> dict[str, Any]:
        """What the peer is told of this party's record; `settle` goes by the same."""
        self._said = self.journal.body()
        return self._said

    def settle(self, theirs: object, who: str, start: int) -> Place:
        """The peer's record and this one, joined: where an attempt from step `start` begins; MaterialError if it is used up or too old."""
        self.check_date()
        said, told = self._said, self.journal.absorb(theirs, who)
        dealing = self.dealing
        checked = start // dealing.schedule.every if dealing.schedule.every else 0  # checks that are done
        begun = {name: max(said[name], told[name]) for name in COUNTED}
        place = Place(
            row_for(start, begun["step"], period(dealing, Phase.STEP)),
            row_for(checked, begun["check"], period(dealing, Phase.CHECK)),
            row_for(0, begun["finish"], period(dealing, Phase.FINISH)),
        )
        steps = dealing.steps - start
        checks = dealing.schedule.checks - checked
        if (
            place.step + steps > self.header.steps
            or place.check + checks > self.header.checks
            or place.finish >= self.header.finishes
        ):
            unused = self.header.steps - begun["step"]
            what = f"{unused:,} of its {self.header.steps:,} rows are unused, and {steps:,} steps are still to do"
            if begun["step"] > start and period(dealing, Phase.STEP) >= ONCE:
                what = f"the job shuffles its rows, so step {start:,} takes row {start:,} of a file and no other, which is used"
            elif place.step + steps <= self.header.steps:
                what = f"all of its {self.header.finishes} rows for the finish are used"
                if place.check + checks > self.header.checks:
                    unused = self.header.checks - place.check
                    what = f"{unused:,} of its {self.header.checks:,} rows for checks are unused, and {checks:,} checks are still to do"
            raise self._wrong(
                MaterialError(
                    f"is used up: {what}; {AFRESH} (--spare for more rows), or go on with a live dealer, without --material"
                )
            )
        return place

    @property
    def dealing(self) -> Dealing:
        if self._dealing is None:
            raise MaterialError("material is used before its plan is known")
        return self._dealing

    def rows(self, phase: Phase, row: int, most: int) -> tuple[int, list[Words], int]:
        """Up to `most` rows from `row` on: how many, their fields, and the bytes read for them."""
        dealing = self.dealing
        own, cell = dealing.phases[phase], self._layout.cell(phase, row)
        if cell is None:
            count = min(own.steps_per_chunk, most)
            if self.role == "alice":
                return count, alice_material(dealing, self.seed, phase, row, count), 0
            return count, bob_material(dealing, self.seed, phase, row, count, np.empty((count, 0), np.uint64)), 0
        words = self._opened(cell).reshape(cell.count, own.dealt_words)[row - cell.first :][:most]
        return len(words), bob_material(dealing, self.seed, phase, row, len(words), words), words.nbytes

    def masks(self, phase: Phase, row: int, numbers: Sequence[int]) -> list[Words]:
        """This party's shares of these masks of a row that is dealt in parts."""
        return [*own_masks(self.dealing, self.seed, ALICE if self.role == "alice" else BOB, phase, row, numbers)]

    def part(self, phase: Phase, row: int, number: int) -> tuple[list[Words], int]:
        """One part of what is dealt for a row, by field, and the bytes read for it."""
        cell = self._layout.cell(phase, row, number)
        words = None if cell is None else self._opened(cell)
        return dealt_part(self.dealing, self.seed, phase, row, number, words), 0 if words is None else words.nbytes

    def _opened(self, cell: Cell) -> Words:
        try:
            return np.frombuffer(self._seal.open(cell, os.pread(self._file, cell.bytes, cell.offset)), np.uint64)
        except OSError as error:
            raise self._wrong(MaterialError(f"cannot be read: {error.strerror}")) from None
        except MaterialError as error:
            raise self._wrong(error) from None

    # ---- setup, which every attempt opens again -----------------------------------------------------------------

    def sending(self, number: int, words: Words) -> None:
        """Before a round of setup is sent."""
        if not self.journal.opened("sent", number, _digest(memoryview(words).cast("B"))):
            raise self._wrong(
                MaterialError(
                    f"was begun with other inputs than this party brings now, and no mask may meet two values; bring the same, or {AFRESH}"
                )
            )

    def heard(self, number: int, words: Words) -> None:
        """Once the peer's message of a round of setup is there."""
        if not self.journal.opened("received", number, _digest(memoryview(words).cast("B"))):
            raise self._wrong(
                MaterialError(
                    f"was begun with other inputs than {PEER[self.role]} brings now, and no mask may meet two values; {AFRESH}"
                )
            )


def _digest(words: memoryview) -> str:
    return hashlib.blake2b(words, digest_size=16).hexdigest()


class _Blocks:
    """How far ahead the journal is written: about a second of work, and an eighth of the spare rows at most."""

    def __init__(self, most: int) -> None:
        self._most, self._size, self._last = most, 1, 0.0

    def end(self, row: int, count: int) -> int:
        """Up to where to reserve when rows [row, row + count) are about to be used."""
        now = time.monotonic()
        if now - self._last < 1.0:
            self._size = min(2 * self._size, max(1, self._most // max(1, count)))
        self._last = now
        return row + count * self._size


class FileIntake:
    """Material of one attempt, from a file. The interface is that of `intake.Intake`.

    While the rows of one chunk are in use those of the next are read and recorded, so a crash costs no more than these two.
    """

    def __init__(self, material: Material, place: Place, start: int) -> None:
        self._material, self._dealing = material, material.dealing
        self._start, self._first = start, place.step - start  # step s takes row first + s
        self._check, self._finish = place.check, place.finish
        self._blocks = _Blocks((material.header.steps - self._dealing.steps) // 8)
        self._open = True
        self._ready = 0
        self._now: tuple[Phase, int, int] | None = None  # a step that is taken in parts, and its row
        self.waits = 0
        self.waited = 0.0  # seconds
        self.bytes_received = 0
        self._in_parts = len(self._dealing.phases[Phase.STEP].parts) > 1
        self._next = asyncio.get_running_loop().create_future() if self._in_parts else self._read(start)

    @property
    def stock(self) -> int:
        """Steps at hand beyond the chunk in use."""
        return self._ready

    @property
    def stock_bytes(self) -> int:
        """What is read is counted when it is used."""
        return 0

    async def chunk(self, phase: Phase, step: int) -> tuple[int, list[Words]]:
        """The number of steps from `step` on that are at hand, and their rows by field."""
        if phase != Phase.STEP:
            found = await asyncio.to_thread(self._once, phase)
        else:
            begin, late = time.monotonic(), not self._next.done() and step > self._start
            found = await self._next
            if late:
                self.waits += 1
                self.waited += time.monotonic() - begin
            self._ready = 0
            self._next = self._read(step + found[0])
        count, fields, size = found
        self.bytes_received += size
        return count, fields

    def masks(self, phase: Phase, step: int, numbers: Sequence[int]) -> list[Words]:
        """This party's shares of these masks of a step that is dealt in parts."""
        return self._material.masks(phase, self._row(phase, step), numbers)

    async def part(self, phase: Phase, step: int, number: int) -> list[Words]:
        """This party's shares of what is dealt in one part of a step, by field."""
        fields, size = await asyncio.to_thread(self._material.part, phase, self._row(phase, step), number)
        self.bytes_received += size
        return fields

    def _row(self, phase: Phase, step: int) -> int:
        """The row of a step that is taken in parts, recorded as taken."""
        if self._now is None or self._now[:2] != (phase, step):
            row = self._first + step
            if phase == Phase.STEP:
                self._material.journal.reserve_steps(row + 1)
            else:
                row = self._reserved(phase)
            self._now = phase, step, row
        return self._now[2]

    def close(self) -> None:
        self._open = False
        self._next.cancel()

    def _read(self, step: int) -> asyncio.Future[tuple[int, list[Words], int]]:
        """Begin to make the rows from `step` on ready."""
        task = asyncio.ensure_future(asyncio.to_thread(self._take, step))
        task.add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )  # told to whoever takes it, or to nobody
        return task

    def _take(self, step: int) -> tuple[int, list[Words], int]:
        """Rows of the steps from `step` on, read and recorded as taken."""
        row, end = self._first + step, self._first + self._dealing.steps
        if row >= end:
            return 0, [], 0
        found = self._material.rows(Phase.STEP, row, self._dealing.schedule.together(Phase.STEP, step))
        if not self._open:
            raise MaterialError("this attempt at the job is over")
        behind = row + found[0]
        if behind > self._material.journal.step:
            self._material.journal.reserve_steps(min(self._blocks.end(row, found[0]), end))
        self._ready = found[0]
        return found

    def _once(self, phase: Phase) -> tuple[int, list[Words], int]:
        """Setup, whose only row is opened to the same values every time; or the next row of the checks or the finish."""
        return self._material.rows(phase, self._reserved(phase), 1)

    def _reserved(self, phase: Phase) -> int:
        """The row for one of these, recorded as taken."""
        if phase == Phase.SETUP:
            return 0
        if phase == Phase.CHECK:
            row, self._check = self._check, self._check + 1
            self._material.journal.reserve_check(row + 1)
            return row
        self._material.journal.reserve_finish(self._finish + 1)
        return self._finish


def open_material(path: Path, role: str, session: str, keys: KeyPair | None, dealer: PublicKey | None) -> Material:
    """The material at `path`, for a party with these keys."""
    if keys is None or dealer is None:
        raise ConfigError(
            "--material needs keys: the file is sealed for this party's by the dealer's; give --key and --dealer-key"
        )
    assert role in ROLES
    return Material(path, role, session, keys, dealer)
