"""Material made ahead, with real processes: no dealer online, kill -9 and resume, copies, backups, exhaustion, full disks."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from party.loading import load_job
from party.local import Child, Trio
from protocol.jobs import trace

pytestmark = pytest.mark.system
SECONDS = 60.0


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
            timeout=60,
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
        lines = [line.split() for path in self.journals(role) for line in path.read_text().splitlines()]
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
        alice, bob = (json.loads(self.children[role].output.strip().splitlines()[-1]) for role in ("alice", "bob"))
        assert alice["results"] == bob["results"]
        job = load_job("seed")
        inputs = {name: np.asarray(declared.default, float) for name, declared in job.inputs.items()}
        plain = trace(job, {name: array.shape for name, array in inputs.items()}).graph.run_clear(inputs, iterations)
        for name, value in plain.items():
            assert np.abs(np.asarray(alice["results"][name]) - value).max() < 1e-3
        return alice


@pytest.fixture
def pair(tmp_path):
    with Pair(tmp_path) as found:
        yield found


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


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
    assert all(path.stat().st_mode & 0o777 == 0o600 for role in ("alice", "bob") for path in pair.journals(role))
    pair.both("--iterations", "500")
    pair.ends(6, 6)
    assert "is used up: 50 of its 550 rows are unused" in pair.said("alice")
    assert "is used up: 50 of its 550 rows are unused" in pair.said("bob")


@pytest.mark.parametrize("victims", [("alice",), ("bob",), ("alice", "bob")], ids="-".join)
def test_a_killed_party_goes_on_behind_what_was_taken(pair, victims):
    assert pair.precompute("--job", "seed", "--iterations", "9000", "--spare", "200%").returncode == 0
    more = {
        role: ["--iterations", "9000", "--checkpoint-every", "200ms", "--state", str(pair.folder / role)]
        for role in ("alice", "bob")
    }
    for role in ("bob", "alice"):
        pair.party(role, *more[role])
    for round_number in range(3):
        taken = pair.taken("alice")
        until(lambda: pair.taken("alice") > taken + 500)
        until(lambda: [*(pair.folder / "bob").glob("*.checkpoint")] and [*(pair.folder / "alice").glob("*.checkpoint")])
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
        role: ["--iterations", "7500", "--checkpoint-every", "200ms", "--state", str(pair.folder / role)]
        for role in ("alice", "bob")
    }
    assert pair.precompute("--job", "seed", "--iterations", "7500", "--spare", "0").returncode == 0

    def start(**files: str) -> None:
        for role in ("bob", "alice"):
            pair.start(role, ["--json", *more[role], *([f"--material={files[role]}"] if files else [])])

    start(alice=str(pair.file("alice")), bob=str(pair.file("bob")))
    until(lambda: pair.taken("bob") > 1500 and len([*(pair.folder / "alice").glob("*.checkpoint")]) > 1)
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
    "mischief", ["copied file", "alice's backup restored", "bob's backup restored", "alice's disk replaced"]
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
    assert pair.precompute("--job", "seed", "--iterations", "200", "--spare", "300%").returncode == 0
    pair.both("--iterations", "200")
    pair.ends(0, 0)
    np.save(tmp_path / "x.npy", np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], float))
    pair.party("bob", "--iterations", "200", "--data", f"x={tmp_path / 'x.npy'}", "--data", f"y={labels(tmp_path)}")
    pair.party("alice", "--iterations", "200")
    pair.ends(4, 6)
    assert "was begun with other inputs than this party brings now" in pair.said("bob")
    pair.both("--iterations", "200")  # the same inputs as before, fresh rows for everything that changes
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
    until(lambda: "another process is using this material" in pair.children["alice"].errors)  # of both, in one file
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
        ("damaged seed", good[:1030] + bytes([good[1030] ^ 1]) + good[1031:], [], "is damaged at its seed", 6),
        ("damaged header", good[:60] + bytes([good[60] ^ 1]) + good[61:], [], "is ", 6),
        ("bob's file", bob.read_bytes(), [], "is for bob, and this party is alice", 6),
        ("another session", good, ["--session", "other"], "is for the session 'pair', not 'other'", 6),
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
        [sys.executable, "-m", "party", "--role", "alice", "--session", "pair", "--material", str(path)],
        env=dict(os.environ) | home,
        capture_output=True,
        text=True,
        timeout=60,
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


def test_the_dealer_works_from_the_plan_alone(pair, tmp_path):
    job = tmp_path / "own.py"
    job.write_text(
        "import sys, pathlib\nfrom protocol.jobs import Input, Job\n"
        f"pathlib.Path({str(tmp_path / 'seen')!r}).write_text(' '.join(sys.modules))\n"
        "class Own(Job):\n    iterations = 3\n    rate = 0.5\n    x = Input('bob', shape=('n', 2))\n    w = Input('alice', shape=(2, 1))\n"
        "    def step(self, v):\n        v.w = v.w - self.rate * (v.x.T @ (v.x @ v.w)) / 100\n"
        "    def finish(self, v):\n        v.reveal(w=v.w)\n"
    )
    plan = tmp_path / "own.plan"
    command = [
        sys.executable,
        "-m",
        "party",
        "plan",
        "--job",
        str(job),
        "--shape",
        "x=9x2",
        "--param",
        "rate=0.25",
        "--save",
        str(plan),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (tmp_path / "seen").unlink()
    assert pair.precompute("--plan", str(plan)).returncode == 0
    assert not (tmp_path / "seen").exists()
    sizes = pair.file("bob").stat().st_size
    shutil.rmtree(pair.made)
    made = pair.precompute("--job", str(job), "--shape", "x=9x2", "--param", "rate=0.25")
    assert made.returncode == 0, made.stderr
    assert pair.file("bob").stat().st_size == sizes
    assert not any(name.split(".")[0] == "dealer" for name in (tmp_path / "seen").read_text().split())
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(9, 2)), np.array([[1.0], [-2.0]])
    for name, array in (("x", x), ("w", w)):
        np.save(tmp_path / f"{name}.npy", array)
    own = ["--job", str(job), "--param", "rate=0.25"]
    pair.party("bob", *own, "--data", f"x={tmp_path / 'x.npy'}")
    pair.party("alice", *own, "--data", f"w={tmp_path / 'w.npy'}")
    pair.ends(0, 0)
    for _ in range(3):
        w = w - 0.25 * (x.T @ (x @ w)) / 100
    assert np.abs(np.asarray(json.loads(pair.children["alice"].output)["results"]["w"]) - w).max() < 1e-4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--job", "no-such-job"], "there is no job 'no-such-job'"),
        (["--iterations", "5"], "say what the material is for"),
        (["--plan", "/no/where"], "the plan /no/where cannot be read"),
        (["--plan", sys.executable], "is not a plan"),
        (["--plan", "x", "--job", "seed"], "--plan and --job are two ways"),
        (["--job", "seed", "--spare", "lots"], "is not a fraction"),
        (["--job", "seed", "--max-step-memory", "1kB"], "raise --max-step-memory"),
    ],
)
def test_what_precompute_refuses(pair, arguments, sentence):
    made = pair.precompute(*arguments)
    assert made.returncode == 2
    assert sentence in made.stderr
    assert "Traceback" not in made.stderr
    assert not pair.made.exists() or not [*pair.made.iterdir()]


def test_existing_material_is_never_replaced(pair):
    assert pair.precompute("--job", "seed", "--iterations", "5").returncode == 0
    before = pair.file("bob").read_bytes()
    made = pair.precompute("--job", "seed", "--iterations", "5")
    assert made.returncode == 2
    assert "exists, and may be in use" in made.stderr
    assert pair.file("bob").read_bytes() == before


def test_a_limit_on_file_size_leaves_nothing(pair):
    limit = 1 << 20
    made = pair.precompute(
        "--job",
        "seed",
        "--iterations",
        "2000",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert made.returncode == 2
    assert "cannot be written" in made.stderr
    assert "nothing was left there" in made.stderr
    assert [*pair.made.iterdir()] == []


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_a_sentence(pair, small_disk):
    pair.made = small_disk
    made = pair.precompute("--job", "seed", "--iterations", "2000")
    assert made.returncode == 2
    assert "free; nothing was written" in made.stderr
    assert [*small_disk.iterdir()] == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(pair, small_disk):
    pair.made = small_disk
    hog = subprocess.Popen(
        [sys.executable, "-c", "import sys,time,pathlib\np=pathlib.Path(sys.argv[1])\n"
         "while not list(p.glob('.*.new')): time.sleep(0.001)\n(p/'hog').write_bytes(bytes(3 << 20))", str(small_disk)]
    )  # fmt: skip
    made = pair.precompute("--job", "seed", "--iterations", "500")
    hog.wait(20)
    assert made.returncode == 7, made.stdout
    assert "cannot be written" in made.stderr
    assert [path.name for path in small_disk.iterdir()] == ["hog"]


def test_no_room_for_the_record_means_no_use(pair, small_disk):
    pair.made = small_disk
    assert pair.precompute("--job", "seed", "--iterations", "300").returncode == 0
    with (small_disk / "hog").open("wb", buffering=0) as hog:
        try:
            while True:
                hog.write(bytes(4096))
        except OSError:
            pass
    pair.both("--iterations", "300")
    assert {pair.ended("alice"), pair.ended("bob")} == {7}
    assert "cannot be written (No space left on device); nothing is used without a record" in pair.said("bob")
