"""Soak: several sessions side by side through one dealer, over and over; memory and file
descriptors stay flat.

`pytest tests/system/test_soak.py --soak 1800` makes the half hour of it.
"""

from __future__ import annotations

import contextlib
import time

import psutil
import pytest

from party.local import Trio

pytestmark = [pytest.mark.system, pytest.mark.timeout(7200)]
SESSIONS = 3
MIB = 1 << 20


def start(trio: Trio) -> None:
    for role in ("alice", "bob"):
        trio.start(role, ["--iterations", "2000", "--quiet", "--json"])


def test_memory_and_descriptors_stay_flat(request, capsys):
    seconds = request.config.getoption("soak")
    seen: list[tuple[int, int]] = []
    runs = 0
    with contextlib.ExitStack() as stack:
        trios = [stack.enter_context(Trio(f"soak{number}")) for number in range(SESSIONS)]
        dealer = trios[0].start("dealer")
        for trio in trios:
            trio.dealer, trio.children["dealer"] = trios[0].dealer, dealer
            start(trio)
        process = psutil.Process(dealer.process.pid)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline or runs < 3 * SESSIONS:
            for trio in trios:
                if all(trio.children[role].process.poll() is not None for role in ("alice", "bob")):
                    trio.wait(240)
                    runs += 1
                    seen.append((process.memory_info().rss, process.num_fds()))
                    start(trio)
            assert dealer.process.poll() is None, dealer.errors
            time.sleep(0.05)
        for trio in trios:
            trio.wait(240)
    settled, last = seen[SESSIONS - 1], seen[-1]
    with capsys.disabled():
        print(
            f"\nsoak: {runs} sessions in {seconds} s or a little more; dealer"
            f" {settled[0] / MIB:.0f} → {last[0] / MIB:.0f} MiB, {settled[1]} → {last[1]}"
            " descriptors"
        )
    assert last[0] <= 1.1 * settled[0] + 8 * MIB
    assert last[1] <= settled[1] + 8 * SESSIONS
