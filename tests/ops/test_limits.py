"""What a public number is that a secret is compared with: rounded as the secret is."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import secure

from protocol.ops import clip, concatenate, maximum, minimum, where

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
