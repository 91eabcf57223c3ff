"""Jobs as TOML files: what they describe is what is computed; what is wrong in them is named with
its line and what would be right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nn.test_layers import both, drawn

from party.formats.job_schema import line_of
from party.loading import load_job
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

VERTICAL = """# both hold this file
[rows]
match = "order"
held_out = 0.25

[columns]
alice = ["age", "income"]
bob = ["visits"]
label = { owner = "bob", column = "default", classes = ["no", "yes"] }
steps = ["standardise", { do = "clip", low = -4, high = 4 }]

[model]
estimator = "logistic-regression"
C = 2
max_iter = 10

[reveal]
weights = "alice"
scores = "bob"
"""
NETWORK = """
[rows]
held_out = 0.2
[columns]
bob = 4
label = { owner = "bob", column = "kind", classes = 3 }
[model]
layers = ["dense 6", "relu", "dense 3"]
[train]
optimiser = { lr = 0.1 }
batch = 16
epochs = 2
early_stopping = {}
"""


def loaded(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "job.toml"
    path.write_text(text)
    return load_job(str(path))


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
    job = loaded(tmp_path, NETWORK)
    assert isinstance(job, Training) and [type(each) for each in job.model.layers] == [
        Dense,
        ReLU,
        Dense,
    ]
    inputs = drawn(job, 40)
    inputs |= {"x": inputs["x"] / 1024, "y": np.eye(3)[np.arange(40) % 3]}
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


def test_rows_of_one_party_cannot_be_matched(tmp_path):
    text = NETWORK.replace("held_out = 0.2", 'held_out = 0.2\nkey = "id"')
    with pytest.raises(
        JobError,
        match=(
            r"job\.toml:2: rows: rows are matched by one column of ids at each party, and for alice"
        ),
    ):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (
            "C = 2",
            "maxiter = 2",
            r"job\.toml:14: model\.maxiter: is no parameter here; did you mean 'max_iter'\?",
        ),
        ("C = 2", "C = -1", r"job\.toml:14: model\.C: is above 0, not -1"),
        (
            "max_iter = 10",
            "max_iter = 0",
            r"job\.toml:15: model\.max_iter: is a whole number from 1",
        ),
        ("max_iter = 10", "max_iter = 'ten'", r"job\.toml:15: model\.max_iter: is a whole number"),
        ("held_out = 0.25", "held_out = 1.5", r"job\.toml:4: rows\.held_out: expected float < 1"),
        (
            "held_out",
            "holdout",
            (
                r"job\.toml:4: rows\.holdout: is no key here; did you mean 'held_out'\? \(there are"
                r" match"
            ),
        ),
        ("[rows]", "[row]", r"job\.toml:2: row: there is no such section; did you mean 'rows'\?"),
        ('match = "order"', "", r"job\.toml:2: rows: key = \"patient\" names the column of ids"),
        ('match = "order"', 'match = "order"\nkey = "id"', r"job\.toml:2: rows: .*one of the two"),
        (
            'match = "order"',
            'key = { alice = "id" }',
            r"job\.toml:6: columns: .*the name of a column for each owner",
        ),
        (
            'match = "order"',
            'key = { carol = "id" }',
            r"job\.toml:6: columns: .*the name of a column for each owner",
        ),
        (
            '"logistic-regression"',
            '"logisticregression"',
            r"model\.estimator: 'logisticregression' is none; did you mean 'logistic-",
        ),
        (
            '"standardise"',
            '"standardize"',
            r"job\.toml:10: columns\.steps: 'standardize' is no step; did you mean 'standardise'\?",
        ),
        (
            "low = -4",
            "lower = -4",
            (
                r"job\.toml:10: columns\.steps\.lower: 'clip' takes no such option; did you mean"
                r" 'low'\?"
            ),
        ),
        (
            "classes =",
            "class =",
            r"job\.toml:9: columns\.label\.class: is no key here; did you mean 'classes'\?",
        ),
        (
            'weights = "alice"',
            'weight = "alice"',
            (
                r"job\.toml:18: reveal\.weight: is not revealed by this model; did you mean"
                r" 'weights'\?"
            ),
        ),
        (
            'weights = "alice"',
            'weights = "carol"',
            r"reveal\.weights: who learns it is one of alice, bob, both, none",
        ),
        (
            'estimator = "logistic-regression"',
            'estimator = "ridge"',
            r"columns\.label: has no use here: the model is ridge",
        ),
        ("[model]", "[model", r"job\.toml is no TOML: .*line 12"),
        (
            'owner = "bob", column',
            'owner = "carol", column',
            r"job\.toml:9: columns\.label\.owner: .*'carol' \(there are alice, bob\)",
        ),
        (
            'match = "order"',
            'match = "id"',
            r"job\.toml:3: rows\.match: invalid enum value 'id' \(there are order\)",
        ),
        (
            'owner = "bob", column',
            'owner = "both", column',
            r"columns\.label\.owner: .*'both' .*rows of their own, leave it out",
        ),
        (
            "[columns]",
            '[columns]\nshape = "age"',
            r"columns\.shape: takes a list, not a text, as in shape = \[",
        ),
        (
            'match = "order"',
            "key = 7",
            r"job\.toml:3: rows\.key: takes a text or a table \{ … \}, not a whole number",
        ),
        (
            "bob = [",
            'bob = ["default", ',
            r"job\.toml:8: columns\.bob: has 'default', which is what is to be learnt",
        ),
        (
            "[columns]",
            "[columns]\nlow = 3\nhigh = -3",
            r"job\.toml:7: columns\.low: is to be below high = -3",
        ),
        (
            '"standardise"',
            '{ do = "fill", columns = 3 }',
            r"job\.toml:10: columns\.steps: Fill\(columns=…\) takes names of columns, not int",
        ),
        (
            '"standardise"',
            '{ do = "one-hot", categories = "ab" }',
            r"job\.toml:10: columns\.steps: OneHot\(categories='ab'\): a list",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, was, now, words):
    with pytest.raises(JobError, match=words):
        loaded(tmp_path, VERTICAL.replace(was, now, 1))


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (
            '"dense 3"]',
            '"dense 4"]',
            (
                r"job\.toml:8: model\.layers: what they make of a row has the shape \(4,\); end"
                r" with \"dense 3\""
            ),
        ),
        ('"relu"', '"rellu"', r"there is no layer 'rellu'; there are dense"),
        ('"dense 6"', '"dense"', r"the layer 'dense' is written like \"dense 32\": outputs"),
        ('"dense 6"', '"conv 6 3"', r"'conv 6 3' is for pictures"),
        (
            "bob = 4",
            'bob = ["mean *"]',
            r"columns: for a network the number of columns must follow",
        ),
        ("held_out = 0.2", "", r"job\.toml:13: train\.early_stopping: looks at rows held out"),
        (
            "lr = 0.1",
            "rate = 0.1",
            (
                r"job\.toml:10: train\.optimiser\.rate: 'sgd' takes no such option \(there are"
                r" schedule, lr"
            ),
        ),
        (
            "{ lr = 0.1 }",
            '"adm"',
            (
                r"job\.toml:10: train\.optimiser: 'adm' is no optimiser; did you mean 'adam'\?"
                r" \(there are sgd, adam"
            ),
        ),
        (
            "lr = 0.1",
            'name = "adam", eps = 0',
            r"job\.toml:10: train\.optimiser: Adam: eps is a number",
        ),
        (
            "lr = 0.1",
            'lr = "fast"',
            r"job\.toml:10: train\.optimiser: SGD: lr is a number above 0, not 'fast'",
        ),
        (
            "lr = 0.1",
            'schedule = "cosin"',
            r"train\.optimiser\.schedule: 'cosin' is no schedule; did you mean 'cosine'\?",
        ),
        (
            "lr = 0.1",
            'schedule = { name = "step", every = 3 }',
            r"train\.optimiser\.schedule\.every: 'step' takes no such",
        ),
        (
            "= {}",
            '= { metric = "r2" }',
            r"job\.toml:13: train\.early_stopping: looks at loss, accuracy, auc, not at 'r2'",
        ),
        (
            "[model]",
            '[reveal]\nr2 = "both"\n[model]',
            r"job\.toml:8: reveal\.r2: is not revealed by this model",
        ),
        (
            "[model]",
            '[reveal]\naccuracy = "bob"\n[model]',
            r"job\.toml:8: reveal\.accuracy: early_stopping is decided by both",
        ),
        ("layers", "C = 1\nlayers", r"model\.C: is no key here"),
        ("epochs = 2", "epochs = 0", r"job\.toml:12: train\.epochs: expected int >= 1"),
    ],
)
def test_what_is_wrong_with_a_network_is_named(tmp_path, was, now, words):
    with pytest.raises(JobError, match=words):
        loaded(tmp_path, NETWORK.replace(was, now, 1))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("hidden_layer_sizes = [0]", "whole numbers above 0, as in '64,32'"),
        ('activation = "swishy"', "is 'relu', 'tanh', 'logistic' or 'identity', not 'swishy'"),
        ("max_iter = 0", "is a whole number from 1 on, not 0"),
    ],
)
def test_what_is_wrong_with_an_estimators_parameter_is_named_by_its_line(tmp_path, key, words):
    text = NETWORK.partition("[model]")[0] + f'[model]\nestimator = "mlp-classifier"\n{key}\n'
    line, name = len(text.splitlines()), key.partition(" ")[0]
    with pytest.raises(JobError, match=rf"job\.toml:{line}: model\.{name}: {re.escape(words)}"):
        loaded(tmp_path, text)


def test_lines_of_keys_are_found():
    text = 'a = 1\n[b]\n"c" = 2\n  d.e = 3\n[f]\nc = 4\n'
    assert [
        line_of(text, path)
        for path in (["a"], ["b"], ["b", "c"], ["b", "d", "e"], ["f", "c"], ["f", "x"], ["g"])
    ] == [1, 2, 3, 4, 6, 5, 0]


def test_the_network_of_the_page_is_a_job(tmp_path):
    text = (Path(__file__).parents[2] / "deploy/docs/tables.md").read_text()
    job = loaded(tmp_path, text.split("```toml\n# network.toml", 1)[1].split("```", 1)[0])
    assert job.to == {"accuracy": "bob", "auc": "both"} and job.early.restore_best


def test_the_one_in_the_documentation_is_a_job(tmp_path):
    text = (Path(__file__).parents[2] / "deploy/docs/tables.md").read_text()
    job = loaded(tmp_path, text.split("```toml\n# default.toml", 1)[1].split("```", 1)[0])
    assert isinstance(job, LogisticRegression) and (job.weights, job.scores) == ("none", "bob")
