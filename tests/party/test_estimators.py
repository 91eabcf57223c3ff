"""Estimators with scikit-learn's face: what they learn is what scikit-learn's learn, alone and with
a peer, and scikit-learn takes them."""

from __future__ import annotations

import asyncio
import pickle

import numpy as np
import pandas as pd
import pytest
from loopback import dealing

import party
from party import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor, Party, Ridge
from party.estimating import NotFitted
from protocol.errors import ConfigError, DataError

linear_model = pytest.importorskip("sklearn.linear_model")
base = pytest.importorskip("sklearn.base")
selection = pytest.importorskip("sklearn.model_selection")
runtime = pytest.importorskip("onnxruntime")
RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((90, 3)) * [1.0, 0.2, 20.0] + 4.0
SIGNAL = (X - 4.0) @ [1.5, -4.0, 0.1] + 0.5 * RANDOM.standard_normal(90)
Y = np.where(SIGNAL > 0, "yes", "no")


def test_a_regression_is_scikit_learns():
    fit, best = (
        Ridge(alpha=2.0, weights="both", session="simulate").fit(X, SIGNAL),
        linear_model.Ridge(2.0).fit(X, SIGNAL),
    )
    assert fit.coef_ == pytest.approx(best.coef_, abs=1e-2) and fit.intercept_ == pytest.approx(
        best.intercept_, abs=1e-2
    )
    assert fit.predict(X[:9]) == pytest.approx(best.predict(X[:9]), abs=1e-2)
    assert fit.score(X, SIGNAL) == pytest.approx(best.score(X, SIGNAL), abs=1e-3)
    assert fit.coef_.shape == (3,)


def test_a_classification_of_columns_of_both_is_scikit_learns(tmp_path):
    frame = pd.DataFrame(X, columns=["age", "dose", "weight"]).assign(ill=Y)
    parameters = {
        "features": {"alice": ["age"], "bob": ["dose", "weight"]},
        "target": {"bob": "ill"},
        "match": "order",
    }
    fit = LogisticRegression(
        **parameters,
        steps=["standardise"],
        max_iter=30,
        held_out=0.2,
        auc="both",
        weights="both",
    ).fit(frame, session="simulate")
    scaled = (X - X[fit.job_.training_rows(90)].mean(axis=0)) / X[fit.job_.training_rows(90)].std(
        axis=0
    )
    mine = fit.job_.training_rows(90)
    best = linear_model.LogisticRegression().fit(scaled[mine], Y[mine])
    assert list(fit.classes_) == ["no", "yes"] and fit.coef_.shape == (1, 3)
    assert fit.coef_ == pytest.approx(best.coef_, abs=0.05)
    p = fit.predict_proba(frame, session="simulate")
    assert p.shape == (90, 2) and np.abs(p - best.predict_proba(scaled)).max() < 0.02
    assert (fit.predict(frame, session="simulate") == best.predict(scaled)).mean() > 0.97
    assert fit.result_["auc"] > 0.9
    said = fit.export(tmp_path / "ill.onnx")
    assert "of age, dose, weight" in said[0]
    onnx = runtime.InferenceSession(str(tmp_path / "ill.onnx"))
    (found,) = onnx.run(
        None, {name: frame[[name]].to_numpy() for name in ("age", "dose", "weight")}
    )
    assert np.abs(found - p[:, 1:]).max() < 2e-3


def test_a_fitted_estimator_is_what_scikit_learn_expects_of_one():
    """It knows its columns, says who may know its coefficients, and can be pickled."""
    frame = pd.DataFrame(X, columns=["age", "dose", "weight"])
    fit = LinearRegression(session="simulate").fit(frame, SIGNAL)
    assert fit.n_features_in_ == 3
    assert list(fit.feature_names_in_) == ["age", "dose", "weight"]
    with pytest.raises(AttributeError, match=r"coef_: the weights were not revealed.*'both'"):
        _ = fit.coef_
    again = pickle.loads(pickle.dumps(fit))  # noqa: S301, our own
    assert again.predict(frame[:5]) == pytest.approx(fit.predict(frame[:5]), abs=1e-5)
    assert again.get_params() == fit.get_params()
    apart = LinearRegression(
        features={"alice": ["age"], "bob": 2},
        target={"bob": "y"},
        match="order",
        steps=["standardise"],
    ).fit({"alice": frame[["age"]], "bob": frame.iloc[:, 1:].assign(y=SIGNAL)}, session="simulate")
    assert apart.n_features_in_ == 3 and not hasattr(apart, "feature_names_in_")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (X[:, :2], "X has 2 columns, and what was fitted has 3"),
        (X[0], r"X.reshape\(1, -1\) is one row"),
        (pd.DataFrame(X, columns=["age", "dose", "w"]), "has no column 'weight'"),
    ],
)
def test_rows_of_another_shape_are_named(rows, words, fitted):
    with pytest.raises(DataError, match=words):
        fitted.predict(rows)


