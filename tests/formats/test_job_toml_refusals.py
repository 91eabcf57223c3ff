"""What is wrong in a job's TOML file is named with its line and what would be right."""

from __future__ import annotations

import re

import pytest
from job_files import NETWORK, VERTICAL, loaded

from party.formats.job_schema import line_of
from protocol.errors import JobError


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
        ("C = 2", "C = nan", r"model\.C: is a finite number, as in C = 1\.0"),
        ("C = 2", "C = -1", r"job\.toml:14: model\.C: is a number above 0, not -1"),
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
        ("layers", "minimum = 0\nlayers", r"model\.minimum: is the fewest rows that are told of"),
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
