"""What a model that stays shared says of new rows: each kind as its twin, and only to whom it is
told."""

from __future__ import annotations

import json
from csv import reader
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import risk
from halves import halves, together
from risk import Risk

from party.__main__ import main as commands
from party.data import save_results
from party.display import shown
from party.given import Given
from party.inputs import own_inputs
from party.loading import load_job
from party.predicting import in_words, learners, predicted
from party.shared import begin
from protocol.cost import LAN
from protocol.errors import ConfigError, DataError, JobError
from protocol.jobs import Input, Job
from protocol.labels import Labels
from protocol.nn import (
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    ReLU,
    Sequential,
    Training,
)
from protocol.nn.prediction import KINDS, architecture, prediction
from protocol.ops.stored import Stored
from protocol.simulate import simulate
from protocol.tables import Fill, MinMax, Standardise, Table
from protocol.tracing import trace


class Classes(Training):
    x = Input("bob", (12, 4), -1, 1)
    y = Input("bob", (12, 3), 0, 1)
    model = Sequential(Dense(4, 5), ReLU(), Dropout(0.5), Dense(5, 3))
    loss = CrossEntropy(limit=24)
    batch = 4


class Values(Classes):
    loss = MSE()


def trained(job: Training, seed: int = 0):
    random = np.random.default_rng(seed)
    inputs = {
        name: random.uniform(max(-0.5, each.low), 0.5, each.shape)
        for name, each in job.inputs.items()
    }
    return halves(job, inputs | {"y": (inputs["y"] > 0).astype(float)})


@pytest.mark.parametrize("kind", [Risk, Classes, Values])
@pytest.mark.parametrize("owner", ["alice", "bob"])
def test_every_kind_equals_its_twin_and_is_told_to_whom_it_is_for(kind, owner):
    pair = trained(kind())
    wanted = {"scores": "both", "predictions": "bob"}
    if kind is not Values:
        wanted |= {"classes": "alice", "probabilities": "alice"}
    job = prediction(kind(), owner, wanted)
    begin(job, pair[0])
    assert [(name, each.owner) for name, each in job.inputs.items()] == [("x", owner)]
    x = np.random.default_rng(7).uniform(-1, 1, (9, kind.x.shape[1]))
    run = simulate(job, {"x": x}, shares=[half.generations[0].shares for half in pair])
    twin = trace(job, {"x": x.shape}).graph.run_clear({"x": x} | together(pair), 0)
    assert run.results[0].keys() == {"scores"} | ({"classes", "probabilities"} & wanted.keys())
    assert run.results[1].keys() == {"scores", "predictions"}
    for name, array in (run.results[0] | run.results[1]).items():
        exact = name == "classes" or (name == "predictions" and kind is not Values)
        assert np.abs(array - twin[name]).max() <= (0.0 if exact else 1e-4)
    if kind is not Values:
        z = twin["scores"]
        p = (
            1 / (1 + np.exp(-z))
            if z.shape[1] == 1
            else np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        )
        assert np.abs(run.results[0]["probabilities"] - p).max() < 2e-3
        assert np.array_equal(
            run.results[1]["predictions"], (z >= 0) if z.shape[1] == 1 else z.argmax(axis=1)
        )


def test_who_brings_the_rows_learns_the_predictions_unless_something_else_is_said():
    alice, bob = trained(Risk())
    for model, brings, owner in (
        (alice, True, "alice"),
        (bob, False, "alice"),
        (alice, False, "bob"),
        (bob, True, "bob"),
    ):
        job = predicted(model, Risk(), {}, brings)
        assert (job.x.owner, job.to) == (owner, {"predictions": owner})
    assert learners(["bob", "scores=both"]) == {"predictions": "bob", "scores": "both"}
    assert predicted(alice, Risk(), {}, False, {"classes": "both"}).to == {"classes": "both"}


def labelled(classes, one_hot: bool, kind: type[Training] = Classes) -> Training:
    y = Labels("bob", "y", classes=classes, one_hot=one_hot)
    return type("Labelled", (kind,), {"y": y})()


