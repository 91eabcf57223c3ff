"""`doctor` at both ends at once: the link between the parties, before a run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from party.local import Trio, free_address
from protocol.channel import KeyPair

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def doctor(role: str, trio: Trio, *words: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "party",
        "doctor",
        "--role",
        role,
        "--json",
        "--wait",
        "60s",
        *words,
    ]
    return subprocess.Popen(
        [*command, "--peer", trio.peer, "--dealer", trio.dealer], stdout=subprocess.PIPE, text=True
    )


def test_both_ends_at_once_test_the_link_between_them():
    with Trio("doctors") as trio:
        trio.start("dealer")
        running = {role: doctor(role, trio) for role in ("alice", "bob")}
        found = {
            role: json.loads(process.communicate(timeout=240)[0])
            for role, process in running.items()
        }
    for role, other in (("alice", "bob"), ("bob", "alice")):
        checks = {each["check"]: each["state"] for each in found[role]["checks"]}
        assert found[role]["fine"], found[role]
        assert checks[other] == checks[f"round trip to {other}"] == "ok"
        assert 0 < found[role]["peer_rtt"] < 10


def test_a_wrong_key_of_the_other_is_named(tmp_path):
    pairs = {role: KeyPair.generate(role) for role in ("alice", "bob", "dealer")}
    for role, pair in pairs.items():
        pair.save(tmp_path / f"{role}.key")
    stranger = KeyPair.generate("bob").public
    with Trio("doctors") as trio:
        trio.dealer = free_address()  # nobody is there, which is not what this is about
        lines = ["--dealer-key", str(pairs["dealer"].public)]
        alice = doctor(
            "alice", trio, "--key", str(tmp_path / "alice.key"), "--peer-key", str(stranger), *lines
        )
        bob = doctor(
            "bob",
            trio,
            "--key",
            str(tmp_path / "bob.key"),
            "--peer-key",
            str(pairs["alice"].public),
            *lines,
            "--wait",
            "15s",
        )
        bob.communicate(timeout=240)
        alice.terminate()
        said = alice.communicate(timeout=240)[0]
    assert bob.returncode == 1
    assert "peer_rtt" not in said
