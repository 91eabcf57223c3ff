"""Which session's chunk is made next: sessions share the workers' time by weight, while each has
chunks to be made.

Stride scheduling (Waldspurger and Weihl, MIT/LCS/TM-528, 1995). Every session has a *pass*: the
seconds that workers have spent on it, divided by its weight. A worker that gets free makes a chunk
of the session with the least pass. A session that comes, or has had nothing to be made, begins with
the pass of the session served last, so that nobody saves up time by waiting. A chunk counts in
advance as many seconds as the session's last one took; when it is made, that is corrected. As
seconds are shared, and not chunks, larger chunks bring a session no advantage.

No clock, no sockets: workers report how long they took.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from protocol.contract import Chunk
from protocol.dealing import Deal
from protocol.ring import Words

Made = tuple[Words, float]
"""Bob's dealt words of a chunk, and the seconds that a worker took for them."""


class Makers(Protocol):
    """What `Turns` needs of the workers."""

    @property
    def orders(self) -> int:
        """How many chunks may be ordered at a time: those that are made, and those that wait at a
        worker."""

    def make(self, deal: Deal, chunk: Chunk) -> asyncio.Future[Made]:
        """Have a worker make Bob's dealt words of a chunk."""


@dataclass(eq=False)
class Queued:
    """The place of one session in the queue, and its pass."""

    weight: float = 1.0
    passed: float = 0.0  # the pass: seconds over weight
    last: float = 0.0  # seconds that its last chunk took
    making: int = 0
    waiting: deque[asyncio.Future[float]] = field(default_factory=deque)


class Turns:
    """The queue for the workers: the session with the least pass is next."""

    def __init__(self, makers: Makers) -> None:
        self._makers = makers
        self._waiting: set[Queued] = set()
        self._busy = 0
        self._now = 0.0  # the pass of the session served last

    async def make(self, queued: Queued, deal: Deal, chunk: Chunk) -> Words:
        """The words of a chunk, made when it is this session's turn."""
        charged = await self._turn(queued)
        try:
            words, queued.last = await self._makers.make(deal, chunk)
            queued.passed += (queued.last - charged) / queued.weight
            return words
        finally:
            self._done(queued)

    async def _turn(self, queued: Queued) -> float:
        """Wait until a worker is free for this session. Returns the seconds that are added to its
        pass in advance."""
        if not queued.making and not queued.waiting:
            queued.passed = max(queued.passed, self._now)
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        queued.waiting.append(turn)
        self._waiting.add(queued)
        self._go_on()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                queued.waiting.remove(turn)
                if not queued.waiting:
                    self._waiting.discard(queued)
            else:  # it had been given a worker
                self._done(queued)
            raise

    def _done(self, queued: Queued) -> None:
        self._busy -= 1
        queued.making -= 1
        self._go_on()

    def _go_on(self) -> None:
        """Give free workers to the sessions that wait."""
        while self._busy < self._makers.orders:
            ready = [
                queued
                for queued in self._waiting
                if any(not turn.done() for turn in queued.waiting)
            ]
            if not ready:
                return
            queued = min(ready, key=lambda each: each.passed)
            turn = next(turn for turn in queued.waiting if not turn.done())
            queued.waiting.remove(turn)
            if not queued.waiting:
                self._waiting.discard(queued)
            self._now = queued.passed
            self._busy, queued.making = self._busy + 1, queued.making + 1
            queued.passed += queued.last / queued.weight
            turn.set_result(queued.last)
