"""A party that is watched while its peer is killed: it says who is awaited and nobody else, its
measures stay, and nobody is told when a run that stands still is over."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from party.local import Trio, free_address

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
STEPS = 40_000
GAUGES = ("mpc_step", "mpc_planned_steps", "mpc_link_connected")


def scraped(at: str) -> dict[tuple[str, ...], float]:
    with urllib.request.urlopen(f"http://{at}/metrics", timeout=10) as response:
        families = text_string_to_metric_families(response.read().decode())
    samples = [each for family in families for each in family.samples]
    return {(each.name, *each.labels.values()): each.value for each in samples}


def now(at: str) -> dict[str, Any]:
    """What the page is told of where the run is."""
    with urllib.request.urlopen(f"http://{at}/events", timeout=10) as response:
        for line in response:
            if line == b"event: now\n":
                return json.loads(next(response).partition(b": ")[2])
    raise AssertionError("the page ended")


def until(reached: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)


def start(trio: Trio, role: str, folder: Path, *more: str) -> None:
    options = ["--iterations", str(STEPS), "--checkpoint-every", "100ms", "--timeout", "20s"]
    trio.start(role, [*options, "--wait", "120s", "--state", str(folder / role), *more])


def test_who_is_awaited_is_said_and_what_is_measured_stays(tmp_path):
    page, at = (free_address().removeprefix("tcp://") for _ in range(2))
    with Trio("watched") as trio:
        trio.start("dealer")
        start(trio, "bob", tmp_path, "--page", page, "--metrics", at)
        start(trio, "alice", tmp_path)
        bob, alice = trio.children["bob"], trio.children["alice"]
        until(lambda: "plan " in bob.errors)
        until(lambda: scraped(at).get(("mpc_step",), 0) > 500)
        until(lambda: now(page)["left"] is not None)

        alice.ask(signal.SIGSTOP)  # it hangs: nothing is lost, and nothing comes
        until(lambda: now(page)["status"].startswith("waiting for alice"))
        time.sleep(4)
        found, shown = scraped(at), now(page)
        assert shown["left"] is None and 0 < shown["step"] < shown["steps"] == STEPS
        assert found["mpc_link_connected", "dealer"] == 1
        alice.ask(signal.SIGCONT)
        until(lambda: scraped(at)["mpc_step",] > found["mpc_step",])
        until(lambda: now(page)["left"] is not None)

        before = scraped(at)
        alice.stop(signal.SIGKILL)  # it is gone
        until(lambda: now(page)["status"].startswith("waiting for alice"))
        for _ in range(12):
            found, shown = scraped(at), now(page)
            assert {name for name, *_ in found} >= {*GAUGES}
            assert found["mpc_link_connected", "alice"] == 0
            assert found["mpc_link_connected", "dealer"] == 1
            assert found["mpc_planned_steps",] == STEPS and shown["left"] is None
            assert found["mpc_step",] >= before["mpc_step",] <= found["mpc_steps_total",]
            time.sleep(0.5)

        start(trio, "alice", tmp_path)
        while "going on from step" not in bob.errors:
            found = scraped(at)
            assert {name for name, *_ in found} >= {*GAUGES}, "they stay between two attempts"
        until(lambda: scraped(at)["mpc_link_connected", "alice"] == 1)
        until(lambda: now(page)["left"] is not None)
        assert scraped(at)["mpc_attempts_total",] == 2
        waits = re.findall(r"waiting for (\w+)[^\n]*, (\d+) s", bob.errors)
        assert {whom for whom, _ in waits} == {"alice"}, bob.errors
        assert max(int(seconds) for _, seconds in waits) >= 2

        trio.children["dealer"].ask(signal.SIGSTOP)
        until(lambda: now(page)["status"].startswith("waiting for dealer"))
        until(lambda: re.search(r"waiting for dealer[^\n]*, [25] s", bob.errors) is not None)
        trio.children["dealer"].ask(signal.SIGCONT)
        until(lambda: now(page)["left"] is not None)
        assert "Traceback" not in bob.errors
