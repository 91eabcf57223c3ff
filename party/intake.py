"""Where a party's material comes from: its seed, and for Bob the dealer's stream of corrections
(`Intake`), or a file (material_file.py).

`chunk(phase, step)` gives the rows of as many consecutive steps as are at hand, up to the next
CHECK; of a step that is dealt in parts, `masks` and `part` give one after the other. What is dealt
for the finish comes before the steps and is kept, outside of the dealer's credit, until they are
over. `waits` counts how often the online
phase had to stand still for the dealer, the first chunk of an attempt not counted; `waited` is the
time it stood, all told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import Any, NamedTuple, Protocol

import numpy as np

from protocol.channel import Connection, Waiting
from protocol.contract import Chunk, Dealing
from protocol.dealing import assembled, dealt_part, own_masks, own_words
from protocol.errors import MpcError, ProtocolError
from protocol.graph import Phase
from protocol.ring import Words
from protocol.wire import Kind, Message
from protocol.wire.credit import CreditWindow
from protocol.wire.frames import joined, pieces
from protocol.wording import counted

from .messages import stopped

AHEAD_CHUNKS = 8
AHEAD_BYTES = 32 << 20
BESIDE = 4 << 20  # bytes whose copying is worth a thread


class Supply(Protocol):
    """What a run needs of the source of its material, be it the dealer or a file."""

    waits: int
    waited: float  # seconds
    bytes_received: int

    @property
    def stock(self) -> int:
        """Steps at hand beyond the chunk in use."""

    @property
    def stock_bytes(self) -> int:
        """Of material that has arrived and is not used up."""

    async def chunk(self, phase: Phase, step: int) -> tuple[int, list[Words]]:
        """The number of steps from `step` on whose material is at hand, at least one, and this
        party's shares of it: an array by field, whose first axis runs over these steps. Waits until
        there is one; MaterialError or LinkError where none will come."""

    def masks(self, phase: Phase, step: int, numbers: Sequence[int]) -> list[Words]:
        """Of a step that is dealt in parts: this party's shares of the masks of these numbers."""

    async def part(self, phase: Phase, step: int, number: int) -> list[Words]:
        """Of a step that is dealt in parts: this party's shares of what part `number` deals, an
        array by field. Parts are asked for in order."""

    def close(self) -> None:
        """The attempt is over: read ahead no more."""


class _Corrections(NamedTuple):
    """Those of a chunk, a row an execution."""

    chunk: Chunk
    words: Words


