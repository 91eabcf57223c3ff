"""What a public number is that a secret is compared with: rounded as the secret is."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import secure

from protocol.ops import absolute, clip, concatenate, maximum, minimum, relu, sigmoid, where

ORDERS = {
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
}


@pytest.mark.parametrize("f", [16, 20, 23])
@pytest.mark.parametrize("name", ORDERS)
def test_a_public_number_is_rounded_as_what_it_is_compared_with(name, f):
    """Tenths are no binary fractions, and equal themselves nevertheless: on either side, of NumPy's
    types, and at scales of more and of fewer bits than the job's."""
    compare, tenths = ORDERS[name], np.arange(1, 10) / 10
    run = secure(
        lambda x: {
            "number": concatenate([getattr(np, name)(x, c) for c in tenths]),
            "left": concatenate([compare(float(c), x) for c in tenths]),
            "half": concatenate([compare(x * 0.5, c / 2) for c in tenths]),
            "product": compare(x * x, 0.49) - compare(x * x, np.full(9, 0.49)),
            "count": concatenate([compare((x < c).sum().reshape(1), 2.3) for c in tenths]),
            "zero": concatenate([compare((x < c).sum().reshape(1), 2.0) for c in tenths]),
        },
        tenths,
        limit=1.0,
        fraction_bits=f,
    )
    got = run.results[0]
    number = compare(tenths, tenths[:, None]).ravel()
    assert np.array_equal(got["number"], number)
    assert np.array_equal(got["left"], compare(tenths[:, None], tenths).ravel())
    assert np.array_equal(got["half"], number)
    assert not got["product"].any()
    assert np.array_equal(got["count"], compare(np.arange(9), 2.3))
    assert np.array_equal(got["zero"], compare(np.arange(9), 2.0))


def test_what_is_chosen_by_a_public_number_is_what_it_was_compared_with():
    x = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    run = secure(
        lambda x: {
            "least": maximum(x, 0.3) == x,
            "most": minimum(x, 0.7) == x,
            "both": clip(x, 0.3, 0.7) == x,
            "where": where(x == 0.1, 1.0, 0.0),
            "same": where(x > 0.4, x, 0.3) == 0.3,
        },
        x,
        limit=1.0,
        fraction_bits=23,
    )
    got = {name: array.tolist() for name, array in run.results[0].items()}
    assert got == {
        "least": [0, 1, 1, 1, 1],
        "most": [1, 1, 1, 1, 0],
        "both": [0, 1, 1, 1, 0],
        "where": [1, 0, 0, 0, 0],
        "same": [1, 1, 0, 0, 0],
    }


@pytest.mark.parametrize("f", [10, 16, 20, 23])
def test_a_limit_that_is_picked_equals_itself(f):
    """Whatever x is: an input, a product of more fraction bits than the job's, a count. And what is
    kept within limits is, to the last bit."""
    tenths = np.arange(1, 10) / 10
    forms = {"input": lambda x: x, "product": lambda x: x * x, "count": lambda x: (x < x[4]) * 1.0}

    def chosen(x):
        found = {}
        for name, form in forms.items():
            for n, c in enumerate(tenths[:-1]):
                of, upper = form(x), tenths[n + 1]
                low, high, both = maximum(of, c), minimum(of, c), clip(of, c, upper)
                either = where(x > x[4], c, upper)
                found[f"{name} {n}"] = concatenate(
                    [low == c, low >= c, high == c, high <= c, both == c, both >= c]
                    + [both == upper, both <= upper, either == c, either == upper]
                )
        return found

    got = secure(chosen, tenths, limit=1.0, fraction_bits=f).results[0]
    ones, slack = np.ones(9, bool), 2.0**-f
    for name, form in forms.items():
        of = np.array(form(tenths), float)
        for n, c in enumerate(tenths[:-1]):
            upper, later = tenths[n + 1], tenths > tenths[4]
            sure = np.stack(
                [of <= c, ones, of >= c, ones, of <= c, ones, of >= upper, ones, later, ~later]
            )
            # a product next to a limit may have been rounded to either side of it
            near = np.abs(of - c) < slack, np.abs(of - upper) < slack
            open_ = np.zeros((10, 9), bool)
            open_[[0, 2, 4]], open_[6] = near[0], near[1]
            same = got[f"{name} {n}"].reshape(10, 9).astype(bool) == sure
            assert np.all(same | open_), (name, c)


def test_a_limit_too_small_to_be_stored_is_picked_as_exactly_as_a_factor():
    x = np.array([-0.5, 0.0, 0.5])
    run = secure(
        lambda x: {
            "max": maximum(x, 1e-6) * 1e3,
            "where": where(x > 0.0, 1e-6, -1e-6) * 1e3,
            "larger": where(x > 0.0, 1e-3, 0.0) * 8.0,
        },
        x,
        limit=1.0,
        fraction_bits=16,
    )
    got = run.results[0]
    assert np.abs(got["max"] - np.maximum(x, 1e-6) * 1e3).max() <= 2.0**-12
    assert np.abs(got["where"] - np.where(x > 0, 1e-3, -1e-3)).max() <= 2.0**-12
    assert np.abs(got["larger"] - np.where(x > 0, 8e-3, 0.0)).max() <= 8 * 2.0**-16


@pytest.mark.parametrize("f", [10, 16, 20, 24])
@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: x,
        lambda x, y: x * y,
        lambda x, y: x * 0.3,
        lambda x, y: x * y * 0.7 + x,
        lambda x, y: x**3,
        lambda x, y: sigmoid(x),
    ],
    ids=["x", "xy", "0.3x", "0.7xy+x", "x^3", "sigmoid"],
)
def test_what_is_chosen_is_on_the_right_side_of_what_it_was_chosen_from(form, f):
    """In every entry, whatever the scale of both: also of an opposite, which is no number of its
    own."""

    def holds(x, y):
        z = form(x, y)
        low, high, both = maximum(z, 0.1), minimum(z, 0.1), clip(z, -0.3, 0.3)
        return {
            "maximum": (low >= z) * (low >= 0.1),
            "minimum": (high <= z) * (high <= 0.1),
            "clip": (both <= 0.3) * (both >= -0.3),
            "relu": (relu(z) >= z) * (relu(z) >= 0.0),
            "absolute": (absolute(z) >= z) * (absolute(z) >= -z),
            "one of them": (low == z) + (low == 0.1) >= 1.0,
            "opposite": (-z + z == 0.0),
        }

    random = np.random.default_rng(5)
    x, y = (random.uniform(-1, 1, 200) for _ in range(2))
    run = secure(holds, x, y, limit=1.0, fraction_bits=f)
    assert [name for name, found in run.results[0].items() if not found.all()] == []
