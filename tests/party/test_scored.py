"""Which rows the scores of rows held out are of, and what a file of results says of it."""

from __future__ import annotations

import numpy as np
import pytest

from party import plain, simulate
from party.report import Report
from party.rows import scored
from party.taking_part import save_report
from protocol.estimators import LinearRegression
from protocol.jobs import Input
from protocol.tables import Table

RNG = np.random.default_rng(4)
X = RNG.normal(size=(40, 2))
Y = X @ np.array([[1.0], [-2.0]]) + RNG.normal(size=(40, 1)) / 4


class Fit(LinearRegression):
    x, y = Input("bob", ("n", 2), -8, 8), Input("bob", ("n", 1), -16, 16)
    held_out, scores = 0.25, "bob"


class Halves(Fit):
    x, y = Table(columns=["a", "b"], rows="alice+bob"), Table(columns=["y"], rows="alice+bob")


@pytest.mark.parametrize("how", [plain, simulate])
def test_scores_are_of_the_rows_that_are_said(how):
    found = how(Fit(), x=X, y=Y)
    assert found.scored is not None and found.scored.shape == (10,)
    right = X[found.scored] @ found["coef"] + found["intercept"]
    assert np.abs(found["scores"] - right).max() < 1e-2
    rest = np.setdiff1d(np.arange(40), found.scored)
    model = np.linalg.lstsq(np.c_[X[rest], np.ones(30)], Y[rest], rcond=None)[0]
    assert np.abs(found["scores"] - np.c_[X[found.scored], np.ones(10)] @ model).max() < 1e-2


def test_of_matched_rows_they_are_of_the_own_table():
    rows = RNG.permutation(100)[:40]
    among = scored(Fit(), {"x": (40, 2)}, None, ["scores"])
    assert np.array_equal(scored(Fit(), {"x": (40, 2)}, rows, ["scores"]), rows[among])
    assert scored(Fit(), {"x": (40, 2)}, rows, ["coef"]) is None


def test_rows_of_both_are_counted_on():
    both = scored(Halves(), {"x.alice": (30, 2), "x.bob": (10, 2)}, None, ["scores"])
    assert np.array_equal(both, scored(Fit(), {"x": (40, 2)}, None, ["scores"]))
    assert scored(Halves(), {"x.alice": (30, 2)}, None, ["scores"]) is None


def test_a_table_of_results_says_what_it_leaves_out(tmp_path):
    rows, of = np.arange(40), np.arange(5, 15)
    results = {"coef": np.ones((2, 1)), "scores": np.ones((10, 1))}
    path = tmp_path / "r.csv"
    wrote = save_report(path, Report(results=results, rows=rows, scored=of))
    assert wrote == f"{path}: coef; not scores, for which a .npz has room"
    assert [each.name for each in tmp_path.iterdir()] == ["r.csv"]
    save_report(path, Report(results={"scores": results["scores"]}, rows=rows, scored=of))
    assert np.array_equal(np.loadtxt(tmp_path / "r.rows.csv", skiprows=1), of)
    report = Report(results={"scores": results["scores"]}, rows=rows, scored=of)
    save_report(path, report, lambda places: ("id", [f"p{place}" for place in places]))
    assert path.read_text().splitlines()[:2] == ["id,scores", "p5,1"]
    save_report(path, Report(results=results, rows=rows), lambda places: ("id", ["none"]))
    assert path.read_text() == "coef\n1\n1\n"  # which are of no rows
    save_report(tmp_path / "r.npz", Report(results=results, rows=rows, scored=of))
    with np.load(tmp_path / "r.npz") as found:
        assert set(found) == {"rows", "scored", "coef", "scores"}
        assert np.array_equal(found["scored"], of)
