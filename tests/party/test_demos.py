"""Jobs on real data, as three processes with few epochs: what comes out is as good as the plaintext twin's."""

from __future__ import annotations

import json

import pytest

from party.__main__ import main
from party.commands.demo import _fault
from party.loading import load_job

pytest.importorskip("sklearn")


@pytest.mark.system
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "score", "least", "options"),
    [("diabetes", "max_abs_error", 0.0, ()), ("digits-mlp", "accuracy", 0.8, ("--param", "epochs=1"))],
)
def test_a_demo_says_how_good_its_results_are(name, score, least, options, capsys):
    assert main(["demo", "--job", name, "--quiet", "--json", *options]) == 0
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])["metrics"]
    assert metrics["secure"].keys() == metrics["plain"].keys() == {score}
    assert metrics["secure"][score] >= least
    assert abs(metrics["secure"][score] - metrics["plain"][score]) <= load_job(name).tolerances[score]


@pytest.mark.system
def test_a_network_that_was_imported_classifies_as_onnxruntime_does(capsys):

    assert main(["demo", "--job", "private-inference", "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["metrics"]["secure"]["as onnxruntime"] >= 0.995
    assert found["metrics"]["secure"]["accuracy"] >= 0.95
    assert not found["results"]["alice"]


@pytest.mark.parametrize("secure", [0.5, float("nan")])
def test_a_score_too_far_from_the_twins_is_a_fault(secure):
    metrics = {"secure": {"accuracy": secure}, "plain": {"accuracy": 0.9}}
    summary = {"equal": True, "max_abs_weight_error": 0.1, "metrics": metrics, "tolerances": {"accuracy": 0.01}}
    assert "and 0.01 between them is allowed" in _fault(summary)
    metrics["secure"]["accuracy"] = 0.899
    assert _fault(summary) is None, "weights of a long training may differ"