@pytest.fixture(scope="module")
def fitted() -> LinearRegression:
    frame = pd.DataFrame(X, columns=["age", "dose", "weight"])
    return LinearRegression(session="simulate").fit(frame, SIGNAL)


def test_networks_learn():
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    parameters = {
        "session": "simulate",
        "hidden_layer_sizes": (4,),
        "max_iter": 4,
        "batch_size": 16,
        "learning_rate_init": 0.1,
        "minimum": 4,
    }
    fit = MLPClassifier(**parameters, weights="both").fit(
        pd.DataFrame(scaled), pd.Series(Y, name="ill")
    )
    assert [w.shape for w in fit.coefs_] == [(3, 4), (4, 2)] and len(fit.history_["accuracy"]) == 4
    assert fit.score(scaled, pd.Series(Y)) > 0.8
    p = fit.predict_proba(scaled[:5])
    assert p.shape == (5, 2) and p.sum(axis=1) == pytest.approx(1.0, abs=1e-2)
    target = SIGNAL / SIGNAL.std()
    assert MLPRegressor(**parameters).fit(scaled, target).score(scaled, target) > 0.5


def test_scikit_learn_takes_them():
    model = LinearRegression(held_out=0.25, session="simulate")
    twin = base.clone(model)
    assert twin is not model and twin.get_params() == model.get_params()
    assert base.is_regressor(model) and base.is_classifier(LogisticRegression())
    assert repr(model.set_params(held_out=0.0)) == "LinearRegression(session='simulate')"
    found = selection.cross_val_score(model, X, SIGNAL, cv=2)
    assert found == pytest.approx(
        selection.cross_val_score(linear_model.LinearRegression(), X, SIGNAL, cv=2), abs=2e-3
    )


async def test_a_rehearsal_that_is_cancelled_computes_no_more():
    """It would go on for hours, and the interpreter would wait for its thread."""
    fit = asyncio.create_task(
        LogisticRegression(max_iter=10**6, session="simulate").fit_async(X / 24, Y)
    )
    await asyncio.sleep(0.1)
    fit.cancel()
    with pytest.raises(asyncio.CancelledError, match="the run was interrupted"):
        await fit
    await asyncio.wait_for(asyncio.get_running_loop().shutdown_default_executor(), 60)


async def test_two_parties_fit_and_predict_and_the_model_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    ids = [f"P{n}" for n in range(90)]
    hers = pd.DataFrame({"id": ids, "age": X[:, 0]})[10:]
    his = pd.DataFrame({"id": ids, "dose": X[:, 1], "weight": X[:, 2], "y": SIGNAL})[:80][::-1]
    parameters = {
        "features": {"alice": ["age"], "bob": ["dose", "weight"]},
        "target": {"bob": "y"},
        "key": "id",
        "weights": "bob",
    }
    async with dealing() as where:
        alice, bob = (Party(role, wait=20, **where) for role in ("alice", "bob"))
        a, b = LinearRegression(**parameters), LinearRegression(**parameters)
        await asyncio.gather(a.fit_async(hers, session=alice), b.fit_async(his, session=bob))
        best = linear_model.LinearRegression().fit(X[10:80], SIGNAL[10:80])
        assert not hasattr(a, "coef_") and b.coef_ == pytest.approx(best.coef_, abs=1e-2)
        none, told = await asyncio.gather(
            a.predict_async(hers, session=alice), b.predict_async(his, session=bob)
        )
        score = asyncio.to_thread(a.score, hers, SIGNAL[10:], alice)
        (untold, _) = await asyncio.gather(
            score, b.predict_async(his, session=bob), return_exceptions=True
        )
        faults = await asyncio.gather(
            Party("alice", wait=20, **where).predict(
                a.model_, hers, job=a.job_, to={"predictions": "both"}
            ),
            b.predict_async(his, session=bob),
            return_exceptions=True,
        )
    assert (
        "what is predicted is 'predictions for both' for alice and 'predictions for bob' for bob"
        in str(faults[0])
    )
    assert isinstance(
        untold, ConfigError
    ) and "the other party has been told what is predicted" in str(untold)
    assert none is None and np.sort(told) == pytest.approx(
        np.sort(best.predict(X[10:80])), abs=2e-2
    )
    a.model_.save(tmp_path / "a.share")
    with pytest.raises(
        ConfigError, match="the coefficients of LinearRegression were not revealed to this party"
    ):
        a.export(tmp_path / "a.onnx")
    assert "x.alice, dose, weight" in b.export(tmp_path / "b.onnx")[0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: LogisticRegression(Cc=1),
            "LogisticRegression has no parameter Cc; did you mean 'C'",
        ),
        (lambda: Ridge().fit(X, SIGNAL), "say where this runs: session=Party"),
        (
            lambda: Ridge().predict(X, session="simulate"),
            "this Ridge has no model yet; call fit first",
        ),
        (
            lambda: Ridge(owner="carol", session="simulate").fit(X, SIGNAL),
            "owner='carol', features=None: rows and columns are",
        ),
        (
            lambda: Ridge(steps=["standard"], session="simulate").fit(X, SIGNAL),
            "steps: 'standard' is no step; did you mean 'standardise'",
        ),
        (
            lambda: LogisticRegression(target="y").fit(None, session=Party("bob")),
            'classes=\\["no", "yes"\\] says which',
        ),
        (
            lambda: Ridge(steps=["log"], target="t").fit(
                {"a": [1, 2], "t": [3, 4]}, session="simulate"
            ),
            "steps: 'log' is no step",
        ),
        (
            lambda: LogisticRegression(max_iter="x", session="simulate").fit(X, Y),
            "\\(max_iter='x'\\): it is a whole number, as 50",
        ),
        (
            lambda: Ridge(alpha=None, session="simulate").fit(X, SIGNAL),
            "alpha=None\\): it is a finite number",
        ),
        (lambda: Ridge().export("x.onnx"), "no model yet"),
        (
            lambda: MLPRegressor(target="y").fit(None, session=Party("bob")),
            "features: a network's first weights are drawn",
        ),
    ],
)
def test_what_is_wrong_is_said(call, words):
    with pytest.raises(ConfigError, match=words):
        call()


