"""Endings at random, for as long as is wanted: `python tests/party/campaign.py SECONDS [SEED]`.

Either party, both, and the dealer die at random points of the end, in their first life and in later
ones.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from ends import PARTIES, Killed, World, install


async def one(chooser: random.Random, world: World, tally: Counter[str]) -> None:
    """A run with up to four deaths of each party."""
    deaths = {
        role: {chooser.randrange(60) for _ in range(chooser.randrange(5))} for role in PARTIES
    }

    def fault(who: str, number: int, what: str) -> BaseException | None:
        if number not in deaths[who]:
            return None
        deaths[who].discard(number)
        tally["kills"] += 1
        if chooser.random() < 0.3:
            other = "bob" if who == "alice" else "alice"
            tally["kills"] += not world.tasks[other].done()
            world.kill(other)
        if chooser.random() < 0.3:
            tally["dealers killed"] += 1
            world.new_dealer()
        return Killed()

    world.fault = fault
    try:
        await asyncio.wait_for(world.until_done(20), 120)
        world.right()
    except AssertionError as error:
        tally["wrong or lost"] += 1
        print(error, flush=True)
    except TimeoutError:
        tally["lost"] += 1
    finally:
        await world.close()
    tally["runs"] += 1
    tally["opened again"] += len(world.revealed) > 1


def main() -> None:
    seconds, seed = float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else str(time.time_ns())
    chooser, tally, worlds = random.Random(seed), Counter(), []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        install(patch, lambda: worlds[-1])

        async def all_of_them() -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                place = Path(folder) / str(len(worlds))
                worlds.append(
                    World(place, chooser.choice(("both", "both", "alice", "bob", "none")), PARTIES)
                )
                await one(chooser, worlds[-1], tally)

        asyncio.run(all_of_them())
    print(f"seed {seed}: {dict(tally)}")


if __name__ == "__main__":
    main()
