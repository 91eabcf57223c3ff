"""The largest of a few: exact, whatever stands where."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import numbers, secure

from protocol.ops.maxima import MOST_RANKED, largest


@pytest.mark.parametrize("k", [2, 3, MOST_RANKED])
def test_at_the_ends_of_the_range_and_one_unit_apart(k):
    ends = np.array([-1024.0, 1024.0, 0.0, 2.0**-16, -(2.0**-16), 1024.0 - 2.0**-16])
    x = ends[np.random.default_rng(k).integers(0, 6, (300, k))]
    assert np.array_equal(secure(largest, x).results[0]["out"], x.max(axis=-1, keepdims=True))


def test_of_a_product_which_has_more_fraction_bits():
    x = numbers((50, 10), 1)
    run = secure(lambda x: largest(x * x), x, limit=8.0)
    assert np.abs(run.results[0]["out"] - (x * x).max(axis=-1, keepdims=True)).max() <= 2.0**-16
    assert run.plan.lowering.warnings == []


def test_it_takes_one_round_more_than_a_comparison():
    x = numbers((8, 10), 2)
    test = secure(lambda x: x[:, 1:] < x[:, :-1], x)
    run = secure(largest, x)
    assert run.rounds == test.rounds + 1
    assert secure(lambda x: largest(x) * 2, numbers((2, 17), 3)).rounds == run.rounds + test.rounds
