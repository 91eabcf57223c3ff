"""Least squares and ridge on secret rows equal NumPy's, whatever the columns' units are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.estimators import LinearRegression, Ridge
from protocol.jobs import Job
from protocol.simulate import simulate
from protocol.tracing import trace

SCALES = np.array([1.0, 0.1, 25.0, 3.0, 200.0])


def rows(n: int = 60, targets: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Five columns in units of their own, two of them nearly one, and what follows from them."""
    random = np.random.default_rng(2)
    x = random.standard_normal((n, 5))
    x[:, 3] = x[:, 0] + 0.05 * x[:, 3]
    y = x @ random.standard_normal((5, targets)) + 0.3 * random.standard_normal((n, targets))
    return x * SCALES + 7.0, 20.0 * y - 3.0


def fitted(job: Job, x: np.ndarray, y: np.ndarray, **parameters: Any) -> dict[str, np.ndarray]:
    for name, value in parameters.items():
        setattr(job, name, value)
    run = simulate(job, {"x": x, "y": y})
    assert run.results[0].keys() == run.results[1].keys()
    return run.results[0]


def least(
    x: np.ndarray, y: np.ndarray, alpha: float = 0.0, intercept: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    mx, my = (
        (x.mean(axis=0), y.mean(axis=0))
        if intercept
        else (np.zeros(x.shape[1]), np.zeros(y.shape[1]))
    )
    a, b = (x - mx).T @ (x - mx) + alpha * np.eye(x.shape[1]), (x - mx).T @ (y - my)
    coef = np.linalg.pinv(a) @ b
    return coef, my - mx @ coef


def off(coef: np.ndarray, best: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """In units of deviations, of the column and of the target."""
    return float((np.abs(coef - best) * x.std(axis=0)[:, None] / y.std(axis=0)).max())


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("kind", "alpha"), [(LinearRegression, 0.0), (Ridge, 2.5)])
def test_coefficients_are_those_of_least_squares(kind, alpha, intercept):
    x, y = rows()
    x -= 0.0 if intercept else 7.0
    found = fitted(kind(), x, y, fit_intercept=intercept, **({"alpha": alpha} if alpha else {}))
    best, constant = least(x, y, alpha, intercept)
    assert off(found["coef"], best, x, y) <= 1e-3
    assert ("intercept" in found) == intercept
    if intercept:
        assert np.abs(found["intercept"] - constant).max() <= 1e-2 * y.std()


def test_several_targets_are_fitted_at_once_in_as_many_rounds():
    x, y = rows(targets=3)
    plans = [simulate(LinearRegression(), {"x": x, "y": y[:, :count]}) for count in (1, 3)]
    assert plans[0].rounds == plans[1].rounds <= 80
    best, _ = least(x, y)
    assert off(plans[1].results[0]["coef"], best, x, y) <= 1e-3


def test_what_the_data_do_not_determine_does_no_harm():
    """A constant column gets 0; of two equal ones, each a half; what is predicted is as good as can
    be."""
    x, y = rows()
    x = np.column_stack([x, np.full(len(x), 5.0), x[:, 4]])
    found = fitted(LinearRegression(), x, y)
    best, _ = least(x[:, :5], y)
    assert np.array_equal(found["coef"][5], [0.0])
    assert np.abs(found["coef"][[4, 6]] - best[4] / 2).max() * x[:, 4].std() <= 1e-2 * y.std()
    assert (
        np.abs(
            x @ found["coef"] + found["intercept"] - x[:, :5] @ best - (y - x[:, :5] @ best).mean()
        ).max()
        <= 1e-2 * y.std()
    )


def test_a_category_that_three_of_a_hundred_thousand_rows_have():
    random = np.random.default_rng(1)
    x = np.stack([random.normal(size=100_000), np.zeros(100_000)], 1)
    x[random.choice(100_000, 3, False), 1] = 1.0
    y = x @ [[1.0], [5.0]] + random.normal(size=(100_000, 1))
    found = simulate(LinearRegression(), {"x": x, "y": y}).results[0]
    best, _ = least(x, y)
    # in deviations, as promised, and the rare one's coefficient itself
    assert np.abs((found["coef"] - best) * x.std(axis=0)[:, None] / y.std()).max() <= 1e-5
    assert found["coef"][1, 0] == pytest.approx(best[1, 0], rel=1e-3)


@pytest.mark.parametrize("rows", [40, 3000])
@pytest.mark.parametrize(("kind", "alpha"), [(LinearRegression, 0.0), (Ridge, 1e-3)])
def test_what_a_mean_is_beside_its_deviation_does_not_matter(kind, alpha, rows):
    """In one table columns, and targets, from the faintest that are told apart to the coarsest, and
    with means up to a million deviations from 0."""
    random = np.random.default_rng(rows)
    sizes = np.array([0.0012, 0.005, 0.02, 0.02, 0.2, 1.0, 3.0, 100.0, 200.0])
    means = np.array([1000.0, -1000.0, 1000.0, 0.0, 37.0, -1000.0, 10.0, 500.0, 0.0])
    z = random.uniform(-(3**0.5), 3**0.5, (rows, len(sizes)))
    y = z @ random.normal(size=(len(sizes), 3)) + random.normal(size=(rows, 3))
    x, y = means + sizes * z, [0.0, 1000.0, -300.0] + y * [50.0, 0.001, 1.0]
    found = fitted(kind(), x, y, **({"alpha": alpha} if alpha else {}))
    best, constant = least(x, y, alpha)
    assert off(found["coef"], best, x, y) <= 1e-6
    parts = np.abs(y.mean(axis=0)) + np.abs(means) @ np.abs(best)  # what the intercept is made of
    assert (np.abs(found["intercept"] - constant) <= 1e-6 * parts).all()


@pytest.mark.parametrize("mean", [0.0, 700.0])
@pytest.mark.parametrize(
    ("apart", "condition", "bound"), [(1e-5, 1e7, 1e-5), (1e-6, 1e7, 1e-5), (1e-7, 1e9, 1e-3)]
)
def test_nearly_collinear_columns_are_told_apart(apart, condition, bound, mean):
    """Their correlation is 1 - apart; bound: as a part of the largest, where that is more than
    1e-3."""
    random = np.random.default_rng(3)
    z = random.normal(size=(400, 3))
    x = np.stack([z[:, 0], z[:, 0] * (1 - apart) + z[:, 1] * (2 * apart) ** 0.5, z[:, 2]], 1)
    y = x[:, :1] + z[:, 1:2] + random.normal(size=(400, 1))
    best, _ = least(x, y)
    assert np.abs(best).max() > 0.3 * apart**-0.5
    found = fitted(LinearRegression(), mean + 0.3 * x, y, condition=condition)
    assert np.abs(found["coef"] * 0.3 - best).max() <= max(1e-3, bound * np.abs(best).max())


def test_of_fewer_rows_than_unknowns_the_smallest_coefficients_serve():
    """Smallest in units of powers of two near the deviations; of predictions nothing is missed."""
    x, y = rows(4)
    found = fitted(LinearRegression(), x, y, minimum=4)
    units = 2.0 ** np.ceil(np.log2(x.std(axis=0)))
    inverse = np.linalg.pinv((x - x.mean(axis=0)) / units, rcond=1e-9)
    best = inverse @ (y - y.mean(axis=0)) / units[:, None]
    assert off(found["coef"], best, x, y) <= 1e-3
    assert np.abs(x @ found["coef"] + found["intercept"] - y).max() <= 1e-3 * y.std()


def test_a_constant_target_has_no_slope():
    x, _ = rows()
    found = fitted(LinearRegression(), x, np.full((len(x), 1), 11.0))
    assert not found["coef"].any()
    assert found["intercept"] == pytest.approx(11.0, abs=1e-4)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"condition": 0.0}, r"condition is the largest ratio .*, not 0\.0$"),
        (
            {"alpha": 0.0},
            r"alpha is a number above 0 \(0 is linear-regression\), not 0.0",
        ),
    ],
)
def test_what_makes_no_sense_is_said(parameters, words):
    job = Ridge()
    for name, value in parameters.items():
        setattr(job, name, value)
    with pytest.raises(JobError, match=words):
        trace(job, {"x": (9, 2), "y": (9, 1)})


def test_a_plan_says_how_exact_the_coefficients_are():
    """And not, whatever comes out, that it cannot be known; of other fraction bits it is not."""
    job, shapes = LinearRegression(), {"x": (60, 3), "y": (60, 1)}
    said = "f = 40: coefficients, times the deviations of their columns, are off by at most 1e-3"
    assert trace(job, shapes).choice.startswith(said)
    job.fraction_bits = 30
    assert "cannot be bounded beforehand" in trace(job, shapes).choice
