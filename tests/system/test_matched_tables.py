"""Columns of both parties, in other orders and of rows that are only partly common, through three
processes; the job is a TOML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from services import SECONDS

from party.__main__ import main as party
from party.local import Trio

JOB = """
[rows]
key = { alice = "patient", bob = "pid" }
[columns]
alice = ["age", "income"]
bob = { calls = "visits" }
target = { owner = "bob", column = "cost", steps = [{ do = "clip", low = -1, high = 1 }] }
steps = [{ do = "fill", columns = "income" }, "standardise"]
[model]
layers = ["dense 1"]
loss = "mse"
[train]
optimiser = { name = "sgd", lr = 0.125, momentum = 0 }
batch = 40
epochs = 12
"""
COMMON = 40


def bring(folder: Path) -> pd.DataFrame:
    """alice.csv, bob.parquet and job.toml in the folder; the rows that are in both, joined."""
    random = np.random.default_rng(5)
    everybody = pd.DataFrame(
        {"patient": [f"P-{n:03d}" for n in range(60)], "age": random.integers(20, 70, 60)}
    )
    everybody["income"] = random.uniform(20, 90, 60)
    everybody.loc[[13, 27], "income"] = np.nan
    everybody["visits"] = random.integers(0, 9, 60)
    everybody["cost"] = (everybody["visits"] / 9 - everybody["age"] / 140).round(3)
    alice = everybody[["income", "patient", "age"]].iloc[:50].sample(frac=1, random_state=1)
    bob = everybody[["patient", "visits", "cost"]].iloc[10:].sample(frac=1, random_state=2)
    alice.to_csv(folder / "alice.csv", index=False)
    bob.rename(columns={"patient": "pid"}).to_parquet(folder / "bob.parquet", index=False)
    (folder / "job.toml").write_text(JOB)
    return pd.merge(alice, bob, on="patient")


def by_hand(joined: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias after 12 steps, in plain NumPy."""
    x = joined[["age", "income", "visits"]].astype(float)
    x = x.fillna(x.mean()).to_numpy()
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), joined[["cost"]].to_numpy()
    weight, bias = np.zeros((1, 3)), np.zeros(1)
    for _ in range(12):
        error = 2 * (x @ weight.T + bias - y) / len(x)
        weight, bias = weight - 0.125 * error.T @ x, bias - 0.125 * error.sum(axis=0)
    return weight, bias


@pytest.mark.system
def test_a_training_on_the_rows_that_both_have(tmp_path: Path) -> None:
    joined = bring(tmp_path)
    assert len(joined) == COMMON
    np.savez(tmp_path / "zeros.npz", weight=np.zeros((1, 3)), bias=np.zeros(1))
    reports: dict[str, Any] = {}
    with Trio() as trio:
        trio.start("dealer")
        for role, file in (("alice", "alice.csv"), ("bob", "bob.parquet")):
            options = ["--job", f"{tmp_path}/job.toml", "--table", f"{tmp_path}/{file}", "--json"]
            for name in ("weight", "bias"):
                options += ["--data", f"model.0.{name}.{role}={tmp_path}/zeros.npz:{name}"]
            trio.start(
                role,
                [*options, "--out", f"{tmp_path}/of-{role}.{'npz' if role == 'bob' else 'csv'}"],
            )
        trio.wait(SECONDS)
        reports = trio.reports()
        said = trio.children["alice"].errors
    told = "each learns which of its own ids the other has too, and how many ids the other has"
    assert (
        said.index(told)
        < said.index("bob has 40 of the 50 ids here, and 50 in all")
        < said.index("this run reveals")
    )
    assert "this run reveals which of their own ids (patient, pid) the other has too" in said
    assert not [patient for patient in joined["patient"] if patient in said]
    weight, bias = by_hand(joined)
    for report in reports.values():
        assert np.abs(np.asarray(report["results"]["model.0.weight"]) - weight).max() < 1e-3
        assert np.abs(np.asarray(report["results"]["model.0.bias"]) - bias).max() < 1e-3
    with np.load(tmp_path / "of-bob.npz") as written:
        assert written["rows"].tolist() == reports["bob"]["rows"]
    assert not (tmp_path / "of-alice.rows.csv").exists()  # a weight is of no row
    assert "of-alice.csv: model.0.weight; not model.0.bias, for which a .npz has room" in said
    alice = pd.read_csv(tmp_path / "alice.csv", dtype=str)["patient"].iloc[reports["alice"]["rows"]]
    bob = pd.read_parquet(tmp_path / "bob.parquet")["pid"].iloc[reports["bob"]["rows"]]
    assert alice.tolist() == bob.tolist()
    assert sorted(alice) == sorted(joined["patient"])


ALICE = ["--role", "alice", "--peer", "tcp://127.0.0.1:0", "--wait", "1s"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda table: table.rename(columns={"patient": "patent"}),
            ["no column 'patient' of ids; did you mean 'patent'?"],
        ),
        (
            lambda table: pd.concat([table, table.iloc[:1]]),
            ["has one id twice, in line 2 and line 52"],
        ),
        (
            lambda table: table.assign(patient=table["patient"].where(table.index != 3)),
            ["has no id", "in line 5"],
        ),
    ],
)
def test_ids_that_cannot_be_matched_are_one_sentence(tmp_path, monkeypatch, capsys, change, named):
    bring(tmp_path)
    change(pd.read_csv(tmp_path / "alice.csv", dtype=str)).to_csv(
        tmp_path / "alice.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    assert party([*ALICE, "--job", "job.toml", "--table", "alice.csv"]) == 2
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1 and "Traceback" not in sentence
    assert [word for word in named if word not in sentence] == [], sentence


def test_a_trial_in_one_process_computes_with_the_same_rows(tmp_path, monkeypatch, capsys):
    joined = bring(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("weight", "bias"):
        np.save(f"{name}.npy", np.zeros((1, 3) if name == "weight" else 1))
    zeros = [
        part
        for name in ("weight", "bias")
        for role in ("alice", "bob")
        for part in ("--data", f"model.0.{name}.{role}={name}.npy")
    ]
    tables = ["--table", "alice=alice.csv", "--table", "bob=bob.parquet"]
    assert party(["run", "--plain", "--job", "job.toml", *tables, *zeros, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"]
    assert np.allclose(found["model.0.weight"], by_hand(joined)[0])


def test_a_plan_counts_with_the_most_that_can_be_common(tmp_path, monkeypatch, capsys):
    bring(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = ["plan", "--job", "job.toml", "--json"]
    assert party([*command, "--table", "alice=alice.csv", "--table", "bob=bob.parquet"]) == 0
    assert "which of their own ids (patient, pid) the other has too" in (
        most := capsys.readouterr().out
    )
    assert party([*command, "--table", "alice=alice.csv"]) == 0
    assert capsys.readouterr().out == most
