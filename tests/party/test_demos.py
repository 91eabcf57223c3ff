"""Jobs on real data, as three processes with few epochs: what comes out is as good as the plaintext twin's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from party.__main__ import main
from party.commands.demo import _fault
from party.inputs import Given
from party.keyed import all_inputs
from party.loading import load_job
from protocol.simulate import simulate

linear_model = pytest.importorskip("sklearn.linear_model")
metrics = pytest.importorskip("sklearn.metrics")


@pytest.mark.system
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "measures", "least", "options"),
    [
        ("diabetes", ["max_abs_error"], 0.0, ()),
        ("breast-cancer", ["accuracy", "auc"], 0.95, ("--param", "max_iter=20")),
        ("digits-mlp", ["accuracy"], 0.8, ("--param", "epochs=1")),
    ],
)
def test_a_demo_says_how_good_its_results_are(name, measures, least, options, capsys):
    assert main(["demo", "--job", name, "--quiet", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["metrics"]
    assert sorted(found["secure"]) == sorted(found["plain"]) == measures
    for measure in measures:
        assert found["secure"][measure] >= least
        assert abs(found["secure"][measure] - found["plain"][measure]) <= load_job(name).tolerances[measure]


@pytest.mark.parametrize("secure", [0.5, float("nan")])
def test_a_score_too_far_from_the_twins_is_a_fault(secure):
    metrics = {"secure": {"accuracy": secure}, "plain": {"accuracy": 0.9}}
    summary = {"equal": True, "max_abs_weight_error": 0.1, "metrics": metrics, "tolerances": {"accuracy": 0.01}}
    assert "and 0.01 between them is allowed" in _fault(summary)
    metrics["secure"]["accuracy"] = 0.899
    assert _fault(summary) is None, "weights of a long training may differ"


def test_breast_cancer_is_diagnosed_as_well_as_by_scikit_learn(tmp_path):
    job = load_job("breast-cancer")
    inputs = all_inputs(job, Given(tables=job.files(tmp_path)))
    x, y = np.hstack([inputs["x.alice"], inputs["x.bob"]]), inputs["y"][:, 0]
    mine = job.training_rows(len(y))
    best = linear_model.LogisticRegression(max_iter=10000).fit(x[mine], y[mine])
    z = best.decision_function(np.delete(x, mine, axis=0))[:, None]
    results = simulate(job, inputs).results[1]
    assert abs(float(results["accuracy"]) - job.measure(results, inputs)["accuracy"]) <= 1e-4
    theirs = job.measure({"scores": z}, inputs)
    assert theirs["auc"] == pytest.approx(metrics.roc_auc_score(np.delete(y, mine), z[:, 0]))
    for name, value in job.measure(results, inputs).items():
        assert abs(value - theirs[name]) <= 0.005, name
