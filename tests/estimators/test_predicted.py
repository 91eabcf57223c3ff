"""What an estimator keeps says of new rows what scikit-learn's says, whoever brings them, and is
revealed to nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from halves import halves, together

from party.loading import load_job
from party.predicting import predicted
from party.shared import begin
from protocol.errors import ConfigError, DataError, JobError
from protocol.estimators import LinearRegression
from protocol.graph import Array
from protocol.jobs import Job
from protocol.nn.prediction import prediction
from protocol.simulate import simulate
from protocol.tracing import trace

linear_model = pytest.importorskip("sklearn.linear_model")
UNITS = np.array([1.0, 0.1, 30.0])


def rows(n: int, seed: int) -> tuple[Array, Array]:
    """Three columns in units of their own, and a number that follows from them."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 3))
    return x * UNITS + 5.0, x @ [[2.0], [-1.0], [0.5]] + 0.3 * random.standard_normal((n, 1))


def job_of(name: str, parameters: dict[str, Any]) -> Any:
    job = load_job(name)
    for each, value in parameters.items():
        setattr(job, each, value)
    return job


@pytest.mark.parametrize(
    ("name", "parameters", "peer"),
    [
        ("linear-regression", {}, lambda: linear_model.LinearRegression()),
        (
            "ridge",
            {"alpha": 3.0, "fit_intercept": False},
            lambda: linear_model.Ridge(3.0, fit_intercept=False),
        ),
        ("logistic-regression", {"max_iter": 30}, lambda: linear_model.LogisticRegression()),
        ("logistic-regression", {"max_iter": 30}, lambda: linear_model.LogisticRegression()),
    ],
    ids=["linear", "ridge", "binary", "multinomial"],
)
def test_a_kept_estimator_predicts_what_scikit_learns_does(name, parameters, peer, request):
    (x, y), (new, _) = rows(120, 1), rows(15, 2)
    fit = peer()
    if name == "logistic-regression":
        y = (y > 0) * 1.0
        if "multinomial" in request.node.name:
            y = np.eye(3)[(rows(120, 1)[1][:, 0] > 1) * 1 + (rows(120, 1)[1][:, 0] > -1)]
        fit.fit(x, y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0])
    else:
        fit.fit(x, 20.0 * y[:, 0])
        y = 20.0 * y
    job = job_of(name, parameters | {"weights": "none"})
    pair = halves(job, {"x": x, "y": y})
    assert pair[0].architecture == type(job).__name__
    wanted = {"predictions": "alice", "scores": "both"}
    wanted |= {"probabilities": "alice"} if name == "logistic-regression" else {}
    work = predicted(pair[0], job_of(name, parameters), {}, True, wanted)
    begin(work, pair[0])
    assert [(each, declared.owner) for each, declared in work.inputs.items()] == [("x", "alice")]
    run = simulate(work, {"x": new}, shares=[half.generations[0].shares for half in pair])
    twin = run.plan.traced.graph.run_clear({"x": new} | together(pair), 0)
    assert run.results[1].keys() == {"scores"}
    if name == "logistic-regression":
        said = run.plan.traced.choice
        assert "scores of rows within 64 deviations" in said and "classes are told by these" in said
    assert np.abs(run.results[0]["scores"] - twin["scores"]).max() <= 2e-3
    if name != "logistic-regression":
        assert (
            np.abs(run.results[0]["predictions"][:, 0] - fit.predict(new)).max() <= 2e-3 * y.std()
        )
        return
    p = run.results[0]["probabilities"]
    known = fit.predict_proba(new)
    assert np.abs((p if p.shape[1] > 1 else np.hstack([1 - p, p])) - known).max() <= 0.02
    sure = np.abs(known - 0.5).min(axis=1) > 0.05
    assert np.array_equal(run.results[0]["predictions"].ravel()[sure], fit.predict(new)[sure])


def test_least_squares_says_how_good_it_is_on_rows_held_out():
    x, y = rows(80, 3)
    job = job_of("linear-regression", {"held_out": 0.25, "weights": "none", "scores": "bob"})
    run = simulate(job, {"x": x, "y": y})
    assert [set(each) for each in run.results] == [{"r2"}, {"r2", "scores"}]
    mine = job.training_rows(80)
    held = np.setdiff1d(np.arange(80), mine)
    fit = linear_model.LinearRegression().fit(x[mine], y[mine])
    assert float(run.results[0]["r2"]) == pytest.approx(fit.score(x[held], y[held]), abs=2e-3)
    assert np.abs(run.results[1]["scores"] - fit.predict(x[held])).max() <= 2e-3


def test_what_does_not_go_is_said():
    x, y = rows(20, 4)
    pair = halves(job_of("linear-regression", {}), {"x": x, "y": y})
    again = job_of("linear-regression", {})
    with pytest.raises(
        DataError,
        match="LinearRegression is fitted anew from its rows, and begins with no model; `predict`",
    ):
        begin(again, pair[0])
    with pytest.raises(DataError, match="is of a model that the job LinearRegression trained"):
        begin(prediction(job_of("logistic-regression", {}), "bob"), pair[0])
    work = prediction(LinearRegression(), "bob")
    begin(work, pair[0])
    with pytest.raises(JobError, match="the model is of 3 columns, and these rows have 4"):
        trace(work, {"x": (5, 4)})
    with pytest.raises(JobError, match="reveals nothing: weights = 'both', or held_out"):
        trace(job_of("ridge", {"weights": "none"}), {"x": (10, 3), "y": (10, 1)})
    with pytest.raises(
        JobError, match="r2 = 'carol': 'alice', 'bob', 'both' or 'none' learns them"
    ):
        trace(job_of("ridge", {"r2": "carol", "held_out": 0.5}), {"x": (20, 3), "y": (20, 1)})
    with pytest.raises(ConfigError, match="the job Seed learns no y from x"):
        predicted(pair[0], load_job("seed"), {}, False)
    assert isinstance(again, Job)
