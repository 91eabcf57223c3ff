"""protocol.tables and protocol.preparation: what a job declares of its tables, and what becomes of
it while it is traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from party.inputs import Given, own_inputs
from protocol.describe import difference, rank, words
from protocol.errors import JobError
from protocol.jobs import Job
from protocol.labels import Labels
from protocol.nn import BinaryCrossEntropy, Dense, Sequential, Training, accuracy
from protocol.preparation import layout
from protocol.simulate import simulate
from protocol.tables import (
    BOTH,
    Clip,
    Days,
    Fill,
    Log1p,
    MinMax,
    OneHot,
    Standardise,
    Table,
    tables,
)
from protocol.tracing import trace


def job_with(**tables: Table) -> Job:
    def finish(self: Job, v: Any) -> None:
        v.reveal({name: v[name] for name in tables})

    return type("Tabled", (Job,), {"finish": finish, **tables})()


def shapes(job: Job, rows: int = 6) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(rows if isinstance(n, str) else n for n in each.shape)
        for name, each in job.inputs.items()
    }


def test_columns_of_both_become_one_tensor_at_no_cost():
    job = job_with(x=Table(alice=["a", "b"], bob=["c"], match="order", low=-4, high=4))
    assert {name: each.owner for name, each in job.inputs.items()} == {
        "x.alice": "alice",
        "x.bob": "bob",
    }
    random = np.random.default_rng(1)
    inputs = {name: random.uniform(-4, 4, shape) for name, shape in shapes(job).items()}
    run = simulate(job, inputs)
    whole = np.hstack([inputs["x.alice"], inputs["x.bob"]])
    assert np.abs(run.results[0]["x"] - whole).max() < 1e-4
    assert run.rounds == 1  # the reveal


def test_rows_of_both_become_one_tensor():
    job = job_with(
        x=Table(columns=["a", "b"], rows=BOTH),
        y=Labels(column="c", classes=3, rows={"alice": 2, "bob": 3}),
    )
    assert job.inputs["x.alice"].shape == ("x.alice.rows", 2)
    assert job.inputs["y.bob"].shape == (3, 3)
    inputs = {
        "x.alice": np.ones((2, 2)),
        "x.bob": np.zeros((3, 2)),
        "y.alice": np.eye(3)[:2],
        "y.bob": np.eye(3),
    }
    run = simulate(job, inputs)
    assert np.abs(run.results[1]["x"] - np.vstack([np.ones((2, 2)), np.zeros((3, 2))])).max() < 1e-4
    assert tables(job)["y"].shape == (5, 3)


class Both(Job):
    """Two columns of three are standardised on shares, by the even rows."""

    x = Table(
        columns=["a", "b", "c"],
        rows=BOTH,
        steps=[MinMax("a", low=0, high=100), Clip("c", low=-1, high=1), Standardise(["a", "c"])],
    )

    def training_rows(self, rows):
        return np.arange(0, rows, 2)

    def finish(self, v):
        v.reveal({"x": v.x, "mean": v["x.mean"], "inverse": v["x.inverse"]})


def both(a: np.ndarray) -> dict[str, np.ndarray]:
    """What alice and bob bring of a column in [0, 100] and two in [-1, 1], as their steps have
    prepared it."""
    random = np.random.default_rng(2)
    rest = random.uniform(-1, 1, (len(a), 2))
    prepared = np.column_stack([a / 100 * 32 - 16, rest[:, 0], rest[:, 1] * 16])
    return {"x.alice": prepared[:70], "x.bob": prepared[70:]}


def test_mean_and_deviation_of_rows_of_both_are_computed_on_shares():
    job, inputs = Both(), both(np.random.default_rng(1).lognormal(2, 0.5, 120).clip(0, 100))
    whole = np.vstack([inputs["x.alice"], inputs["x.bob"]])
    train = whole[::2]
    wanted = (whole - train.mean(axis=0)) / train.std(axis=0)
    wanted[:, 1] = whole[:, 1]
    assert job.parameters == trace(job, shapes(job)).job.parameters
    run = simulate(job, inputs)
    found = run.results[0]
    assert np.abs(found["x"] - wanted).max() < 1e-3
    assert np.abs(found["mean"] - train.mean(axis=0)[[0, 2]]).max() < 1e-4
    assert np.abs(found["inverse"] * train.std(axis=0)[[0, 2]] - 1).max() < 1e-3


def test_the_smallest_and_the_largest_of_rows_of_both_are_found_on_shares():
    columns = ["a", "b", "c"]
    steps = [MinMax(low=0, high=100), MinMax(columns=["a", "c"], onto=(-1, 1))]
    job = job_with(x=Table(columns=columns, rows={"alice": 20, "bob": 15}, steps=steps))
    random = np.random.default_rng(1)
    inputs = {
        name: random.uniform(-12, 9, (rows, 3)) for name, rows in (("x.alice", 20), ("x.bob", 15))
    }
    inputs["x.bob"][:, 2] = inputs["x.alice"][:, 2] = 3.0
    whole = np.vstack(list(inputs.values()))
    low, high = whole[:, 0].min(), whole[:, 0].max()
    found = simulate(job, inputs).results[0]["x"]
    assert np.abs(found[:, 0] - (2 * (whole[:, 0] - low) / (high - low) - 1)).max() < 1e-3
    assert np.abs(found[:, 1] - whole[:, 1]).max() < 1e-3 and np.abs(found[:, 2] + 1).max() < 1e-3


@pytest.mark.parametrize("indicator", [False, True])
def test_gaps_are_filled_with_the_mean_of_the_rows_of_both(indicator):
    steps = [MinMax(low=0, high=8), Fill(["a", "c"], indicator=indicator), Standardise()]
    job = job_with(x=Table(columns=["a", "b", "c", "d"], rows=BOTH, steps=steps))
    random, inputs, tables = np.random.default_rng(1), {}, []
    for role, rows in (("alice", 20), ("bob", 30)):
        table = random.uniform(1, 7, (rows, 4))
        # bob has no value of c at all
        table[::3, 0] = table[:: 1 if role == "bob" else 4, 2] = np.nan
        table[:, 3] = 2.5
        inputs |= own_inputs(
            job, role, Given(tables={"": dict(zip("abcd", table.T, strict=True))})
        ).arrays
        tables.append(table)
    whole = np.vstack(tables)
    gaps, filled = np.isnan(whole), np.where(np.isnan(whole), np.nanmean(whole, axis=0), whole)
    wanted = (filled - filled.mean(axis=0)) / np.where(
        [True, True, True, False], filled.std(axis=0), 1.0
    )
    found = simulate(job, inputs).results[0]["x"]
    if indicator:
        assert np.abs(found[:, [1, 4]] - gaps[:, [0, 2]]).max() < 1e-3
        found = found[:, [0, 2, 3, 5]]
    assert found.shape == (50, 4) and job.x.shape[1] == 4 + 2 * indicator
    assert np.abs(found - wanted).max() < 1e-3


def test_pictures_of_both_are_standardised_pixel_by_pixel():
    job = job_with(
        x=Table(shape=(1, 2, 2), rows=BOTH, steps=[MinMax(low=0, high=255), Standardise()])
    )
    random = np.random.default_rng(1)
    inputs = {
        name: random.uniform(-16, 16, (rows, 1, 2, 2))
        for name, rows in (("x.alice", 20), ("x.bob", 30))
    }
    whole = np.vstack(list(inputs.values()))
    found = simulate(job, inputs).results[0]["x"]
    assert np.abs(found - (whole - whole.mean(axis=0)) / whole.std(axis=0)).max() < 1e-3


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_a_column_that_is_constant_at_both_becomes_zeros(noise):
    inputs = both(50 + noise * np.random.default_rng(1).normal(size=120))
    assert not simulate(Both(), inputs).results[0]["x"][:, 0].any()


def test_one_owner_brings_a_tensor_of_the_tables_own_name():
    job = job_with(
        x=Table("bob", {"age": "Age (years)", "pay": "pay"}),
        y=Labels("bob", "z", classes=["no", "yes"], one_hot=False),
    )
    assert {name: each.shape for name, each in job.inputs.items()} == {"x": ("n", 2), "y": ("n", 1)}
    assert job_with(x=Table("bob", shape=(1, 28, 28), low=0, high=1)).inputs["x"].shape == (
        "n",
        1,
        28,
        28,
    )
    assert job_with(x=Table("bob", ["mean *"])).inputs["x"].shape == ("n", "x.bob.columns")


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ([Standardise(), Clip()], ("a", "b")),
        ([Fill(indicator=True)], ("a", "a is missing", "b", "b is missing")),
        ([Fill(columns="a", indicator=True), Standardise()], ("a", "a is missing", "b")),
        ([OneHot("b", categories=["x", 1.0])], ("a", "b=x", "b=1")),
        (
            [Fill(indicator=True), OneHot("b", categories=["x", "y"], drop_first=True)],
            ("a", "a is missing", "b=y"),
        ),
        ([OneHot("b")], None),
        ([Log1p("?"), Days("b")], ("a", "b")),
    ],
)
def test_what_columns_become_follows_from_the_declaration(steps, names):
    assert layout(("a", "b"), steps) == names
    width = job_with(x=Table("bob", ["a", "b"], steps=steps)).inputs["x"].shape[1]
    assert width == ("x.bob.columns" if names is None else len(names))


@pytest.mark.parametrize(
    ("steps", "interval"),
    [
        ([], (-1024, 1024)),
        ([Standardise()], (-16, 16)),
        ([Standardise(), Clip(low=-3, high=5)], (-3, 5)),
        ([MinMax(low=0, high=255)], (0, 1)),
        ([MinMax("a", low=0, high=255)], (-1024, 1024)),
        ([OneHot("b", categories=[1, 2]), Clip("a", low=0, high=2)], (0, 2)),
    ],
)
def test_ranges_follow_from_the_steps(steps, interval):
    (declared,) = job_with(x=Table("bob", ["a", "b"], steps=steps)).inputs.values()
    assert (declared.low, declared.high) == interval


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: Table(), ["belongs to one party"]),
        (lambda: Table("bob", ["a"], alice=["b"]), ["belongs to one party"]),
        (lambda: Table("carol", ["a"]), ["carol"]),
        (lambda: Table(alice=["a"], bob=["b"]), ["match='order'"]),
        (lambda: Table("bob", ["a"], match="order"), ["columns of both"]),
        (lambda: Table("bob", ["a", "a"]), ["twice"]),
        (lambda: Table("bob", []), ["at least one"]),
        (lambda: Table("bob", [1]), ["int"]),
        (lambda: Table("bob", 0), ["0"]),
        (lambda: Table("bob", {"a": "b *"}), ["pattern"]),
        (lambda: Table("bob", ["a"], rows=0), ["rows=1000"]),
        (lambda: Table("bob", ["a"], shape=(2, 2)), ["4 numbers"]),
        (lambda: Table("bob", shape=(1, 2), steps=[Fill(indicator=True)]), ["2 numbers"]),
        (lambda: Table("bob", ["a"], steps=[Standardise("b")]), ["standardise", "column b"]),
        (lambda: Table("bob", ["a"], steps=["standardise"]), ["str"]),
        (
            lambda: Table(columns=["a"], rows=BOTH, steps=[MinMax()]),
            ["on shares", "MinMax(low=…, high=…)"],
        ),
        (
            lambda: Table(columns=["a"], rows=BOTH, steps=[Fill()]),
            ["rows of both", "declare the numbers"],
        ),
        (
            lambda: Table(columns=["a"], rows=BOTH, steps=[Standardise()]),
            ["on shares", "MinMax(low=…, high=…)"],
        ),
        (
            lambda: Table(
                columns=["a", "b"],
                rows=BOTH,
                steps=[MinMax(low=0, high=1), Fill("a"), Standardise("b")],
            ),
            ["fills columns"],
        ),
        (
            lambda: Table(
                columns=["a"], rows=BOTH, steps=[MinMax(low=0, high=1), Fill("a"), MinMax()]
            ),
            ["rows of both"],
        ),
        (
            lambda: Table(columns=["a *"], rows=BOTH, steps=[MinMax(low=0, high=1), Standardise()]),
            ["name the columns"],
        ),
        (
            lambda: Table(columns=["a"], rows=BOTH, steps=[Clip(), Standardise(), Clip()]),
            ["may come last"],
        ),
        (lambda: Labels("bob", classes=1), ["two classes"]),
        (lambda: Labels("bob", classes=3, one_hot=False), ["two classes"]),
        (lambda: Labels("bob", classes=["a", "a"]), ["each once"]),
        (lambda: Fill("mean"), ["Fill(how='mean')"]),
        (lambda: Fill(how="mode"), ["'median'"]),
        (lambda: Clip(low=1, high=0), ["low < high"]),
        (lambda: MinMax(low=1), ["low and high"]),
        (lambda: Days(since="yesterday"), ["2020-01-31"]),
    ],
)
def test_a_contradiction_is_one_sentence(wrong, named):
    with pytest.raises(JobError) as caught:
        wrong()
    assert [word for word in named if word not in str(caught.value)] == []


def test_two_jobs_that_prepare_differently_do_not_agree():
    listings = [
        trace(job, shapes(job)).listing
        for job in (
            job_with(
                x=Table("bob", ["a", "b"], low=-16, high=16, steps=[Fill(how=how), Standardise()])
            )
            for how in ("mean", "median")
        )
    ]
    assert listings[0].digest != listings[1].digest
    number = listings[0].first_difference(listings[1].short)
    sentence = difference(
        listings[0],
        number,
        "alice",
        "bob",
        list(words(listings[1], number)),
        rank(listings[1], number),
    )
    assert sentence.startswith("the settings: bob has x, step 1 = Fill(how='median', ")


def test_a_training_takes_tables_and_says_on_which_rows_preparation_may_learn():
    class Risk(Training):
        x = Table(alice=["a"], bob=["b"], match="order", rows=40, steps=[Standardise()])
        y = Labels("bob", "c", classes=["no", "yes"], one_hot=False, rows=40)
        model = Sequential(Dense(2, 1))
        loss = BinaryCrossEntropy()
        batch, held_out = 8, 0.25
        metrics = {"accuracy": accuracy}

    job = Risk()
    rows = job.training_rows(40)
    assert (len(rows), len(set(rows.tolist())), job.iterations) == (30, 30, 3)
    assert np.array_equal(rows, np.sort(rows)) and not np.array_equal(rows, np.arange(30))
    traced = trace(job, shapes(job, 40))
    assert traced.graph.revealed
