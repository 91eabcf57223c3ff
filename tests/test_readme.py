"""The jobs on the README's page plan as they stand there, and compute what their twins compute; its code for notebooks runs."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from loopback import dealing
from nn.test_layers import drawn, twin

from party import Party
from protocol.jobs import Job
from protocol.simulate import simulate

CODE = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)
BLOCKS = [block for block in CODE if "(Job)" in block or "(Training)" in block]
CELLS = [block for block in CODE if "from party import" in block]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_job_of_the_readme_runs(number, monkeypatch):
    module = ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)
    exec(compile(BLOCKS[number], "README.md", "exec"), module.__dict__)
    (job,) = [
        each() for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Job) and each.__module__ == "readme"
    ]  # fmt: skip
    inputs = drawn(job, 16)
    for name in inputs.keys() & {"w", "b"}:
        inputs[name] /= 32  # where a training begins
    if job.inputs["y"].shape == (1797, 10):
        inputs["y"] = np.eye(10)[np.arange(1797) % 10]
    run, plain = simulate(job, inputs, 5), twin(job, inputs, 5)
    results = run.results[0] | run.results[1]
    assert results.keys() == plain.keys() and plain
    for name, array in plain.items():
        assert np.abs(results[name] - array).max() <= 2e-3, name


async def cell(code: str) -> dict[str, Any]:
    """What a notebook's cell defines."""
    found: dict[str, Any] = {}
    running = eval(compile(code, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), found)
    if running is not None:
        await running
    return found


async def test_a_cell_at_bobs_runs_with_alice(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (code,) = (each for each in CELLS if "await" in each)
    async with dealing() as where:
        code = code.replace('Party("bob")', f'Party("bob", **{where})')
        hers, his = await asyncio.gather(Party("alice", **where).train("seed"), cell(code))
    assert np.array_equal(his["weights"], hers["weights"])
    assert "weights (3, 1)" in capsys.readouterr().out


async def test_a_job_is_tried_out_alone():
    (code,) = (each for each in CELLS if "await" not in each)
    assert 0 < (await cell(code))["difference"] < 1e-3


def test_they_are_all_found():
    assert (len(BLOCKS), len(CELLS)) == (5, 2)
