"""`python -m party init` writes a job that plans at once, and says what it lacks where there is
nobody to ask."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from party.__main__ import main
from party.loading import load_job

OPTIONS = {
    "logistic-regression": (
        "--alice age,income --bob visits --label bob:default --classes no,yes --match patient"
    ),
    "ridge": "--both a,b --target t --param alpha=2",
    "mlp-classifier": (
        "--bob 20 --label alice:kind --classes 3 --match order --param hidden_layer_sizes=8 --param"
        " max_iter=2"
    ),
    "cnn-classifier": (
        "--bob 64 --label bob:d --classes 2 --param input_shape=1,8,8 --param max_iter=2"
    ),
    "mlp-regressor": '--alice x,"y" --target bob:t --held-out 0.25 --match order',
    "group-statistics": "--bob x,y --groups bob:g --classes p,q --reveal alice",
    "statistics": "--alice x --param measures=mean,var",
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("estimator", OPTIONS)
def test_what_is_written_plans_at_once(estimator, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--estimator", estimator, "--yes", *OPTIONS[estimator].split()]) == 0
    plan, *runs = capsys.readouterr().out.splitlines()
    assert len(runs) == 3 and plan.startswith("python -m party plan --job job.toml --shape ")
    brings = [each for each in ("alice", "bob") if f" --table {each}.csv" in "".join(runs[1:])]
    both = "".join(f" --table {each}={each}.csv" for each in brings)
    assert runs[0] == f"python -m party --simulate --job job.toml{both}"
    assert main(plan.split()[3:]) == 0
    assert "It reveals" in capsys.readouterr().out


def test_names_with_commas_stand_in_quotes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = 'Age, "income, ""net""","city"'
    words = ["--estimator", "statistics", "--bob", columns, "--yes", "--steps", "none"]
    assert main(["init", *words]) == 0
    named = load_job("job.toml").stated()["x"].parts[0].columns
    assert [source for _, source in named] == ["Age", 'income, "net"', "city"]
    capsys.readouterr()
    assert main(["init", "--estimator", "statistics", "--bob", 'a,"b', "--yes", "--fresh"]) == 2
    assert "stands in quotes, as in a CSV file" in capsys.readouterr().err


@pytest.mark.parametrize("estimator", ["statistics", "group-statistics"])
def test_a_mean_is_of_the_columns_as_they_are(estimator, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--estimator", estimator, "--yes", *OPTIONS[estimator].split()]) == 0
    assert "steps" not in Path("job.toml").read_text()


def test_questions_are_asked_again_until_the_answer_can_be_used(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Terminal("logistic\nstatistics\n\nx, y\n\ncarol\nbob\n"))
    assert main(["init", "--out", "s.toml"]) == 0
    job = load_job("s.toml")
    assert (
        job.reveal == "bob"
        and job.declared["x"].owner == "bob"
        and job.declared["x"].shape == ("n", 2)
    )
    said = capsys.readouterr().err
    assert "'logistic' is no estimator" in said and "'carol' is none of" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "say --both: columns of which"),
        (
            "--alice a --classes no,yes --target bob:t",
            "--target has no use in logistic-regression; give --label",
        ),
        ("--bob a --label bob:l", "say --classes: its classes"),
        ("--estimator ridge --bob a,b", "say --target: column of targets, with its owner"),
        ("--alice a --label bob:l --classes p,q", "say --match: column of ids"),
        (
            "--bob a --label bob:l --classes p,q --param D=2",
            "job.toml:13: model.D: is no parameter here",
        ),
        ("--bob a --label bob:l --classes p,q --held-out much", "--held-out much: cannot be used"),
        (
            "--estimator statistics --both a --bob b --yes",
            "--bob has no use here, with what else is said; --both is for rows of both",
        ),
        ("--estimator statistics --bob b --match id --yes", "--match has no use here"),
        (
            "--estimator cnn-classifier --bob 64 --label bob:d --classes 2 --yes",
            "model.input_shape: is channels, height and width",
        ),
        (
            "--bob a --label bob:l --classes p,q --param fit_intercept=ture",
            "--param fit_intercept=ture: yes or no is needed",
        ),
        (
            "--bob a --label bob:l --classes p,q --param C=x",
            "--param C=x: a finite number is needed",
        ),
        ("--out job.txt", "ends in .toml"),
        ("--estimator lasso", "'lasso' is no estimator"),
    ],
)
def test_what_is_missing_or_wrong_is_said(options, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["init", *options.split()]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_not_written_over(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text("mine")
    words = ["init", "--estimator", "statistics", "--bob", "x", "--yes"]
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
    assert Path("job.toml").read_text() == "mine"
    assert main([*words, "--fresh"]) == 0
