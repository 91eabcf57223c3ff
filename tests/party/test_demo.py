"""The demo's verdict, which comes first, and where its result goes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from party import plain
from party.__main__ import main
from party.checkpoint import Store
from party.commands.demo import _fault, _show, _summary
from party.given import Given
from party.inputs import own_inputs
from party.loading import load_job

FIGURES = {"seconds": 1.0, "rounds": 1, "messages": 2, "waits_for_material": 0}
BYTES = {"bytes_sent": {"alice": 1, "bob": 1}, "dealt_bytes": {"alice": 32, "bob": 32}}


def summary(equal: bool, error: float) -> dict:
    found = {"weights": [1.0]}
    outcome = {
        "equal": equal,
        "max_abs_weight_error": error,
        "relative_error": error,
        "grains": {},
        "results": {"alice": found, "bob": found},
    }
    return FIGURES | BYTES | outcome


@pytest.mark.parametrize(("equal", "error"), [(False, 0.0), (True, math.nan), (True, 0.5)])
def test_what_is_wrong_is_said_first(equal, error, capsys):
    wrong = summary(equal, error)
    assert _fault(wrong)
    _show(
        wrong,
        {role: {"results": wrong["results"][role]} for role in ("alice", "bob")},
        {"weights": np.ones(1)},
    )
    assert capsys.readouterr().out.startswith("FAILED: ")


def test_what_is_right_is_no_fault(capsys):
    right = summary(True, 1e-6)
    assert _fault(right) is None
    _show(
        right,
        {role: {"results": right["results"][role]} for role in ("alice", "bob")},
        {"weights": np.ones(1)},
    )
    assert "FAILED" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("alice", "bob", "fault", "words"),
    [
        ({"w": [1.0]}, {"p": [2.0]}, False, "different tensors: nothing is revealed to both."),
        (
            {"w": [1.0], "q": [3.0]},
            {"p": [2.0], "q": [3.0]},
            False,
            "obtained equal values of what both learn.",
        ),
        (
            {"w": [1.0], "q": [3.0]},
            {"p": [2.0], "q": [3.0001]},
            True,
            "obtained DIFFERENT values of what both learn.",
        ),
        ({"q": [3.0]}, {"q": [3.0]}, False, "obtained equal results."),
    ],
)
def test_only_what_both_learn_is_compared(alice, bob, fault, words, capsys):
    own = {"job": "j", "iterations": 1, "setup_seconds": 0.0, "bytes_sent": 1, "dealt_bytes": 1}
    reports = {
        role: FIGURES | own | {"results": results}
        for role, results in (("alice", alice), ("bob", bob))
    }
    plain = {name: np.array(values) for name, values in (bob | alice).items()}
    found = _summary(reports, plain, {})
    assert bool(_fault(found)) == fault
    _show(found, reports, plain)
    assert words in capsys.readouterr().out


@pytest.mark.system
@pytest.mark.timeout(600)
def test_the_result_is_written_by_whoever_learns_it(tmp_path):
    words = ["demo", "--job", "seed", "--iterations", "20", "--quiet", "--reveal", "bob"]
    assert main([*words, "--out", str(tmp_path / "got.npz")]) == 0
    assert set(np.load(tmp_path / "got.npz")) == {"weights", "predictions"}


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_table_of_init_ends_in_a_model_of_whoever_knows_its_preparation(tmp_path):
    """From an export with categories, dates and gaps to a file that onnxruntime takes rows of the
    same table by; the weights are for bob alone, and so is the file."""
    runtime = pytest.importorskip("onnxruntime")
    random = np.random.default_rng(3)
    n, city = 120, np.array(["Bonn", "Köln", "Ulm"])
    rows = [
        (random.normal(45, 12), city[k % 3], f"2021-0{1 + k % 9}-0{1 + k % 7}") for k in range(n)
    ]
    table, job, out = tmp_path / "b.csv", tmp_path / "job.toml", tmp_path / "m.onnx"
    text = [f"{'' if k % 11 == 5 else f'{a:.2f}'},{c},{d}" for k, (a, c, d) in enumerate(rows)]
    labels = [["no", "yes"][a + 5 * (c == "Ulm") > 46] for a, c, _ in rows]
    lines = [f"{row},{label}" for row, label in zip(text, labels, strict=True)]
    table.write_bytes("\r\n".join(["\ufeffage,city,since,y", *lines]).encode())
    steps = "fill:age,one-hot:city,days:since,standardise"
    columns = ["--bob", "age,city,since", "--label", "bob:y", "--classes", "no,yes"]
    made = ["init", "--out", str(job), *columns, "--steps", steps, "--reveal", "bob", "--yes"]
    assert main([*made, "--estimator", "logistic-regression", "--held-out", "0"]) == 0
    run = ["demo", "--job", str(job), "--table", f"bob={table}", "--quiet", "--out", str(out)]
    assert main(run) == 0
    age = np.array(
        [[np.nan if k % 11 == 5 else float(f"{a:.2f}")] for k, (a, _, _) in enumerate(rows)]
    )
    days = np.array([[d] for _, _, d in rows], "datetime64[D]").astype(float)
    cities = np.array([[c] for _, c, _ in rows], object)
    (found,) = runtime.InferenceSession(str(out)).run(
        None, {"age": age, "city": cities, "since": days}
    )
    twin = plain(str(job), bob=str(table))
    filled = np.where(np.isnan(age), np.nanmean(age), age)
    hot = (cities == city).astype(float)
    x = np.hstack([(each - each.mean()) / each.std() for each in (filled,)] + [hot])
    x = np.hstack([x, (days - days.mean()) / days.std()])
    z = x @ twin["coef"] + twin["intercept"]
    assert np.abs(found - 1.0 / (1.0 + np.exp(-z))).max() <= 1e-4


NETWORK = """
from protocol.jobs import Input
from protocol.nn import SGD, BinaryCrossEntropy, Dense, ReLU, Sequential, Training, accuracy


