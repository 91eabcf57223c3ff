"""Sessions share the dealer's workers by weight, whatever their chunks cost; and its memory, by
what their plans declare."""

from __future__ import annotations

import asyncio
import heapq
import math
from typing import Any

import pytest

from dealer.service import Service, Settings
from dealer.settings import weight
from dealer.stock import Stock
from dealer.turns import Made, Queued, Turns
from protocol.errors import ConfigError
from protocol.log import Log

Session = tuple[str, float, float, float]
"""A name, a weight, the seconds of its chunks, when it comes."""


class Makers:
    """Workers whose clock only counts. For `Turns` a deal is the name of a session here, and a
    chunk the seconds it takes."""

    def __init__(self, count: int) -> None:
        self.orders, self.now = count, 0.0
        self.spent: dict[str, float] = {}
        self.events: list[tuple[float, int, asyncio.Future[Any], Any]] = []

    def at(self, when: float, result: Any = None) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self.events, (when, len(self.events) + id(future), future, result))
        return future

    def make(self, deal: Any, chunk: Any) -> asyncio.Future[Made]:
        self.spent[deal] = self.spent.get(deal, 0.0) + chunk
        return self.at(self.now + chunk, (deal, chunk))

    async def run(self, until: float = math.inf) -> None:
        while self.now < until:
            for _ in range(10):  # whoever can go on does
                await asyncio.sleep(0)
            if not self.events:
                return
            self.now, _, future, result = heapq.heappop(self.events)
            if not future.done():
                future.set_result(result)


async def spent(workers: int, until: float, *sessions: Session) -> dict[str, float]:
    """Seconds for each session that always has something to be made."""
    makers = Makers(workers)
    turns = Turns(makers)

    async def ask(name: str, place: Queued, seconds: float) -> None:
        while True:
            await turns.make(place, name, seconds)  # type: ignore[arg-type]

    async def attend(name: str, own: float, seconds: float, when: float) -> None:
        await makers.at(when)
        place = Queued(own)
        await asyncio.gather(*(ask(name, place, seconds) for _ in range(workers + 1)))

    tasks = [asyncio.create_task(attend(*each)) for each in sessions]
    await makers.run(until)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return makers.spent


@pytest.mark.parametrize("workers", [1, 2, 3])
async def test_seconds_are_shared_by_weight(workers):
    """Not chunks: the lightest has the longest."""
    found = await spent(
        workers, 2000, ("a", 1, 5.0, 0), ("b", 2, 1.0, 0), ("c", 4, 0.5, 0), ("d", 1, 0.25, 0)
    )
    whole = sum(found.values())
    for name, share in {"a": 1 / 8, "b": 2 / 8, "c": 4 / 8, "d": 1 / 8}.items():
        assert found[name] / whole == pytest.approx(share, abs=0.01)


async def test_one_that_comes_late_gets_its_share_from_then_on():
    found = await spent(1, 2000, ("early", 1, 1.0, 0), ("late", 1, 1.0, 1000))
    assert found["late"] == pytest.approx(500, abs=5)


async def test_one_alone_has_every_worker():
    assert sum((await spent(3, 100, ("a", 0.001, 1.0, 0))).values()) >= 300


async def test_a_turn_that_is_given_up_is_the_next_ones():
    """While it waits, at the moment it is given, and while its chunk is made."""
    makers = Makers(1)
    turns, one, other = Turns(makers), Queued(), Queued()
    tasks = [asyncio.create_task(turns.make(place, "s", 1.0)) for place in (one, one, other)]  # type: ignore[arg-type]
    for _ in range(3):
        await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[0].cancel()
    assert await asyncio.gather(asyncio.wait_for(tasks[2], 5), makers.run()) == ["s", None]
    for when in range(6):
        given = [asyncio.create_task(turns.make(place, "s", 1.0)) for place in (one, other)]  # type: ignore[arg-type]
        for _ in range(when):
            await asyncio.sleep(0)
        given[0].cancel()
        await asyncio.gather(asyncio.wait_for(given[1], 5), makers.run())
        await asyncio.gather(given[0], return_exceptions=True)


def test_weights_are_those_of_the_first_pattern_that_fits():
    settings = Settings(
        listen="tcp://127.0.0.1:0",
        keys=None,
        allow=None,
        weights=dict(map(weight, ("night-1=3", "night-*=0.5"))),
    )
    service = Service(settings, Log("dealer"))
    assert [service._weight(name) for name in ("night-1", "night-2", "day")] == [3, 0.5, 1]
    for wrong in ("", "x", "x=", "=1", "x=0", "x=-1", "x=nan", "x=1e9", "a b=1"):
        with pytest.raises(ConfigError, match="no weight of a session"):
            weight(wrong)


class Declared:
    ahead = 0

    def __init__(self, fixed: int, making: int) -> None:
        self.fixed, self.making = fixed, making


def test_what_plans_declare_has_to_fit():
    """Twice the stock, what is fixed, and the largest chunk once for each worker: 2·10 + 30 + 2·20
    = 90."""
    stock = Stock(10, 4, 90, lambda: 2)
    first, second = Declared(20, 20), Declared(10, 5)
    assert stock.admits(first)
    stock.add(first)
    assert stock.admits(second)
    stock.add(second)
    assert stock.needed() == 90
    assert (
        not stock.admits(Declared(1, 1))
        and not stock.admits(Declared(0, 21))
        and stock.admits(Declared(0, 20))
    )
    stock.discard(second)
    assert stock.admits(Declared(10, 1)) and not stock.admits(Declared(11, 1))
