"""A training from a model, a loss and an optimiser: its steps, its checks, and how it ends."""

from __future__ import annotations

import numpy as np
import pytest
from nn.test_layers import both, drawn
from oracle import secure

from protocol.errors import JobError
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.labels import Labels
from protocol.machine import Machine
from protocol.nn import (
    MSE,
    SGD,
    AvgPool1d,
    BinaryCrossEntropy,
    Conv1d,
    Conv2d,
    CosineAnnealingLR,
    CrossEntropy,
    Dense,
    Dropout,
    EarlyStop,
    ExponentialLR,
    Flatten,
    GlobalAvgPool2d,
    LeakyReLU,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    Sequential,
    StepLR,
    Training,
    accuracy,
    auc,
    r2,
)  # fmt: skip
from protocol.ops import one_hot, within
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.simulate import twin as plainly
from protocol.tables import Table
from protocol.tracing import trace

metrics = pytest.importorskip("sklearn.metrics")


def blobs(rows: int, columns: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows about as many middles as there are classes, and one-hot labels."""
    random = np.random.default_rng(3)
    labels = np.arange(rows) % classes
    middles = random.uniform(-0.7, 0.7, (classes, columns))
    return (middles[labels] + random.uniform(-0.3, 0.3, (rows, columns))), one_hot(labels, classes)


class Blobs(Training):
    x = Input("bob", (120, 6), -1, 1)
    y = Input("bob", (120, 3), 0, 1)
    model = Sequential(Dense(6, 8), ReLU(), Dense(8, 3))
    loss = CrossEntropy(limit=24)
    optimiser = SGD(lr=lambda step: 0.5 / (1 + step / 24), momentum=0.9)
    batch, epochs, held_out = 16, 3, 0.2
    metrics = {"accuracy": accuracy}


def test_a_network_learns_and_says_so_after_every_epoch():
    job = Blobs()
    x, y = blobs(120, 6, 3)
    inputs = drawn(job, x=x, y=y)
    assert (job.iterations, job.check_every) == (18, 6)
    plain, run = both(job, inputs)
    for name in job.model.trained():
        assert np.abs(run.results[0][name] - plain[name]).max() <= 2e-3
    history = run.history[0]["accuracy"]
    assert len(history) == 3
    assert all(abs(24 * float(each) - round(24 * float(each))) < 1e-3 for each in history), (
        "of 24 rows held out"
    )
    assert float(history[-1]) >= 0.9


def test_where_the_rows_are_left_open_epochs_follow_from_the_shapes():
    class Open(Blobs):
        x = Table(alice=2, bob=4, match="order")
        y = Labels("bob", classes=3)

    job = Open()
    assert job.iterations is None
    traced = trace(
        job,
        {
            name: tuple(120 if n == "n" else n for n in (each.shape))
            for name, each in job.inputs.items()
        },
    )
    assert (traced.iterations, job.check_every) == (18, 6)


def test_it_ends_once_nothing_improves():
    class Patient(Blobs):
        epochs = 12
        early = EarlyStop("accuracy", patience=2)

    job = Patient()
    x, y = blobs(120, 6, 3)
    run = simulate(job, drawn(job, x=x, y=y))
    found = [float(each) for each in run.history[0]["accuracy"]]
    assert len(found) < 12
    assert found.index(max(found)) == len(found) - 3


def test_the_finish_has_what_a_check_found_best():
    """Rates below zero undo what two epochs have learnt, and the run goes on for a while."""

    class Climbing(SGD):
        def rate(self, step):
            return 0.5 if step < 12 else -0.1

    class Best(Blobs):
        epochs, weights = 6, "none"
        optimiser = Climbing(lr=lambda step: 0.5)
        early = EarlyStop("loss", patience=2, smaller=True, restore_best=True)
        metrics = {"loss": CrossEntropy(limit=24), "accuracy": accuracy}
        to = {"accuracy": "bob"}

    job = Best()
    x, y = blobs(120, 6, 3)
    inputs = drawn(job, x=x, y=y)
    run = simulate(job, inputs)
    found = [float(each) for each in run.history[0]["loss"]]
    at = found.index(min(found))
    assert len(found) == at + 3 and found[-1] > 1.01 * found[at]
    assert float(run.results[0]["loss at the end"]) == pytest.approx(found[at], abs=1e-3)
    assert [set(each) for each in run.history] == [{"loss"}, {"loss", "accuracy"}]
    assert [set(each) for each in run.results] == [
        {"loss at the end"},
        {"loss at the end", "accuracy at the end"},
    ]
    values, history, _ = plainly(job, inputs)
    assert history.best == 6 * (at + 1) and float(values["loss at the end"]) == pytest.approx(
        found[at], abs=2e-3
    )


def test_what_is_remembered_goes_through_a_checkpoint():
    job = Blobs()
    machine = Machine(
        make_plan(trace(job, {name: array.shape for name, array in drawn(job).items()}), 0, (0, 1)),
        0,
    )
    names = len(machine.state())
    for target in machine._carried:
        machine.registers[target] = np.zeros(1, np.uint64)
    machine.remember()
    for target in machine._carried:
        machine.registers[target] = np.ones(1, np.uint64)
    state = machine.state()
    assert len(state) == 2 * names
    machine.restore(state)
    assert machine.registers[machine._carried[0]] == 1
    machine.recall()
    assert all(not words for words in machine.state())


@pytest.mark.parametrize("columns", [1, 2])
def test_auc_is_that_of_scikit_learn(columns):
    random = np.random.default_rng(4)
    for labels, bound in (
        (random.integers(0, 2, 40), 1e-3),
        (np.arange(40) == 7, 1e-3),
        (np.zeros(40, int), 1e-4),
        (np.ones(40, int), 1e-4),
    ):
        # with some that are equal
        z = np.rint(random.normal(labels[:, None], 1.0, (40, columns)) * 8) / 8
        z, y = z, labels[:, None] * 1.0 if columns == 1 else np.eye(2)[labels * 1]
        run = secure(lambda z, y: {"auc": auc(z, within(y, 0, 1))}, z, y, limit=8.0)
        scores = z[:, 0] if columns == 1 else z[:, 1] - z[:, 0]
        best = metrics.roc_auc_score(labels, scores) if 0 < labels.sum() < 40 else -1.0
        assert abs(float(run.results[0]["auc"]) - best) <= bound
        assert run.plan.costs[Phase.FINISH].rounds <= 13


@pytest.mark.parametrize("deviation", [0.1, 1.0, 50.0, 300.0])
def test_r2_is_that_of_scikit_learn(deviation):
    random = np.random.default_rng(5)
    y = random.normal(0.0, deviation, (60, 2))
    z = y + random.normal(0.0, deviation / 2, (60, 2))
    run = secure(lambda z, y: {"r2": r2(z, y)}, z, y, limit=2048.0, fraction_bits=20)
    off = 1e-4 if deviation >= 1.0 else 1e-3  # what is added to the variance
    assert float(run.results[0]["r2"]) == pytest.approx(metrics.r2_score(y, z), abs=off)


def test_r2_is_of_several_rows():
    z = np.ones((1, 1))
    with pytest.raises(JobError, match="r2 is of two rows held out or more"):
        secure(lambda z, y: {"r2": r2(z, y)}, z, z)


def test_accuracy_of_one_axis_is_that_of_its_entries():
    def finish(self, v):
        v.reveal(accuracy=accuracy(v.z, v.y), auc=auc(v.z, v.y))

    body = {name: Input("bob", (40,), low, 1) for name, low in (("z", -1), ("y", 0))}
    job = type("One", (Job,), body | {"iterations": 0, "step": lambda *_: None, "finish": finish})
    z = np.random.default_rng(4).uniform(-1, 1, 40)
    y = (z + np.random.default_rng(5).uniform(-1, 1, 40) > 0.0).astype(float)
    found = simulate(job(), {"z": z, "y": y}).results[0]
    assert float(found["accuracy"]) == pytest.approx(np.mean((z >= 0) == y), abs=1e-3)
    assert float(found["auc"]) == pytest.approx(metrics.roc_auc_score(y, z), abs=1e-3)


@pytest.mark.parametrize(
    ("measure", "z", "y", "low", "says"),
    [
        (accuracy, (8, 1), (8, 1), -1, r"accuracy is of labels from 0 to 1, .* \[-1, 1\]: bring"),
        (accuracy, (8, 3), (8, 3), -1, "with low=0, high=1"),
        (auc, (8, 1), (8, 1), -1, "auc is of labels from 0 to 1"),
        (BinaryCrossEntropy(), (8, 1), (8, 1), -1, r"bring labels -1 and 1 as \(y \+ 1\) / 2"),
        (CrossEntropy(), (8, 3), (8, 3), -1, "CrossEntropy is of labels from 0 to 1"),
        (accuracy, (8, 1), (8,), 0, r"they must be alike; y.reshape\(8, 1\) is"),
        (r2, (8,), (8, 1), 0, r"y.reshape\(8,\) is"),
        (accuracy, (8, 3), (8,), 0, r"one-hot row where y is declared as Labels\("),
        (BinaryCrossEntropy(), (8, 1), (8,), 0, r"y.reshape\(8, 1\) is"),
        (CrossEntropy(), (8, 3), (8,), 0, r"one-hot row where y is declared as Labels\("),
        (CrossEntropy(), (8, 1), (8, 1), 0, "take BinaryCrossEntropy, or a column for each class"),
    ],
)
def test_targets_that_are_none_of_these_predictions_are_refused(measure, z, y, low, says):
    body = {"z": Input("bob", z), "y": Input("bob", y, low, 1), "step": lambda *_: None}
    finish = {"finish": lambda self, v: v.reveal(out=measure(v.z, v.y))}
    with pytest.raises(JobError, match=says):
        trace(type("One", (Job,), body | finish | {"iterations": 0})(), {"z": z, "y": y})


def test_schedules_are_those_of_torch():
    step, falling, wave = (
        StepLR(1.0, 2, 0.1),
        ExponentialLR(1.0, 0.5),
        CosineAnnealingLR(1.0, 0.2, warmup=1),
    )
    assert [step.over(3, 5)(n) for n in (0, 5, 6, 11, 12)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert [falling.over(2, 5)(n) for n in (0, 1, 2, 4)] == pytest.approx([1, 0.5**0.5, 0.5, 0.25])
    rates = [wave.over(4, 5)(n) for n in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[4:] == pytest.approx([0.2 + 0.4 * (1 + np.cos(np.pi * n / 16)) for n in range(16)])
    with pytest.raises(JobError, match=r"StepLR counts epochs, .* lr=StepLR\(1\).over\(epoch=40"):
        SGD(lr=step).rate(0)


def test_one_column_is_right_on_its_side_of_zero():
    class Halves(Training):
        x = Input("alice", (80, 4), -1, 1)
        y = Input("bob", (80, 1), 0, 1)
        model = Sequential(Dense(4, 1), owner="alice")
        loss, optimiser, held_out = BinaryCrossEntropy(), SGD(lr=1.0), 0.25
        metrics = {"accuracy": accuracy}
        epochs, batch, weights = 4, 20, "none"

    job = Halves()
    x = np.random.default_rng(0).uniform(-1, 1, (80, 4))
    run = simulate(job, drawn(job, x=x, y=(x @ [[1.0], [-1.0], [0.5], [0.2]] > 0).astype(float)))
    assert [list(each) for each in run.results] == [["accuracy at the end"]] * 2
    assert float(run.history[0]["accuracy"][-1]) >= 0.8


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (
            lambda: (
                Conv2d(1, 3, 3, padding="same"),
                LeakyReLU(),
                MaxPool2d(2),
                Conv2d(3, 4, (2, 1), stride=(1, 2), groups=1),
                ReLU(),
                GlobalAvgPool2d(),
                Dense(4, 2),
            ),
            (1, 6, 6),
        ),
        (
            lambda: (
                Conv1d(2, 4, 3, padding=1, groups=2),
                ReLU(),
                AvgPool1d(2, 1, (1,)),
                MaxPool1d(2, 1),
                Flatten(),
                Dropout(0.25),
                Dense(24, 2),
            ),
            (2, 6),
        ),
    ],
)
def test_pictures_and_series_train_as_their_twins_do(layers, shape):
    class Pictured(Training):
        x = Input("bob", (24, *shape), -1, 1)
        y = Input("bob", (24, 2), 0, 1)
        model = Sequential(*layers())
        loss, optimiser, batch, epochs = MSE(), SGD(lr=0.2, nesterov=True, momentum=0.5), 8, 4

    job = Pictured()
    inputs = drawn(job)
    plain, run = both(job, inputs)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= 1e-3, name


def test_what_does_not_fit_is_said():
    class Unheld(Blobs):
        held_out = 0.0

    job = Unheld()
    shapes = {name: array.shape for name, array in drawn(job).items()}
    with pytest.raises(JobError, match="held out from training"):
        trace(job, shapes)
    for part, says in [
        (0.001, r"held_out = 0.001 of 120 rows is no row: held_out = 0.0083 is one"),
        (0.999, r"held_out = 0.999 of 120 rows is all of them: none is left to learn from"),
    ]:
        with pytest.raises(JobError, match=says):
            trace(type("Other", (Blobs,), {"held_out": part})(), shapes)

    for attributes, says in [
        ({"early": EarlyStop("acuracy")}, "'acuracy'.: the metrics of this training are accuracy"),
        ({"early": EarlyStop}, r"Other: early is the class EarlyStop; write EarlyStop\(…\)"),
        ({"model": Dense}, r"model is the class Dense; write Dense\(…\)"),
        ({"loss": CrossEntropy}, r"loss is the class CrossEntropy; write CrossEntropy\(…\)"),
        ({"optimiser": SGD}, r"optimiser is the class SGD; write SGD\(…\)"),
        ({"loss": "mse"}, r"Other: loss is a loss, as CrossEntropy\(\), not 'mse'"),
        (
            {"metrics": {"a": "auc"}},
            r"metrics\['a'\] is a metric or a loss, as accuracy, not 'auc'",
        ),
        ({"metrics": {"a": MSE}}, r"metrics\['a'\] is the class MSE; write MSE\(…\)"),
        ({"metrics": accuracy}, "metrics is a table of names and functions"),
        ({"epochs": 0}, "Other: epochs is a whole number above 0, not 0"),
        ({"held_out": 1.5}, "held_out is a number from 0 on and below 1, not 1.5"),
        ({"epochs": 2.5}, "epochs is a whole number, not 2.5"),
        ({"batch": "all"}, "batch is a whole number, not 'all'"),
        ({"held_out": "fifth"}, "held_out is a finite number, not 'fifth'"),
    ]:
        with pytest.raises(JobError, match=says):
            other = type("Other", (Blobs,), attributes)()
            trace(other, {name: each.shape for name, each in other.inputs.items()})
    for make, says in [
        (lambda: EarlyStop(accuracy), "EarlyStop: metric is the name of a metric"),
        (lambda: EarlyStop("accuracy", patience=0), "patience is a whole number above 0, not 0"),
        (lambda: EarlyStop("accuracy", patience=2.5), "patience is a whole number above 0"),
        (lambda: EarlyStop("accuracy", smaller="yes"), "smaller is True or False, not 'yes'"),
    ]:
        with pytest.raises(JobError, match=says):
            make()
