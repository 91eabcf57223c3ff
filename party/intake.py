"""Where the rounds of an attempt take their material from: a `Supply`, which is the dealer's stream
(`Intake`) or a file (file_intake.py).

Each party expands its own words from its seed. Bob also takes the dealer's corrections: they are
received ahead of their use, within the credit that he grants. What is dealt for the finish comes
before the steps and is kept until they are over, outside of that credit.
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

# how far ahead the dealer may send: so many chunks, and bytes; a larger chunk may be there whole,
# and part of the next
AHEAD_CHUNKS = 8
AHEAD_BYTES = 32 << 20
# a chunk of so many bytes is put together on the executor, so that the event loop is not blocked
BESIDE = 4 << 20


class Supply(Protocol):
    """What a run needs of the source of its material, be it the dealer or a file."""

    waits: int  # how often rounds waited for material, but for the first chunk of the attempt
    waited: float  # seconds of all these waits
    bytes_received: int  # from the dealer

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
    """The dealer's corrections of one chunk: a row for each execution of its phase."""

    chunk: Chunk
    words: Words


class Intake:
    """Material of one attempt for one party: its own words from the seed, and at Bob the dealer's
    corrections, which are received ahead of their use within the credit that is granted."""

    def __init__(
        self,
        dealer: Connection,
        dealing: Dealing,
        party: int,
        seed: bytes,
        attempt: int,
        start: int = 0,
    ) -> None:
        """party: 0 for alice, 1 for bob. start: the first step of the attempt."""
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
        """How many steps from `step` on are at hand, and this party's shares for them: an array by
        field, whose first axis runs over these steps."""
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
        """The corrections for one part of a chunk, which must be the next ones in the plan's
        order."""
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
        """This party's own words for the chunk at `step`, from its seed. The next chunk's are begun
        on the executor, beside the rounds of this one."""
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
        """Wait for the dealer, and count it."""
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
        """Report a wait for the dealer only while rounds stand still for it: reading ahead always
        waits."""
        if self._since and self._report is not None:
            self._report(replace(state, seconds=min(state.seconds, monotonic() - self._since)))

    async def _arrival(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._arrived.clear()
        await self._arrived.wait()

    def _release(self) -> None:
        """Give the dealer credit for the chunk that is used up."""
        if self._held:
            self._window.consumed(self._held)
            self._held = 0
            if self._window.due:
                self._grant()

    def _grant(self) -> None:
        """Tell the dealer how many more chunks and bytes it may send."""
        chunks, size = self._window.grant()
        if self._dealer.failure is None:
            body = {"chunks": chunks, "bytes": size}
            self._dealer.send(Message(Kind.CREDIT, self._dealer.session, self._attempt, 0, body))

    async def _pump(self) -> None:
        """At Bob: receive the dealer's chunks until the attempt ends, or a failure that the next
        wait raises."""
        self._grant()
        try:
            while True:
                message = await self._dealer.receive()
                if message.kind is Kind.CHUNK:
                    if message.attempt == self._attempt:
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
        """Queue a chunk. Those for the finish have a queue of their own, and are dealt before the
        steps: their credit is given back at once, unless no step remains."""
        finish = found.chunk.phase == Phase.FINISH
        (self._last if finish else self._queue).append(found)
        if finish and self._stored:
            self._window.consumed(found.words.nbytes)
            if self._window.due:
                self._grant()
        self._arrived.set()

    async def _read(self, message: Message) -> _Corrections:
        """Check a chunk's place and size against the plan, and put its words together;
        ProtocolError if it is not the one that is due."""
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
