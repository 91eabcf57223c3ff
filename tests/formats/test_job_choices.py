"""What a job's file chooses by name, with options: losses, optimisers and their schedules."""

from __future__ import annotations

import pytest
from job_files import NETWORK, loaded

from party.formats.job_choices import STEPS
from protocol.errors import JobError
from protocol.nn import Adam, BinaryCrossEntropy, CosineAnnealingLR, EarlyStop, Huber
from protocol.preparation import Fill, OneHot
from protocol.tables import Table

TRAINED = """
[rows]
held_out = 0.25
[columns]
bob = 3
target = { owner = "bob", column = "price" }
[model]
layers = ["dense 1"]
[train]
batch = 10
epochs = 4
early_stopping = { patience = 2, restore_best = true, metric = "r2" }
[train.optimiser]
name = "adam"
lr = 0.05
betas = [0.8, 0.9]
schedule = { name = "cosine", warmup = 1, eta_min = 0.01 }
[reveal]
loss = "alice"
weights = "none"
"""


def test_an_optimiser_its_schedule_and_who_learns_which_metric(tmp_path):
    job = loaded(tmp_path, TRAINED)
    assert job.optimiser == Adam(
        lr=CosineAnnealingLR(0.05, eta_min=0.01, warmup=1), betas=[0.8, 0.9]
    )
    assert job.early == EarlyStop("r2", 2, restore_best=True) and job.to == {
        "loss": "alice",
        "r2": "both",
    }
    with pytest.raises(
        JobError, match=r"job\.toml:15: train\.optimiser\.rate: 'adam' takes no such option"
    ):
        loaded(tmp_path, TRAINED.replace("lr = 0.05", "rate = 0.05"))


@pytest.mark.parametrize(
    ("step", "option"),
    [
        ("{ do = 'fill', indicator = 'no' }", "indicator"),
        ("{ do = 'fill', indicator = 0 }", "indicator"),
        (
            "{ do = 'one-hot', columns = 'a', categories = [1, 2], drop_first = 'false' }",
            "drop_first",
        ),
    ],
)
def test_a_choice_of_true_or_false_takes_no_text(step, option, tmp_path):
    with pytest.raises(JobError, match=f"steps.{option}: is true or false, as in {option} = true"):
        loaded(tmp_path, TRAINED.replace("[model]", f"steps = [{step}]\n[model]"))
    with pytest.raises(JobError, match="Fill: indicator is True or False, not 'no'"):
        Fill(indicator="no")
    with pytest.raises(JobError, match="OneHot: drop_first is True or False, not 1"):
        OneHot("a", drop_first=1)


def test_a_step_is_called_in_sentences_what_a_file_calls_it():
    assert {f"step {name}": kind for name, kind in STEPS.items()} == {
        kind("a").called: kind for kind in STEPS.values()
    }
    with pytest.raises(JobError, match=r"^step one-hot is done to a column b that the table does"):
        Table("bob", ["a"], steps=[OneHot("b", categories=["x", "y"])])


def test_a_loss_takes_its_options(tmp_path):
    def of(given):
        return loaded(tmp_path, TRAINED.replace("layers", f"loss = {given}\nlayers")).loss

    assert of('"huber"') == Huber() and of('{ name = "huber", delta = 2.0 }') == Huber(2.0)
    text = NETWORK.replace("dense 3", "dense 1").replace("classes = 3", "classes = 2")
    for given, wanted in (
        ('"logistic"', "fourier"),
        ('{ name = "logistic", method = "accurate" }', "accurate"),
    ):
        job = loaded(tmp_path, text.replace("layers", f"loss = {given}\nlayers"))
        assert job.loss == BinaryCrossEntropy(method=wanted)
    for given, words in (
        ('{ name = "huber", beta = 2 }', r"model\.loss\.beta: 'huber' takes no such option.*delta"),
        ("{ delta = 2 }", r"model\.loss: None is no loss \(there are logistic,"),
        ('{ name = "huber", delta = 0 }', r"model\.loss: Huber: delta is a number above 0"),
        ('"hubert"', r"'hubert' is no loss; did you mean 'huber'"),
    ):
        with pytest.raises(JobError, match=words):
            of(given)
