"""Waves: integers that agree everywhere, any odd series in one round, and the sigmoids made of
it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check, secure

from protocol.correlations.base import Mask
from protocol.correlations.waves import Series, Waves
from protocol.kernels import _waves_numba, _waves_plain, rotation, waves
from protocol.ops import sigmoid, sigmoid_derivative
from protocol.ring import ring

ONE = 2.0**rotation.UNIT
EDGES = [8, -8, 8 + 2**-16, -8 - 2**-16]
WIDE = np.concatenate([np.linspace(-12, 12, 6001), np.linspace(-32767, 32767, 2001), EDGES])


def true_sigmoid(x):
    return 0.5 + 0.5 * np.tanh(x / 2)


def true_derivative(x):
    return 0.25 / np.cosh(np.clip(x, -600, 600) / 2) ** 2


def test_the_tables_are_sines_to_the_last_bit():
    angles = np.stack([np.arange(4096) * 2.0**-12, np.arange(4096) * 2.0**-24]) * 2 * np.pi
    exact = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * ONE
    assert np.abs(rotation.tables() - exact).max() < 0.5001


def test_harmonics():
    angles = np.random.default_rng(1).integers(0, 1 << rotation.ANGLE, 1000).astype(np.uint64)
    got = waves.harmonics(angles, 6, 1)[..., 0].view(np.int64)
    turns = angles[:, None].astype(float) * 2 * np.pi * 2.0**-rotation.ANGLE * np.arange(1, 12, 2)
    assert np.abs(got - ONE * np.stack([np.cos(turns), np.sin(turns)], axis=-1)).max() < 30


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 2), st.integers(0, 1))
def test_compiled_and_plain_kernels_agree(seed, count, out_limbs, party):
    rng = np.random.default_rng(seed)
    angles = rng.integers(0, 1 << rotation.ANGLE, 9).astype(np.uint64)
    terms = rng.integers(-(1 << 30), 1 << 30, 2 * count)
    shares = rng.integers(0, 2**64, (9, count, 2, 3), dtype=np.uint64)
    found = []
    for half in (_waves_numba, _waves_plain):
        dealt, out = np.empty(54 * count, np.uint64), np.empty(9 * out_limbs, np.uint64)
        half.harmonics(angles, count, 3, dealt)
        half.series(party, angles, terms, shares, 3, 1 << 59, 40, 61, out_limbs, out)
        found.append((dealt, out))
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(("source", "bits"), [(1, 21), (1, 24), (1, 45), (1, 64), (2, 70)])
def test_a_series_of_a_difference(source, bits):
    """consume(deal) is the series of x, for x anywhere in its period, whatever lies above it."""
    rng = np.random.default_rng(bits)
    narrow, wide = ring(source), ring(2)
    r, c = (rng.integers(0, 2**64, (1, 50, *narrow.tail), dtype=np.uint64) for _ in range(2))
    spec = Waves(Mask(0, 0, source, bits, 0, source, (50,)), 3, 2)
    form = Series(spec, 0.25, (0.3, 0.0, -0.1), (0.5, 0.2, 0.05), 20, 1)
    (dealt,) = spec.deal([r])
    alice = rng.integers(0, 2**64, dealt[0].shape, dtype=np.uint64)
    parts = [
        form.consume(p, c[0], share) for p, share in enumerate((alice, wide.sub(dealt[0], alice)))
    ]
    got = (parts[0] + parts[1]).view(np.int64) * 2.0**-20
    x = narrow.decode(narrow.sub(c[0], r[0]), bits).astype(float) * 2 * np.pi / 2.0**bits
    odd = np.arange(1, 6, 2)
    expected = (
        0.25 + np.cos(x[:, None] * odd) @ form.cosines + np.sin(x[:, None] * odd) @ form.sines
    )
    assert np.abs(got - expected).max() < 2.0**-19 + 2.0**-20


@pytest.mark.parametrize("f", [12, 16, 20, 26])
def test_fourier_within_its_interval(f):
    x = np.linspace(-8, 8, 4001)
    options = {"limit": 8.0, "fraction_bits": f}
    run = check(
        lambda a: sigmoid(a, method="fourier"), x, bound=1e-3, clear=true_sigmoid(x), **options
    )
    assert run.rounds == 2  # one, and the reveal
    assert not run.plan.lowering.warnings
    slope = true_derivative(x)
    check(lambda a: sigmoid_derivative(a, method="fourier"), x, bound=1e-3, clear=slope, **options)


def test_fourier_beyond_its_interval_is_bounded_and_warned_of():
    run = secure(lambda a: sigmoid(a, method="fourier"), WIDE, limit=2.0**15)
    assert -0.01 < run.results[0]["out"].min() <= run.results[0]["out"].max() < 1.01
    assert "may leave [-8, 8]" in run.plan.lowering.warnings[0]
    run = secure(lambda a: sigmoid(a, method="fourier"), WIDE, limit=np.inf)
    assert "cannot be bounded" in run.plan.lowering.warnings[0]


@pytest.mark.parametrize("limit", [2.0**15, np.inf])
@pytest.mark.parametrize("f", [16, 20, 24])
def test_accurate_is_right_everywhere(f, limit):
    both = secure(
        lambda a: {
            "s": sigmoid(a, method="accurate"),
            "d": sigmoid_derivative(a, method="accurate"),
        },
        WIDE,
        limit=limit,
        fraction_bits=f,
    )
    found = both.results[0]
    assert np.abs(found["s"] - true_sigmoid(WIDE)).max() < 1e-3
    assert np.abs(found["d"] - true_derivative(WIDE)).max() < 1e-3
    assert np.ptp(found["s"][WIDE > 8]) <= 2.0**-f  # saturated: one value, up to the last place
    assert np.ptp(found["s"][WIDE < -8]) <= 2.0**-f
    assert both.rounds == 4 + 1
    assert not any("sigmoid" in text for text in both.plan.lowering.warnings)


def test_accurate_of_a_product_and_at_the_end_of_the_ring():
    x = np.array([-24.0, -3.0, 0.0, 0.5, 24.0])
    cube = true_sigmoid(x**3)
    check(lambda a: sigmoid(a * a * a, method="accurate"), x, bound=1e-3, clear=cube, limit=24.0)
    x = np.array([1.0, -1.0, 0.5, -0.5]) * (2.0**42 - 1)
    check(
        lambda a: sigmoid(a, method="accurate"), x, bound=1e-3, clear=true_sigmoid(x),
        fraction_bits=20, limit=np.inf,
    )  # fmt: skip
