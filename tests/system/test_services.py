"""Under a service manager: supervisor, notifications, logs."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from services import SECONDS, Manager, events, is_the_result, logs, say, until

from party.display import Terminal
from party.local import Child, Trio, free_address
from protocol.channel import Waiting
from protocol.log import Lines, Log, for_programs
from protocol.notify import Notifier

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


def test_supervisor_starts_restarts_and_resumes(tmp_path, capsys):
    pytest.importorskip("supervisor", reason="supervisor is not installed (pip install supervisor)")
    environment = dict(os.environ) | {
        "VIRTUAL_ENV": sys.prefix,
        "MPC_HOME": str(tmp_path),
        "MPC_LISTEN": (dealer := free_address()),
        "MPC_DEALER": dealer,
        "MPC_PEER": free_address(),
        "MPC_ITERATIONS": "15000",
        "MPC_CHECKPOINT_EVERY": "200ms",
        "XDG_STATE_HOME": str(tmp_path / "keys"),
    }
    configuration = ["--configuration", str(ROOT / "deploy" / "supervisor" / "mpc.conf")]

    def control(*words: str) -> str:
        command = [sys.executable, "-m", "supervisor.supervisorctl", *configuration, *words]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=240
        ).stdout

    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-m", "supervisor.supervisord", *configuration]
        daemon = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        until(
            lambda: [*(tmp_path / "alice").glob("*.checkpoint")],
            SECONDS,
            lambda: (tmp_path / "out").read_text(),
        )
        time.sleep(0.5)
        killed, pid = datetime.now().astimezone(), int(control("pid", "alice"))
        os.kill(pid, signal.SIGKILL)
        until(
            lambda: "EXITED" in control("status", "alice") and "EXITED" in control("status", "bob"),
            SECONDS,
            logs(tmp_path),
        )
        assert int(control("pid", "dealer")) > 0
        control("shutdown")
        assert daemon.wait(60) == 0
    finally:
        daemon.terminate()
        daemon.wait(60)
    log = (tmp_path / "supervisord.log").read_text()
    assert "alice (terminated by SIGKILL; not expected)" in log
    assert "alice (exit status 0; expected)" in log
    resumed = [
        line for line in events((tmp_path / "alice.log").read_text()) if line["event"] == "resumed"
    ]
    assert len(resumed) == 1
    assert int(re.findall(r"from step (\d+)", resumed[0]["message"])[0]) > 0
    seconds = (datetime.fromisoformat(resumed[0]["time"]) - killed).total_seconds()
    say(capsys, f"supervisor: {seconds:.2f} s from kill -9 of alice to the resumed run")
    found = [dict(np.load(tmp_path / f"{role}.npz")) for role in ("alice", "bob")]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])
    assert is_the_result(found[0], 15_000)


# ---- notifications -------------------------------------------------------------------------------


def fed(said: list[tuple[float, str]]) -> list[float]:
    return [at for at, line in said if line == "WATCHDOG=1"]


def check_that_feeding_follows_life(manager: Manager, child: Child, watchdog: float) -> None:
    """At half the period while it lives, not while it is stopped, again afterwards. On a busy
    machine a beat may be late: then it is listened to again, up to nine times."""
    for _ in range(10):
        times = fed(manager.listen(3 * watchdog))
        if 5 <= len(times) <= 7 and np.diff(times).max() < 0.8 * watchdog:
            break
    else:
        pytest.fail(f"it was fed at {times}")
    os.kill(child.process.pid, signal.SIGSTOP)
    manager.forget()
    assert manager.listen(1.5 * watchdog) == []
    os.kill(child.process.pid, signal.SIGCONT)
    manager.listen(watchdog, "WATCHDOG=1")


def test_the_dealer_tells_its_manager(tmp_path):
    with Manager(tmp_path, 1.0) as manager, Trio() as trio:
        child = trio.start("dealer", environment=manager.environment)
        assert manager.listen(20, "READY=1")[0][1] == "READY=1"
        check_that_feeding_follows_life(manager, child, 1.0)
        assert "STATUS=0 sessions: none" in {line for _, line in manager.said}
        child.process.send_signal(signal.SIGTERM)
        manager.listen(5, "STOPPING=1")
        assert child.process.wait(60) == 0


def test_a_party_tells_its_manager(tmp_path):
    with Manager(tmp_path, 1.0) as manager, Trio() as trio:
        trio.start("dealer")
        alice = trio.start("alice", ["--iterations", "1000000"], environment=manager.environment)
        until(lambda: "waiting for bob" in alice.errors)
        assert manager.listen(0.5) == []
        bob = trio.start("bob", ["--iterations", "1000000"])
        manager.listen(30, "READY=1")
        manager.listen(10, "STATUS=step")
        check_that_feeding_follows_life(manager, alice, 1.0)
        statuses = [line for _, line in manager.said if line.startswith("STATUS=step")]
        assert all(
            re.fullmatch(r"STATUS=step \d+ of 1000000, attempt 1", line) for line in statuses
        )
        os.kill(bob.process.pid, signal.SIGSTOP)
        manager.listen(10, "STATUS=waiting for bob")
        manager.forget()
        assert len(fed(manager.listen(3.0))) >= 2, (
            "waiting for somebody else is no reason to be restarted"
        )
        os.kill(bob.process.pid, signal.SIGCONT)
        alice.process.send_signal(signal.SIGTERM)
        manager.listen(5, "STOPPING=1")
        assert alice.process.wait(60) == 0


async def test_no_progress_and_nobody_to_wait_for_is_no_life(tmp_path):
    terminal = Terminal("alice", Log("alice"), Lines(), quiet=True)
    terminal.begins(1)
    assert await terminal._alive()
    assert not await terminal._alive()
    terminal.waiting(Waiting("bob at tcp://127.0.0.1:1", 3.0, 3.0, False))
    assert terminal.status == "waiting for bob at tcp://127.0.0.1:1"
    assert await terminal._alive()
    assert not await terminal._alive()


async def test_the_watchdog_is_fed_only_on_signs_of_life(tmp_path):
    with Manager(tmp_path, 0.2) as manager:
        notifier = Notifier(manager.environment)
        signs = iter([True, True, False, False, False, False, False])

        async def alive() -> bool:
            return next(signs, False)

        task = asyncio.create_task(notifier.attend(alive, lambda: "at work"))
        await asyncio.sleep(0.8)
        task.cancel()
        said = [line for _, line in manager.listen(0.1)]
    assert said == ["STATUS=at work", "WATCHDOG=1", "WATCHDOG=1"]


def test_a_manager_that_is_gone_or_deaf_holds_nobody_up(tmp_path):
    Notifier({}).tell("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nowhere")}).tell("READY=1")
    with Manager(tmp_path, 1.0) as manager:
        notifier = Notifier(manager.environment)
        begin = time.monotonic()
        for _ in range(2000):
            notifier.tell("STATUS=x")
        assert time.monotonic() - begin < 2.0
    assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}).interval is None


# ---- logs ----------------------------------------------------------------------------------------


def test_logs_are_json_for_programs_and_text_for_people():
    managed = {"JOURNAL_STREAM": "8:1"}
    assert for_programs("auto", False, managed)
    assert not for_programs("auto", True, managed)
    assert not for_programs("auto", False, {})
    assert for_programs("json", True, {})
    assert not for_programs("text", False, managed)


def test_json_logs_say_where_they_are_and_never_what_was_computed(tmp_path):
    with Trio("logged", environment={"SUPERVISOR_ENABLED": "1"}) as trio:
        trio.start("dealer")
        for role in ("bob", "alice"):
            trio.start(
                role,
                [
                    "--iterations",
                    "300",
                    "--out",
                    str(tmp_path / f"{role}.npz"),
                    "--state",
                    str(tmp_path / role),
                ],
            )
        trio.wait(240)
        trio.children["dealer"].stop()
        logs = {role: child.errors for role, child in trio.children.items()}
        assert trio.children["alice"].output == "", "what a service prints ends in a log"
    for role, text in logs.items():
        lines = events(text)
        assert {line["role"] for line in lines} == {role}
        assert all(datetime.fromisoformat(line["time"]).tzinfo is not None for line in lines)
        inside = [
            line for line in lines if line["event"] in ("planned", "done", "dealing", "finished")
        ]
        assert len(inside) >= 2
        assert all(line["session"] == "logged" and line["epoch"] == 1 for line in inside)
        assert any(type(line["step"]) is int for line in inside)
    values = np.concatenate([array.ravel() for array in np.load(tmp_path / "alice.npz").values()])
    for text in logs.values():
        assert not any(f"{value:.5f}"[:-1] in text for value in values)
        assert "secret" not in text


def test_an_error_is_a_line_of_the_log_too():
    command = [
        sys.executable,
        "-m",
        "party",
        "--role",
        "alice",
        "--log-format",
        "json",
        "--wait",
        "1s",
    ]
    done = subprocess.run(
        [*command, "--peer", free_address(), "--dealer", free_address()],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4
    last = events(done.stderr)[-1]
    assert (last["level"], last["event"], last["role"]) == ("error", "failed", "alice")
