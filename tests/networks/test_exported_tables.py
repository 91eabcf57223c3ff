"""Exported models take raw rows: preparation goes out with them, and onnxruntime prepares as
here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from networks.models import by_onnxruntime

from party.__main__ import main
from party.given import Given
from party.keyed import all_inputs
from party.loading import load_job
from party.local import Trio

RANDOM = np.random.default_rng(7)
PREPARED = """
from protocol.jobs import Input
from protocol.nn import MSE, SGD, Dense, Sequential, Tanh, Training
from protocol.tables import Clip, Days, Fill, Log1p, MinMax, OneHot, Standardise, Table


class Risk(Training):
    x = Table("bob", ["age", "income", "city", "score", "since"], rows=40, steps=[
        OneHot("city", drop_first=True), Days("since"), Fill("age", indicator=True),
        Log1p("income"), MinMax("since", onto=(-1, 1)), Standardise(["age", "income"]),
        MinMax("score", low=0, high=50), Clip("score", 0.1, 0.9),
    ])
    y = Table("bob", ["y"], rows=40)
    model = Sequential(Dense(7, 3), Tanh(), Dense(3, 1))
    loss, optimiser = MSE(), SGD(lr=0.05)
    batch, held_out = 10, 0.25
"""


@pytest.fixture
def risk(tmp_path) -> tuple[list[str], dict[str, np.ndarray]]:
    """The job and its table on disk, as options; and the columns as its model takes them."""
    names, days = (
        np.array(["Bern", "Oslo", "Rome"]),
        np.datetime64("2020-01-01") + np.arange(40) * 9,
    )
    age, income, score = (
        RANDOM.integers(18, 90, 40),
        RANDOM.lognormal(8, 1, 40),
        RANDOM.uniform(-9, 70, 40),
    )
    city, y = names[np.arange(40) % 3], RANDOM.normal(size=40)
    rows = [
        (
            f"{'' if n % 7 == 3 else age[n]},{float(income[n])!r},{city[n]},"
            f"{float(score[n])!r},{days[n]},{float(y[n])!r}"
        )
        for n in range(40)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["age,income,city,score,since,y", *rows]))
    (tmp_path / "risk.py").write_text(PREPARED)
    columns = {
        "age": np.where(np.arange(40) % 7 == 3, np.nan, age),
        "income": income,
        "city": city.astype(object),
        "score": score,
        "since": (days - np.datetime64("1970-01-01")).astype(float),
    }
    return ["--job", str(tmp_path / "risk.py")], columns


def off(model: Path, weights: Path, columns: dict[str, np.ndarray]) -> float:
    """How far what onnxruntime makes of raw rows is from what the weights make of prepared ones."""
    (found,) = onnxruntime.InferenceSession(str(model)).run(
        None, {name: x[:, None] for name, x in columns.items()}
    )
    job, w = load_job(str(model.parent / "risk.py")), np.load(weights)
    x = all_inputs(job, Given(tables={"": model.parent / "rows.csv"}))["x"]
    assert x.shape == (40, 7)
    hidden = np.tanh(x @ w["model.0.weight"].T + w["model.0.bias"])
    return float(np.abs(found - hidden @ w["model.2.weight"].T - w["model.2.bias"]).max())


def test_raw_rows_are_prepared_by_the_model_itself(risk, tmp_path, capsys):
    """With the numbers that were learnt from the rows of the training."""
    job, columns = risk
    table, weights = ["--table", str(tmp_path / "rows.csv")], tmp_path / "weights.npz"
    assert main([*job, *table, "--plain", "--quiet", "--out", str(weights)]) == 0
    command = ["export", *job, "--weights", str(weights), "--out", str(tmp_path / "risk.onnx")]
    assert main([*command, *table]) == 0
    assert "of age, income, city, score, since" in capsys.readouterr().out
    assert off(tmp_path / "risk.onnx", weights, columns) <= 1e-5


def test_a_simulation_ends_in_a_model(risk, tmp_path):
    job, columns = risk
    command = [*job, "--table", str(tmp_path / "rows.csv"), "--simulate", "--quiet", "--out"]
    for name in ("risk.onnx", "risk.npz"):
        assert main([*command, str(tmp_path / name)]) == 0
    assert off(tmp_path / "risk.onnx", tmp_path / "risk.npz", columns) <= 1e-3


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_run_ends_in_a_model(risk, tmp_path):
    """At bob, with the preparation that he alone knows."""
    job, columns = risk
    with Trio() as trio:
        trio.start("dealer")
        trio.start(
            "bob",
            [*job, "--table", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "risk.onnx")],
        )
        trio.start("alice", [*job, "--out", str(tmp_path / "alice.npz")])
        trio.wait(60.0)
    assert off(tmp_path / "risk.onnx", tmp_path / "alice.npz", columns) <= 1e-5
    assert (tmp_path / "risk.onnx").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "steps",
    ["Standardise(), Clip(low=-2, high=2)", "MinMax('1'), Fill('2', how='constant', value=3)"],
)
def test_columns_without_names_are_one_input(steps, tmp_path):
    x, y = RANDOM.normal(3, 2, (30, 4)), (np.arange(30) % 2)[:, None]
    (tmp_path / "job.py").write_text(
        "from protocol.estimators import LogisticRegression\n"
        "from protocol.tables import Clip, Fill, MinMax, Standardise, Table\n\n"
        f"class Plain(LogisticRegression):\n    x = Table('bob', 4, steps=[{steps}])\n"
    )
    np.save(tmp_path / "x.npy", x)
    coef, intercept = RANDOM.normal(size=(4, 1)), RANDOM.normal(size=1)
    np.savez(tmp_path / "w.npz", coef=coef, intercept=intercept)
    command = [
        "export",
        "--job",
        str(tmp_path / "job.py"),
        "--weights",
        str(tmp_path / "w.npz"),
        "--out",
    ]
    assert main([*command, str(tmp_path / "raw.onnx"), "--table", f"x={tmp_path / 'x.npy'}"]) == 0
    assert main([*command, str(tmp_path / "prepared.onnx")]) == 0
    job = load_job(str(tmp_path / "job.py"))
    prepared = all_inputs(job, Given(data={"x": x, "y": y}))["x"]
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "raw.onnx")).run(None, {"x": x})
    assert np.abs(found - 1 / (1 + np.exp(-prepared @ coef - intercept))).max() <= 1e-5
    again = by_onnxruntime(tmp_path / "prepared.onnx", x=prepared)["output"]
    assert np.abs(found - again).max() <= 1e-5