class Intake:
    """Material of one attempt for one party."""

    def __init__(
        self,
        dealer: Connection,
        dealing: Dealing,
        party: int,
        seed: bytes,
        attempt: int,
        start: int = 0,
    ) -> None:
        """`start`: the first step of the attempt."""
        self._dealer, self._dealing, self._party, self._seed, self._attempt = (
            dealer,
            dealing,
            party,
            seed,
            attempt,
        )
        largest = max(
            8 * own.largest_part * dealing.batch(phase, 0)
            for phase, own in zip(Phase, dealing.phases, strict=True)
        )
        self._expected = dealing.chunks(start)
        self._last: deque[_Corrections] = deque()  # what is dealt for the finish
        self._window = CreditWindow(
            AHEAD_CHUNKS, max(AHEAD_BYTES, largest + min(largest, AHEAD_BYTES))
        )
        self._queue: deque[_Corrections] = deque()
        self._arrived = asyncio.Event()
        # whether the finish is dealt before steps, and kept until they are over
        self._stored = start < dealing.steps
        self._failure: MpcError | None = None
        self._held = 0
        self._number = 0
        self._first = True
        self._through = 0  # steps whose corrections have arrived
        self._ahead: tuple[tuple[Phase, int], asyncio.Future[Words]] | None = None
        self._since = 0.0  # when the rounds began to stand still for the dealer; 0: they do not
        self._report, dealer.on_waiting = dealer.on_waiting, self._needed
        self.waits = 0
        self.waited = 0.0  # seconds
        self.bytes_received = 0
        self._task = asyncio.create_task(self._pump()) if party == 1 else None

    @property
    def stock(self) -> int:
        """Steps at hand beyond the chunk in use."""
        return sum(
            len(each.words)
            for each in self._queue
            if each.chunk.phase == Phase.STEP and not each.chunk.part
        )

    @property
    def stock_bytes(self) -> int:
        """Of material that has arrived and is not used up, the chunk in use included."""
        return self._held + sum(
            each.words.nbytes for queue in (self._queue, self._last) for each in queue
        )

    async def chunk(self, phase: Phase, step: int) -> tuple[int, list[Words]]:
        """The number of steps from `step` on that are at hand, and their rows by field."""
        own = self._dealing.phases[phase]
        if self._party == 0 or not own.dealt_words:
            count = self._dealing.batch(phase, step)
            corrections = None if self._party == 0 else np.empty((count, 0), np.uint64)
            return count, assembled(
                self._dealing, phase, await self._expanded(phase, step), corrections
            )
        words = await self._next(phase, step, 0)
        return len(words), assembled(self._dealing, phase, await self._expanded(phase, step), words)

    def masks(self, phase: Phase, step: int, numbers: Sequence[int]) -> list[Words]:
        """This party's shares of these masks of a step that is dealt in parts."""
        return [*own_masks(self._dealing, self._seed, self._party, phase, step, numbers)]

    async def part(self, phase: Phase, step: int, number: int) -> list[Words]:
        """This party's shares of what is dealt in one part of a step, by field. Parts are taken in
        order."""
        corrections = await self._next(phase, step, number) if self._party else None
        place = phase, step, number, corrections
        return await asyncio.get_running_loop().run_in_executor(
            None, dealt_part, self._dealing, self._seed, *place
        )

    async def _next(self, phase: Phase, step: int, part: int) -> Words:
        """The corrections that the dealer sent for this place, which is the next one."""
        self._release()
        queue = self._last if phase == Phase.FINISH else self._queue
        if not queue:
            await self._wait(queue)
        found = queue.popleft()
        got = found.chunk
        if (got.phase, got.first, got.part) != (phase, step, part):
            raise ProtocolError(
                f"the dealer sent material for step {got.first} of {got.phase.name}, not {step} of"
                f" {phase.name}"
            )
        self._held = 0 if queue is self._last and self._stored else found.words.nbytes
        return found.words

    async def stocked(self, end: int) -> None:
        """Wait until all corrections of the steps before `end` have arrived, in spite of any limit
        on what is ahead, and the next chunk is expanded."""
        self._window.chunks = self._window.size = 1 << 40
        if self._party == 1 and self._dealing.phases[Phase.STEP].dealt_words:
            self._grant()
            while self._through < min(end, self._dealing.steps):
                await self._arrival()
        if self._ahead is not None:
            await asyncio.wait({self._ahead[1]})

    async def _expanded(self, phase: Phase, step: int) -> Words:
        """This party's own words for the chunk at `step`; those of the next chunk are begun, beside
        the rounds of this one."""
        loop, ahead = asyncio.get_running_loop(), self._ahead
        count = self._dealing.batch(phase, step)
        if ahead is not None and ahead[0] == (phase, step):
            words, self._ahead = await ahead[1], None
        else:
            words = own_words(self._dealing, self._seed, self._party, phase, step, count)
        if (after := step + count) < self._dealing.count(phase) and phase == Phase.STEP:
            place = phase, after, self._dealing.batch(phase, after)
            future = loop.run_in_executor(
                None, own_words, self._dealing, self._seed, self._party, *place
            )
            self._ahead = (phase, after), future
        return words

    def close(self) -> None:
        """Receive no more from the dealer for this attempt; the link itself stays."""
        self._dealer.on_waiting = self._report
        if self._task is not None:
            self._task.cancel()
        if self._ahead is not None:
            self._ahead[1].cancel()

    async def _wait(self, queue: deque[_Corrections]) -> None:
        begin = self._since = monotonic()
        try:
            while not queue:
                await self._arrival()
        finally:
            self._since = 0.0
        self.waited += monotonic() - begin
        self.waits += not self._first
        self._first = False

    def _needed(self, state: Waiting) -> None:
        """Whoever reads ahead always waits for the dealer: that is told while the rounds stand
        still for it."""
        if self._since and self._report is not None:
            self._report(replace(state, seconds=min(state.seconds, monotonic() - self._since)))

    async def _arrival(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._arrived.clear()
        await self._arrived.wait()

    def _release(self) -> None:
        if self._held:
            self._window.consumed(self._held)
            self._held = 0
            if self._window.due:
                self._grant()

    def _grant(self) -> None:
        chunks, size = self._window.grant()
        if self._dealer.failure is None:
            body = {"chunks": chunks, "bytes": size}
            self._dealer.send(Message(Kind.CREDIT, self._dealer.session, self._attempt, 0, body))

    async def _pump(self) -> None:
        self._grant()
        try:
            while True:
                message = await self._dealer.receive()
                if message.kind is Kind.CHUNK:
                    if message.epoch == self._attempt:
                        self._take(await self._read(message))
                elif message.kind is Kind.ABORT:
                    raise stopped(self._dealer, message)
                else:
                    raise ProtocolError(
                        f"the dealer sent a {message.kind.name} while material was expected"
                    )
        except MpcError as error:
            self._failure = error
            self._arrived.set()

    def _take(self, found: _Corrections) -> None:
        """Put them where it is looked for. What is dealt for the finish is kept: it takes no credit
        unless the finish is next."""
        finish = found.chunk.phase == Phase.FINISH
        (self._last if finish else self._queue).append(found)
        if finish and self._stored:
            self._window.consumed(found.words.nbytes)
            if self._window.due:
                self._grant()
        self._arrived.set()

    async def _read(self, message: Message) -> _Corrections:
        body = message.body or {}
        found: list[Any] = [body.get(key) for key in ("phase", "first", "count", "part")]
        if any(type(each) is not int for each in found) or found[0] not in [*Phase]:
            raise ProtocolError("the dealer sent a chunk without its place in the plan")
        due = next(self._expected, None)
        if due is None or [*due] != found:
            raise ProtocolError(
                f"the dealer sent material for {counted(found[2], 'step')} from {found[1]} on of"
                f" {Phase(found[0]).name}, where others are due"
            )
        phase, first, count, part = due
        own = self._dealing.phases[phase]
        size = count * own.parts[part].words
        buffers = pieces(message.buffers, size)
        if buffers is None or message.number != self._number:
            raise ProtocolError(
                f"the dealer sent a chunk of the wrong size for {counted(count, 'step')} of"
                f" {phase.name}"
            )
        self._number += 1
        self._window.arrived(8 * size)
        self.bytes_received += 8 * size
        if 8 * size < BESIDE:
            words = joined(buffers)
        else:
            words = await asyncio.get_running_loop().run_in_executor(None, joined, buffers)
        if phase == Phase.STEP and part == len(own.parts) - 1:
            self._through = first + count
        return _Corrections(due, words.reshape(count, own.parts[part].words))
