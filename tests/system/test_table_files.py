"""Columns of both parties, as they stand in files, through three processes; and what a party says
that it read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from services import SECONDS

from party.__main__ import main as party
from party.local import Trio

JOB = """
from protocol.nn import MSE, SGD, Dense, Sequential, Training
from protocol.tables import Fill, OneHot, Standardise, Table


class Risk(Training):
    x = Table(
        alice=["age", "income"],
        bob={"calls": "visits", "city": "city"},
        match="order",
        rows=40,
        steps=[
            Fill(columns="income"),
            OneHot("city", categories=["Bonn", "Ulm"]),
            Standardise(),
        ],
    )
    y = Table("bob", ["cost"], rows=40, low=-1, high=1)
    model = Sequential(Dense(5, 1))
    loss, optimiser = MSE(), SGD(lr=0.125)
    batch, epochs, held_out, shuffle = 32, 12, 0.2, False
"""


def bring(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """alice.csv and bob.parquet in the folder, and job.py."""
    random = np.random.default_rng(5)
    alice = pd.DataFrame(
        {"income": random.uniform(20, 90, 40), "id": range(40), "age": random.integers(20, 70, 40)}
    )
    alice.loc[[3, 17], "income"] = np.nan
    bob = pd.DataFrame(
        {"city": random.choice(["Bonn", "Ulm"], 40), "visits": random.integers(0, 9, 40)}
    )
    bob["cost"] = (bob["visits"] / 9 - alice["age"] / 140).round(3)
    alice.to_csv(folder / "alice.csv", index=False)
    bob.to_parquet(folder / "bob.parquet")
    (folder / "job.py").write_text(JOB)
    return alice, bob


def by_hand(alice: pd.DataFrame, bob: pd.DataFrame, train: np.ndarray) -> np.ndarray:
    """The prepared table, in plain NumPy."""
    income = alice["income"].fillna(alice["income"].iloc[train].mean())
    numbers = np.column_stack([alice["age"], income, bob["visits"]]).astype(float)
    numbers = (numbers - numbers[train].mean(axis=0)) / numbers[train].std(axis=0)
    return np.column_stack([numbers, bob["city"] == "Bonn", bob["city"] == "Ulm"])


@pytest.mark.system
def test_a_training_on_columns_of_both(tmp_path: Path) -> None:
    alice, bob = bring(tmp_path)
    weight, bias = np.zeros((1, 5)), np.zeros(1)
    np.savez(tmp_path / "zeros.npz", weight=weight, bias=bias)
    with Trio() as trio:
        trio.start("dealer")
        for role, file in (("alice", "alice.csv"), ("bob", "bob.parquet")):
            zeros = [
                part
                for name in ("weight", "bias")
                for part in ("--data", f"model.0.{name}.{role}={tmp_path}/zeros.npz:{name}")
            ]
            trio.start(
                role,
                [
                    "--job",
                    str(tmp_path / "job.py"),
                    "--table",
                    str(tmp_path / file),
                    *zeros,
                    "--json",
                ],
            )
        trio.wait(SECONDS)
        results = trio.reports()["alice"]["results"]
        assert (
            f"alice: x.alice: 40 rows, 2 columns (age, income) from {tmp_path}/alice.csv, below a"
            " header; not used: id\n" in (trio.children["alice"].errors)
        )
        assert (
            "bob: x.bob: 40 rows, 2 columns (calls, city), which become 3 from"
            f" {tmp_path}/bob.parquet\n" in trio.children["bob"].errors
        )
    from party.loading import load_job

    train = load_job(str(tmp_path / "job.py")).training_rows(40)
    x, y = by_hand(alice, bob, train)[train], bob["cost"].to_numpy()[train, None]
    for _ in range(12):
        error = 2 * (x @ weight.T + bias - y) / len(train)
        weight, bias = weight - 0.125 * error.T @ x, bias - 0.125 * error.sum(axis=0)
    assert np.abs(np.asarray(results["model.0.weight"]) - weight).max() < 1e-3
    assert np.abs(np.asarray(results["model.0.bias"]) - bias).max() < 1e-3


ALICE = ["--role", "alice", "--peer", "tcp://127.0.0.1:0", "--wait", "1s"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], ["x.alice is a table of named columns", "--table FILE, or --table x=FILE"]),
        (
            ["--table", "alice.csv", "--table", "bob.parquet"],
            ["--table gives a table twice", "--table alice=FILE and --table bob=FILE bring all"],
        ),
        (["--table", "no.csv"], ["no.csv does not exist"]),
        (["--table", "z=alice.csv"], ["no table z", "; --table alice=FILE and --table bob=FILE"]),
        (["--table", "bob=bob.parquet"], ["the other party's to bring"]),
        (
            ["--table", "bob.parquet"],
            ["no column 'age'", "table x of alice", "(it has: city, visits, cost)"],
        ),
        (["--table", "short.csv"], ["shape (39, 2)", "(40, 2)"]),
        (["--table", "text.csv"], ["column age", "line 41"]),
        (["--table", "alice.csv", "--header", "no"], ["needs a header"]),
        (["--job", "seed", "--table", "alice.csv"], ["brings no table in the job Seed", "--data"]),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, named):
    alice, _ = bring(tmp_path)
    alice.iloc[1:].to_csv(tmp_path / "short.csv", index=False)
    (alice.astype({"age": object}).assign(age=[*alice["age"][:-1], "old"])).to_csv(
        tmp_path / "text.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    assert party([*ALICE, "--job", "job.py", *arguments]) == 2
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1 and "Traceback" not in sentence
    assert [word for word in named if word not in sentence] == [], sentence


def test_a_plan_and_a_demo_take_tables_too(tmp_path, monkeypatch, capsys):
    bring(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert party(["plan", "--job", "job.py", "--json"]) == 0
    without = capsys.readouterr().out
    assert (
        party(
            [
                "plan",
                "--job",
                "job.py",
                "--json",
                "--table",
                "alice=alice.csv",
                "--table",
                "bob=bob.parquet",
            ]
        )
        == 0
    )
    assert capsys.readouterr().out == without
    tables = ["--table", "alice=alice.csv", "--table", "bob=bob.parquet"]
    assert party(["--plain", "--job", "job.py", *tables]) == 0
    assert (
        "plain: x.alice: 40 rows, 2 columns (age, income) from alice.csv, below a header"
        in capsys.readouterr().err
    )
    bring(tmp_path)[0].iloc[1:].to_csv(tmp_path / "alice.csv", index=False)
    (tmp_path / "job.py").write_text(JOB.replace("rows=40", "rows='n'"))
    assert party(["demo", "--job", "job.py", *tables]) == 2
    assert "x.bob has 40 rows and x.alice 39, and a row of one" in capsys.readouterr().err
