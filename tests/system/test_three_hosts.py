"""The page "Three hosts", done as written between hosts that share only the installation; links
that break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from channel.links import Proxy
from hosts import ROLES, ROOT, Host, Hosts, not_permitted
from services import SECONDS, is_the_result, rounds_of, until

from party.local import Trio

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def page() -> dict[str, list[str]]:
    """The commands of that page by the host they are for, in order."""
    text = (ROOT / "deploy/docs/hosts.md").read_text().partition("\n## ")[0]
    found: dict[str, list[str]] = {}
    for where, script in re.findall(
        r"```sh\n# (?:on|at) (?:the )?([\w ]+)\n(.*?)```", text, re.DOTALL
    ):
        found.setdefault(where, []).append(script)
    return found


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    if reason := not_permitted():
        pytest.skip(reason)
    with Hosts(tmp_path) as made:
        yield made


@contextlib.contextmanager
def started(hosts: Hosts, more: str = "") -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Everything that the page says, from nothing to three processes; `more` options for the
    parties."""
    commands = page()
    lines = {role: hosts[role].run(commands[role][0]).strip() for role in ROLES}
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for role in ROLES:
            script = commands[role][1].strip()
            for other in ROLES:
                script = script.replace(f"mpc1-{other}-…", lines[other])
                script = script.replace(f"{other}.example", hosts[other].address)
            processes[role] = hosts[role].start(script + ("" if role == "dealer" else f" {more}"))
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def report(host: Host) -> dict:
    assert "Traceback" not in host.said, host.said
    return json.loads(host.printed.splitlines()[-1])


def test_the_readmes_page_from_nothing_to_a_finished_seed_job(hosts, capsys):
    assert {where: len(scripts) for where, scripts in page().items()} == {
        "every host": 1
    } | dict.fromkeys(ROLES, 2)
    begin = time.monotonic()
    with started(hosts) as processes:
        for role in ("alice", "bob"):
            until(
                lambda role=role: processes[role].poll() is not None,
                SECONDS,
                lambda role=role: hosts[role].said,
            )
            assert processes[role].returncode == 0, hosts[role].said
        assert processes["dealer"].poll() is None
        weights = {role: np.load(hosts[role].folder / "weights.npy") for role in ("alice", "bob")}
        ports = {role: hosts[role].run("ss -Hltn | awk '{print $4}'").split() for role in ROLES}
    seconds = time.monotonic() - begin
    assert np.array_equal(weights["alice"], weights["bob"])
    assert is_the_result(
        {"weights": weights["alice"], "predictions": predictions(hosts["alice"])}, 10_000
    )
    assert ports == {"dealer": ["0.0.0.0:7700"], "alice": [], "bob": []}
    for role in ROLES:
        key = hosts[role].folder / f"{role}.key"
        assert key.stat().st_mode & 0o077 == 0
        assert [*hosts[role].folder.glob("*.key")] == [key]
    with capsys.disabled():
        print(
            f"\n    three hosts: {seconds:.1f} s from the first key to the weights (installing not"
            " counted)",
            end="",
            flush=True,
        )


def predictions(host: Host) -> np.ndarray:
    shown = host.printed.partition("predictions =\n")[2]
    return np.array(re.findall(r"-?\d+\.\d+", shown), float).reshape(-1, 1)


def test_a_cable_that_is_pulled_again_and_again(hosts, capsys):
    chance = random.Random(5)
    with started(hosts, "--json --iterations 30000 --timeout 20s") as processes:
        until(lambda: "this run" in hosts["alice"].said, 60, lambda: hosts["alice"].said)
        away = 0.0
        for number in range(9):
            time.sleep(chance.uniform(0.2, 0.6))
            assert processes["alice"].poll() is processes["bob"].poll() is None, (
                "finished before the cuts were over"
            )
            begin, seconds = time.monotonic(), chance.uniform(0.2, 1.5)
            if number % 3 == 0:
                hosts.plug("bob", False)
                time.sleep(seconds)
                hosts.plug("bob", True)
            elif number % 3 == 1:
                hosts.parted(True)
                time.sleep(2 * seconds)
                hosts.parted(False)
            else:
                role = chance.choice(ROLES)
                hosts.interface(role, False)
                time.sleep(seconds)
                hosts.interface(role, True)
            away += time.monotonic() - begin
        for role in ("alice", "bob"):
            until(
                lambda role=role: processes[role].poll() is not None,
                SECONDS,
                lambda role=role: hosts[role].said,
            )
            assert processes[role].returncode == 0, hosts[role].said
    alice, bob = report(hosts["alice"]), report(hosts["bob"])
    assert alice["results"] == bob["results"]
    assert is_the_result(alice["results"], 30_000)
    assert alice["attempts"] == bob["attempts"] == 1, "both lived, so the session went on by itself"
    assert alice["rounds"] == bob["rounds"] == rounds_of(30_000)
    with capsys.disabled():
        print(
            f"\n    pulled cables: 9 cuts, {away:.1f} s without a link, {alice['seconds']:.1f} s"
            " online",
            end="",
            flush=True,
        )


async def test_a_proxy_that_cuts_stalls_and_truncates():
    chance = random.Random(6)
    with Trio() as trio:
        trio.start("dealer")
        async with Proxy(trio.peer) as to_alice, Proxy(trio.dealer) as to_dealer:
            options = ["--json", "--iterations", "30000", "--timeout", "20s"]
            alice = trio.start("alice", [*options, "--dealer", to_dealer.address])
            bob = trio.start(
                "bob", [*options, "--peer", to_alice.address, "--dealer", to_dealer.address]
            )
            await asyncio.to_thread(until, lambda: "this run" in alice.errors)
            for number in range(12):
                await asyncio.sleep(chance.uniform(0.1, 0.4))
                assert alice.process.poll() is None, alice.errors
                proxy = to_dealer if number % 4 == 3 else to_alice
                if number % 3 == 0:
                    proxy.cut()
                elif number % 3 == 1:
                    proxy.stall()
                    await asyncio.sleep(chance.uniform(0.2, 1.5))
                    proxy.go_on()
                else:
                    proxy.truncate_after = 20_000
            both = (alice.process, bob.process)
            await asyncio.to_thread(until, lambda: None not in [each.poll() for each in both])
        assert alice.process.returncode == bob.process.returncode == 0, alice.errors + bob.errors
        reports = [json.loads(child.output.splitlines()[-1]) for child in (alice, bob)]
    assert reports[0]["results"] == reports[1]["results"]
    assert is_the_result(reports[0]["results"], 30_000)
    assert [each["attempts"] for each in reports] == [1, 1]