def test_classes_are_called_as_the_table_calls_them(tmp_path):
    numbers = np.array([2.0, 0.0, 1.0])
    three = prediction(labelled(["no", "möglich", 'ja, "sicher"'], True), "bob")
    told = in_words(three, {"predictions": numbers, "classes": numbers, "probabilities": numbers})
    assert told["predictions"].tolist() == told["classes"].tolist()
    assert told["classes"].tolist() == ['ja, "sicher"', "no", "möglich"]
    assert told["probabilities"] is numbers
    save_results(tmp_path / "p.csv", {"classes": told["classes"]})
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as stream:
        assert list(reader(stream)) == [["classes"], ['ja, "sicher"'], ["no"], ["möglich"]]
    for name in ("p.npy", "p.npz"):
        save_results(tmp_path / name, {"classes": told["classes"]})
        found = np.load(tmp_path / name)
        assert (found if name == "p.npy" else found["classes"]).tolist() == [*told["classes"]]
    assert "möglich" in shown(told["classes"])
    grades = prediction(labelled([3, 5, 7.5], True), "bob")
    assert in_words(grades, {"classes": numbers})["classes"].tolist() == [7.5, 3.0, 5.0]
    binary = type("Binary", (Risk,), {"y": labelled(["no", "yes"], False).y})()
    found = in_words(prediction(binary, "bob"), {"predictions": np.array([[1.0], [0.0]])})
    assert found["predictions"].tolist() == [["yes"], ["no"]]
    for job in (prediction(labelled(["a", "b", "c"], True, Values), "bob"), Risk()):
        assert in_words(job, {"predictions": numbers})["predictions"] is numbers


def test_the_job_is_the_one_that_trained_the_model():
    alice, _ = trained(Risk())
    alice = replace(alice, file=risk.__file__, parameters={"batch": "10"}, path=Path("a.share"))
    job = predicted(alice, None, {"precision": "1e-3"}, False)
    assert (type(job.training).__name__, job.training.batch, job.precision) == ("Risk", 10, 1e-3)
    begin(job, alice)
    for model, words in (
        (replace(alice, file=""), "the share a.share does not say which job trained it"),
        (
            replace(alice, file="gone.py"),
            "gone.py cannot be read .*the share a.share was trained from that; --job says",
        ),
        (
            replace(alice, file="seed", parameters={}),
            "the job Seed learns no y from x, so it has no predictions",
        ),
    ):
        with pytest.raises((ConfigError, JobError), match=words):
            predicted(model, None, {}, False)
    with pytest.raises(DataError, match="this job has another network"):
        begin(predicted(alice, Classes(), {}, False), alice)


def test_what_is_not_there_to_learn_is_said():
    alice, _ = trained(Values())
    for to, words in (
        ({"class": "bob"}, "there are no 'class' to learn; did you mean 'classes'"),
        ({"scores": "carol"}, "scores are learnt by alice, bob or both, not by 'carol'"),
    ):
        with pytest.raises(ConfigError, match=words):
            predicted(alice, Values(), {}, False, to)
    with pytest.raises(ConfigError, match="it is said twice who learns the scores"):
        learners(["scores=bob", "scores=alice"])
    job = predicted(alice, Values(), {}, False, {"classes": "bob"})
    begin(job, alice)
    with pytest.raises(
        JobError, match="MSE is no loss of classes, so there are no classes: ask for scores"
    ):
        trace(job, {"x": (3, 4)})


def test_an_architecture_is_what_is_computed_of_a_row():
    class Alike(Classes):
        x = Input("alice", (500, 4), 0, 9)
        model = Sequential(Dense(4, 5), ReLU(), Dropout(0.5), Dense(5, 3), owner="bob")
        epochs = 9

    class Deeper(Classes):
        model = Sequential(Dense(4, 5), ReLU(), Dropout(0.5), Dense(5, 3), ReLU())

    known = architecture(Classes())
    assert (
        known
        == architecture(Values())
        == architecture(Alike())
        == architecture(predicted(trained(Values())[0], Values(), {}, False))
    )
    assert (
        known != architecture(Deeper())
        and architecture(load_job("seed")) == architecture(Job()) == ""
    )
    assert set(KINDS) == {"scores", "probabilities", "classes", "predictions"}


