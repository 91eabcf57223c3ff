"""`doctor`, before a run: what it finds of keys, folders, ports, the dealer, and of the link
between the parties where it runs at both at once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest
from keyed import Keys, command, place, wait_for

from party.local import Trio, free_address
from protocol.channel import KeyPair

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


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


def test_the_doctor_finds_nothing(keys, tmp_path):
    with Trio() as trio:
        trio.start("dealer", keys.options("dealer"))
        wait_for(trio.children["dealer"], "ready")
        alice = trio.start("alice", keys.options("alice"))
        wait_for(alice, "waiting for bob")
        where = ["--dealer", trio.dealer, "--peer", trio.peer, "--state", str(tmp_path / "state")]
        healthy = command(
            "party", "doctor", "--role", "bob", "--json", *where, *keys.options("bob")
        )
        assert healthy.returncode == 0, healthy.stdout + healthy.stderr
        report = json.loads(healthy.stdout)
        assert report["fine"] and {each["state"] for each in report["checks"]} == {"ok"}
        assert (
            0 < report["rtt"] < 0.5
            and report["bandwidth"] > 1e6
            and abs(report["clock_difference"]) < 1
        )
        assert not (tmp_path / "state").exists()
        text = command("party", "doctor", "--role", "alice", *where, *keys.options("alice"))
        assert (
            text.returncode == 0
            and "something listens" in text.stdout
            and "everything is fine" in text.stdout
        )
        assert "refused " not in trio.children["dealer"].errors and alice.process.poll() is None


def test_the_doctor_finds_what_is_wrong(keys, tmp_path):
    def check(*words: str) -> dict[str, tuple[str, str]]:
        found = command("party", "doctor", "--json", *words)
        report = json.loads(found.stdout)
        assert found.returncode == (0 if report["fine"] else 1) and "Traceback" not in found.stderr
        return {each["check"]: (each["state"], each["text"]) for each in report["checks"]}

    with Trio() as trio:
        where = ["--dealer", trio.dealer, "--peer", trio.peer]
        nobody = check("--role", "bob", *where, *keys.options("bob"), "--state", "/proc/none")
        assert (
            nobody["dealer"][0] == "FAIL"
            and "start it with `python -m dealer`" in nobody["dealer"][1]
        )
        assert nobody["alice"][0] == "warn" and nobody["state"][0] == "FAIL"
        keys.files["bob"].chmod(0o644)
        open_file = check("--role", "bob", *where, *keys.options("bob"))
        assert (
            open_file["own key"][0] == "FAIL" and "can be read by others" in open_file["own key"][1]
        )
        keys.files["bob"].chmod(0o600)
        missing = check(
            "--role",
            "bob",
            *where,
            "--key",
            str(keys.files["bob"]),
            "--peer-key",
            str(keys.pairs["bob"].public),
        )
        assert missing["key of alice"][0] == missing["key of dealer"][0] == "FAIL"
        other = Keys(_folder(tmp_path / "other"))
        trio.start("dealer", other.options("dealer"))
        wait_for(trio.children["dealer"], "ready")
        wrong = check("--role", "bob", *where, *keys.options("bob"))
        assert wrong["dealer"][0] == "FAIL" and "compare keys" in wrong["dealer"][1]
        unknown = [*keys.options("bob")[:4], "--dealer-key", str(other.pairs["dealer"].public)]
        refused = check("--role", "bob", *where, *unknown)
        assert "refused this key of bob" in refused["dealer"][1]
        with socket.create_server(place(trio.peer)):
            taken = check("--role", "alice", *where, *keys.options("alice"))
        assert taken["port"][0] == "warn"


@pytest.mark.parametrize("dealers", [False, True])
def test_material_needs_the_keys_that_a_run_needs_for_it(keys, tmp_path, dealers):
    words = ["--material", str(tmp_path / "one.bob.material"), "--peer", free_address()]
    given = keys.options("bob")
    found = command(
        *("party", "doctor", "--json", "--role", "bob", *words),
        *(given if dealers else given[:4]),
    )
    checks = {each["check"]: each for each in json.loads(found.stdout)["checks"]}
    said = "not needed" if dealers else "--material needs keys: "
    assert checks["dealer"]["text"].startswith(said)
    assert checks["dealer"]["state"] == ("ok" if dealers else "FAIL")
    assert found.returncode == (0 if dealers else 1)


def _folder(path):
    path.mkdir()
    return path


def test_a_stopped_clock_of_patience(keys):
    """A port that takes connections and never answers is a sentence within seconds, not a hang."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        found = command(
            "party",
            "doctor",
            "--role",
            "alice",
            "--dealer",
            address,
            "--peer",
            "tcp://127.0.0.1:0",
            *keys.options("alice"),
        )
        assert found.returncode == 1 and "did not answer within" in found.stdout
        assert time.monotonic() - begin < 25
