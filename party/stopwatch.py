"""What a party measures of its own run: `--measure N` takes every N steps as one repeat.

The first third of the repeats run freely, as they would for a user: the dealer works at the same
time, and waiting for it counts. Then everything that is still to come is fetched from the dealer,
so that the dealer is idle, and each repeat is timed by itself, from a meeting of both parties to
its last step: that is the online phase alone. The meetings in between also give the round-trip time
of the same sockets in the same run. Both parties must measure alike, since they meet.
"""

from __future__ import annotations

import gc
import re
import time
from pathlib import Path
from statistics import median
from typing import Any

from protocol.channel import Connection

from .intake import Intake, Supply
from .runner import Runner
from .view import RunView

MEETINGS = 400  # exchanges of a hundred bytes, in batches of
BATCH = 20


class Stopwatch(RunView):
    """Measures the repeats of one run, of `every` steps each."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._runner: Runner
        self._supply: Supply
        self._free = 0  # steps that run freely
        self._begun = 0.0
        self._exchange: list[float] = []  # seconds of one, by batch
        self._free_seconds = 0.0
        self._seconds: list[float] = []
        self._used = 0.0
        self._busy: list[float] = []  # seconds of processor time
        self._peak = 0.0
        self._waits, self._waited = 0, 0.0
        self._met = 0

    def running(
        self, runner: Runner, intake: Supply, peer: Connection, dealer: Connection | None
    ) -> None:
        """Measure this attempt."""
        self._runner, self._supply = runner, intake
        repeats = max(1, runner.progress.steps // self._every)
        self._free = max(1, repeats // 3) * self._every

    def figures(self) -> dict[str, Any]:
        """Seconds of each repeat, and what was seen around them. Meetings are messages beyond the
        plan's."""
        return {
            "steps": self._every,
            "seconds": self._seconds,
            "cpu_seconds": self._busy,
            "free_seconds": self._free_seconds,
            "waits_for_material": self._waits,
            "waited_for_material": self._waited,
            "rtt_us": 1e6 * median(self._exchange) if self._exchange else None,
            "exchange_seconds": self._exchange,
            "peak_rss_mb": self._peak,
            "meetings": self._met,
        }

    async def before(self, step: int) -> None:
        if step == 0:
            self._begun = time.perf_counter()
        elif step == self._free:
            await self._hold()
        if step >= self._free and step % self._every == 0:
            await self._meet()
            self._begun, self._used = time.perf_counter(), time.process_time()

    def after(self, done: int) -> None:
        if done % self._every:
            return
        spent = time.perf_counter() - self._begun
        if done <= self._free:
            self._free_seconds = spent / (done // self._every)
        else:
            self._seconds.append(spent)
            self._busy.append(time.process_time() - self._used)

    async def _hold(self) -> None:
        """Read what free running has shown, fetch all the material, and measure the line."""
        self._peak = _peak_rss()
        self._waits, self._waited = self._supply.waits, self._supply.waited
        if isinstance(self._supply, Intake):
            await self._supply.stocked(self._runner.progress.steps)
        gc.collect()
        for _ in range(MEETINGS // BATCH):
            begun = time.perf_counter()
            for _ in range(BATCH):
                await self._meet()
            self._exchange.append((time.perf_counter() - begun) / BATCH)

    async def _meet(self) -> None:
        self._met += 1
        await self._runner.meet()


def _peak_rss() -> float:
    """Mebibytes. Not from getrusage: a new process inherits the peak of the one that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
