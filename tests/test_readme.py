"""The jobs on the README's page plan as they stand there, and compute what their twins compute."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from nn.test_layers import drawn, twin

from protocol.jobs import Job
from protocol.simulate import simulate

BLOCKS = [
    block
    for block in re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)
    if "(Job)" in block or "(Training)" in block
]


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


def test_they_are_all_found():
    assert len(BLOCKS) == 4
