"""Material made ahead, with real processes: no dealer online, kill -9 and resume, copies, backups,
exhaustion."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pair import Pair, until

pytestmark = pytest.mark.system


@pytest.fixture
def pair(tmp_path):
    with Pair(tmp_path) as found:
        yield found


def test_no_dealer_is_needed_and_nothing_is_used_twice(pair):
    made = pair.precompute("--job", "seed", "--iterations", "500")
    assert made.returncode == 0, made.stderr
    planned = subprocess.run(
        [sys.executable, "-m", "party", "plan", "--iterations", "500", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    sizes = json.loads(planned.stdout)["material_bytes"]
    for role in ("alice", "bob"):
        assert pair.file(role).stat().st_size == sizes[role]
        assert pair.file(role).stat().st_mode & 0o777 == 0o600
    pair.both("--iterations", "500")
    pair.ends(0, 0)
    assert pair.right(500)["dealt_bytes"] == 32
    assert all(
        path.stat().st_mode & 0o777 == 0o600
        for role in ("alice", "bob")
        for path in pair.journals(role)
    )
    pair.both("--iterations", "500")
    pair.ends(6, 6)
    assert "is used up: 50 of its 550 rows are unused" in pair.said("alice")
    assert "is used up: 50 of its 550 rows are unused" in pair.said("bob")


@pytest.mark.parametrize("victims", [("alice",), ("bob",), ("alice", "bob")], ids="-".join)
def test_a_killed_party_goes_on_behind_what_was_taken(pair, victims):
    assert (
        pair.precompute("--job", "seed", "--iterations", "9000", "--spare", "200%").returncode == 0
    )
    more = {
        role: [
            "--iterations",
            "9000",
            "--checkpoint-every",
            "200ms",
            "--state",
            str(pair.folder / role),
        ]
        for role in ("alice", "bob")
    }
    for role in ("bob", "alice"):
        pair.party(role, *more[role])
    for round_number in range(3):
        taken = pair.taken("alice")
        until(lambda: pair.taken("alice") > taken + 500)
        until(
            lambda: (
                [*(pair.folder / "bob").glob("*.checkpoint")]
                and [*(pair.folder / "alice").glob("*.checkpoint")]
            )
        )
        for role in victims:
            pair.children[role].process.kill()
            pair.children[role].process.wait()
        before = max(pair.taken("alice"), pair.taken("bob"))
        for role in victims:
            pair.party(role, *more[role])
        until(lambda: pair.taken("alice") > before and pair.taken("bob") > before)
        assert pair.children["alice"].process.poll() is None, (round_number, pair.said("alice"))
    pair.ends(0, 0)
    pair.right(9000)
    assert pair.taken("alice") == pair.taken("bob") > 9000


def test_without_checkpoints_a_crash_uses_up_what_there_is(pair):
    assert pair.precompute("--job", "seed", "--iterations", "6000").returncode == 0
    pair.both("--iterations", "6000")
    until(lambda: pair.taken("bob") > 1000)
    pair.children["bob"].process.kill()
    assert pair.ended("alice") == 4
    pair.children["bob"].process.wait()
    pair.both("--iterations", "6000")
    pair.ends(6, 6)
    assert "is used up" in pair.said("alice")
    assert "go on with a live dealer" in pair.said("alice")


def test_exhausted_material_gives_way_to_a_live_dealer_or_new_material(pair):
    more = {
        role: [
            "--iterations",
            "7500",
            "--checkpoint-every",
            "200ms",
            "--state",
            str(pair.folder / role),
        ]
        for role in ("alice", "bob")
    }
    assert pair.precompute("--job", "seed", "--iterations", "7500", "--spare", "0").returncode == 0

    def start(**files: str) -> None:
        for role in ("bob", "alice"):
            pair.start(
                role, ["--json", *more[role], *([f"--material={files[role]}"] if files else [])]
            )

    start(alice=str(pair.file("alice")), bob=str(pair.file("bob")))
    until(
        lambda: (
            pair.taken("bob") > 1500 and len([*(pair.folder / "alice").glob("*.checkpoint")]) > 1
        )
    )
    for role in ("alice", "bob"):
        pair.children[role].process.kill()
        pair.children[role].process.wait()
    start(alice=str(pair.file("alice")), bob=str(pair.file("bob")))
    pair.ends(6, 6)
    old, pair.made = pair.made, pair.folder / "second"
    assert pair.precompute("--job", "seed", "--iterations", "7500").returncode == 0
    start(alice=str(pair.file("alice")), bob=str(pair.file("bob")))
    until(lambda: pair.taken("bob") > 300)
    pair.children["bob"].process.kill()
    pair.children["alice"].process.kill()
    pair.children["alice"].process.wait()
    pair.children["bob"].process.wait()
    pair.start("dealer")
    start()
    pair.ends(0, 0)
    assert pair.right(7500)["iterations"] == 7500
    assert old != pair.made


@pytest.mark.parametrize(
    "mischief",
    ["copied file", "alice's backup restored", "bob's backup restored", "alice's disk replaced"],
)
def test_no_copy_and_no_backup_brings_used_rows_back(pair, tmp_path, mischief):
    assert pair.precompute("--job", "seed", "--iterations", "300").returncode == 0
    backup = tmp_path / "backup"
    shutil.copytree(pair.made, backup)
    pair.both("--iterations", "300")
    pair.ends(0, 0)
    if mischief == "copied file":
        pair.made = backup
    else:
        role = mischief.split("'")[0]
        for path in pair.journals(role):
            if mischief.endswith("replaced") or path.is_relative_to(pair.made):
                path.unlink()
        shutil.copy(backup / pair.file(role).name, pair.file(role))
    pair.both("--iterations", "300")
    pair.ends(6, 6)
    assert "is used up" in pair.said("alice")
    assert "is used up" in pair.said("bob")


def test_other_inputs_never_meet_the_masks_of_the_first(pair, tmp_path):
    assert (
        pair.precompute("--job", "seed", "--iterations", "200", "--spare", "300%").returncode == 0
    )
    pair.both("--iterations", "200")
    pair.ends(0, 0)
    np.save(tmp_path / "x.npy", np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], float))
    pair.party(
        "bob",
        "--iterations",
        "200",
        "--data",
        f"x={tmp_path / 'x.npy'}",
        "--data",
        f"y={labels(tmp_path)}",
    )
    pair.party("alice", "--iterations", "200")
    pair.ends(4, 6)
    assert "was begun with other inputs than this party brings now" in pair.said("bob")
    # the same inputs as before, fresh rows for everything that changes
    pair.both("--iterations", "200")
    pair.ends(0, 0)
    pair.right(200)


def labels(folder: Path) -> Path:
    np.save(folder / "y.npy", np.array([[0], [0], [1], [1]], float))
    return folder / "y.npy"


def test_material_is_refused_after_its_last_day_and_its_folder_kept_out_of_backups(pair):
    assert pair.precompute("--job", "seed", "--iterations", "50", "--valid", "1ms").returncode == 0
    assert (pair.made / "CACHEDIR.TAG").exists()
    pair.both("--iterations", "50")
    pair.ends(6, 6)
    for role in ("alice", "bob"):
        assert "was to be used until" in pair.said(role)
        assert not pair.taken(role)


def test_one_process_at_a_time(pair):
    assert pair.precompute("--job", "seed", "--iterations", "300").returncode == 0
    first = pair.party("alice", "--iterations", "300")
    until(lambda: len(pair.journals("alice")) == 2)
    pair.party("alice", "--iterations", "300")
    assert pair.ended("alice") == 6
    # of both, in one file
    until(lambda: "another process is using this material" in pair.children["alice"].errors)
    first.stop(signal.SIGKILL)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_every_wrong_file_is_one_sentence(pair, tmp_path):
    """(what is done to alice's start, what she says, her exit code)"""
    assert pair.precompute("--job", "seed", "--iterations", "50").returncode == 0
    good, bob = pair.file("alice").read_bytes(), pair.file("bob")
    path = pair.file("alice")
    cases = [
        ("truncated", good[:-1], [], "has 1,071 bytes and should have 1,072", 6),
        ("empty", b"", [], "is not a file of material", 6),
        ("half a header", good[:500], [], "is damaged in its header", 6),
        ("another file", b"PK\x03\x04" * 100, [], "is not a file of material", 6),
        (
            "damaged seed",
            good[:1030] + bytes([good[1030] ^ 1]) + good[1031:],
            [],
            "is damaged at its seed",
            6,
        ),
        ("damaged header", good[:60] + bytes([good[60] ^ 1]) + good[61:], [], "is ", 6),
        ("bob's file", bob.read_bytes(), [], "is for bob, and this party is alice", 6),
        (
            "another session",
            good,
            ["--session", "other"],
            "is for the session 'pair', not 'other'",
            6,
        ),
        ("no such file", good, ["--material", "/no/where"], "cannot be read: No such file", 2),
    ]
    for name, data, extra, sentence, code in cases:
        path.write_bytes(data)
        pair.party("alice", "--iterations", "50", *extra)
        assert pair.ended("alice") == code, name
        assert sentence in pair.said("alice"), name
    path.write_bytes(good)
    home = {"XDG_STATE_HOME": str(tmp_path / "other home")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "party",
            "--role",
            "alice",
            "--session",
            "pair",
            "--material",
            str(path),
        ],
        env=dict(os.environ) | home,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 6
    assert "is sealed for the key mpc1-alice-" in done.stderr


def test_the_wrong_plan_and_the_wrong_twin(pair):
    assert pair.precompute("--job", "seed", "--iterations", "50").returncode == 0
    pair.both("--iterations", "51")
    pair.ends(6, 6)
    assert "was made for another plan" in pair.said("alice")
    alice = pair.file("alice").read_bytes()
    shutil.rmtree(pair.made)
    assert pair.precompute("--job", "seed", "--iterations", "50").returncode == 0
    pair.file("alice").write_bytes(alice)
    pair.both("--iterations", "50")
    pair.ends(3, 3)
    assert "material is 'the file " in pair.said("alice")


def test_damaged_corrections_end_in_a_sentence(pair):
    assert pair.precompute("--job", "seed", "--iterations", "2000").returncode == 0
    flip(pair.file("bob"), 5_000_000)
    pair.both("--iterations", "2000")
    pair.ends(4, 6)
    assert "is damaged at byte" in pair.said("bob")
    assert "bob stopped: the material" in pair.said("alice")
