"""Two connected `Connection`s inside one process: for tests, and for jobs without a network.

All but the transport is the same as over ZeroMQ, codec included: what passes here and fails there
is an error of ZeroMQ or of sockets.py. `Faults` makes the link lose, repeat or reorder messages, or
cuts it for a moment, with a probability for each and a seed, so that a test can be repeated.
"""

from __future__ import annotations

import asyncio
import collections
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ..wire.messages import ALICE, BOB, Buffer
from .connection import Connection
from .shaping import LinkShape
from .terms import Options, Transport


@dataclass(frozen=True, slots=True)
class Faults:
    """What may happen to each message, by its probability from 0 to 1."""

    drop: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0  # the next message overtakes it
    cut: float = 0.0  # the link is down for `outage` seconds, and all messages on it are lost
    outage: float = 0.02
    seed: int = 0


class _End(Transport):
    """The transport of one side: puts frames into the queue of the other."""

    other: _End
    connection: Connection

    def __init__(self, faults: Faults, salt: int) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed * 2 + salt)  # noqa: S311  (weather, not a secret)
        self._queue: collections.deque[list[bytes]] = collections.deque()
        self._held: list[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._closed = False
        self._down = False

    def transmit(self, frames: Sequence[Buffer]) -> bool:
        if self._closed or self._down:
            return False
        chance, faults = self._random.random, self.faults
        copied = [bytes(frame) for frame in frames]
        if faults.cut and chance() < faults.cut:
            self._cut()
            return True
        if faults.drop and chance() < faults.drop:
            return True
        if faults.reorder and self._held is None and chance() < faults.reorder:
            self._held = copied
            return True
        self.other.put(copied)
        if faults.repeat and chance() < faults.repeat:
            self.other.put(copied)
        if self._held is not None:
            self.other.put(self._held)
            self._held = None
        return True

    def put(self, frames: list[bytes]) -> None:
        if self._closed:
            return
        self._queue.append(frames)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.look)

    def look(self) -> None:
        self._scheduled = False
        while self._queue and not self._closed:
            self.connection.arrived(self._queue.popleft())

    def tick(self, now: float) -> None: ...

    def close(self) -> None:
        self._closed = True

    def _cut(self) -> None:
        for end in (self, self.other):
            end._queue.clear()
            end._held = None
            end._down = True
            self._loop.call_soon(end.connection.interrupted)
        self._loop.call_later(self.faults.outage, self._mend)

    def _mend(self) -> None:
        for end in (self, self.other):
            end._down = False
        for end in (self, self.other):
            if end.connection.failure is None:
                end.connection.opened(end.connection.link, again=True)


def pair(
    session: str = "memory",
    *,
    roles: tuple[str, str] = (ALICE, BOB),
    options: Options | None = None,
    faults: Faults | None = None,
    shape: LinkShape | None = None,
) -> tuple[Connection, Connection]:
    """The two ends of a new link: that of `roles[0]`, whose peer is `roles[1]`, and the other."""
    ends = (_End(faults or Faults(), 0), _End(faults or Faults(), 1))
    ends[0].other, ends[1].other = ends[1], ends[0]
    for end, own, peer in zip(ends, roles, reversed(roles), strict=True):
        end.connection = Connection(own, peer, session, "memory", end, options, shape, link=1)
    return ends[0].connection, ends[1].connection
