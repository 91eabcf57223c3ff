"""How much memory the dealer may hold for its sessions: a total that they share, so that a session
that does not take its material costs the others nothing.

Three things are held for a session. *Fixed*, for as long as it lasts: its plan, and the masks of
its setup, which every step needs. *Making*: what a worker holds while it makes a chunk. Both follow
from the plan, and a session is admitted only if there is room for them. *Ahead*: material that is
made and not yet acknowledged by Bob. A session may always have one chunk ahead, and a guaranteed
part of the total; beyond that, up to its fair share, as long as the total is not used up.

No totals are kept here: the sessions are asked each time, so that no path can forget to subtract.
Pure: no clock, no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class Holder(Protocol):
    """What `Stock` asks of a session; all of it in bytes."""

    @property
    def fixed(self) -> int:
        """Held for as long as the session lasts."""

    @property
    def making(self) -> int:
        """Held by a worker while it makes the largest chunk of the session."""

    @property
    def ahead(self) -> int:
        """Made, and not yet acknowledged by Bob."""


class Stock:
    """The bytes that all sessions of a dealer may hold, and whether one may have more."""

    def __init__(self, total: int, sessions: int, memory: int, workers: Callable[[], int]) -> None:
        """total: bytes ahead, of at most `sessions` sessions. memory: bytes of everything.
        workers(): how many workers share the memory of this process."""
        self.total, self.memory, self._workers = total, memory, workers
        self._guaranteed = total // sessions
        self._holders: set[Holder] = set()

    @property
    def ahead(self) -> int:
        """Bytes ahead, of all sessions."""
        return sum(each.ahead for each in self._holders)

    @property
    def held(self) -> int:
        """Bytes fixed and ahead, of all sessions."""
        return sum(each.fixed + each.ahead for each in self._holders)

    def add(self, holder: Holder) -> None:
        """A session begins: what it holds counts from now on."""
        self._holders.add(holder)

    def discard(self, holder: Holder) -> None:
        """A session is over: what it holds counts no more."""
        self._holders.discard(holder)

    def admits(self, holder: Holder) -> bool:
        """Whether there is memory for this session and all that are admitted."""
        return self.needed({*self._holders, holder}) <= self.memory

    def needed(self, holders: Iterable[Holder] | None = None) -> int:
        """The most bytes that `holders` (None: all sessions) can come to hold: what is fixed, twice
        the total ahead, and the largest chunk once for every worker."""
        found = [*(self._holders if holders is None else holders)]
        largest = max((each.making for each in found), default=0)
        return sum(each.fixed for each in found) + 2 * self.total + self._workers() * largest

    def allows(self, holder: Holder, size: int) -> bool:
        """Whether this session may now have `size` bytes more ahead."""
        own = holder.ahead
        everybody = self.ahead
        if own == 0 or own + size <= self._guaranteed:
            return everybody == 0 or everybody + size <= 2 * self.total
        share = self.total // max(1, _count(each.ahead for each in self._holders))
        return own + size <= share and everybody + size <= self.total


def mib(size: int) -> str:
    """Bytes for a message: "4 MiB"."""
    return f"{-(-size >> 20):,} MiB"


def _count(amounts: Iterable[int]) -> int:
    return sum(amount > 0 for amount in amounts)
