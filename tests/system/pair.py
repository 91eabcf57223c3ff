"""Two parties with files of material as real processes; a dealer only while it makes the files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from party.loading import load_job
from party.local import Child, Trio
from protocol.tracing import trace

SECONDS = 240.0


class Pair(Trio):
    """Two parties and their files; the dealer only while it makes them."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "home"
        super().__init__("pair", {"XDG_STATE_HOME": str(self.home)})
        self.made = tmp_path / "made"

    def precompute(self, *arguments: str, **more: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "dealer",
                "precompute",
                "--session",
                self.session,
                "--out",
                str(self.made),
                *arguments,
            ],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
            **more,
        )

    def file(self, role: str) -> Path:
        return self.made / f"{self.session}.{role}.material"

    def journals(self, role: str) -> list[Path]:
        return [
            *self.made.glob(f"*.{role}.*.used"),
            *(self.home / "mpc-playground" / "material").glob(f"*.{role}.used"),
        ]

    def taken(self, role: str) -> int:
        """Rows of steps that a party's journals say are taken."""
        lines = [
            line.split() for path in self.journals(role) for line in path.read_text().splitlines()
        ]
        return max((int(words[1]) for words in lines if words[0] == "step"), default=0)

    def party(self, role: str, *arguments: str) -> Child:
        return self.start(role, ["--json", "--material", str(self.file(role)), *arguments])

    def both(self, *arguments: str) -> None:
        for role in ("bob", "alice"):
            self.party(role, *arguments)

    def ended(self, role: str) -> int:
        child = self.children[role]
        try:
            code = child.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{role} hangs; it said: {child.errors}")
        assert "Traceback" not in child.errors, child.errors
        return code

    def ends(self, alice: int, bob: int) -> None:
        found = {role: self.ended(role) for role in ("alice", "bob")}
        assert found == {"alice": alice, "bob": bob}, [self.children[role].errors for role in found]

    def said(self, role: str) -> str:
        return self.children[role].errors.strip().splitlines()[-1]

    def right(self, iterations: int) -> dict:
        """Both reports are there, equal, and what float64 says; alice's."""
        alice, bob = (
            json.loads(self.children[role].output.strip().splitlines()[-1])
            for role in ("alice", "bob")
        )
        assert alice["results"] == bob["results"]
        job = load_job("seed")
        inputs = {
            name: np.asarray(declared.default, float) for name, declared in job.inputs.items()
        }
        plain = trace(job, {name: array.shape for name, array in inputs.items()}).graph.run_clear(
            inputs, iterations
        )
        for name, value in plain.items():
            assert np.abs(np.asarray(alice["results"][name]) - value).max() < 1e-3
        return alice


def until(condition, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
