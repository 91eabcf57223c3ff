"""A job in one process: its float64 twin, its simulation and its plan, from Python and by
command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from squares import Early, Fit, W, X, Y, least_squares

from party import Party, plain, plan, simulate
from party.__main__ import main as commands
from protocol.draws import Draw
from protocol.errors import (
    ConfigError,
    OutOfRangeError,
)
from protocol.jobs import Input, Job
from protocol.tables import MinMax, Table


def test_the_twin_and_the_simulation_agree():
    twin, run = plain(Fit, x=X, y=Y, w=W), simulate(Fit, x=X, y=Y, w=W)
    assert np.abs(twin["weights"] - least_squares()).max() < 1e-12
    assert sorted(twin.values) == sorted(run.values) == ["fitted", "weights"]
    for name, array in twin.values.items():
        assert np.abs(run[name] - array).max() < 1e-3
    assert twin.steps == run.steps == [2, 4, 6, 8]
    assert np.abs(np.array(twin.history["loss"]) - np.array(run.history["loss"])).max() < 1e-3
    assert run.report.rounds > 0 and "in the clear" in repr(twin)


def test_both_end_early_where_the_job_says_so():
    twin, run = plain(Early, x=X, y=Y, w=W), simulate(Early, x=X, y=Y, w=W)
    assert twin.steps == run.steps == [2, 4]
    assert np.abs(twin["weights"] - least_squares(4)).max() < 1e-12
    assert np.abs(twin["weights"] - run["weights"]).max() < 1e-3


class OneTable(Job):
    x = Table("bob", ["a", "b"], steps=[MinMax(low=-1, high=1)])

    def finish(self, v):
        v.reveal(total=v.x.sum())


def test_a_table_is_for_the_party_that_the_job_takes_one_of():
    frame = pytest.importorskip("pandas").DataFrame(X[:, :2], columns=["a", "b"])
    assert plain(OneTable, frame)["total"] == pytest.approx((X[:, :2] + 1).sum() / 2)
    with pytest.raises(ConfigError, match="brings no table in the job Fit"):
        plain(Fit, frame)


def test_tables_of_both_are_given_by_party():
    class Vertical(Job):
        x = Table(alice=["a"], bob=["b"], match="order", steps=[MinMax(low=-1, high=1)])

        def finish(self, v):
            v.reveal(total=v.x.sum())

    frame = {"a": X[:, 0], "b": X[:, 1]}
    expected = (X[:, :2] + 1).sum() / 2
    assert plain(Vertical, alice=frame, bob=frame)["total"] == pytest.approx(expected)
    assert "It reveals" in str(plan(Vertical, {"alice": frame}, bob=frame))


def test_files_frames_and_names_with_dots(tmp_path):
    pandas = pytest.importorskip("pandas")
    np.save(tmp_path / "w.npy", W)
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    run = plain(Fit, {"w": str(tmp_path / "w.npy")}, x=frame, y=pandas.Series(Y.ravel()))
    assert np.array_equal(run["weights"], plain(Fit, x=X, y=Y, w=W)["weights"])
    assert list(run.to_pandas("weights")) == list(run["weights"].ravel())
    assert run.to_pandas("weights").name == "weights"
    assert "weights" in run and "x" not in run and len(run) == len(list(run)) == len(run.values)
    assert dict(run).keys() == run.keys() and dict(run.items())["weights"] is run["weights"]


def test_values_out_of_range_are_an_error_unless_accepted():
    class Leaves(Job):
        iterations = 4
        w = Input("alice", (2,), -1, 1)

        def step(self, v):
            v.w = v.w * 2

        def finish(self, v):
            v.reveal(w=v.w)

    with pytest.raises(OutOfRangeError):
        simulate(Leaves, w=[0.9, 0.9])
    assert simulate(Leaves, w=[0.9, 0.9], accept_out_of_range=True)["w"].shape == (2,)


def test_what_a_job_draws_is_drawn_alike_so_that_the_two_can_be_compared():
    class Drawn(Job):
        w = Input("joint", (3,), -6, 6, default=Draw(1.0))

        def finish(self, v):
            v.reveal(w=v.w)

    twin, run = plain(Drawn), simulate(Drawn)
    assert np.abs(twin["w"]).max() > 0.01
    assert np.abs(twin["w"] - run["w"]).max() < 1e-3


def test_a_plan_is_a_value_that_says_what_the_command_says(capsys):
    found = plan(Fit, x=(6, 3), y=Y, link="rtt=40ms")
    run = simulate(Fit, x=X, y=Y, w=W)
    assert found.rounds == run.report.rounds and found.bytes_sent["alice"] == run.report.bytes_sent
    assert any(line.startswith("fitted (6, 1) to bob") for line in found.reveals)
    assert found.predicted.seconds > 40e-3 * found.rounds / 2
    assert "each iteration" in repr(found) and "Predicted: " in found.text
    assert Party("bob", rtt="1ms").plan(Fit, x=(6, 3), y=(6, 1)).rounds == found.rounds
    assert commands(["plan", "--job", "seed", "--link", "rtt=40ms"]) == 0
    said = capsys.readouterr().out
    assert plan("seed", link="rtt=40ms").text in said


@pytest.mark.parametrize("how", ["--plain", "--simulate"])
def test_the_same_command_runs_a_job_alone(how, tmp_path, capsys):
    np.save(tmp_path / "w.npy", np.full((3, 1), 0.25))
    words = [
        how,
        "--role",
        "bob",
        "--iterations",
        "50",
        "--data",
        f"w={tmp_path}/w.npy",
        "--out",
        f"{tmp_path}/found.npz",
    ]
    assert commands([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    alone = plain("seed", w=np.full((3, 1), 0.25), iterations=50)
    assert np.abs(report["results"]["weights"] - alone["weights"]).max() < 1e-3
    assert np.load(tmp_path / "found.npz")["weights"].tolist() == report["results"]["weights"]
    assert (report["role"], report["iterations"]) == (how.removeprefix("--"), 50)


def test_built_in_jobs_by_name_with_their_defaults():
    assert (
        np.abs(
            plain("seed", iterations=50)["weights"] - simulate("seed", iterations=50)["weights"]
        ).max()
        < 1e-3
    )
