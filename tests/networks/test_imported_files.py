"""What `import` writes, two files: an architecture that gives no weight away, and weights for their
owner alone."""

from __future__ import annotations

import json
import re
import stat
from typing import Any

import numpy as np
import pytest
from networks.models import (
    CANCER,
    DIGITS,
    by_onnxruntime,
    graph_of,
    imported,
    job_of,
    of_sklearn,
    saved,
)
from onnx import helper
from sklearn.ensemble import (
    GradientBoostingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from party.__main__ import main
from party.given import assigned
from protocol.networks import read
from protocol.simulate import simulate

RANDOM = np.random.default_rng(3)


def test_bob_learns_no_weight(tmp_path):
    """No coefficient, threshold or mean of the model stands in the architecture, in whatever
    digits."""
    x, y = CANCER
    path = of_sklearn(
        make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=2)).fit(x, y),
        x,
        tmp_path,
    )
    model = imported(path, ranges={"X": (-4096, 4096)})
    plain = json.loads(model.network.text)

    def numbers(value: Any) -> set[float]:
        if isinstance(value, dict):
            return set().union(*map(numbers, value.values()))
        if isinstance(value, list):
            return set().union(*map(numbers, value))
        return {float(value)} if isinstance(value, (int, float)) else set()

    told = numbers(plain)
    powers = {2.0**n for n in range(-20, 64)} | {-(2.0**n) for n in range(64)}
    sizes = {float(n) for weight in model.network.weights.values() for n in weight.shape} | {
        0.0,
        1.0,
        -1.0,
        30.0,
    }
    assert told <= powers | sizes, told - powers - sizes


def test_the_command_writes_both_files_for_their_owner_alone(tmp_path, capsys):
    x, y = DIGITS
    path = of_sklearn(LogisticRegression(max_iter=500).fit(x / 16, y), x, tmp_path)
    np.save(tmp_path / "rows.npy", x[:30] / 16)
    command = [
        "import",
        str(path),
        "--out",
        str(tmp_path / "m"),
        "--calibrate",
        str(tmp_path / "rows.npy"),
    ]
    assert main([*command, "--output", "output_label"]) == 0
    said = capsys.readouterr().out
    assert "bob learns output_label" in said and "probability" not in said
    for name in ("m.json", "m.npz"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    network = read(tmp_path / "m.json")
    assert (network.inputs["X"].low, network.inputs["X"].high) == (0.0, 1.0)
    # nothing is computed that is not wanted
    assert [node.operator for node in network.nodes] == ["Gemm", "ArgMax"]
    files = assigned([str(tmp_path / "m.npz")], "--data")
    assert sorted(files) == sorted(f"model.{name}" for name in network.weights)
    assert main([*command, "--output", "label"]) == 2
    assert "it has output_label, output_probability" in capsys.readouterr().err
    assert main(["import", str(path), "--range", "Y=0:1"]) == 2
    assert "no such input; it has X" in capsys.readouterr().err


@pytest.mark.system
def test_three_processes_predict_and_bob_alone_learns_what(tmp_path, capsys):
    x, y = DIGITS
    path = of_sklearn(MLPClassifier((16,), max_iter=30, random_state=0).fit(x / 16, y), x, tmp_path)
    out = str(tmp_path / "digits")
    assert (
        main(["import", str(path), "--out", out, "--range", "X=0:1", "--output", "output_label"])
        == 0
    )
    np.savetxt(tmp_path / "new.csv", x[:40] / 16, delimiter=",")
    command = [
        "demo",
        "--job",
        f"{out}.json",
        "--data",
        f"{out}.npz",
        "--data",
        f"X={tmp_path / 'new.csv'}",
        "--json",
        "--quiet",
    ]
    assert main([*command, "--out", str(tmp_path / "labels.npy")]) == 0
    wanted = by_onnxruntime(path, X=x[:40] / 16)["output_label"]
    assert np.array_equal(np.load(tmp_path / "labels.npy"), wanted)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["max_abs_weight_error"] == 0.0


@pytest.mark.system
def test_three_processes_predict_with_a_model_without_weights(tmp_path, capsys):
    """Alice has nothing to keep secret, and brings nothing; no file of weights is written or
    asked for."""
    nodes = [
        helper.make_node("Normalizer", ["x"], ["a"], domain="ai.onnx.ml", norm="L2"),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    path = saved(graph_of(nodes, {"x": ["n", 4]}, {"y": ["n", 4]}), tmp_path)
    out = tmp_path / "unit"
    assert main(["import", str(path), "--out", str(out), "--range", "x=-4:4"]) == 0
    said = capsys.readouterr().out
    assert "unit.npz is not written: the model has no weights" in said and "--data" not in said
    assert re.search(r"Note: .*Normalizer.* divides by what may be near 0", said)
    assert not (tmp_path / "unit.npz").exists()
    rows = RANDOM.uniform(-4, 4, (20, 4))
    np.savetxt(tmp_path / "new.csv", rows, delimiter=",")
    command = ["demo", "--job", f"{out}.json", "--data", f"x={tmp_path / 'new.csv'}", "--quiet"]
    assert main([*command, "--json", "--out", str(tmp_path / "y.npy")]) == 0
    wanted = by_onnxruntime(path, x=rows)["y"]
    assert np.abs(np.load(tmp_path / "y.npy") - wanted).max() <= 1e-4


def test_a_model_without_weights_asks_its_owner_for_nothing(tmp_path):
    path = saved(
        graph_of([helper.make_node("Relu", ["x"], ["y"])], {"x": ["n", 3]}, {"y": ["n", 3]}),
        tmp_path,
    )
    model = imported(path)
    assert model.weights == {} and model.network.weights == {}
    job = job_of(model, tmp_path)
    assert {name: each.owner for name, each in job.inputs.items()} == {"x": "bob"}
    rows = RANDOM.uniform(-4, 4, (5, 3))
    results = simulate(job, {"x": rows}, learners=(1,)).results
    assert results[0] == {}
    assert np.abs(results[1]["y"] - by_onnxruntime(path, x=rows)["y"]).max() <= 1e-4
