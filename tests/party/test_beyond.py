"""Columns that leave their range are named with their line, and with what a job's file can say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentences import rejected

from party import plain
from party.formats.job_toml import job_from
from party.given import Given
from party.inputs import own_inputs
from protocol.errors import DataError, JobError

FILE = "income,default\n" + "\n".join(
    f"{141495 if n == 77 else 30000 + 100 * n},{n % 2}" for n in range(120)
)
FIT = """
[columns]
{columns}
label = {{ column = "default", classes = 2{owner} }}
steps = [{steps}]
[model]
estimator = "logistic-regression"
"""
MEANS = """
[columns]
{columns}
steps = [{steps}]
[model]
estimator = "statistics"
measures = "mean,std"
"""
BOTH, ONE = {"columns": 'both = ["income"]', "owner": ""}, {
    "columns": 'bob = ["income"]',
    "owner": ', owner = "bob"',
}  # fmt: skip
SPREAD = '{ do = "min-max", low = 0, high = HIGH, columns = "income" }'


@pytest.mark.parametrize(
    ("text", "whose", "steps", "words"),
    [
        (
            FIT,
            BOTH,
            f'{SPREAD.replace("HIGH", "100000")}, "fill", "standardise"',
            ["outside of the low and high", "line 79", "widen low and high", "of both parties"],
        ),
        (
            FIT,
            ONE,
            SPREAD.replace("HIGH", "100000"),
            ["outside of the low and high", "line 79", "widen low and high"],
        ),
        (MEANS, BOTH, "", ["[-1024, 1024] in line 2 and 119 further", "larger unit", "m * (high"]),
        (MEANS, ONE, "", ["in line 2 and 119 further rows", "larger unit", "min-max"]),
        (FIT, BOTH, "", ["line 2", "larger unit, thousands say, at both parties"]),
        (FIT, ONE, "", ["line 2", 'add "standardise" to the steps', "larger unit"]),
    ],
)
def test_a_column_beyond_its_range_is_named(text, whose, steps, words, tmp_path):
    (tmp_path / "t.csv").write_text(FILE)
    job = job_from(text.format(steps=steps, **whose), Path("j.toml"))()
    given = Given(tables={"": tmp_path / "t.csv"})
    said = rejected(DataError, lambda: own_inputs(job, "bob", given), ["column income", *words])
    assert "of an Input" not in said and "subtract" not in said


def test_a_declared_range_that_is_too_narrow_may_be_widened(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n50\n120\n")
    text = '[columns]\nbob = ["a"]\nlow = 0\nhigh = {}\n[model]\nestimator = "statistics"'
    given = Given(tables={"": tmp_path / "t.csv"})
    narrow = job_from(text.format(100), Path("j"))()
    words = ["column a", "line 4", "declare a wider low and high in [columns]"]
    rejected(DataError, lambda: own_inputs(narrow, "bob", given), words)
    assert (
        own_inputs(job_from(text.format(200), Path("j"))(), "bob", given).arrays["x"].max() == 120
    )


TARGET = """
[columns]
bob = ["size"]
target = {{ owner = "bob", column = "price"{more} }}
steps = [{steps}]
[model]
estimator = "linear-regression"
"""


def test_what_a_target_beyond_its_range_is_advised_serves(tmp_path):
    """It is none of the columns that the steps of a table are done to."""
    sizes = np.arange(40.0)
    lines = [f"{each},{2000.0 + 3.0 * each * (1 + each % 2)}" for each in sizes]
    (tmp_path / "t.csv").write_text("\n".join(["size,price", *lines]))
    given = Given(tables={"": tmp_path / "t.csv"})
    for steps in ("", '"standardise"'):
        job = job_from(TARGET.format(more="", steps=steps), Path("j"))()
        named = ["column price", "line 2", "larger unit", 'target = { …, steps = ["standardise"] }']
        said = rejected(DataError, lambda job=job: own_inputs(job, "bob", given), named)
        assert 'add "standardise"' not in said
    (tmp_path / "j.toml").write_text(TARGET.format(more=', steps = ["standardise"]', steps=""))
    found = plain(str(tmp_path / "j.toml"), bob=tmp_path / "t.csv")
    price = np.array([float(line.split(",")[1]) for line in lines])
    slope = np.polyfit(sizes, price, 1)[0]
    assert found["coef"].item() * price.std() == pytest.approx(slope, rel=1e-3)


def test_of_a_target_with_rows_of_both_a_range_is_declared(tmp_path):
    lines = [f"{each},{2000 + 3 * each}" for each in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["size,price", *lines]))
    text = TARGET.replace("bob = [", "both = [").replace('owner = "bob", ', "")
    given = Given(tables={"": tmp_path / "t.csv"})
    job = job_from(text.format(more="", steps=""), Path("j"))()
    named = ["at both parties", 'steps = [{ do = "min-max", low = …, high = … }] }']
    rejected(DataError, lambda: own_inputs(job, "bob", given), named)
    step = ', steps = [{ do = "min-max", low = 2000, high = 2117 }]'
    job = job_from(text.format(more=step, steps=""), Path("j"))()
    assert own_inputs(job, "bob", given).arrays["y.bob"].max() == 1.0


def test_a_step_may_name_what_is_called_as_the_target_is(tmp_path):
    """Of alice, who has another column of that name."""
    text = TARGET.format(more="", steps='{ do = "standardise", columns = "price" }')
    text = text.replace("bob = [", 'alice = ["price"]\nbob = [')
    job_from(f'[rows]\nmatch = "order"\n{text}', Path("j"))


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        (TARGET.format(more="", steps="{}"), "price", ["'price' is what is learnt: give it steps"]),
        (FIT.format(steps="{}", **ONE), "default", ["'default' is what", "a label takes no steps"]),
    ],
)
def test_steps_for_what_is_learnt_stand_beside_it(text, column, words):
    step = f'{{ do = "standardise", columns = "{column}" }}'
    named = ["columns.steps", *words]
    rejected(JobError, lambda: job_from(text.replace("{}", step), Path("j")), named)


@pytest.mark.parametrize(
    ("cell", "words"),
    [("inf", "column b is infinite in line 3"), ("NaN", "column b has no value in line 3")],
)
def test_a_cell_that_is_no_finite_number_is_named(cell, words, tmp_path):
    (tmp_path / "t.csv").write_text(f"a,b\n1,2\n3,{cell}\n")
    job = job_from('[columns]\nbob = ["a", "b"]\n[model]\nestimator = "statistics"', Path("j"))()
    given = Given(tables={"": tmp_path / "t.csv"})
    said = rejected(DataError, lambda: own_inputs(job, "bob", given), ["t.csv", words])
    assert "position" not in said


def test_what_is_advised_gives_the_statistics_of_the_column(tmp_path):
    job = tmp_path / "j.toml"
    job.write_text(MEANS.format(steps=SPREAD.replace("HIGH", "200000"), **BOTH))
    rows = [line.split(",")[0] for line in FILE.split("\n")[1:]]
    for role, half in (("alice", rows[:50]), ("bob", rows[50:])):
        (tmp_path / f"{role}.csv").write_text("\n".join(["income", *half]))
    found = plain(str(job), alice=tmp_path / "alice.csv", bob=tmp_path / "bob.csv")
    incomes = np.array(rows, float)
    assert found["mean"].item() * 200000 == pytest.approx(incomes.mean(), rel=1e-3)
    assert found["std"].item() * 200000 == pytest.approx(incomes.std(), rel=1e-2)


def test_names_by_position_are_said(tmp_path):
    (tmp_path / "t.csv").write_text("1.5,2.5\n3.5,4.5\n")
    job = job_from('[columns]\nbob = ["a", "b"]\n[model]\nestimator = "statistics"', Path("j"))()
    given = Given(tables={"": tmp_path / "t.csv"})
    assert "(a, b, by their position)" in own_inputs(job, "bob", given).read[0]
    (tmp_path / "t.csv").write_text("a,b\n1.5,2.5\n3.5,4.5\n")
    assert "(a, b) from" in own_inputs(job, "bob", given).read[0]


STEPPED = """
[rows]
match = "order"
[columns]
alice = ["a*", "income"]
bob = ["visits"]
steps = [{steps}]
[model]
estimator = "statistics"
"""


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        ('{ do = "fill", columns = "age" }', ""),
        ('{ do = "fill", columns = ["age", "visits"] }, "standardise"', ""),
        ('{ do = "clip", columns = "income", low = 0, high = 9 }', ""),
        (
            '{ do = "fill", columns = "visits", indicator = true },'
            ' { do = "clip", columns = ["visits is missing"] }',
            "",
        ),
        ('{ do = "fill", columns = "aeg" }', "alice"),
        ('{ do = "fill", columns = "xyz" }', "alice"),
        ('{ do = "fill", columns = "visits=1" }', "bob"),
    ],
)
def test_a_step_on_a_column_that_a_pattern_stands_for_is_its_owner_s(steps, wrong):
    job = job_from(STEPPED.format(steps=steps), Path("j.toml"))()
    tables = {
        "alice": {"age": [1.0, None, 3.0] if "age" in steps else [1.0, 2.0, 3.0],
                  "income": [4.0, 5.0, 6.0]},
        "bob": {"visits": [7.0, 8.0, 9.0]},
    }  # fmt: skip
    for role, table in tables.items():
        given = Given(tables={role: table})
        if role == wrong:
            rejected(DataError, lambda g=given: own_inputs(job, wrong, g), ["is not there"])
        elif not wrong:
            found = own_inputs(job, role, given)
            assert len(found.arrays) == 1
            if role == "alice" and steps.startswith('{ do = "fill", columns = "age"'):
                assert found.arrays["x.alice"][:, 0].tolist() == [1.0, 2.0, 3.0]
