"""Of few rows nothing is told: the intercept of a single one is its y."""

from __future__ import annotations

from typing import Any

import pytest
from sentences import rejected

from protocol.errors import JobError
from protocol.estimators import LinearRegression, LogisticRegression, MLPClassifier, Ridge
from protocol.jobs import Job
from protocol.tracing import trace


def job(kind: type[Job], **parameters: Any) -> Job:
    made = kind()
    for name, value in parameters.items():
        setattr(made, name, value)
    return made


def traced(made: Job, rows: int, columns: int = 2) -> Any:
    outcomes = 2 if isinstance(made, MLPClassifier) else 1
    shapes = {name: each.shape for name, each in made.inputs.items()}
    return trace(made, shapes | {"x": (rows, columns), "y": (rows, outcomes)})


SMALL = {"features": 2, "classes": 2, "hidden_layer_sizes": "2"}


@pytest.mark.parametrize(
    "made",
    [
        job(LinearRegression),
        job(Ridge),
        job(LogisticRegression),
        job(MLPClassifier, validation_fraction=0.0, **SMALL),
    ],
)
def test_fewer_rows_than_the_minimum_are_not_learnt_from(made):
    named = ["9 rows are learnt from", "fewer than minimum = 10", "both parties agree on minimum"]
    rejected(JobError, lambda: traced(made, 9), named)


def test_one_row_is_learnt_from_where_both_agree():
    rejected(JobError, lambda: traced(job(LinearRegression), 1), ["1 row is learnt from"])
    assert "coef" in traced(job(LinearRegression, minimum=1), 1).graph.revealed


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (job(LogisticRegression, held_out=0.2), "8 rows are held out for accuracy,"),
        (job(LogisticRegression, held_out=0.2, auc="bob"), "held out for accuracy and auc,"),
        (job(LinearRegression, held_out=0.2), "8 rows are held out for r2,"),
        (job(MLPClassifier, validation_fraction=0.2, **SMALL), "8 rows are held out for accuracy,"),
    ],
)
def test_a_metric_of_fewer_rows_is_not_told(made, said):
    rejected(JobError, lambda: traced(made, 40), [said, "fewer than minimum = 10: hold out more"])


def test_scores_of_few_rows_are_told_to_whom_they_are_meant_for():
    made = job(LinearRegression, held_out=0.2, r2="none", scores="bob")
    assert "scores" in traced(made, 40).graph.revealed


@pytest.mark.parametrize(
    ("kind", "rows", "columns", "told"),
    [
        (LinearRegression, 12, 11, "12 coefficients of 12 rows can tell what y is in each"),
        (LogisticRegression, 12, 14, "15 coefficients of 12 rows"),
        (LinearRegression, 13, 11, None),
    ],
)
def test_as_many_coefficients_as_rows_are_said_with_the_plan(kind, rows, columns, told):
    said = [each for each in traced(job(kind), rows, columns).assumptions if "can tell" in each]
    assert len(said) == (told is not None)
    assert told is None or said[0].startswith(told)


@pytest.mark.parametrize(
    ("minimum", "words"),
    [
        (0, "minimum is the fewest rows that are told of, 1 or more, not 0"),
        (-1, "minimum is the fewest rows that are told of, 1 or more, not -1"),
        (2.5, "minimum is a whole number, not 2.5"),
    ],
)
def test_a_minimum_is_a_whole_number(minimum, words):
    rejected(JobError, lambda: traced(job(LinearRegression, minimum=minimum), 20), [words])
