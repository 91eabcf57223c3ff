"""Maxima, minima and where they stand: exactly NumPy's, whatever the axes, ties to the first;
pooling; gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import F, numbers, secure

from protocol.errors import JobError
from protocol.ops import argmax, argmin, gradient, is_max, max_pool2d
from protocol.ops import max as largest
from protocol.ops import min as smallest

BOTH: list[tuple[Callable, Callable]] = [
    (largest, np.max), (smallest, np.min), (argmax, np.argmax), (argmin, np.argmin),
]  # fmt: skip


def tied(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers of which a third are one and the same."""
    x = numbers(shape, seed, 64.0)
    return np.where(np.random.default_rng(seed).random(shape) < 0.3, x.flat[0], x)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_they_are_numpys_exactly(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    ours, theirs = data.draw(st.sampled_from(BOTH))
    axes = st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1))
    if theirs in (np.max, np.min):
        axes |= st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True).map(tuple)
    axis, keepdims = data.draw(axes), data.draw(st.booleans())
    x = tied(shape, data.draw(st.integers(0, 1000)))
    run = secure(lambda x: {"own": ours(x, axis, keepdims=keepdims), "np": theirs(x, axis=axis)}, x)
    assert np.array_equal(run.results[0]["own"], theirs(x, axis=axis, keepdims=keepdims))
    assert np.array_equal(run.results[0]["np"], theirs(x, axis=axis))


@pytest.mark.parametrize("k", [1, 2, 10, 16, 17, 40])
def test_one_hot_vectors_say_where(k):
    x = tied((20, k), k)
    run = secure(
        lambda x: {"first": is_max(x), "column": is_max(x, axis=0), "top": x.max(axis=1)}, x
    )
    assert np.array_equal(run.results[0]["first"], np.eye(k)[x.argmax(axis=1)])
    assert np.array_equal(run.results[0]["column"], np.eye(20)[x.argmax(axis=0)].T)
    assert np.array_equal(run.results[0]["top"], x.max(axis=1))


def test_what_a_maximum_of_ten_costs():
    """4 rounds and the reveal; where it stands is known from what the maximum takes."""
    x = numbers((64, 10), 2)
    where = secure(lambda x: is_max(x), x)
    top = secure(lambda x: {"top": largest(x, axis=1), "where": is_max(x)}, x)
    assert where.rounds == top.rounds == 5
    assert top.bytes_sent[0] - where.bytes_sent[0] == 8 * 64


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, None, 0), (3, 1, 1), ((2, 3), (1, 2), (0, 1)), (4, 4, 0)]
)
def test_pooling_takes_the_largest_of_a_window_and_never_the_padding(size, stride, padding):
    x = numbers((2, 3, 8, 8), 1) - 20.0  # all negative
    (kh, kw), (sh, sw), (ph, pw) = (
        np.broadcast_to(each, 2) for each in (size, size if stride is None else stride, padding)
    )
    around = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(around, (kh, kw), axis=(2, 3))[
        :, :, ::sh, ::sw
    ]
    run = secure(lambda x: max_pool2d(x, size, stride, padding), x)
    assert np.array_equal(run.results[0]["out"], windows.max(axis=(-2, -1)))
    assert run.rounds <= (6 if np.prod(np.broadcast_to(size, 2)) <= 10 else 7)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: largest(x, axis=1).sum(),
        lambda x: (smallest(x, axis=(1, 2)) * x.sum(axis=(1, 2))).sum(),
        lambda x: (largest(x.reshape(2, -1), axis=1) ** 2).sum(),
        lambda x: (max_pool2d(x[:, None], 2) ** 2).sum(),
        lambda x: (max_pool2d(x[:, None] - 3.0, 3, 1, 1) ** 2).sum(),
        lambda x: (max_pool2d(x[:, None] - 1.0, 2, initial=0) ** 2).sum(),
    ],
)
def test_gradients_go_to_the_entry_that_was_picked(function):
    x = np.random.default_rng(4).permutation(96).reshape(2, 6, 8) / 16 - 3.0  # all different
    run = secure(lambda x: gradient(function(x), [x])[0], x, limit=8.0)
    slopes, small = np.zeros_like(x), 1e-5
    graph = secure(lambda x: function(x), x, limit=8.0).plan.traced.graph
    for place in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * small
            ends.append(float(graph.run_clear({"x0": moved}, 0)["out"]))
        slopes[place] = (ends[0] - ends[1]) / (2 * small)
    assert np.abs(run.results[0]["out"] - slopes).max() <= 64 * 2.0**-F + 1e-6


def test_a_gradient_makes_no_other_comparison():
    x = numbers((4, 10), 5)
    run = secure(lambda x: gradient((largest(x, axis=1) * 2.0).sum(), [x])[0], x)
    assert run.rounds == 5


@pytest.mark.parametrize("initial", [0.0, 1.5])
def test_an_initial_value_counts_as_an_entry_more_as_numpys_does(initial):
    x = tied((2, 3, 6, 6), 7)
    low = secure(
        lambda x: {
            "max": largest(x, (2, 3), initial=initial),
            "min": smallest(x, 1, initial=initial),
            "method": x.max(axis=(2, 3), initial=initial),
        },
        x,
    )
    assert np.array_equal(low.results[0]["method"], low.results[0]["max"])
    assert np.array_equal(low.results[0]["max"], x.max(axis=(2, 3), initial=initial))
    assert np.array_equal(low.results[0]["min"], x.min(axis=1, initial=initial))
    run = secure(lambda x: max_pool2d(x, 2, padding=(0, 1), initial=initial), x)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (1, 1)), constant_values=-np.inf)
    assert np.array_equal(
        run.results[0]["out"], padded.reshape(2, 3, 3, 2, 4, 2).max(axis=(3, 5), initial=initial)
    )
    assert run.rounds == 5


def test_what_has_no_largest_is_said():
    with pytest.raises(JobError, match="max of no entries"):
        secure(lambda x: largest(x[:, :0], axis=1), numbers((3, 4)))
    with pytest.raises(JobError, match="takes a secret tensor"):
        secure(lambda x: largest(np.ones(3)) + x, numbers((3,)))
