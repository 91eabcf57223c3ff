"""A run's material from a file instead of from a dealer: open it, agree with the peer how much of
it is used, take the rest in order.

    Material    the opened file: its seal, this party's seed, its journal
    FirstRows   which rows this attempt begins at, agreed with the peer: the same row for a step
    FileIntake  the rows of one attempt, with the interface of `intake.Intake` (file_intake.py)

Single use. A row is handed out only after the journal has it as taken, durably, in blocks; an
attempt begins behind the most that either party's journal says; what is skipped is lost. Of setup
there is one row. Every attempt sends its openings again, and they are the same words or the run
ends: `sending` and `heard` compare them with what the journal has from the first time.
"""

from __future__ import annotations

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
from protocol.keyring import other_key, own_key
from protocol.places import state_folder
from protocol.ring import Words
from protocol.sealed_material import HEAD, ONCE, Cell, CellCipher, Header, Layout, period, row_for

from .journal import COUNTED, Journal
from .links import PEER
from .observing import StepObserver

AFRESH = "make new material with `python -m dealer precompute`"


@dataclass(frozen=True)
class FirstRows:
    """The rows of the material that an attempt begins at, by phase; setup has one row, for all
    attempts."""

    step: int
    check: int
    finish: int


class Material(StepObserver):
    """One party's file, opened: MaterialError if it is not whole, not for this session, not for
    this key, or not of this dealer."""

    def __init__(
        self, path: Path, role: str, session: str, keys: KeyPair, dealer: PublicKey
    ) -> None:
        self.path, self.role = path, role
        try:
            self._file = os.open(path, os.O_RDONLY)
            raw, size = os.pread(self._file, HEAD, 0), os.fstat(self._file).st_size
        except OSError as error:
            raise ConfigError(
                f"the material {path} cannot be read: {error.strerror}; check --material"
            ) from None
        try:
            self.header = Header.unpack(raw)
            self._check(session, keys, dealer, size)
            self._seal = CellCipher.to_read(self.header, keys.secret)
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
        self.journal = Journal(
            self.header.material, role, [state_folder() / "material" / name, beside]
        )

    @property
    def id(self) -> str:
        """The id that both parties' files of one material have, in hexadecimal."""
        return self.header.material

    def _wrong(self, error: MaterialError) -> MaterialError:
        return MaterialError(f"the material {self.path} {error}", told=f"the material {error}")

    def _check(self, session: str, keys: KeyPair, dealer: PublicKey, size: int) -> None:
        header = self.header
        if header.role != self.role:
            raise MaterialError(
                f"is for {header.role}, and this party is {self.role}; take the other file of"
                " the two"
            )
        if header.session != session:
            raise MaterialError(
                f"is for the session {header.session!r}, not {session!r}; give its --session, or"
                f" {AFRESH}"
            )
        if header.owner != keys.public.raw:
            raise MaterialError(
                f"is sealed for the key {PublicKey(self.role, header.owner).short}, and this"
                f" party's is {keys.public.short}; use that key, or have it made again for this one"
            )
        if header.dealer != dealer.raw:
            raise MaterialError(
                f"was made by the dealer {PublicKey('dealer', header.dealer).short}, and this party"
                f" trusts {dealer.short}; check --dealer-key"
            )
        header.check_date(time.time())
        if size != header.size:
            raise MaterialError(
                f"has {size:,} bytes and should have {header.size:,}; copy it again from where it"
                " was made"
            )

    def check_date(self) -> None:
        """MaterialError if the file may no longer be used."""
        try:
            self.header.check_date(time.time())
        except MaterialError as error:
            raise self._wrong(error) from None

    def close(self) -> None:
        """Close the file and its journal."""
        os.close(self._file)
        self.journal.close()

    def bind(self, dealing: Dealing, program: str) -> None:
        """From now on for this plan, known by its digest; MaterialError if it was made for another,
        or first used for one.

        The dealer is told what to deal and not for what program, not even by a digest, from which a
        short one could be guessed. So it is the record of its use, and not the file, that says
        which program it is for.
        """
        if contract_codec.digest(dealing) != self.header.digest:
            raise self._wrong(
                MaterialError(
                    "was made for another plan (other shapes, another job, or another number of"
                    f" iterations); {AFRESH}"
                )
            )
        if not self.journal.bound(program):
            raise self._wrong(
                MaterialError(
                    "was begun with another job, which takes as many masks; start the same job on"
                    f" the same terms, or {AFRESH}"
                )
            )
        self._dealing, self._layout = dealing, Layout(dealing, self.header.extent, self.role)

    def offer(self) -> dict[str, Any]:
        """What the peer is told of this party's record; `settle` goes by the same."""
        self._said = self.journal.body()
        return self._said

    def settle(self, theirs: object, who: str, start: int) -> FirstRows:
        """The peer's record and this one, joined: where an attempt from step `start` begins;
        MaterialError if it is used up or too old."""
        self.check_date()
        said, told = self._said, self.journal.absorb(theirs, who)
        dealing = self.dealing
        # checks that are done
        checked = start // dealing.schedule.every if dealing.schedule.every else 0
        begun = {name: max(said[name], told[name]) for name in COUNTED}
        place = FirstRows(
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
            what = (
                f"{unused:,} of its {self.header.steps:,} rows are unused, and {steps:,} steps are"
                " still to do"
            )
            if begun["step"] > start and period(dealing, Phase.STEP) >= ONCE:
                what = (
                    f"the job shuffles its rows, so step {start:,} takes row {start:,} of a file"
                    " and no other, which is used"
                )
            elif place.step + steps <= self.header.steps:
                what = f"all of its {self.header.finishes} rows for the finish are used"
                if place.check + checks > self.header.checks:
                    unused = self.header.checks - place.check
                    what = (
                        f"{unused:,} of its {self.header.checks:,} rows for checks are unused, and"
                        f" {checks:,} checks are still to do"
                    )
            raise self._wrong(
                MaterialError(
                    f"is used up: {what}; {AFRESH} (--spare for more rows), or go on with a live"
                    " dealer, without --material"
                )
            )
        return place

    @property
    def dealing(self) -> Dealing:
        """The plan's contract; MaterialError before `bind` has been told of the plan."""
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
            return (
                count,
                bob_material(
                    dealing, self.seed, phase, row, count, np.empty((count, 0), np.uint64)
                ),
                0,
            )
        words = self._opened(cell).reshape(cell.count, own.dealt_words)[row - cell.first :][:most]
        return (
            len(words),
            bob_material(dealing, self.seed, phase, row, len(words), words),
            words.nbytes,
        )

    def masks(self, phase: Phase, row: int, numbers: Sequence[int]) -> list[Words]:
        """This party's shares of these masks of a row that is dealt in parts."""
        return [
            *own_masks(
                self.dealing, self.seed, ALICE if self.role == "alice" else BOB, phase, row, numbers
            )
        ]

    def part(self, phase: Phase, row: int, number: int) -> tuple[list[Words], int]:
        """One part of what is dealt for a row, by field, and the bytes read for it."""
        cell = self._layout.cell(phase, row, number)
        words = None if cell is None else self._opened(cell)
        return dealt_part(self.dealing, self.seed, phase, row, number, words), (
            0 if words is None else words.nbytes
        )

    def _opened(self, cell: Cell) -> Words:
        try:
            return np.frombuffer(
                self._seal.open(cell, os.pread(self._file, cell.bytes, cell.offset)), np.uint64
            )
        except OSError as error:
            raise self._wrong(MaterialError(f"cannot be read: {error.strerror}")) from None
        except MaterialError as error:
            raise self._wrong(error) from None

    # ---- setup, which every attempt opens again --------------------------------------------------

    def sending(self, number: int, words: Words) -> None:
        """Before a round of setup is sent."""
        if not self.journal.opened("sent", number, _digest(memoryview(words).cast("B"))):
            raise self._wrong(
                MaterialError(
                    "was begun with other inputs than this party brings now, and no mask may meet"
                    f" two values; bring the same, or {AFRESH}"
                )
            )

    def heard(self, number: int, words: Words) -> None:
        """Once the peer's message of a round of setup is there."""
        if not self.journal.opened("received", number, _digest(memoryview(words).cast("B"))):
            raise self._wrong(
                MaterialError(
                    f"was begun with other inputs than {PEER[self.role]} brings now, and no mask"
                    f" may meet two values; {AFRESH}"
                )
            )


def _digest(words: memoryview) -> str:
    return hashlib.blake2b(words, digest_size=16).hexdigest()


def material_keys(role: str, key: Path | None, dealer_key: str | None) -> tuple[KeyPair, PublicKey]:
    """This party's keys and the dealer's, with which material is opened; ConfigError without."""
    keys = own_key(role, key, (), False)
    dealer = other_key("dealer", dealer_key, key is None)
    if keys is None or dealer is None:
        raise ConfigError(
            "--material needs keys: the file is sealed for this party's by the dealer's; give --key"
            " and --dealer-key"
        )
    return keys, dealer
