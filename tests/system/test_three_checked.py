"""Checks between the steps of three real processes: ending early, ending out of range, killed and
going on, material from files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fit
import numpy as np
import pytest
from services import SECONDS, ended, said

from party.loading import load_job
from party.local import Trio
from protocol.history import History
from protocol.tracing import trace

pytestmark = pytest.mark.system


@pytest.fixture
def job() -> Path:
    return Path(fit.__file__)


def twin(job: Path, steps: int) -> tuple[dict, dict]:
    fit = load_job(str(job))
    inputs = {name: np.asarray(declared.default, float) for name, declared in fit.inputs.items()}
    history = History()
    graph = trace(fit, {name: array.shape for name, array in inputs.items()}, steps).graph
    return graph.run_clear(inputs, steps, 50, history.note), history.values


def right(trio: Trio, job: Path, steps: int) -> None:
    results, history = twin(job, steps)
    reports = trio.reports()
    assert reports["alice"]["results"] == reports["bob"]["results"]
    for role, names in (("alice", {"steps", "loss"}), ("bob", {"steps", "loss", "error"})):
        report = reports[role]
        assert report["steps"] == steps
        assert np.abs(np.asarray(report["results"]["weights"]) - results["weights"]).max() < 1e-3
        assert set(report["history"]) == names
        assert report["history"]["steps"] == list(range(50, steps + 1, 50))
        for name in names - {"steps"}:
            assert (
                np.abs(np.asarray(report["history"][name]) - np.asarray(history[name])).max() < 1e-3
            )
    assert reports["alice"]["history"]["loss"] == reports["bob"]["history"]["loss"]


def test_a_run_that_has_enough_ends_early_and_the_dealer_is_left_in_peace(job):
    _, history = twin(job, 1200)
    enough = float(history["loss"][7] + history["loss"][6]) / 2
    with Trio() as trio:
        trio.start("dealer")
        for role in ("alice", "bob"):
            trio.start(role, ["--json", "--job", str(job), "--param", f"enough={enough}"])
        trio.wait(SECONDS)
        right(trio, job, 400)
        assert "after step 400: loss " in said(trio.children["alice"])
        assert "after step 450" not in said(trio.children["alice"])
        assert said(trio.children["dealer"]).count(" finished session ") == 2
        assert "error" not in said(trio.children["dealer"])


def test_values_out_of_range_end_both_in_the_middle_and_again_unless_both_accept_them(
    job, tmp_path
):
    common = ["--json", "--job", str(job), "--param", "rate=1.5", "--iterations", "1000000"]
    with Trio() as trio:
        trio.start("dealer")
        for options in (
            {"alice": [], "bob": []},
            {"alice": ["--accept-out-of-range"], "bob": []},
        ):
            for role in ("alice", "bob"):
                trio.start(role, [*common, "--out", str(tmp_path / f"{role}.npz"), *options[role]])
            for role in ("alice", "bob"):
                assert ended(trio.children[role]) == 8, said(trio.children[role])
                assert "v.w (fit.py:" in said(trio.children[role])
                assert "(at step 50 of 1000000)" in said(trio.children[role])
                assert not trio.children[role].output and not (tmp_path / f"{role}.npz").exists()
        for role in ("alice", "bob"):
            trio.start(role, [*common[:-1], "200", "--accept-out-of-range"])
        trio.wait(SECONDS)
        for report in trio.reports().values():
            assert report["steps"] == 200 and any("v.w" in each for each in report["out_of_range"])


@pytest.mark.parametrize(
    "victims", [("alice",), ("bob",), ("alice", "bob", "dealer")], ids="-".join
)
def test_killed_between_checks_and_going_on_with_all_of_the_history(job, tmp_path, victims):
    common = ["--json", "--job", str(job), "--checkpoint-every", "0.02s", "--link", "rtt=2ms"]

    def start(role: str) -> None:
        own = [] if role == "dealer" else [*common, "--state", str(tmp_path / role)]
        trio.start(role, own)

    with Trio() as trio:
        for role in ("dealer", "alice", "bob"):
            start(role)
        for mark in ("after step 200: ", "after step 500: "):
            until(lambda mark=mark: mark in trio.children[victims[0]].errors, trio)
            for role in victims:
                trio.children[role].stop(signal.SIGKILL)
            for role in reversed(victims):
                start(role)
        trio.wait(SECONDS)
        right(trio, job, 1200)
        assert trio.reports()[victims[0]]["steps"] == 1200


def test_a_halt_takes_effect_behind_the_check_and_the_next_start_goes_on(job, tmp_path):
    with Trio() as trio:
        trio.start("dealer")

        def start() -> None:
            for role in ("alice", "bob"):
                trio.start(
                    role,
                    [
                        "--json",
                        "--job",
                        str(job),
                        "--link",
                        "rtt=2ms",
                        "--state",
                        str(tmp_path / role),
                    ],
                )

        start()
        until(lambda: "after step 150: " in trio.children["alice"].errors, trio)
        trio.children["alice"].ask()
        assert ended(trio.children["alice"]) == 0
        assert "stopped after a step, as asked" in said(trio.children["alice"])
        trio.children["bob"].stop()
        start()
        trio.wait(SECONDS)
        right(trio, job, 1200)


@pytest.mark.parametrize(("part", "steps"), [(7, 400), (None, 1200)], ids=["early", "to the end"])
def test_material_from_files_with_checks(job, tmp_path, part, steps):
    _, history = twin(job, 1200)
    enough = 0.0 if part is None else float(history["loss"][part] + history["loss"][part - 1]) / 2
    environment = {"XDG_STATE_HOME": str(tmp_path / "home")}
    made = tmp_path / "made"
    given = ["--job", str(job), "--param", f"enough={enough}"]
    with Trio("filed", environment) as trio:
        command = [
            sys.executable,
            "-m",
            "dealer",
            "precompute",
            "--session",
            "filed",
            "--out",
            str(made),
            "--spare",
        ]
        done = subprocess.run(
            [*command, "50%", *given],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        for round_number in range(2):
            for role in ("bob", "alice"):
                own = [
                    "--material",
                    str(made / f"filed.{role}.material"),
                    "--state",
                    str(tmp_path / role),
                ]
                trio.start(
                    role,
                    ["--json", "--link", "rtt=1ms", "--checkpoint-every", "0.02s", *given, *own],
                )
            if round_number == 0:
                until(lambda: "after step 200: " in trio.children["bob"].errors, trio)
                for role in ("alice", "bob"):
                    trio.children[role].stop(signal.SIGKILL)
        for role in ("alice", "bob"):
            assert ended(trio.children[role]) == 0, said(trio.children[role])
        right(trio, job, steps)
        beside = list(made.glob("*.used"))
        assert len(beside) == 2
        for path in beside:
            rows = [
                int(line.split()[1])
                for line in path.read_text().splitlines()
                if line.startswith("check ")
            ]
            assert rows == sorted(set(rows)) and rows[-1] <= steps // 50 + 3


def until(happened, trio: Trio) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        texts = json.dumps({name: child.errors for name, child in trio.children.items()})
        assert time.monotonic() < deadline, texts
        assert all(child.process.poll() is None for name, child in trio.children.items()), texts
        time.sleep(0.01)
