"""party.loading: built-in jobs, a user's own file, parameters; and the figures the jobs are known
by."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentences import rejected

from party.inputs import default_tensor
from party.loading import BUILTIN, load_job
from party.own_code import blame
from protocol.errors import DataError, JobError
from protocol.jobs import Job
from protocol.simulate import simulate
from protocol.tracing import trace

OWN = """\
from __future__ import annotations
from dataclasses import dataclass
from protocol.jobs import Input, Job, Parameter
from protocol.limits import ABOVE_0

@dataclass
class Helper:
    a: int = 1

class Mine(Job):
    iterations = 3
    rate = Parameter(1.0, ABOVE_0)
    depth = Parameter(2)
    fast = Parameter(False)
    label = Parameter("mine")
    seed = Parameter(None, kind=int)
    folds = 5
    _hidden = 1
    x = Input("bob", shape=(2,), default=[1, 2])

    def finish(self, v):
        v.reveal(y=v.x * self.rate)

Alias = Mine
"""


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(text)
    return str(path)


def test_builtin_jobs() -> None:
    for name, kind in BUILTIN.items():
        assert type(load_job(name, {})) is kind


def test_a_users_file(tmp_path: Path) -> None:
    job = load_job(write(tmp_path, OWN), {})
    assert type(job).__name__ == "Mine" and job.iterations == 3
    assert not (tmp_path / "__pycache__").exists()
    again = load_job(write(tmp_path, OWN.replace("iterations = 3", "iterations = 4")), {})
    assert again.iterations == 4
    traced = trace(job, {"x": (2,)})
    assert traced.graph.run_clear({"x": [1, 2]}, 3)["y"].tolist() == [1, 2]


def test_parameters(tmp_path: Path) -> None:
    path = write(tmp_path, OWN)
    given = {
        "rate": "0.5",
        "depth": "7",
        "fast": "yes",
        "label": "7",
        "seed": "3",
        "fraction_bits": "24",
        "integer_bits": "12",
        "range_margin": "128",
    }
    job: Any = load_job(path, given)
    assert (job.rate, job.depth, job.fast, job.label, job.seed) == (0.5, 7, True, "7", 3)
    assert job.parameters == {
        **{"rate": 0.5, "depth": 7, "fast": True, "label": "7", "seed": 3},
        **{"fraction_bits": 24, "integer_bits": 12, "range_margin": 128.0, "check_every": 0},
    }
    assert (job.numerics.fraction_bits, job.numerics.integer_bits) == (24, 12)
    assert job.numerics.margin == 128
    fresh: Any = load_job(path, {})
    assert (fresh.rate, fresh.depth, fresh.seed) == (1, 2, None)
    assert "seed" not in fresh.parameters


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"rat": "1"}, ["--param rat", "'rate'", "depth", "fraction_bits"]),
        ({"zzzz": "1"}, ["--param zzzz", "Mine", "it has"]),
        ({"_hidden": "1"}, ["--param _hidden"]),
        ({"folds": "6"}, ["--param folds", "plain attribute", "write folds = Parameter(5)"]),
        ({"rate": "-1"}, ["mine.py", "rate is a number above 0, not -1.0"]),
        ({"seed": "0.5"}, ["seed", "whole number"]),
        ({"x": "1"}, ["--param x"]),
        ({"finish": "1"}, ["--param finish"]),
        ({"iterations": "1"}, ["--iterations"]),
        ({"reveal": "both"}, ["--reveal"]),
        ({"depth": "0.5"}, ["depth", "'0.5'", "whole number"]),
        ({"rate": "fast"}, ["rate", "'fast'", "number"]),
        ({"rate": "nan"}, ["rate", "finite number"]),
        ({"fast": "7"}, ["fast", "yes or no"]),
        ({"fraction_bits": ""}, ["fraction_bits", "whole number"]),
    ],
)
def test_bad_parameters(tmp_path: Path, params: dict[str, str], named: list[str]) -> None:
    path = write(tmp_path, OWN)
    rejected(JobError, lambda: load_job(path, params), named)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("sead", ["'sead'", "'seed'", "xor", ".py"]),
        ("nothing like it", ["seed, xor", ".py"]),
        ("", ["''"]),
        ("no/such.py", ["no/such.py", "No such file"]),
        ("jobs.txt", ["'jobs.txt'", ".py"]),
    ],
)
def test_no_such_job(name: str, named: list[str]) -> None:
    rejected(JobError, lambda: load_job(name, {}), named)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("class A(\n  pass", [":1: SyntaxError", "never closed"]),
        ("x = 1\nimport no_such_module_here", [":2", "no_such_module_here"]),
        ("\n\n1 / 0", [":3", "ZeroDivisionError"]),
        ("def f():\n  raise ValueError('a\\nb')\nf()", [":2", "ValueError: a b"]),
        ("import sys\nsys.exit('bye')", [":2", "SystemExit: bye"]),
        ("assert False", [":1: AssertionError"]),
        ("x = '\0'", [":1: SyntaxError", "null bytes"]),
        ("from protocol.jobs import Input\nInput('carol', (1,))", [":2", "'carol'"]),
        ("from protocol.jobs import Job", ["exactly one", "none"]),
        (
            "from protocol.nn import Training\nfrom protocol.tables import Table\n"
            "class A(Training):\n  x = Table('bob', ['b', 'price'])\n  y = Table('bob', ['price'])",
            ["x of bob has 'price', which is what is to be learnt; leave it out"],
        ),
        ("from party.jobs.seed import Seed", ["exactly one", "none"]),
        (
            "from protocol.jobs import Job\nclass B(Job): ...\nclass A(Job): ...",
            ["exactly one", "A, B"],
        ),
        (
            "from protocol.jobs import Job\nclass A(Job):\n  fraction_bits = 'many'",
            [":2: ", "fraction_bits is a whole number, not 'many'"],
        ),
        (
            "from protocol.jobs import Job\nclass A(Job):\n  fraction_bit = 16",
            ["fraction_bit = 16: 'fraction_bits' is what a job has"],
        ),
        (
            "from protocol.jobs import Job, Parameter\nclass A(Job):\n  iterations = Parameter(9)",
            [":2: ", "iterations = Parameter(…)", "write iterations = 9"],
        ),
        (
            "from protocol.jobs import Job, Parameter\nclass A(Job):\n  step = Parameter(9)",
            [":2: ", "step = Parameter(…)", "give the parameter another"],
        ),
        (
            "from protocol.jobs import Job, Parameter\nclass A(Job):\n  rate = Parameter(None)",
            [":3: ", "Parameter(None): a parameter is", "kind=int"],
        ),
        (
            "from protocol.jobs import Job, Parameter\nclass A(Job):\n  rate = Parameter(1, 2)",
            [":3: ", "Parameter(1, …): its limit is a Limit", "no int"],
        ),
        (
            "from protocol.jobs import Job, Parameter\nP = Parameter(2)\nclass A(Job):\n"
            "  q = P\n  r = P",
            [":3: ", "q and r are one Parameter"],
        ),
        (
            "from protocol.jobs import Job\nclass A(Job):\n  def __init__(self):\n    1 / 0",
            [":4", "ZeroDivision"],
        ),
    ],
)
def test_bad_files(tmp_path: Path, text: str, named: list[str]) -> None:
    rejected(JobError, lambda: load_job(write(tmp_path, text), {}), ["mine.py", *named])


def test_a_directory_and_a_file_nobody_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d.py").mkdir()
    rejected(JobError, lambda: load_job(str(tmp_path / "d.py"), {}), ["d.py", "directory"])

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    rejected(JobError, lambda: load_job(str(tmp_path / "p.py"), {}), ["p.py", "Permission denied"])


def test_blame_while_tracing(tmp_path: Path) -> None:
    """A mistake in step() is found when the job is traced; what is not the file's fault stays as it
    is."""
    text = OWN.replace(
        "    def finish", "    def step(self, v):\n        v.x = v.nothing\n\n    def finish"
    )
    job = load_job(write(tmp_path, text), {})

    def traced(shape: tuple[int, ...]) -> None:
        with blame(inspect.getfile(type(job))):
            trace(job, {"x": shape})

    line = text.splitlines().index("        v.x = v.nothing") + 1
    rejected(JobError, lambda: traced((2,)), [f"mine.py:{line}: ", "v.nothing"])
    with pytest.raises(DataError):
        traced((3,))
    own = OWN.replace(
        "    def finish", "    def step(self, v):\n        v.x.sum(dim=0)\n\n    def finish"
    )
    job = load_job(write(tmp_path, own), {})
    rejected(JobError, lambda: traced((2,)), ["'dim'; it is called axis here"])


def inputs_of(job: Job) -> dict[str, Any]:
    return {name: default_tensor(name, declared) for name, declared in job.inputs.items()}


@pytest.mark.parametrize("name", BUILTIN)
def test_jobs_compute_what_their_twin_does(name: str) -> None:
    """For as many steps as a network takes until a ReLU near zero falls on the other side than in
    the twin, at most 20."""
    job = load_job(name, {})
    steps = min(20, job.iterations)
    ulp = 2.0**-job.fraction_bits
    # what encoding would do
    inputs = {label: np.rint(array / ulp) * ulp for label, array in inputs_of(job).items()}
    run = simulate(job, inputs, steps)
    clear = trace(job, {name: array.shape for name, array in inputs.items()}).graph.run_clear(
        inputs, steps
    )
    for results in run.results:
        assert results.keys() == clear.keys()
        for label, expected in clear.items():
            np.testing.assert_allclose(results[label], expected, atol=max(2e-4, 8 * ulp))


def test_xor_reproduces_the_published_run() -> None:
    """mortendahl.github.io, 2017/04/17/private-deep-learning-with-mpc: the error printed first of
    ten."""
    job = load_job("xor", {})
    inputs = inputs_of(job)
    graph = trace(job, {name: array.shape for name, array in inputs.items()}).graph
    predictions = graph.run_clear(inputs, 999)["predictions"][1::2]
    assert np.abs(inputs["y"] - predictions).mean() == pytest.approx(0.0384136825, abs=1e-7)


def test_a_job_whose_inputs_come_from_a_set_is_one_job(tmp_path: Path) -> None:
    """The order of a set of names is another in each process."""
    own = write(
        tmp_path,
        "from protocol.jobs import Input, Job\n\n\nclass Mine(Job):\n    locals().update({name:"
        " Input('bob', (2,), default=[1, 2]) for name in {'p', 'q', 'r', 's', 't'}})\n\n    def"
        " finish(self, v):\n        v.reveal(out=v.p + v.t)\n",
    )
    script = (
        "import sys; from party.planned import known_shapes; from party.given import Given; from"
        " party.loading import load_job; from party.own_code import trace_job; from protocol.plan"
        " import make_plan; job = load_job(sys.argv[1]); shapes = known_shapes(job, Given(), {});"
        " print(list(job.inputs), make_plan(trace_job(job, shapes, None), 0, (0, 1)).digest)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script, own],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            check=True,
            text=True,
            capture_output=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(found) == 1, found