def test_a_target_with_gaps_or_of_one_class_is_said_and_classes_are_read_from_a_file(tmp_path):
    rows = [f"{a:.3f},{b:.3f},{label}" for (a, b, _), label in zip(X, Y, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows]))
    model = LogisticRegression(features=["a", "b"], target="y", max_iter=5)
    model.fit(str(tmp_path / "t.csv"), session="simulate")
    assert model.classes_.tolist() == ["no", "yes"]
    for gap in (None, float("nan")):
        y = [*Y[:3], gap, *Y[4:]]
        with pytest.raises(DataError, match="no value in row 4, and 1 row in all"):
            LogisticRegression().fit(X, np.array(y, object), session="simulate")
    with pytest.raises(DataError, match="of one class alone"):
        LogisticRegression().fit(X, np.zeros(len(X)), session="simulate")
    with pytest.raises(DataError, match="C is a parameter of the job LogisticRegression and no"):
        party.simulate("logistic-regression", x=X, y=SIGNAL > 0, C=2.0)


@pytest.mark.parametrize("owners", ["both", "one"])
def test_columns_of_ids_may_have_a_name_at_each(owners):
    """Of columns of both, and of columns of one with the other's target."""
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(pid=range(90), patient=range(90), y=Y)
    features = {"alice": ["a", "b"], "bob": ["c"]} if owners == "both" else {"alice": ["a", "b"]}
    given = {
        "features": features,
        "target": {"bob": "y"},
        "classes": ["no", "yes"],
        "weights": "both",
        "session": "simulate",
    }
    fit = LogisticRegression(key={"alice": "pid", "bob": "patient"}, **given).fit(table)
    same = LogisticRegression(key="pid", **given).fit(table)
    assert fit.coef_ == pytest.approx(same.coef_, abs=1e-3)
    count = sum(map(len, features.values()))
    best = linear_model.LogisticRegression().fit(X[:, :count], Y)
    assert fit.coef_ == pytest.approx(best.coef_, abs=2e-2)
    ridge = Ridge(
        features=features, target={"bob": "z"}, key={"alice": "pid", "bob": "patient"},
        weights="both", session="simulate",
    ).fit(table.assign(z=SIGNAL))  # fmt: skip
    assert ridge.coef_ == pytest.approx(
        linear_model.Ridge().fit(X[:, :count], SIGNAL).coef_, abs=1e-2
    )


def test_errors_are_those_that_scikit_learn_has():
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.raises(exceptions.NotFittedError) as unfitted:
        Ridge(session="simulate").predict(X)
    assert isinstance(unfitted.value, ConfigError)
    again = pickle.loads(pickle.dumps(unfitted.value))  # noqa: S301
    assert isinstance(again, exceptions.NotFittedError) and str(again) == str(unfitted.value)
    with pytest.raises(ValueError, match="Ridge has no parameter foo") as unknown:
        Ridge().set_params(foo=1)
    assert isinstance(unknown.value, ConfigError)
    without = NotFitted("no model")
    assert isinstance(without, ValueError) and isinstance(without, AttributeError)


def test_they_are_part_of_the_library():
    assert all(getattr(party, name).__name__ == name for name in party.ESTIMATORS)
