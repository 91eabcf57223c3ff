"""A network that changes bytes, between three real processes: links break and are made again, and
no process ends."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest
from channel.links import Proxy
from test_chaos import twin

from party.local import Trio

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
ITERATIONS = 10_000


async def test_altered_frames_at_each_of_the_three_end_no_process_and_no_run(tmp_path):
    chance = random.Random(7)
    changed = 0

    async def spoil(*proxies: Proxy) -> None:
        """Alter or replay something now and then, on either link, in whatever direction it is under
        way."""
        nonlocal changed
        while True:
            await asyncio.sleep(chance.uniform(1.0, 3.0))
            proxy = chance.choice(proxies)
            if proxy.damage_after is None and proxy.replay_after is None:
                after = chance.randrange(3000)
                if chance.random() < 0.7:
                    proxy.damage_after = after
                else:
                    proxy.replay_after = after
                changed += 1

    with Trio("altered") as trio:
        async with Proxy(trio.dealer) as to_dealer, Proxy(trio.peer) as to_alice:
            options = [
                "--json",
                "--iterations",
                str(ITERATIONS),
                "--checkpoint-every",
                "100ms",
                "--timeout",
                "4s",
            ]
            options += ["--dealer", to_dealer.address]
            trio.start("dealer", [])
            trio.start("alice", [*options, "--state", str(tmp_path / "alice")])
            trio.start(
                "bob", [*options, "--state", str(tmp_path / "bob"), "--peer", to_alice.address]
            )
            while not list((tmp_path / "bob").glob("*.checkpoint")):
                assert trio.children["bob"].process.poll() is None
                await asyncio.sleep(0.05)
            trouble = asyncio.create_task(spoil(to_dealer, to_alice))
            ends = [
                await asyncio.to_thread(trio.children[role].process.wait, 300)
                for role in ("alice", "bob")
            ]
            trouble.cancel()
            assert ends == [0, 0]
            assert trio.children["dealer"].process.poll() is None
            reports = trio.reports()
    assert changed >= 2
    expected = twin(ITERATIONS)["weights"]
    weights = [np.array(reports[role]["results"]["weights"]) for role in ("alice", "bob")]
    assert np.array_equal(*weights)
    assert np.abs(weights[0] - expected).max() < 1e-3
