"""The README and its pages: jobs plan as they stand there and compute what their twins compute,
code for notebooks runs, commands have only options that there are, links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from loopback import dealing
from nn.test_layers import both, drawn

from dealer.program import PROGRAM as DEALER
from party import Party
from party.program import PROGRAM as PARTY
from protocol.jobs import Job

ROOT = Path(__file__).parents[1]
PAGES = {
    page.relative_to(ROOT): page.read_text()
    for page in [ROOT / "README.md", *sorted(ROOT.glob("deploy/docs/*.md"))]
}
CODE = [
    block
    for text in PAGES.values()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
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
    plain, run = both(job, inputs, 5)
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
    job, estimator = (each for each in CELLS if "await" not in each)
    assert 0 < (await cell(job))["difference"] < 1e-3
    assert 0 < (await cell(estimator))["error"] < 0.2


def test_they_are_all_found():
    assert (len(BLOCKS), len(CELLS)) == (7, 3)


COMMAND = re.compile(r"^(?:\S*/)?(?:python -m (party|dealer)|mpc-(party|dealer))(?: (.*))?$")
PROGRAMS = {"party": PARTY, "dealer": DEALER}


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The program and the words of every command of ours, in blocks of commands and within
    sentences."""
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *(code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", prose))]:
        if (found := COMMAND.match(line)) and "--help" not in line:
            words = shlex.split(found[3] or "", comments=True)
            yield (
                found[1] or found[2],
                [word.replace("ROLE", "alice") for word in words if word not in ("…", "&")],
            )


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_are_commands(page):
    for name, words in commands(PAGES[page]):
        program = PROGRAMS[name]
        given = words if words and not words[0].startswith("-") else [program.default, *words]
        # raises ConfigError for an option or a choice that there is not
        program.parser().parse_args(given)


def test_enough_commands_are_found():
    assert sum(len(list(commands(text))) for text in PAGES.values()) >= 40


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#?)([^)]*)\)", PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.is_file(), target
        headings = [
            re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-")
            for line in re.findall(r"^#+ (.*)", path.read_text() if anchor else "", re.M)
        ]
        assert not anchor or anchor in headings, (target, anchor)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_lines_are_short(page):
    """Prose keeps within 100 columns; tables and blocks within what they need."""
    prose = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    assert [
        line
        for line in prose.splitlines()
        if len(line) > 100 and line[0] not in "|!" and "](" not in line
    ] == []
