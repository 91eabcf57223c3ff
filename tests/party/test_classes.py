"""Labels of one class alone end a run before anything is shared; an auc of them is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sentences import rejected

from party.given import Given
from party.inputs import own_inputs
from party.keyed import brought
from protocol.errors import DataError
from protocol.estimators import LinearRegression, LogisticRegression
from protocol.labels import Labels
from protocol.nn import BinaryCrossEntropy, Dense, Sequential, Training
from protocol.simulate import twin
from protocol.tables import Table

N = 40
YES = np.array(["yes"] * N)


def classifier(**body: Any) -> LogisticRegression:
    labels = Labels("bob", "ill", classes=["no", "yes"], one_hot=False, key=body.pop("key", None))
    return type("Ill", (LogisticRegression,), {"y": labels, **body})()


class Network(Training):
    x = Table("alice", ["age"])
    y = Labels("bob", "ill", classes=["no", "yes"], one_hot=False)
    model = Sequential(Dense(1, 1))
    loss = BinaryCrossEntropy()
    minimum = 10


@pytest.mark.parametrize("made", [classifier(x=Table("alice", ["age"])), Network()])
@pytest.mark.parametrize("held_out", [0.0, 0.25])
def test_the_owner_of_labels_of_one_class_is_told(made, held_out):
    made.held_out = held_out
    ill = YES.copy()
    ill[made.held_out_rows(N)] = "no"  # which nothing is learnt from
    rejected(
        DataError,
        lambda: own_inputs(made, "bob", Given({}, {"": {"ill": ill}})),
        ["y: all", f"{30 if held_out else 40} rows to learn from are of one class"],
    )
    ill[made.training_rows(N)[0]] = "no"
    own_inputs(made, "bob", Given({}, {"": {"ill": ill}}))


def test_of_matched_rows_those_count_that_both_have():
    made = classifier(key="id", x=Table("alice", ["age"], key="id"))
    ill = np.array(["no", *YES])
    _, keyed = brought(made, "bob", Given({}, {"": {"id": np.arange(N + 1), "ill": ill}}))
    assert keyed is not None
    keyed.prepare(np.arange(N))
    rejected(DataError, lambda: keyed.prepare(np.arange(1, N + 1)), ["are of one class"])


def test_of_rows_of_both_a_party_knows_its_own():
    both = {"rows": "alice+bob"}
    made = type(
        "Both",
        (LogisticRegression,),
        {
            "x": Table(columns=["age"], **both),
            "y": Labels(None, "ill", classes=["no", "yes"], one_hot=False, **both),
        },
    )()
    found = own_inputs(made, "bob", Given({}, {"": {"age": np.arange(N), "ill": YES}}))
    said = "y.bob: all 40 rows here are of one class; where those of the other are too, nothing is"
    assert [each for each in found.said if each.startswith(said)] == found.said != []


def test_an_auc_of_one_class_is_said_to_be_none():
    made = LogisticRegression()
    made.held_out, made.auc = 0.25, "both"
    x = np.random.default_rng(3).normal(0.0, 1.0, (N, 1))
    y = np.ones((N, 1))
    y[made.training_rows(N)[::2]] = 0.0
    found, _, _ = twin(made, {"x": x, "y": y})
    assert float(found["auc"]) == pytest.approx(-1.0, abs=1e-4)
    assert "the rows held out are of one alone" in made.remarks(found, {})[0]
    assert not made.remarks(found | {"auc": np.array(0.0)}, {})


def test_a_constant_column_is_named_to_its_owner():
    """Its coefficient is 0, and the run goes on; without an intercept it stands for one."""
    rows = {"a": np.arange(N), "b": np.full(N, 7.0), "c": np.full(N, 1.0)}
    made = type("Line", (LinearRegression,), {"x": Table("alice", ["a", "b", "c"])})()
    found = own_inputs(made, "alice", Given({}, {"": rows}))
    assert found.said == ["x: columns that are constant here, with the coefficient 0: b, c"]
    made.fit_intercept = False
    assert not own_inputs(made, "alice", Given({}, {"": rows})).said
