"""Where a party's material comes from: its seed, and for Bob the dealer's stream of corrections (`Intake`), or a file (material.py).

`chunk(phase, step)` gives the rows of as many consecutive steps as are at hand; `waits` counts how often the online
phase had to stand still for the dealer, the first chunk of an epoch not counted; `waited` is the time it stood, all told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import numpy as np

from protocol.channel import Connection
from protocol.contract import Dealing
from protocol.dealing import assembled, own_words
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
    def stock(self) -> int: ...

    async def chunk(self, phase: Phase, step: int) -> tuple[int, list[Words]]: ...

    def close(self) -> None: ...


class Intake:
    """Material of one epoch for one party."""

    def __init__(self, dealer: Connection, dealing: Dealing, party: int, seed: bytes, epoch: int) -> None:
        self._dealer, self._dealing, self._party, self._seed, self._epoch = dealer, dealing, party, seed, epoch
        largest = max(8 * own.dealt_words * own.steps_per_chunk for own in dealing.phases)
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

    async def chunk(self, phase: Phase, step: int) -> tuple[int, list[Words]]:
        """The number of steps from `step` on that are at hand, and their rows by field."""
        own = self._dealing.phases[phase]
        if self._party == 0 or not own.dealt_words:
            count = self._size(phase, step)
            corrections = None if self._party == 0 else np.empty((count, 0), np.uint64)
            return count, assembled(self._dealing, phase, await self._expanded(phase, step), corrections)
        self._release()
        if not self._queue:
            await self._wait()
        at, first, words = self._queue.popleft()
        if (at, first, len(words)) != (phase, step, self._size(phase, step)):
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

    def _size(self, phase: Phase, step: int) -> int:
        """Steps in the chunk that begins at `step`."""
        return min(self._dealing.phases[phase].steps_per_chunk, self._dealing.count(phase) - step)

    async def _expanded(self, phase: Phase, step: int) -> Words:
        """This party's own words for the chunk at `step`; those of the next chunk are begun, beside the rounds of this one."""
        loop, ahead, self._ahead = asyncio.get_running_loop(), self._ahead, None
        count = self._size(phase, step)
        if ahead is not None and ahead[0] == (phase, step):
            words = await ahead[1]
        else:
            words = own_words(self._dealing, self._seed, self._party, phase, step, count)
        if (after := step + count) < self._dealing.count(phase):
            place = phase, after, self._size(phase, after)
            future = loop.run_in_executor(None, own_words, self._dealing, self._seed, self._party, *place)
            self._ahead = (phase, after), future
        return words

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._ahead is not None:
            self._ahead[1].cancel()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while not self._queue:
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
                        self._queue.append(await self._read(message))
                        self._arrived.set()
                elif message.kind is Kind.ABORT:
                    raise stopped(self._dealer, message)
                else:
                    raise ProtocolError(f"the dealer sent a {message.kind.name} while material was expected")
        except MpcError as error:
            self._failure = error
            self._arrived.set()

    async def _read(self, message: Message) -> tuple[Phase, int, Words]:
        body = message.body or {}
        phase, first, count = body.get("phase"), body.get("first"), body.get("count")
        if phase not in (0, 1, 2) or type(first) is not int or type(count) is not int:
            raise ProtocolError("the dealer sent a chunk without its place in the plan")
        own = self._dealing.phases[phase]
        found = pieces(message.buffers, count * own.dealt_words)
        if not 1 <= count <= own.steps_per_chunk or found is None or message.number != self._number:
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
