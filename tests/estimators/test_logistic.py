"""Logistic regression on secret rows is as good as scikit-learn's, whose optimum it comes near to,
and equals its own float64 twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from halves import halves, together
from nn.test_layers import both

from party.shared import begin
from protocol.errors import JobError
from protocol.estimators import LogisticRegression
from protocol.jobs import Variables
from protocol.simulate import Simulation, simulate
from protocol.tracing import trace

linear_model = pytest.importorskip("sklearn.linear_model")


def rows(classes: int, n: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Three columns in units of their own, and labels that follow from them more or less."""
    random = np.random.default_rng(5)
    x = random.standard_normal((n, 3))
    scores = 2.0 * x @ random.standard_normal((3, classes)) + random.gumbel(size=(n, classes))
    return x * [1.0, 0.05, 40.0] + 2.0, scores.argmax(axis=1)


def fitted(
    x: np.ndarray, y: np.ndarray, **parameters: Any
) -> tuple[Simulation, dict[str, np.ndarray]]:
    job = LogisticRegression()
    for name, value in parameters.items():
        setattr(job, name, value)
    inputs = {"x": x, "y": y[:, None] * 1.0 if y.max() == 1 else np.eye(y.max() + 1)[y]}
    plain, run = both(job, inputs)
    return run, plain


@pytest.mark.parametrize(("classes", "intercept"), [(2, True), (2, False), (3, True)])
def test_coefficients_are_near_those_of_scikit_learn(classes, intercept):
    x, y = rows(classes)
    run, twin = fitted(x, y, C=2.0, fit_intercept=intercept)
    best = linear_model.LogisticRegression(
        C=2.0, fit_intercept=intercept, tol=1e-8, max_iter=10000
    ).fit(x, y)
    scale = x.std(axis=0)[:, None]
    for name, found in run.results[0].items():
        assert np.abs(found - twin[name]).max() <= 1e-3 * max(1.0, np.abs(twin[name]).max()), name
    assert np.abs((run.results[0]["coef"] - best.coef_.T) * scale).max() <= 0.05
    assert ("intercept" in run.results[0]) == intercept
    assert run.plan.costs[1].rounds <= (9 if classes == 2 else 12)


def test_scores_and_accuracy_are_of_rows_held_out():
    x, y = rows(2)
    run, twin = fitted(x, y, held_out=0.25, scores="bob", weights="none", max_iter=20)
    assert [set(each) for each in run.results] == [{"accuracy"}, {"accuracy", "scores"}]
    assert run.results[1]["scores"].shape == (40, 1)
    assert np.abs(run.results[1]["scores"] - twin["scores"]).max() <= 1e-3
    assert (
        run.results[0]["accuracy"] == pytest.approx(float(twin["accuracy"]), abs=1e-3)
        and twin["accuracy"] >= 0.75
    )


@pytest.mark.parametrize(("classes", "intercept"), [(2, True), (3, False)])
def test_a_model_that_was_kept_is_where_other_rows_begin(classes, intercept):
    """The same coefficients, whatever these rows' means and deviations are."""
    x, y = rows(classes, 60)
    one_hot = y[:, None] * 1.0 if classes == 2 else np.eye(classes)[y]

    class Brief(LogisticRegression):
        max_iter, weights = 3, "both"
        fit_intercept = intercept

    pair = halves(Brief(), {"x": x, "y": one_hot})
    kept, shares = together(pair), [half.generations[0].shares for half in pair]
    coef = kept["coef"] * kept["scale"].reshape(-1, 1)

    class Still(Brief):
        def step(self, v: Variables) -> None:
            """It stays where it began."""

    Still.__name__ = "Brief"
    begin(job := Still(), pair[0])
    others = x[:50] * [3.0, 0.2, 1.0] + [5.0, 0.0, -30.0]
    found = simulate(job, {"x": others, "y": one_hot[:50]}, shares=shares).results[0]
    assert np.abs(found["coef"] - coef).max() <= 1e-4
    if intercept:
        assert (
            np.abs(found["intercept"] - (kept["intercept"] - kept["centre"] @ coef)).max() <= 1e-4
        )
    begin(job := Brief(), pair[0])
    with pytest.raises(
        JobError,
        match=r"the model has coefficients of shape \(3, \d\), and these rows take \(2, \d\)",
    ):
        trace(job, {"x": (40, 2), "y": (40, one_hot.shape[1])})