class Tabled(Training):
    x = Table("bob", ["age", "income"], steps=[Standardise()])
    y = Labels("bob", "default", classes=["no", "yes"], one_hot=False)
    model = Sequential(Dense(2, 1), owner="alice")
    loss = BinaryCrossEntropy()
    batch, weights = 10, "none"


class Split(Tabled):
    x = Table(alice=["age"], bob=["income"], match="order", steps=[Standardise()])


class Stacked(Tabled):
    x = Table(columns=["age", "income"], rows="alice+bob", steps=[MinMax(low=0, high=100)])
    y = Labels(column="default", classes=["no", "yes"], one_hot=False, rows="alice+bob")


def frame(rows: int = 20) -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)
    age, income = random.uniform(20, 70, rows), random.uniform(10, 90, rows)
    return {"age": age, "income": income, "default": np.where(income < 40, "yes", "no")}


def csv(path: Path, columns: dict[str, np.ndarray]) -> Path:
    lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(columns), *lines]) + "\n")
    return path


def test_new_rows_are_prepared_with_what_was_learnt_from_the_old_ones(tmp_path):
    old, new = frame(), {"income": np.array([5.0, 50.0]), "age": np.array([80.0, 33.0])}
    table = Given(tables={"": csv(tmp_path / "old.csv", old)})
    learnt = own_inputs(Tabled(), "bob", table).fitted
    job = prediction(Tabled(), "bob")
    given = Given(tables={"": csv(tmp_path / "new.csv", new)})
    found = own_inputs(job, "bob", given, learnt=learnt).arrays["x"]
    expected = [(new[name] - old[name].mean()) / old[name].std() for name in ("age", "income")]
    assert np.abs(found - np.stack(expected, axis=1)).max() < 1e-9
    with pytest.raises(
        DataError,
        match=(
            "numbers that were learnt from rows of the training, and alice's half of the model has"
            " none"
        ),
    ):
        own_inputs(prediction(Tabled(), "alice"), "alice", given)


def test_columns_of_both_stay_with_both_and_rows_of_both_become_those_of_one():
    split, stacked = prediction(Split(), "alice"), prediction(Stacked(), "alice")
    assert {name: each.owner for name, each in split.declared.items() if name[0] == "x"} == {
        "x.alice": "alice",
        "x.bob": "bob",
    }
    assert split.to == {"predictions": "bob"}  # who has the labels
    assert [
        (name, each.owner, each.shape) for name, each in stacked.declared.items() if name[0] == "x"
    ] == [("x", "alice", ("n", 2))]
    assert stacked.to == {"predictions": "alice"}
    assert architecture(split) == architecture(stacked) == architecture(Tabled()) != ""


class OfBoth(Training):
    x = Table(
        columns=["a", "b"],
        rows={"alice": 30, "bob": 20},
        steps=[MinMax(low=0, high=9), Fill("b"), Standardise()],
    )
    y = Labels(column="c", classes=["no", "yes"], one_hot=False, rows={"alice": 30, "bob": 20})
    model = Sequential(Dense(2, 1))
    loss = BinaryCrossEntropy()
    batch, weights = 25, "none"


