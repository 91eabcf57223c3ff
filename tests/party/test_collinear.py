"""The owner of columns that a regression cannot tell apart is told which they are, before the
run."""

from __future__ import annotations

import numpy as np
import pytest

from party.given import Given
from party.inputs import own_inputs
from protocol.estimators import LinearRegression, LogisticRegression, Ridge

RANDOM = np.random.default_rng(1)
ROWS = 1000.0 + 0.02 * RANDOM.normal(size=(200, 4))


def said_of(job, x):
    found = own_inputs(job, "bob", Given({"x": x, "y": np.arange(200)[:, None] % 2}, {}))
    return [each for each in found.said if "combination" in each]


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (1e-2, None),
        (1e-4, "nearly a combination"),  # a correlation of 1 - 5e-9
        (0.0, "each is a combination of the others: of all"),
    ],
)
def test_columns_that_are_nearly_one_are_named(apart, words):
    x = ROWS.copy()
    x[:, 3] = x[:, 1] + apart * (x[:, 3] - 1000.0)
    found = said_of(LinearRegression(), x)
    if words is None:
        assert not found
    else:
        assert len(found) == 1 and found[0].startswith("x: of the columns 2, 4 each is")
        assert words in found[0]


def test_a_penalty_tells_them_apart_and_a_constant_is_none():
    x = ROWS.copy()
    x[:, 3] = x[:, 1]
    assert not said_of(Ridge(), x) and not said_of(LogisticRegression(), x)
    x[:, 3] = 7.0
    assert not said_of(LinearRegression(), x)


def test_columns_that_are_true_or_false_are_looked_at_as_numbers():
    x = ROWS > 1000.0
    x[:, 3] = x[:, 1]
    assert "the columns 2, 4 each is a combination" in said_of(LinearRegression(), x)[0]
