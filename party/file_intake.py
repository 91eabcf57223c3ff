"""Material in a file as a run takes it: step by step, read ahead in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from protocol.errors import MaterialError
from protocol.graph import Phase
from protocol.ring import Words

from .material_file import FirstRows, Material


class _Blocks:
    """How far ahead the journal is written: about a second of work, and an eighth of the spare rows
    at most."""

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

    While the rows of one chunk are in use those of the next are read and recorded, so a crash costs
    no more than these two.
    """

    def __init__(self, material: Material, place: FirstRows, start: int) -> None:
        self._material, self._dealing = material, material.dealing
        self._start, self._first = start, place.step - start  # step s takes row first + s
        self._check, self._finish = place.check, place.finish
        self._blocks = _Blocks((material.header.steps - self._dealing.steps) // 8)
        self._open = True
        self._ready = 0
        self._now: tuple[Phase, int, int] | None = (
            None  # a step that is taken in parts, and its row
        )
        self.waits = 0
        self.waited = 0.0  # seconds
        self.bytes_received = 0
        self._in_parts = len(self._dealing.phases[Phase.STEP].parts) > 1
        self._next = (
            asyncio.get_running_loop().create_future() if self._in_parts else self._read(start)
        )

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
        fields, size = await asyncio.to_thread(
            self._material.part, phase, self._row(phase, step), number
        )
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
        """Stop reading ahead. The file stays open: it is the run's."""
        self._open = False
        self._next.cancel()

    def _read(self, step: int) -> asyncio.Future[tuple[int, list[Words], int]]:
        """Begin to make the rows from `step` on ready."""
        task = asyncio.ensure_future(asyncio.to_thread(self._take, step))
        # told to whoever takes it, or to nobody
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return task

    def _take(self, step: int) -> tuple[int, list[Words], int]:
        """Rows of the steps from `step` on, read and recorded as taken."""
        row, end = self._first + step, self._first + self._dealing.steps
        if row >= end:
            return 0, [], 0
        found = self._material.rows(
            Phase.STEP, row, self._dealing.schedule.together(Phase.STEP, step)
        )
        if not self._open:
            raise MaterialError("this attempt at the job is over")
        behind = row + found[0]
        if behind > self._material.journal.step:
            self._material.journal.reserve_steps(min(self._blocks.end(row, found[0]), end))
        self._ready = found[0]
        return found

    def _once(self, phase: Phase) -> tuple[int, list[Words], int]:
        """Setup, whose only row is opened to the same values every time; or the next row of the
        checks or the finish."""
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
