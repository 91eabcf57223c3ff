"""The largest of a few: exact, whatever stands where."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import numbers, secure

from protocol.ops.maxima import MOST_COMPARED, is_largest, largest


@pytest.mark.parametrize(
    ("shape", "seed"), [((1,), 1), ((65, 2), 2), ((3, 1, 5), 3), ((2, 13), 4), ((3, 20), 5)]
)
def test_with_a_floor_it_is_no_less_than_0(shape, seed):
    x = numbers(shape, seed, 64.0)
    x = np.where(np.random.default_rng(seed).random(shape) < 0.3, x.flat[0], x)  # ties
    run = secure(lambda x: largest(x, floor=True), x)
    assert np.array_equal(run.results[0]["out"], x.max(axis=-1, keepdims=True, initial=0.0))


@pytest.mark.parametrize("k", [2, 3, MOST_COMPARED])
def test_at_the_ends_of_the_range_and_one_unit_apart(k):
    ends = np.array([-1024.0, 1024.0, 0.0, 2.0**-16, -(2.0**-16), 1024.0 - 2.0**-16])
    x = ends[np.random.default_rng(k).integers(0, 6, (300, k))]
    assert np.array_equal(secure(largest, x).results[0]["out"], x.max(axis=-1, keepdims=True))


def test_of_a_product_which_has_more_fraction_bits():
    x = numbers((50, 10), 1)
    run = secure(lambda x: largest(x * x), x, limit=8.0)
    assert np.abs(run.results[0]["out"] - (x * x).max(axis=-1, keepdims=True)).max() <= 2.0**-16
    assert run.plan.lowering.warnings == []


@pytest.mark.parametrize(
    ("rows", "k", "rounds"),
    [(8, 2, 3), (8, 3, 4), (128, 10, 4), (8, 11, 5), (8, 16, 5), (1024, 10, 5), (1024, 16, 6)],
)
def test_a_round_is_spared_where_little_more_is_dealt_for_it(rows, k, rounds):
    """Digits that join all at once are wider: more is dealt, which on a local network a round is
    not worth of many rows."""
    run = secure(largest, numbers((rows, k), 2), limit=8.0)
    assert run.rounds == rounds + 1


def test_only_the_entries_are_opened():
    """Ten rows and a bit of each pair, and of each entry: what is compared is a difference of what
    is open."""
    run = secure(largest, numbers((64, 10), 2))
    opened = [line for line in run.plan.outline if " opens " in line and "comparison" not in line]
    assert [line.partition(" opens ")[2].split("#")[0] for line in opened] == ["input", "top"]


def test_a_product_is_not_cut_before_it_is_compared():
    """Its opening tells what it is at the job's fraction bits, and of entries that are equal
    there, one counts."""
    x = numbers((64, 5), 3)[:, [0, 1, 0, 2, 1]]
    products = x * x
    picked, apart = (
        secure(lambda x, f=function: f(x * x), x, limit=8.0)
        for function in (is_largest, lambda x: largest(x) - x)
    )
    for run in (picked, apart):
        opened = [line.partition(" opens ")[2] for line in run.plan.outline if " opens " in line]
        assert not any(line.startswith("rounded") for line in opened)
    bits, ulp = picked.results[0]["out"], 2.0**-16
    assert np.array_equal(bits.sum(axis=-1), np.ones(64))
    assert np.abs((bits * products).sum(axis=-1) - products.max(axis=-1)).max() <= 4 * ulp
    wanted = products.max(axis=-1, keepdims=True) - products
    assert np.abs(apart.results[0]["out"] - wanted).max() <= 8 * ulp
