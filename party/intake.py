"""Where a party's material comes from: its seed, and for Bob the dealer's stream of corrections (`Intake`), or a file (material.py).

`chunk(phase, step)` gives the rows of as many consecutive steps as are at hand; `waits` counts how often the online
phase had to stand still for the dealer, the first chunk of an epoch not counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import numpy as np

from protocol.channel import Connection
from protocol.dealing import alice_material, bob_material
from protocol.errors import LinkError, MpcError, ProtocolError
from protocol.graph import Phase
from protocol.plan import Dealing
from protocol.ring import Words
from protocol.wire import Kind, Message
from protocol.wire.credit import CreditWindow

AHEAD_CHUNKS = 8
AHEAD_BYTES = 32 << 20


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
            count = min(own.steps_per_chunk, self._dealing.count(phase) - step)
            if self._party == 0:
                return count, alice_material(self._dealing, self._seed, phase, step, count)
            return count, bob_material(self._dealing, self._seed, phase, step, count, np.empty((count, 0), np.uint64))
        self._release()
        if not self._queue:
            await self._wait()
        at, first, words = self._queue.popleft()
        if (at, first) != (phase, step):
            raise ProtocolError(f"the dealer sent material for step {first} of {at.name}, not {step} of {phase.name}")
        self._held = words.nbytes
        return len(words), bob_material(self._dealing, self._seed, phase, first, len(words), words)

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while not self._queue:
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        if not self._first:
            self.waits += 1
            self.waited += loop.time() - begin
        self._first = False

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
                        self._queue.append(self._read(message))
                        self._arrived.set()
                elif message.kind is Kind.ABORT:
                    raise LinkError(f"the dealer stopped: {(message.body or {}).get('reason', 'no reason given')}")
                else:
                    raise ProtocolError(f"the dealer sent a {message.kind.name} while material was expected")
        except MpcError as error:
            self._failure = error
            self._arrived.set()

    def _read(self, message: Message) -> tuple[Phase, int, Words]:
        body = message.body or {}
        phase, first, count = body.get("phase"), body.get("first"), body.get("count")
        if phase not in (0, 1, 2) or type(first) is not int or type(count) is not int or len(message.buffers) != 1:
            raise ProtocolError("the dealer sent a chunk without its place in the plan")
        own = self._dealing.phases[phase]
        words = np.frombuffer(message.buffers[0], np.uint64) if len(message.buffers[0]) % 8 == 0 else np.empty(0, np.uint64)
        if not 1 <= count <= own.steps_per_chunk or len(words) != count * own.dealt_words or message.number != self._number:
            raise ProtocolError(f"the dealer sent a chunk of {len(words)} words for {count} steps of {Phase(phase).name}")
        self._number += 1
        self._window.arrived(words.nbytes)
        self.bytes_received += words.nbytes
        return Phase(phase), first, words.reshape(count, own.dealt_words)
