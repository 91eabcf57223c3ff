"""TERM finishes the step and keeps it; HUP reads the keys of the others again; any moment will
do."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from services import is_the_result, say, until

from party.local import Child, Trio
from protocol.channel import KeyPair

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_term_finishes_the_step_and_the_run_goes_on_when_started_again(tmp_path, capsys):
    options = ["--json", "--iterations", "30000", "--wait", "60s"]

    def start(trio: Trio, role: str) -> Child:
        return trio.start(role, [*options, "--state", str(tmp_path / role)])

    with Trio() as trio:
        trio.start("dealer")
        bob, alice = start(trio, "bob"), start(trio, "alice")
        until(lambda: "this run" in alice.errors)
        time.sleep(1.0)
        begin = time.monotonic()
        alice.process.send_signal(signal.SIGTERM)
        assert alice.process.wait(60) == 0, alice.errors
        stopped = time.monotonic() - begin
        assert "stopped after a step, as asked" in alice.errors
        assert alice.output == ""
        until(lambda: "waiting for alice" in bob.errors or "waiting up to" in bob.errors)
        assert bob.process.poll() is None
        begin = time.monotonic()
        alice = start(trio, "alice")
        until(lambda: "going on from step" in alice.errors.rpartition("as asked")[2])
        resumed = time.monotonic() - begin
        trio.wait(240)
        reports = [
            json.loads(trio.children[role].output.splitlines()[-1]) for role in ("alice", "bob")
        ]
    assert reports[0]["results"] == reports[1]["results"]
    assert is_the_result(reports[0]["results"], 30_000)
    assert reports[1]["recomputed"] == 0, "both had kept the step that alice ended with"
    say(capsys, f"TERM: ended after {stopped:.2f} s, went on {resumed:.2f} s after the next start")


def test_term_ends_at_once_who_only_waits(tmp_path):
    with Trio() as trio:
        trio.start("dealer")
        alice = trio.start("alice", ["--state", str(tmp_path / "alice")])
        until(lambda: "waiting for bob" in alice.errors)
        begin = time.monotonic()
        alice.process.send_signal(signal.SIGTERM)
        assert alice.process.wait(60) == 0
        assert time.monotonic() - begin < 15.0
        assert "ended by SIGTERM" in alice.errors


def test_hup_rereads_the_keys_of_the_others(tmp_path):
    keys = {role: KeyPair.generate(role) for role in ("alice", "bob", "dealer")}
    for role, pair in keys.items():
        pair.save(tmp_path / f"{role}.key")
    (tmp_path / "allow").write_text(f"{keys['alice'].public}\n{keys['bob'].public}\n")

    def write(bob: KeyPair) -> None:
        lines = {
            "key": tmp_path / "alice.key",
            "peer-key": bob.public,
            "dealer-key": keys["dealer"].public,
        }
        (tmp_path / "alice.toml").write_text(
            "".join(f'{key} = "{value}"\n' for key, value in lines.items())
        )

    write(keys["bob"])
    common = ["--json", "--iterations", "30000", "--wait", "60s"]
    with Trio() as trio:
        trio.start(
            "dealer", ["--key", str(tmp_path / "dealer.key"), "--allow", str(tmp_path / "allow")]
        )
        own = ["--peer-key", str(keys["alice"].public), "--dealer-key", str(keys["dealer"].public)]
        state = {role: ["--state", str(tmp_path / role)] for role in ("alice", "bob")}
        trio.start("bob", [*common, *own, *state["bob"], "--key", str(tmp_path / "bob.key")])
        alice = trio.start(
            "alice", [*common, *state["alice"], "--config", str(tmp_path / "alice.toml")]
        )
        until(lambda: "this run" in alice.errors)
        time.sleep(0.5)
        (tmp_path / "alice.toml").write_text("peer-key = 7")
        alice.process.send_signal(signal.SIGHUP)
        until(lambda: "nothing was reread" in alice.errors)
        write(KeyPair.generate("bob"))
        alice.process.send_signal(signal.SIGHUP)
        until(lambda: "were read again" in alice.errors)
        until(lambda: "waiting up to" in alice.errors)
        write(keys["bob"])
        alice.process.send_signal(signal.SIGHUP)
        trio.wait(240)
        reports = [
            json.loads(trio.children[role].output.splitlines()[-1]) for role in ("alice", "bob")
        ]
    assert reports[0]["results"] == reports[1]["results"]
    assert is_the_result(reports[0]["results"], 30_000)


COMMANDS = {
    "dealer": ["dealer", "--listen", "tcp://127.0.0.1:0"],
    "party": [
        "party",
        "--role",
        "bob",
        "--dealer",
        "tcp://127.0.0.1:9",
        "--peer",
        "tcp://127.0.0.1:9",
    ],
    "plan": ["party", "plan", "--job", "mlp"],
    "demo": ["party", "demo", "--job", "seed", "--iterations", "1000000"],
}


def has_begun(process: subprocess.Popen[bytes]) -> bool:
    """Whether Python is up and the program's own first line, which takes the signals, has been
    run."""
    caught = re.search(
        r"^SigCgt:\s+(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE
    )
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_at_any_moment_of_a_start(name, number, code, capsys):
    slowest = 0.0
    for delay in (0.0, 0.1, 0.4, 1.5):
        command = [sys.executable, "-m", *COMMANDS[name]]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until(lambda process=process: has_begun(process))
        time.sleep(delay)  # not hoping for anything: whatever it is doing then, it must end well
        begin = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=240)
        slowest = max(slowest, time.monotonic() - begin)
        assert b"Traceback" not in said and b"Exception" not in said, (delay, said.decode())
        ended = f"ended by {signal.Signals(number).name}".encode() in said
        assert ended or name == "plan", (delay, said)  # which may be done by then
        assert process.returncode == (code if ended else 0), (delay, said)
    say(capsys, f"{signal.Signals(number).name} at {name}: ended within {slowest:.2f} s")


ENDING = """
import os, signal
from protocol.signals import attend

class Last:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.{name}):
        # when Python takes the modules apart: it has given up our handlers by then
        kill(own, number)

last = Last()
attend("nobody")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_python_ends_changes_nothing(name):
    done = subprocess.run(
        [sys.executable, "-c", ENDING.format(name=name)], capture_output=True, timeout=240
    )
    assert (done.returncode, done.stderr) == (0, b"")
