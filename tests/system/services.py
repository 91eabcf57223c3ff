"""What the tests of services share: a service manager's socket, log lines read back, the result to
expect."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from party.loading import load_job
from party.local import Child
from protocol.plan import make_plan
from protocol.tracing import trace

FIELDS = ["time", "level", "event", "role", "session", "epoch", "step", "message"]

SECONDS = 240.0  # that anything may take


def twin(iterations: int) -> dict[str, np.ndarray]:
    """The seed job in plain text."""
    job = load_job("seed")
    inputs = {name: np.asarray(declared.default, float) for name, declared in job.inputs.items()}
    return trace(job, {name: array.shape for name, array in inputs.items()}).graph.run_clear(
        inputs, iterations
    )


def rounds_of(iterations: int) -> int:
    """What the plan of the seed job says."""
    job = load_job("seed")
    shapes = {name: np.shape(declared.default) for name, declared in job.inputs.items()}
    return make_plan(trace(job, shapes, iterations), 0, (0, 1)).rounds


def is_the_result(found: dict, iterations: int) -> bool:
    expected = twin(iterations)
    return all(
        np.abs(np.asarray(found[name]) - value).max() < 1e-3 for name, value in expected.items()
    )


def until(
    happened: Callable[[], object], seconds: float = SECONDS, what: Callable[[], str] = str
) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"nothing after {seconds} s: {what()}"
        time.sleep(0.02)


def events(text: str) -> list[dict]:
    """The lines of a JSON log, each of them whole."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(list(line) == FIELDS for line in found)
    return found


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n    {text}", end="", flush=True)


def logs(folder: Path) -> Callable[[], str]:
    return lambda: "\n".join(path.read_text() for path in folder.glob("*.log"))


class Manager:
    """The receiving end of $NOTIFY_SOCKET: what was said, and when (seconds)."""

    def __init__(self, folder: Path, watchdog: float) -> None:
        self.said: list[tuple[float, str]] = []
        path = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(int(watchdog * 1e6))}

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def listen(self, seconds: float, word: str = "\0") -> list[tuple[float, str]]:
        """What is said in so many seconds, or until a line begins with `word`; fails if none
        does."""
        first, deadline = len(self.said), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                lines = self._socket.recv(4096).decode().split("\n")
            except TimeoutError:
                break
            self.said += [(time.monotonic(), line) for line in lines]
            if any(line.startswith(word) for line in lines):
                return self.said[first:]
        assert word == "\0", f"no {word} within {seconds} s, but {self.said[first:]}"
        return self.said[first:]

    def forget(self) -> None:
        """Pass over what has been said up to now."""
        self.listen(0.05)


def ended(child: Child, seconds: float = SECONDS) -> int:
    try:
        return child.process.wait(seconds)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{child.name} hangs; it said: {child.errors}")


def said(child: Child) -> str:
    """What it said; a traceback is never right."""
    assert "Traceback" not in child.errors, child.errors
    return child.errors