def test_it_says_whether_the_coefficients_have_settled():
    """Classes that columns tell apart nearly without error take more steps than there are; what
    is said follows from one revealed bit, which whoever learns the coefficients learns."""
    random = np.random.default_rng(3)
    x = random.standard_normal((150, 3)) * [1.0, 0.05, 40.0]
    y = (x @ [20.0, -160.0, 1.0] + random.logistic(size=150) > 0) * 1
    best = linear_model.LogisticRegression(C=100.0, tol=1e-8, max_iter=10000).fit(x, y).coef_[0]
    found = {}
    for steps in (20, 200):
        job = LogisticRegression()
        job.C, job.max_iter, job.weights = 100.0, steps, "bob"
        run = simulate(job, {"x": x, "y": y[:, None] * 1.0})
        assert "converged" not in run.results[0]
        told = run.results[1]
        off = np.abs(told["coef"].ravel() - best) * x.std(axis=0)
        settled = float(told["converged"]) == pytest.approx(1.0)
        found[steps] = settled, off.max() / np.abs(best * x.std(axis=0)).max()
        assert (job.remarks(told, {}) == []) == settled
    assert not found[20][0] and found[20][1] > 0.05
    assert found[200][0] and found[200][1] < 0.01
    job.max_iter = 1
    (said,) = job.remarks({"converged": np.array(0.0)}, {})
    assert "had not settled after 1 step:" in said


def test_a_category_that_few_rows_have_beside_a_light_penalty():
    """Its coefficient was 0: the square of its deviation, as of the penalty, was below the least
    that was told apart."""
    random = np.random.default_rng(1)
    x = np.stack([random.normal(size=20_000), np.zeros(20_000)], 1)
    x[random.choice(20_000, 3, False), 1] = 1.0
    y = (x @ [1.0, 5.0] + random.normal(size=20_000) > 1) * 1
    run, twin = fitted(x, y, C=100.0)
    best = linear_model.LogisticRegression(C=100.0, tol=1e-8, max_iter=1000).fit(x, y).coef_.T
    assert np.abs(run.results[0]["coef"] / best - 1.0).max() <= 2e-3
    assert np.abs(run.results[0]["coef"] - twin["coef"]).max() <= 1e-3


@pytest.mark.parametrize("rows_there", [10, 40])
def test_a_penalty_that_leaves_nothing_is_refused_and_the_heaviest_is_right(rows_there):
    x, y = rows(2, rows_there)
    labels = y[:, None] * 1.0
    job = LogisticRegression()
    job.C = 1e-9
    with pytest.raises(JobError, match=f"C = 1e-09: with {rows_there} rows it is .* or more"):
        simulate(job, {"x": x, "y": labels})
    job = LogisticRegression()
    job.C = 1.01 / (2.0**19 * rows_there)
    run, twin = fitted(x, y, C=job.C)
    best = linear_model.LogisticRegression(C=job.C, tol=1e-9, max_iter=10000).fit(x, y)
    for coef in (run.results[0]["coef"], twin["coef"]):
        assert np.abs(coef - best.coef_.T).max() <= 1e-6
    assert np.abs(run.results[0]["intercept"] - best.intercept_).max() <= 2e-3


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"C": 0.0}, "C is a number above 0, not 0.0"),
        ({"max_iter": 0}, "max_iter is a whole number from 1 on, not 0"),
        ({"weights": "carol"}, "weights = 'carol': 'alice', 'bob', 'both' or 'none'"),
        ({"weights": "none"}, "reveals nothing"),
    ],
)
def test_what_makes_no_sense_is_said(parameters, words):
    job = LogisticRegression()
    for name, value in parameters.items():
        setattr(job, name, value)
    with pytest.raises(JobError, match=words):
        trace(job, {"x": (40, 2), "y": (40, 1)})


def test_what_a_mean_is_beside_its_deviation_does_not_matter():
    random = np.random.default_rng(5)
    z = random.normal(size=(300, 3))
    x = [1000.0, -500.0, 3.0] + [0.02, 0.05, 2.0] * z
    y = 1.0 * (z @ [1.5, -1.0, 0.5] + random.logistic(size=300) > 0)
    best = linear_model.LogisticRegression(tol=1e-10, max_iter=10_000).fit(x - x.mean(axis=0), y)
    job = LogisticRegression()
    job.max_iter = 60
    results = simulate(job, {"x": x, "y": y[:, None]}).results[0]
    assert results["converged"] == 1.0
    off = np.abs(results["coef"][:, 0] - best.coef_[0]) * x.std(axis=0)
    assert off.max() <= 1e-2 * (np.abs(best.coef_[0]) * x.std(axis=0)).max()