def test_rows_are_standardised_as_those_of_both_were_that_nobody_knows():
    random = np.random.default_rng(4)

    def rows(count: int) -> dict[str, np.ndarray]:
        a, b = random.uniform(0, 9, count), random.uniform(2, 3, count)
        b[::4] = np.nan
        return {"a": a, "b": b, "c": np.where(a > 4, "yes", "no")}

    own = {role: rows(count) for role, count in (("alice", 30), ("bob", 20))}
    inputs: dict[str, np.ndarray] = {}
    for role, table in own.items():
        inputs |= own_inputs(OfBoth(), role, Given(tables={"": table})).arrays
    pair = halves(OfBoth(), inputs)
    new = rows(9)
    for owner in ("alice", "bob"):
        job = prediction(OfBoth(), owner, {"scores": "both"})
        begin(job, pair[0])
        x = own_inputs(job, owner, Given(tables={"": new})).arrays["x"]
        run = simulate(job, {"x": x}, shares=[half.generations[0].shares for half in pair])
        weights = together(pair)
        whole, these = (
            np.column_stack([t["a"], t["b"]])
            for t in ({k: np.concatenate([own["alice"][k], own["bob"][k]]) for k in "ab"}, new)
        )
        whole, these = (np.where(np.isnan(t), np.nanmean(whole, axis=0), t) for t in (whole, these))
        z = (these - whole.mean(axis=0)) / whole.std(axis=0)
        wanted = z @ weights["model.0.weight"].T + weights["model.0.bias"]
        assert np.abs(run.results[0]["scores"] - wanted).max() < 1e-3
    again = OfBoth()
    again.kept = again.keep
    begin(again, pair[0])
    assert simulate(again, inputs, shares=[half.generations[0].shares for half in pair]).steps == 2
    lacking = prediction(OfBoth(), "bob")
    begin(
        lacking,
        replace(pair[0], tensors=tuple(each for each in pair[0].tensors if each.label[0] != "x")),
    )
    with pytest.raises(
        JobError,
        match="x is prepared with what the training learnt on shares, and the model has none",
    ):
        trace(lacking, {"x": (3, 3)})


def test_a_prediction_is_planned_as_it_is_run(tmp_path, capsys):
    """At the party that brings the rows, and at the other, who says how many there are: one plan,
    from which material is made."""
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (20, 3))
    pair = halves(load_job("linear-regression"), {"x": x, "y": x @ [[1.0], [2.0], [3.0]]})
    np.save(tmp_path / "new.npy", x[:7])
    digests = []
    for half, rows in zip(
        pair, (["--data", f"x={tmp_path}/new.npy"], ["--shape", "x=7x3"]), strict=True
    ):
        path = tmp_path / f"{half.role}.share"
        replace(half, file="linear-regression").save(path)
        words = [
            "plan",
            "--model",
            str(path),
            "--predict",
            "scores=alice",
            "--save",
            str(tmp_path / "plan"),
            "--json",
        ]
        assert commands([*words, *rows]) == 0
        said = json.loads(capsys.readouterr().out)
        digests.append(said["digest"])
        assert said["reveals"][0].startswith("scores (7, 1) to alice")
    assert digests[0] == digests[1] and (tmp_path / "plan").stat().st_size > 0
    assert commands(["plan", "--job", "ridge", "--predict", "bob"]) == 2
    assert "say which: --model FILE" in capsys.readouterr().err


FAULTY = """from protocol.nn import Dense


class Own(Dense):
    def forward(self, scope, x):
        return super().forward(scope, x) * (1 / 0)


"""


def test_a_fault_in_a_layer_is_named_by_its_file_and_line(tmp_path):
    file = tmp_path / "faulty.py"
    file.write_text(FAULTY + Path(risk.__file__).read_text().replace("Dense(3, 4)", "Own(3, 4)"))
    pair = trained(Risk())
    with pytest.raises(JobError, match=r"faulty.py:6: ZeroDivisionError"):
        begin(load_job(str(file)), pair[0])


class Wide(Training):
    x = Input("bob", (100, 784), 0, 1)
    y = Input("bob", (100, 10), 0, 1)
    model = Sequential(Dense(784, 128), ReLU(), Dense(128, 10), owner="alice")
    loss = CrossEntropy(limit=24)


def test_classes_alone_are_no_reason_to_have_coarse_scores():
    job = prediction(Wide(), "bob")
    job.begin_with(
        Stored(name, each.shape, 20, 64, -8, 8)
        for name, each in Wide().declared.items()
        if name[0] == "m"
    )
    slow = replace(LAN, bandwidth=1e7)  # on which every bit that is not sent saves time
    assert trace(job, {"x": (200, 784)}, None, slow).numerics.fraction_bits >= 16
    job._fewest_bits = 0
    assert trace(job, {"x": (200, 784)}, None, slow).numerics.fraction_bits < 16
