"""A column that varies by less than a job tells apart is named to its owner, before the run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from party.given import Given
from party.inputs import own_inputs
from protocol.errors import DataError
from protocol.estimators import LinearRegression, LogisticRegression, Statistics
from protocol.tables import MinMax, Standardise, Table


def weak(C: float) -> LogisticRegression:
    job = LogisticRegression()
    job.C = C
    return job


@pytest.mark.parametrize(
    ("job", "faint"),
    [
        (type("Std", (Statistics,), {"measures": "std"})(), True),
        (Statistics(), False),
        (LinearRegression(), True),
        (weak(1e-3), False),  # the penalty tells them apart
        (weak(1e6), True),
    ],
)
@pytest.mark.parametrize("rare", [False, True])
def test_a_column_that_would_count_as_constant_is_named(job: Any, faint: bool, rare: bool) -> None:
    n = 2_000_000 if rare else 20
    third = np.arange(n) == 5 if rare else np.arange(n) / (1000 * n)
    rows = np.stack([np.arange(n) * (20 / n), np.ones(n), third], 1)
    labels = isinstance(job, LogisticRegression)
    y = np.arange(n)[:, None] % 2 if labels else rows[:, :1]
    given = Given({"x": rows} | ({"y": y} if "y" in job.inputs else {}), {})
    if not faint:
        own_inputs(job, "bob", given)
        return
    said = "is 1 in 1 row of 2,000,000, and so counts" if rare else "has a deviation below 0.00"
    with pytest.raises(DataError, match=f"column 3 {said}"):
        own_inputs(job, "bob", given)


@pytest.mark.parametrize("step", [[], [MinMax(low=0, high=1000), Standardise()]])
def test_of_rows_of_both_a_column_that_may_count_as_constant_is_said(step: Any) -> None:
    """The other's rows may lie elsewhere, which nobody may know here."""
    table = Table(columns=["a", "b", "c"], rows="alice+bob", steps=step)
    job = type("Both", (LinearRegression,), {"x": table})()
    faint = np.arange(20) / (20_000 if not step else 1000)
    rows = {"a": np.arange(20.0), "b": np.ones(20), "c": faint}
    found = own_inputs(job, "bob", Given({"y": np.arange(20.0)[:, None]}, {"x": rows}))
    said = [each for each in found.said if "counts as constant" in each]
    assert len(said) == 1 and said[0].startswith("x.bob: column c "), found.said