class Halves(Training):
    rows = [[n % 7 / 7, -(n % 5) / 5, n / 40, 0.5] for n in range(40)]
    x = Input("bob", (40, 4), -1, 1, default=rows)
    y = Input("bob", (40, 1), 0, 1, default=[[n % 2] for n in range(40)])
    model = Sequential(Dense(4, 3), ReLU(), Dense(3, 1))
    loss, optimiser = BinaryCrossEntropy(), SGD(lr=0.1)
    batch, epochs, held_out = 10, 2, 0.25
    metrics = {"accuracy": accuracy}
"""


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_network_whose_weights_both_draw_equals_its_twin(tmp_path, capsys):
    (tmp_path / "halves.py").write_text(NETWORK)
    assert (
        main(
            [
                "demo",
                "--job",
                str(tmp_path / "halves.py"),
                "--quiet",
                "--json",
                "--param",
                "epochs=3",
            ]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["equal"] and found["iterations"] == 9
    assert set(found["results"]["alice"]) == {
        f"model.{n}.{part}" for n in (0, 2) for part in ("weight", "bias")
    }


def test_what_a_party_draws_is_its_own_and_the_same_when_it_goes_on(tmp_path):
    (tmp_path / "halves.py").write_text(NETWORK)
    job = load_job(str(tmp_path / "halves.py"))
    stores = [Store(tmp_path / folder, "s", "alice") for folder in ("a", "a", "b")]
    first, again, other = (own_inputs(job, "alice", Given(), store.key).arrays for store in stores)
    assert list(first) == [f"model.{n}.{part}.alice" for n in (0, 2) for part in ("bias", "weight")]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["model.0.weight.alice"], other["model.0.weight.alice"])
    assert not np.array_equal(
        first["model.0.weight.alice"],
        own_inputs(job, "alice", Given()).arrays["model.0.weight.alice"],
    )
