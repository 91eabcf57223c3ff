"""Statistics of secret columns equal NumPy's; a group of few rows is suppressed; nothing but what
was asked for is revealed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.estimators import GroupStatistics, Statistics
from protocol.simulate import simulate
from protocol.tracing import trace

X = np.random.default_rng(4).standard_normal((80, 4)) * [1.0, 30.0, 0.2, 200.0] + [
    5.0,
    -40.0,
    0.0,
    300.0,
]
X[:, 1] += 20.0 * X[:, 0]
SIZES = (40, 25, 3, 0, 10)


def found(job: Any, inputs: dict[str, np.ndarray], **parameters: Any) -> dict[str, np.ndarray]:
    for name, value in parameters.items():
        setattr(job, name, value)
    return simulate(job, inputs).results[0]


@pytest.mark.parametrize("ddof", [0, 1])
def test_all_rows(ddof):
    results = found(Statistics(), {"x": X}, measures="mean,var,std,cov,corr", ddof=ddof)
    deviation = X.std(axis=0, ddof=ddof)
    assert np.abs(results["mean"] - X.mean(axis=0)).max() <= 1e-6
    assert np.abs(results["var"] / deviation**2 - 1).max() <= 1e-5
    assert np.abs(results["std"] / deviation - 1).max() <= 2e-5
    assert (
        np.abs((results["cov"] - np.cov(X.T, ddof=ddof)) / np.outer(deviation, deviation)).max()
        <= 1e-5
    )
    assert np.abs(results["corr"] - np.corrcoef(X.T)).max() <= 5e-5


def test_nothing_else_is_revealed():
    job = Statistics()
    job.measures = "corr"
    assert set(trace(job, {"x": X.shape}).graph.revealed) == {"corr"}
    assert set(found(job, {"x": X})) == {"corr"}


def test_a_constant_column_correlates_with_nothing():
    corr = found(Statistics(), {"x": np.column_stack([X, np.full(80, 7.0)])}, measures="corr")[
        "corr"
    ]
    assert not corr[4].any() and not corr[:, 4].any()
    assert np.abs(corr[:4, :4] - np.corrcoef(X.T)).max() <= 5e-5


def grouped(measures: str, **parameters: Any) -> dict[str, np.ndarray]:
    groups = np.zeros((80, len(SIZES)))
    groups[np.arange(sum(SIZES)), np.repeat(np.arange(len(SIZES)), SIZES)] = (
        1.0  # two rows are in none
    )
    return found(GroupStatistics(), {"x": X, "groups": groups}, measures=measures, **parameters)


def test_groups_of_few_rows_are_suppressed():
    results = grouped("count,mean,var")
    ends = np.cumsum(SIZES)
    for number, (end, size) in enumerate(zip(ends, SIZES, strict=True)):
        rows = X[end - size : end]
        assert results["shown"][number] == (size >= 10)
        if size < 10:
            assert not any(results[name][number].any() for name in ("count", "mean", "var"))
            continue
        assert results["count"][number] == pytest.approx(size, abs=1e-4)
        assert np.abs(results["mean"][number] / rows.mean(axis=0) - 1).max() <= 1e-4
        assert np.abs(results["var"][number] / rows.var(axis=0) - 1).max() <= 3e-5


def test_means_by_group_tell_no_counts():
    assert set(grouped("mean", minimum=3)) == {"mean", "shown"}
    assert grouped("mean", minimum=3)["shown"].tolist() == [1, 1, 1, 0, 1]


def test_a_group_of_one_row_and_one_of_none():
    groups = np.zeros((80, 3))
    groups[:79, 0] = groups[79, 1] = 1.0
    job = GroupStatistics()
    results = found(job, {"x": X, "groups": groups}, measures="count,mean,var", minimum=1)
    assert results["shown"].tolist() == [1, 1, 0]
    assert np.abs(results["count"] - [79, 1, 0]).max() <= 1e-4
    assert np.abs(results["mean"][1] - X[79]).max() <= 1e-4 * np.abs(X).max()
    assert not results["var"][1].any()
    assert not any(results[name][2].any() for name in ("count", "mean", "var"))


@pytest.mark.parametrize("size", [1, 2, 17])
def test_a_variance_far_below_the_square_of_its_mean_is_as_exact_as_any(size):
    """Of all rows and of a group among 5,000: what a mean square and the square of a mean share was
    5 off in squares of 1,000."""
    x = 1000.0 + np.random.default_rng(5).normal(0.0, 0.25, (5000, 3))
    groups = np.zeros((5000, 2))
    groups[:size, 0] = groups[size:, 1] = 1.0
    results = found(GroupStatistics(), {"x": x, "groups": groups}, measures="mean,var", minimum=1)
    for number, rows in enumerate((x[:size], x[size:])):
        unit = 2.0**-28 * 5000 / len(rows)  # of quotients by the part of the rows that a group is
        bound = 3e-5 * rows.var(axis=0) + 4 * unit
        assert np.all(np.abs(results["var"][number] - rows.var(axis=0)) <= bound)
    whole = found(Statistics(), {"x": x}, measures="var,std,corr")
    assert np.abs(whole["var"] / x.var(axis=0) - 1).max() <= 1e-6
    assert np.abs(whole["std"] / x.std(axis=0) - 1).max() <= 2e-5
    assert np.abs(whole["corr"] - np.corrcoef(x.T)).max() <= 1e-4


@pytest.mark.parametrize(
    ("kind", "rows", "parameters", "words"),
    [
        (Statistics, 9, {}, "x has 9 rows, and nothing is told of fewer than minimum = 10"),
        (
            Statistics,
            80,
            {"measures": "mean,median"},
            "'median' is none; there are mean, var, std, cov, corr",
        ),
        (Statistics, 80, {"ddof": 80}, "whole number from 0 to 79"),
        (Statistics, 80, {"minimum": 0}, "minimum is the fewest rows .*, not 0$"),
        (GroupStatistics, 5_000_000, {"minimum": 1}, "means are told of groups of 6 or more"),
    ],
)
def test_what_makes_no_sense_is_said(kind, rows, parameters, words):
    job = kind()
    for name, value in parameters.items():
        setattr(job, name, value)
    with pytest.raises(JobError, match=words):
        trace(job, {"x": (rows, 4), "groups": (rows, 3)})


@pytest.mark.parametrize("rows", [60, 5000])
def test_means_of_groups_are_exact_however_far_the_mean_of_all_is(rows):
    random = np.random.default_rng(rows)
    sizes = np.array([0.005, 0.02, 0.1, 3.0])
    x = [1000.0, -1000.0, 300.0, 0.0] + sizes * random.uniform(-1.7, 1.7, (rows, 4))
    of = np.arange(rows) % 3
    x += 0.5 * sizes * of[:, None]
    results = found(GroupStatistics(), {"x": x, "groups": np.eye(3)[of]}, measures="mean,var")
    means = np.stack([x[of == group].mean(axis=0) for group in range(3)])
    variances = np.stack([x[of == group].var(axis=0) for group in range(3)])
    away = np.abs(means - x.mean(axis=0))
    assert (np.abs(results["mean"] - means) <= np.maximum(3e-8, 1e-5 * away)).all()
    assert (np.abs(results["var"] - variances) <= np.maximum(3e-8, 2e-5 * variances)).all()


@pytest.mark.parametrize("rows", [40, 3000])
def test_std_and_corr_are_as_exact_as_the_plan_says(rows):
    """Down to the faintest columns, whatever their means."""
    random = np.random.default_rng(rows)
    sizes = np.array([0.0011, 0.005, 0.06, 0.06, 1.0, 30.0])
    x = [1000.0, -1000.0, 0.0, 1000.0, 5.0, 500.0] + sizes * random.uniform(-1.7, 1.7, (rows, 6))
    x[:, 4] += 9.0 * x[:, 3]
    results = found(Statistics(), {"x": x}, measures="std,corr")
    off = np.abs(results["std"] / x.std(axis=0) - 1)
    apart = np.abs(results["corr"] - np.corrcoef(x.T))
    assert max(off.max(), apart.max()) <= 2e-3
    assert max(off[2:].max(), apart[2:, 2:].max()) <= 2e-4


@pytest.mark.parametrize(
    ("job", "measures", "words"),
    [
        (Statistics(), "mean,corr", "std, as a part of itself, and corr are off by at most"),
        (Statistics(), "mean", "as the job states: mean is off by about"),
        (GroupStatistics(), "mean,var", "means are off by at most 1e-5"),
    ],
)
def test_a_plan_says_how_exact_they_are(job, measures, words):
    job.measures = measures
    shapes = {"x": (90, 3)} | ({"groups": (90, 2)} if isinstance(job, GroupStatistics) else {})
    assert words in trace(job, shapes).choice
    job.fraction_bits = 20
    assert "f = 20, as the job states: " in trace(job, shapes).choice
