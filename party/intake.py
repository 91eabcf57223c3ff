"""Where a party's material comes from: its seed, and for Bob the dealer's stream of corrections (`Intake`), or a file (material.py).

`chunk(phase, step)` gives the rows of as many consecutive steps as are at hand, up to the next CHECK. What is dealt for the finish
comes before the steps and is kept, outside of the dealer's credit, until they are over. `waits` counts how often the online
phase had to stand still for the dealer, the first chunk of an epoch not counted; `waited` is the time it stood, all told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import numpy as np

from protocol.channel import Connection
from protocol.contract import Dealing
from protocol.dealing import assembled, chunks, own_words
from protocol.errors import MpcError, ProtocolError
from protocol.graph import Phase
from protocol.ring import Words
from protocol.wire import Kind, Message
from protocol.wire.credit import CreditWindow
from protocol.wire.frames import joined, pieces

from .agreement import stopped

AHEAD_CHUNKS = 8
AHEAD_BYTES = 32 << 20
BESIDE = 4 << 20  # bytes whose copying is worth a thread


class Supply(Protocol):
    """What a run needs of wherever its material comes from."""

    waits: int
    waited: float  # seconds
    bytes_received: int

    @property
    def stock(self) -> int:
        """Steps at hand beyond the chunk in use."""

    @property
    def stock_bytes(self) -> int:
        """Of material that has arrived and is not used up."""

    async def chunk(self, phase: Phase, step: int) -> tuple[int, list[Words]]: ...

    def close(self) -> None: ...


class Intake:
    """Material of one epoch for one party."""

    def __init__(
        self, dealer: Connection, dealing: Dealing, party: int, seed: bytes, epoch: int, start: int = 0
    ) -> None:
        """`start`: the first step of the epoch."""
        self._dealer, self._dealing, self._party, self._seed, self._epoch = dealer, dealing, party, seed, epoch
        largest = max(
            8 * own.dealt_words * dealing.batch(phase, 0) for phase, own in zip(Phase, dealing.phases, strict=True)
        )
        self._expected = chunks(dealing, start)
        self._last: Words | None = None  # what is dealt for the finish, once it is here
        self._window = CreditWindow(AHEAD_CHUNKS, max(AHEAD_BYTES, 2 * largest))
        self._queue: deque[tuple[Phase, int, Words]] = deque()
        self._arrived = asyncio.Event()
        self._failure: MpcError | None = None
        self._held = 0
        self._number = 0
        self._first = True
        self._through = 0  # steps whose corrections have arrived
        self._ahead: tuple[tuple[Phase, int], asyncio.Future[Words]] | None = None
        self.waits = 0
        self.waited = 0.0  # seconds
        self.bytes_received = 0
        self._task = asyncio.create_task(self._pump()) if party == 1 else None

    @property
    def stock(self) -> int:
        """Steps at hand beyond the chunk in use."""
        return sum(len(words) for phase, _, words in self._queue if phase == Phase.STEP)

    @property
    def stock_bytes(self) -> int:
        """Of material that has arrived and is not used up, the chunk in use included."""
        last = 0 if self._last is None else self._last.nbytes
        return last + self._held + sum(words.nbytes for _, _, words in self._queue)

    async def chunk(self, phase: Phase, step: int) -> tuple[int, list[Words]]:
        """The number of steps from `step` on that are at hand, and their rows by field."""
        own = self._dealing.phases[phase]
        if self._party == 0 or not own.dealt_words:
            count = self._dealing.batch(phase, step)
            corrections = None if self._party == 0 else np.empty((count, 0), np.uint64)
            return count, assembled(self._dealing, phase, await self._expanded(phase, step), corrections)
        self._release()
        if phase == Phase.FINISH:
            if self._last is None:
                await self._wait(phase)
            assert self._last is not None
            return 1, assembled(self._dealing, phase, await self._expanded(phase, step), self._last)
        if not self._queue:
            await self._wait(phase)
        at, first, words = self._queue.popleft()
        if (at, first) != (phase, step):
            raise ProtocolError(f"the dealer sent material for step {first} of {at.name}, not {step} of {phase.name}")
        self._held = words.nbytes
        return len(words), assembled(self._dealing, phase, await self._expanded(phase, step), words)

    async def stocked(self, end: int) -> None:
        """Until everything for the steps before `end` is here, and what is next is expanded, however much it is."""
        self._window.chunks = self._window.size = 1 << 40
        if self._party == 1 and self._dealing.phases[Phase.STEP].dealt_words:
            self._grant()
            while self._through < min(end, self._dealing.steps):
                await self._arrival()
        if self._ahead is not None:
            await asyncio.wait({self._ahead[1]})

    async def _expanded(self, phase: Phase, step: int) -> Words:
        """This party's own words for the chunk at `step`; those of the next chunk are begun, beside the rounds of this one."""
        loop, ahead = asyncio.get_running_loop(), self._ahead
        count = self._dealing.batch(phase, step)
        if ahead is not None and ahead[0] == (phase, step):
            words, self._ahead = await ahead[1], None
        else:
            words = own_words(self._dealing, self._seed, self._party, phase, step, count)
        if (after := step + count) < self._dealing.count(phase) and phase == Phase.STEP:
            place = phase, after, self._dealing.batch(phase, after)
            future = loop.run_in_executor(None, own_words, self._dealing, self._seed, self._party, *place)
            self._ahead = (phase, after), future
        return words

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._ahead is not None:
            self._ahead[1].cancel()

    async def _wait(self, phase: Phase) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while self._last is None if phase == Phase.FINISH else not self._queue:
            await self._arrival()
        self.waited += loop.time() - begin
        self.waits += not self._first
        self._first = False

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
            self._dealer.send(Message(Kind.CREDIT, self._dealer.session, self._epoch, 0, body))

    async def _pump(self) -> None:
        self._grant()
        try:
            while True:
                message = await self._dealer.receive()
                if message.kind is Kind.CHUNK:
                    if message.epoch == self._epoch:
                        self._take(*await self._read(message))
                elif message.kind is Kind.ABORT:
                    raise stopped(self._dealer, message)
                else:
                    raise ProtocolError(f"the dealer sent a {message.kind.name} while material was expected")
        except MpcError as error:
            self._failure = error
            self._arrived.set()

    def _take(self, phase: Phase, first: int, words: Words) -> None:
        """Put a chunk where it is looked for."""
        if phase == Phase.FINISH:
            self._last = words
            self._window.consumed(words.nbytes)
            if self._window.due:
                self._grant()
        else:
            self._queue.append((phase, first, words))
        self._arrived.set()

    async def _read(self, message: Message) -> tuple[Phase, int, Words]:
        body = message.body or {}
        phase, first, count = body.get("phase"), body.get("first"), body.get("count")
        if type(phase) is not int or phase not in [*Phase] or type(first) is not int or type(count) is not int:
            raise ProtocolError("the dealer sent a chunk without its place in the plan")
        if (phase, first, count) != next(self._expected, None):
            raise ProtocolError(
                f"the dealer sent material for {count} steps from {first} on of {Phase(phase).name}, where others are due"
            )
        own = self._dealing.phases[phase]
        found = pieces(message.buffers, count * own.dealt_words)
        if found is None or message.number != self._number:
            raise ProtocolError(f"the dealer sent a chunk of the wrong size for {count} steps of {Phase(phase).name}")
        self._number += 1
        size = 8 * count * own.dealt_words
        self._window.arrived(size)
        self.bytes_received += size
        if size < BESIDE:
            words = joined(found)
        else:
            words = await asyncio.get_running_loop().run_in_executor(None, joined, found)
        if phase == Phase.STEP:
            self._through = first + count
        return Phase(phase), first, words.reshape(count, own.dealt_words)
