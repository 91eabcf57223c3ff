"""Fixed point against exact rationals, at every scale and width; what is said of data that does not
fit."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocol import fixedpoint
from protocol.errors import DataError
from protocol.fixedpoint import check, decode, encode
from protocol.ring import WORD, ring

SCALES = st.integers(0, 100)
MANY = settings(max_examples=200, deadline=None)


@st.composite
def exact(draw):
    """limbs, a scale and a float64 that is a multiple of 2^-scale and fits: nothing may be lost."""
    limbs = draw(st.integers(1, 5))
    scale = draw(st.integers(0, min(100, WORD * limbs - 2)))
    room = WORD * limbs - 1
    mantissa = draw(st.integers(-(1 << 53), 1 << 53))
    shift = draw(st.integers(0, max(0, room - 54)))
    integer = (mantissa << shift) if room > 54 else mantissa
    assume(-(1 << room) <= integer < 1 << room)
    return limbs, scale, math.ldexp(float(mantissa), shift - scale), integer


@MANY
@given(exact())
def test_what_fits_survives_a_round_trip(drawn):
    limbs, scale, x, integer = drawn
    words = encode(np.array([x, -x, 0.0]), scale, limbs)
    assert words.shape == (3, *ring(limbs).tail)
    room = 1 << (WORD * limbs - 1)
    expected = [integer, -integer if -integer < room else integer, 0]
    assert ring(limbs).decode(words, WORD * limbs).tolist() == expected
    back = decode(words, scale, limbs, WORD * limbs)
    assert back.dtype == np.float64
    assert back.tolist() == [x, -x if -integer < room else x, 0.0]


@MANY
@given(st.integers(1, 3), SCALES, st.floats(-(2.0**40), 2.0**40))
def test_encoding_rounds_to_nearest(limbs, scale, x):
    assume(abs(Fraction(x)) * 2**scale < 1 << (WORD * limbs - 1))
    (integer,) = ring(limbs).decode(encode(np.array([x]), scale, limbs), WORD * limbs)
    assert abs(Fraction(x) * 2**scale - int(integer)) <= Fraction(1, 2)


@MANY
@given(st.integers(1, 5), st.data())
def test_decoding_reads_only_the_known_bits(limbs, data):
    bits = data.draw(st.integers(2, WORD * limbs))
    scale = data.draw(st.integers(0, 60))
    integer = data.draw(st.integers(-(1 << (min(bits, 54) - 1)), (1 << (min(bits, 54) - 1)) - 1))
    garbage = data.draw(st.integers(0, (1 << (WORD * limbs - bits)) - 1)) << bits
    for shape in ((1,), (), (2, 1)):
        words = ring(limbs).encode(np.full(shape, integer + garbage, object))
        got = decode(words, scale, limbs, bits)
        assert got.shape == shape
        assert np.all(got == math.ldexp(integer, -scale))


@pytest.mark.parametrize("limbs", [1, 2, 5])
def test_the_extremes(limbs):
    top = 2.0 ** (WORD * limbs - 1)
    words = encode(np.array([-top, np.nextafter(top, 0)]), 0, limbs)
    assert decode(words, 0, limbs, WORD * limbs).tolist() == [-top, np.nextafter(top, 0)]
    assert encode(np.empty((0, 3)), 16, limbs).shape == (0, 3, *ring(limbs).tail)
    assert decode(encode(np.empty((0, 3)), 16, limbs), 16, limbs, 60).shape == (0, 3)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 1, 3)])
def test_nan_and_infinity_are_named_by_position(bad, shape):
    array = np.zeros(shape)
    where = tuple(n - 1 for n in shape)
    array[where] = bad
    with pytest.raises(DataError) as caught:
        check("weights", array, -1, 1, "w.npy")
    text = str(caught.value)
    assert "tensor weights (w.npy)" in text
    assert f"position {where}" in text
    assert "NaN or infinity" in text


@settings(deadline=None)
@given(
    st.integers(0, 11),
    st.sampled_from([1.0000000000000002, -1.0000000000000002, 7654.3125, -1e300]),
)
def test_a_value_beyond_the_range_is_named_by_position_and_never_shown(place, value):
    array = np.zeros((3, 4))
    array.flat[place] = value
    array.flat[place + 1 :] = value  # the first of several
    with pytest.raises(DataError) as caught:
        check("x", array, -1, 1)
    text = str(caught.value)
    assert "tensor x leaves" in text
    assert f"position {divmod(place, 4)}" in text
    assert "[-1, 1]" in text
    assert not any(shown in text for shown in (repr(value), repr(abs(value)), "7654"))


@pytest.mark.parametrize(
    "array",
    [["7654.3125"], [b"7654"], [7654 + 1j], [None], [{"a": 7654}], [np.datetime64("2024-07-06")]],
)
def test_what_is_no_number_is_refused(array):
    with pytest.raises(DataError, match=r"tensor y holds .* numbers are needed") as caught:
        check("y", np.asarray(array), -1e9, 1e9)
    assert "7654" not in str(caught.value)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int8, np.uint64, np.int64, np.bool_]
)
def test_every_kind_of_number_is_taken(dtype):
    got = check("y", np.array([[0, 1]], dtype), 0, 1)
    assert got.dtype == dtype
    assert got.tolist() == [[0, 1]]
    assert decode(encode(got, 20, 1), 20, 1, 64).tolist() == [[0.0, 1.0]]


def test_the_limits_belong_to_the_range():
    array = np.array([-2.5, 3.5])
    assert check("x", array, -2.5, 3.5) is array
    with pytest.raises(DataError, match="leaves its declared range"):
        check("x", np.array([0.1], np.float32), 0, 0.1)  # which is a little more


@pytest.mark.parametrize("limbs", [1, 2])
def test_large_arrays_are_encoded_and_checked_piece_by_piece(limbs, monkeypatch):
    array = np.random.default_rng(1).normal(size=(7, 3, 5))
    whole = encode(array, 20, limbs)
    monkeypatch.setattr(fixedpoint, "PIECE", 16)
    assert np.array_equal(encode(array, 20, limbs), whole)
    assert np.array_equal(
        encode(array.T, 20, limbs), whole.transpose(2, 1, 0, *range(3, whole.ndim))
    )
    array[5, 1, 2] = np.nan
    with pytest.raises(DataError, match=r"position \(5, 1, 2\)"):
        check("x", array, -9, 9)


@pytest.mark.parametrize(
    ("array", "low", "high", "words"),
    [
        (
            np.stack([np.linspace(18, 90, 64), np.linspace(1e4, 3e5, 64)], axis=1),
            -4,
            4,
            "standardise it",
        ),
        (
            np.stack([np.linspace(18, 90, 64), np.linspace(1e4, 3e5, 64)], axis=1),
            -1,
            1,
            "a range of ±2",
        ),
        (np.array([1.0, 2.0, 3.0]), 0, 1, "divide it by 4, or declare a range of ±4"),
        (np.array([-1.0, 0.5]), 0, 1, "; declare a range of ±1"),
        (np.array([1.0]), 2, 3, "; declare a range of ±1"),
        (np.array([[1e-300, 2.0]]), -1, 1, "; declare a range of ±2"),
        (np.array([1e308, -1e308]), -1, 1, "declare a range"),
        (np.full((20, 2), 7.0), -1, 1, "divide it by 8"),
    ],
)
def test_an_owner_is_told_by_how_much_a_tensor_is_out_and_what_would_bring_it_in(
    array, low, high, words
):
    with pytest.raises(DataError) as caught:
        check("x", array, low, high)
    text = str(caught.value)
    assert (
        words in text and "times the range's width" in text and f"of {array.size} entries" in text
    )
