"""Three real processes, killed while the run ends, and started again with the same commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from party.jobs import seed
from party.loading import load_job
from party.local import Trio
from protocol.tracing import trace

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
DEADLY = str(Path(__file__).parent / "deadly")
ITERATIONS = 40
SECONDS = 240.0


def start(trio: Trio, role: str, *arguments: str, die_at: str = "", behind: str = "") -> None:
    options = [
        "--json",
        "--iterations",
        str(ITERATIONS),
        "--state",
        str(trio.folder / role),
        *arguments,
    ]
    environment = {
        "PYTHONPATH": os.pathsep.join([DEADLY, os.environ.get("PYTHONPATH", "")]),
        "DIE_AT": die_at,
        "DIE_BEHIND": behind,
    }
    trio.start(role, options, environment=environment if die_at else None)


def right(trio: Trio) -> None:
    job = load_job("seed")
    inputs = {name: np.asarray(declared.default, float) for name, declared in job.inputs.items()}
    shapes = {name: array.shape for name, array in inputs.items()}
    reports = trio.reports()
    assert reports["alice"]["results"] == reports["bob"]["results"]
    for name, value in trace(job, shapes).graph.run_clear(inputs, ITERATIONS).items():
        assert np.abs(np.asarray(reports["alice"]["results"][name]) - value).max() < 1e-4
    for role in ("alice", "bob"):
        assert "Traceback" not in trio.children[role].errors


def dies(trio: Trio, role: str) -> None:
    assert trio.children[role].process.wait(SECONDS) == -signal.SIGKILL, trio.children[role].errors


@pytest.mark.parametrize(
    ("alice", "bob"),
    [
        ("after rename .ending", ""),
        ("after rename .results", "before rename .results"),
    ],
)
def test_killed_at_the_end_all_three_start_again(alice, bob):
    with Trio() as trio:
        trio.start("dealer")
        # where both die, neither before the other has what it sent: it would wait for it to return
        root = str(trio.folder).lstrip("/")
        start(trio, "alice", die_at=alice, behind=f"{root}/bob/**/*.results.*.new" if bob else "")
        start(trio, "bob", die_at=bob, behind=f"{root}/alice/**/*.results")
        for role, place in (("alice", alice), ("bob", bob)):
            if place:
                dies(trio, role)
        for role in ("dealer", "alice", "bob"):
            trio.children[role].stop(signal.SIGKILL)
        trio.start("dealer")
        start(trio, "alice")
        start(trio, "bob")
        trio.wait(SECONDS)
        right(trio)


def test_who_is_finished_waits_for_who_comes_back_and_needs_no_dealer():
    with Trio() as trio:
        trio.start("dealer")
        start(trio, "alice")
        start(trio, "bob", die_at="before rename .results")
        dies(trio, "bob")
        trio.children["dealer"].stop(signal.SIGKILL)
        start(trio, "bob")
        for role in ("alice", "bob"):
            assert trio.children[role].process.wait(SECONDS) == 0, trio.children[role].errors
        right(trio)
        assert "finishing with alice what was broken off" in trio.children["bob"].errors


def test_new_data_of_the_same_shape_is_refused_until_the_old_state_is_set_aside(tmp_path):
    job = load_job("seed")
    w = np.asarray(job.inputs["w"].default, float)
    np.save(tmp_path / "w.npy", w)
    with Trio() as trio:
        trio.start("dealer")
        own = ["--data", f"w={tmp_path / 'w.npy'}"]
        start(trio, "alice", *own)
        start(trio, "bob")
        trio.wait(SECONDS)
        right(trio)
        before = trio.reports()["alice"]["results"]
        np.save(tmp_path / "w.npy", -w)
        start(trio, "alice", *own)
        assert trio.children["alice"].process.wait(SECONDS) == 2
        assert "w is not the tensor that the state in" in trio.children["alice"].errors
        assert "--fresh" in trio.children["alice"].errors
        start(trio, "alice", *own, "--fresh")
        start(trio, "bob")
        trio.wait(SECONDS)
        reports = trio.reports()
        assert reports["alice"]["results"] == reports["bob"]["results"] != before
        aside = list((trio.folder / "alice").glob("*.aside-1/*.results"))
        assert len(aside) == 1


def test_an_edited_job_is_refused_until_the_old_state_is_set_aside(tmp_path):
    text = (Path(seed.__file__)).read_text()
    job = tmp_path / "mine.py"
    with Trio() as trio:
        trio.start("dealer")
        job.write_text(text)
        for role in ("alice", "bob"):
            start(trio, role, "--job", str(job))
        trio.wait(SECONDS)
        job.write_text(text.replace("/ 2, [v.w]", "/ 4, [v.w]"))
        for role in ("alice", "bob"):
            start(trio, role, "--job", str(job))
        for role in ("alice", "bob"):
            # the one that is first ends the other
            assert trio.children[role].process.wait(SECONDS) in (2, 4)
        errors = trio.children["alice"].errors + trio.children["bob"].errors
        assert (
            "is of another program's run: name another --session, or start once with --fresh"
            in errors
        )
        assert "Traceback" not in errors


def test_what_a_kill_left_of_an_output_file_is_removed_by_the_next_run(tmp_path):
    out = tmp_path / "weights.npz"
    with Trio() as trio:
        trio.start("dealer")
        start(trio, "alice", "--out", str(out), die_at="before rename weights.npz")
        start(trio, "bob")
        dies(trio, "alice")
        assert [path.name for path in tmp_path.iterdir()] != []
        assert not out.exists()
        start(trio, "alice", "--out", str(out))
        if trio.children["bob"].process.wait(SECONDS) == 0:
            start(trio, "bob")
        trio.wait(SECONDS)
        right(trio)
        assert list(tmp_path.iterdir()) == [out]


def test_the_end_with_material_from_files(tmp_path):
    """The records of use show that the material of one finish was taken, and no more."""
    environment = {"XDG_STATE_HOME": str(tmp_path / "home")}
    with Trio("filed", environment) as trio:
        subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "dealer",
                    "precompute",
                    "--job",
                    "seed",
                    "--session",
                    "filed",
                    "--out",
                    str(tmp_path),
                ),
                *("--iterations", str(ITERATIONS)),
            ],
            env=os.environ | environment,
            check=True,
            capture_output=True,
        )

        def party(role: str, **dying: str) -> None:
            start(trio, role, "--material", str(tmp_path / f"filed.{role}.material"), **dying)

        # bob sealed too: before that he would need the material of all steps again
        sealed = f"{trio.folder}/bob/**/*.ending".lstrip("/")
        party("alice", die_at="after rename .ending", behind=sealed)
        party("bob", die_at="after rename .results")
        dies(trio, "alice")
        trio.children["bob"].stop(signal.SIGKILL)
        trio.start("dealer")  # `wait` looks at all three
        party("alice")
        party("bob")
        trio.wait(SECONDS)
        right(trio)
        taken = [
            line.split()
            for path in tmp_path.glob("*.used")
            for line in path.read_text().splitlines()
        ]
        assert {words[1] for words in taken if words[0] == "finish"} == {"1"}
