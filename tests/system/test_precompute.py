"""Making material ahead: from a plan alone, refused in sentences, on full disks and within
limits."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pair import Pair

pytestmark = pytest.mark.system


@pytest.fixture
def pair(tmp_path):
    with Pair(tmp_path) as found:
        yield found


def test_the_dealer_works_from_the_plan_alone(pair, tmp_path):
    job = tmp_path / "own.py"
    job.write_text(
        "import sys, pathlib\nfrom protocol.jobs import Input, Job, Parameter\n"
        f"pathlib.Path({str(tmp_path / 'seen')!r}).write_text(' '.join(sys.modules))\nclass"
        " Own(Job):\n    iterations = 3\n    rate = Parameter(0.5)\n"
        "    x = Input('bob', shape=('n', 2))\n    w = Input('alice', shape=(2, 1))\n"
        "    def step(self, v):\n        v.w = v.w - self.rate"
        " * (v.x.T @ (v.x @ v.w)) / 100\n    def finish(self, v):\n        v.reveal(w=v.w)\n"
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
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    (tmp_path / "seen").unlink()
    assert pair.precompute("--plan", str(plan)).returncode == 0
    assert not (tmp_path / "seen").exists()
    sizes = pair.file("bob").stat().st_size
    shutil.rmtree(pair.made)
    made = pair.precompute("--job", str(job), "--shape", "x=9x2", "--param", "rate=0.25")
    assert made.returncode == 0, made.stderr
    assert pair.file("bob").stat().st_size == sizes
    assert not any(
        name.split(".")[0] == "dealer" for name in (tmp_path / "seen").read_text().split()
    )
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
    assert (
        np.abs(np.asarray(json.loads(pair.children["alice"].output)["results"]["w"]) - w).max()
        < 1e-4
    )


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
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
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
        [
            sys.executable,
            "-c",
            (
                "import sys,time,pathlib\np=pathlib.Path(sys.argv[1])\nwhile not"
                " list(p.glob('.*.new')): time.sleep(0.001)\n(p/'hog').write_bytes(bytes(3 << 20))"
            ),
            str(small_disk),
        ]
    )
    made = pair.precompute("--job", "seed", "--iterations", "500")
    hog.wait(60)
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
    assert (
        "cannot be written (No space left on device); nothing is used without a record"
        in pair.said("bob")
    )
