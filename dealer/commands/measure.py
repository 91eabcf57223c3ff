"""`python -m dealer measure`: how much of a plan's material these workers make in a second, and in
how much memory.

The material is thrown away. What it costs to send and to encrypt is not in it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import time
from collections import deque
from dataclasses import asdict, dataclass

from protocol import kernels
from protocol.contract import Chunk, Dealing
from protocol.dealing import Deal
from protocol.errors import ConfigError
from protocol.log import configure
from protocol.prg import fresh_seed
from protocol.processes import run_until_signalled
from protocol.schedule import Phase
from protocol.wording import size, span

from ..offer import making
from ..service import workers_of
from ..settings import MeasureSettings
from ..turns import Made
from ..workers import Workers
from .planned import planned

SECONDS = 5.0
AWAY = 30.0  # seconds that a cluster may be away
MOST = 4096  # chunks of steps, before the first comes again


@dataclass(frozen=True)
class MakingRate:
    """How fast workers made chunks: seconds of the clock, of workers, and bytes of dealt
    material."""

    workers: int
    chunks: int  # that were made
    seconds: float  # for all of them
    working: float  # seconds of workers in them
    bytes: int  # dealt in them

    @property
    def overhead(self) -> float:
        """Seconds of a worker that a chunk takes beyond its making: its way there and back, and
        idling."""
        return max(0.0, self.workers * self.seconds - self.working) / self.chunks


def run(settings: MeasureSettings) -> int:
    log, _ = configure("dealer", settings.log_format, settings.quiet)
    dealing = planned(settings)
    what, chunks = (
        "steps",
        [*itertools.islice((each for each in dealing.chunks() if each.phase == Phase.STEP), MOST)],
    )
    unit = 8 * dealing.phases[Phase.STEP].dealt_words
    if not chunks:  # a prediction, say, which is all in the setup
        what, chunks = "runs", [*dealing.chunks()]
        unit = sum(map(dealing.bytes_of, chunks))
    if not chunks:
        raise ConfigError("nothing is dealt for this plan")
    kernels.ready(log)
    rate = run_until_signalled(
        _measured(
            workers_of(settings.workers, settings.insecure_plaintext, log, AWAY), dealing, chunks
        )
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if settings.json:
        more = {
            "overhead": rate.overhead,
            f"bytes_of_{what}": unit,
            "making": making(dealing),
            "peak": peak,
        }
        print(json.dumps(asdict(rate) | more))
        return 0
    print(
        f"{rate.workers} at work for {span(rate.seconds)}:"
        f" {rate.bytes / rate.seconds / 1e6:,.1f} MB a second,"
        f" {rate.bytes / rate.seconds / unit:,.2f} {what} of {unit:,} bytes.\nA chunk of"
        f" {size(rate.bytes / rate.chunks)} took {span(rate.working / rate.chunks)} to make and"
        f" {span(rate.overhead)} besides.\nMemory: {size(making(dealing))} for each chunk in the"
        f" making; this process had {size(peak)} at most."
    )
    return 0


async def _measured(workers: Workers, dealing: Dealing, chunks: list[Chunk]) -> MakingRate:
    """Every worker has as many chunks as a dealer would give it, and one more waits: for `SECONDS`,
    and until a run that has no steps is made as a whole.

    The first two chunks of every worker are not counted.
    """
    running = deque[tuple[Chunk, asyncio.Future[Made]]]()
    try:
        await workers.open()
        deal = Deal(dealing, fresh_seed(), fresh_seed())
        await asyncio.gather(
            *(
                workers.make(deal, chunk)
                for chunk, _ in zip(itertools.cycle(chunks), range(2 * workers.count))
            )
        )
        coming = itertools.cycle(chunks)

        def order() -> tuple[Chunk, asyncio.Future[Made]]:
            chunk = next(coming)
            return chunk, workers.make(deal, chunk)

        begun, working, size, made = time.perf_counter(), 0.0, 0, 0
        running.extend(order() for _ in range(max(workers.orders, workers.count + 1)))
        while running:
            chunk, future = running.popleft()
            working += (await future)[1]
            made, size = made + 1, size + dealing.bytes_of(chunk)
            whole = chunk.phase == Phase.STEP or made + len(running) >= len(chunks)
            if not whole or time.perf_counter() - begun < SECONDS:
                running.append(order())
        return MakingRate(workers.count, made, time.perf_counter() - begun, working, size)
    finally:
        for _, future in running:
            future.cancel()
        await asyncio.gather(*(future for _, future in running), return_exceptions=True)
        await workers.close()
