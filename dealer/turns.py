"""Whose chunk is made next: sessions share the workers' seconds by weight, for as long as each has
something to be made.

Stride scheduling (Waldspurger and Weihl, MIT/LCS/TM-528, 1995). Every session has a *pass*: seconds
that workers spent on it, divided by its weight. When a worker is free, the session with the least
is next. One that comes, or has stood still, goes on from where the others are, so nothing is saved
up by waiting. A chunk counts in advance as long as the session's last one took, and is put right
when it is made. Since seconds are shared and not chunks, one whose chunks are large gains nothing
by that.

No clock, no sockets: workers say how long they took.
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
        """How many chunks the workers may have at a time, in the making or waiting at a worker."""

    def make(self, deal: Deal, chunk: Chunk) -> asyncio.Future[Made]:
        """Have a worker make Bob's dealt words of a chunk."""


@dataclass(eq=False)
class Queued:
    """A session that waits for its turns."""

    weight: float = 1.0
    passed: float = 0.0  # seconds over weight
    last: float = 0.0  # seconds that its last chunk took
    making: int = 0
    waiting: deque[asyncio.Future[float]] = field(default_factory=deque)


class Turns:
    """Who waits for a worker, and who is next: the session with the least pass."""

    def __init__(self, makers: Makers) -> None:
        self._makers = makers
        self._waiting: set[Queued] = set()
        self._busy = 0
        self._now = 0.0  # the pass of whoever was served last

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
        """Until a worker is free for this session; the seconds that were put down to it for now."""
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
        """Give workers that are free to those who wait."""
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
