"""Jobs as TOML files: what they describe is what is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from job_files import NETWORK, VERTICAL, loaded
from nn.test_layers import both, drawn

from protocol.errors import JobError
from protocol.estimators import LogisticRegression
from protocol.jobs import Job
from protocol.matching import matching
from protocol.nn import (
    Dense,
    ReLU,
    Training,
)
from protocol.simulate import simulate


def test_an_estimator_on_columns_of_both(tmp_path):
    job = loaded(tmp_path, VERTICAL)
    assert isinstance(job, LogisticRegression) and (job.C, job.max_iter, job.held_out) == (
        2.0,
        10,
        0.25,
    )
    assert {name: each.owner for name, each in job.inputs.items()} == {
        "x.alice": "alice",
        "x.bob": "bob",
        "y": "bob",
    }
    inputs = drawn(job, 40)
    inputs["y"] = (inputs["x.alice"][:, :1] > 0) * 1.0
    plain, run = both(job, inputs)
    assert [set(each) for each in run.results] == [
        {"coef", "intercept", "converged", "accuracy"},
        {"accuracy", "scores"},
    ]
    for name, found in (run.results[0] | run.results[1]).items():
        assert np.abs(found - plain[name]).max() <= 2e-3


def test_a_network_of_layers(tmp_path):
    job = loaded(tmp_path, NETWORK.replace("[train]", "minimum = 8\n[train]"))
    assert isinstance(job, Training) and [type(each) for each in job.model.layers] == [
        Dense,
        ReLU,
        Dense,
    ]
    inputs = drawn(job, 40)
    inputs |= {"x": inputs["x"] / 1024, "y": np.eye(3)[np.arange(40) % 3]}
    with pytest.raises(JobError, match="8 rows are held out for accuracy, and nothing is told of"):
        simulate(loaded(tmp_path, NETWORK), inputs)
    run = simulate(job, inputs)
    assert run.steps == 4 and len(run.history[0]["accuracy"]) == 2


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        (
            (
                '[columns]\nboth = ["a"]\ntarget = { column = "t" }\n[model]\nestimator ='
                ' "ridge"\nalpha = 2\n'
            ),
            {
                "x.alice": ("x.alice.rows", 1),
                "x.bob": ("x.bob.rows", 1),
                "y.alice": ("y.alice.rows", 1),
                "y.bob": ("y.bob.rows", 1),
            },
        ),
        (
            (
                '[columns]\nbob = 3\ngroups = { owner = "bob", column = "g", classes = ["p", "q"]'
                ' }\n[model]\nestimator = "group-statistics"\n'
            ),
            {"x": ("n", 3), "groups": ("n", 2)},
        ),
        (
            (
                '[columns]\nalice = ["a", "b"]\n[model]\nestimator ='
                ' "statistics"\n[reveal]\nresults = "bob"\n'
            ),
            {"x": ("n", 2)},
        ),
    ],
)
def test_who_has_what(tmp_path, text, shapes):
    job: Job = loaded(tmp_path, text)
    found = {name: each.shape for name, each in job.inputs.items()}
    assert found.keys() == shapes.keys()
    assert [shape[-1] for shape in found.values()] == [shapes[name][-1] for name in found]


def test_parameters_take_numbers_and_lists(tmp_path):
    text = (
        NETWORK[: NETWORK.index("[model]")]
        + '[model]\nestimator = "mlp-classifier"\nhidden_layer_sizes = [7, 5]\nmax_iter = 3\n'
    )
    job = loaded(tmp_path, text)
    assert (
        job.declared["model.2.weight"].shape == (5, 7) and job.classes == 3 and job.held_out == 0.2
    )


@pytest.mark.parametrize(
    "columns", ['alice = ["age"]\nbob = ["visits"]', 'alice = ["age", "visits"]']
)
@pytest.mark.parametrize(
    ("key", "keys"), [('"id"', ("id", "id")), ('{ alice = "id", bob = "pid" }', ("id", "pid"))]
)
def test_rows_may_be_matched_by_ids(tmp_path, columns, key, keys):
    text = VERTICAL.replace('match = "order"', f"key = {key}").replace(
        'alice = ["age", "income"]\nbob = ["visits"]', columns
    )
    found = matching(loaded(tmp_path, text))
    assert found is not None
    assert (found.keys["alice"], found.keys["bob"]) == keys
    assert "y" in found.tensors and len(found.tensors) == 1 + columns.count("[")


def test_the_network_of_the_page_is_a_job(tmp_path):
    text = (Path(__file__).parents[2] / "deploy/docs/tables.md").read_text()
    job = loaded(tmp_path, text.split("```toml\n# network.toml", 1)[1].split("```", 1)[0])
    assert job.to == {"accuracy": "bob", "auc": "both"} and job.early.restore_best


def test_the_one_in_the_documentation_is_a_job(tmp_path):
    text = (Path(__file__).parents[2] / "deploy/docs/tables.md").read_text()
    job = loaded(tmp_path, text.split("```toml\n# default.toml", 1)[1].split("```", 1)[0])
    assert isinstance(job, LogisticRegression) and (job.weights, job.scores) == ("none", "bob")
