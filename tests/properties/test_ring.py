"""The rings Z_2^(64·L), L = 1 … 5, against Python integers: negative numbers, extremes,
wrap-around."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.ring import WORD, limbs_for, ring

LIMBS = range(1, 6)
FEW = settings(max_examples=60, deadline=None)


def integers(limbs: int) -> st.SearchStrategy[int]:
    """Every element of the ring, and what lies around its edges and those of its limbs."""
    top = WORD * limbs
    powers = [WORD * n + d for n in range(limbs + 1) for d in (-1, 0) if WORD * n + d >= 0]
    edges = [
        0,
        *(sign * (1 << power) + e for power in powers for sign in (1, -1) for e in (-1, 0, 1)),
    ]
    return st.sampled_from(edges) | st.integers(-(1 << top), 1 << top)


@st.composite
def tensors(
    draw, count: int, shapes: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (0,), (1, 2, 2))
):
    """limbs, then `count` object arrays of one shape."""
    limbs, shape = draw(st.sampled_from(LIMBS)), draw(st.sampled_from(shapes))
    size = int(np.prod(shape))
    drawn = [draw(st.lists(integers(limbs), min_size=size, max_size=size)) for _ in range(count)]
    return limbs, *(np.array(each, object).reshape(shape) for each in drawn)


def signed(values: np.ndarray, bits: int) -> np.ndarray:
    wrapped = np.asarray(values, object) % (1 << bits)
    return np.asarray(
        wrapped - (np.asarray(wrapped >= 1 << (bits - 1), object) * (1 << bits)), object
    )


def same(limbs: int, words: np.ndarray, expected: np.ndarray, bits: int | None = None) -> None:
    expected, bits = np.asarray(expected, object), bits or WORD * limbs
    r = ring(limbs)
    assert words.dtype == np.uint64
    assert words.shape == expected.shape + r.tail
    assert r.shape_of(words) == expected.shape
    got = r.decode(words, bits)
    assert got.shape == expected.shape
    assert got.tolist() == signed(expected, bits).tolist()


@FEW
@given(tensors(1), st.data())
def test_encode_and_decode(drawn, data):
    limbs, x = drawn
    same(limbs, ring(limbs).encode(x), x)
    bits = data.draw(st.integers(1, WORD * limbs))
    same(limbs, ring(limbs).encode(x), x, bits)


@FEW
@given(tensors(2))
def test_addition_subtraction_negation_multiplication(drawn):
    limbs, x, y = drawn
    r = ring(limbs)
    a, b = r.encode(x), r.encode(y)
    for name, function in (("add", operator.add), ("sub", operator.sub), ("mul", operator.mul)):
        same(limbs, getattr(r, name)(a, b), function(x, y))
    same(limbs, r.neg(a), -x)
    same(limbs, a, x)  # nothing was written to


@FEW
@given(st.sampled_from(LIMBS), st.data())
def test_elementwise_operations_broadcast(limbs, data):
    def drawn(*shape):
        size = int(np.prod(shape))
        return np.array(
            data.draw(st.lists(integers(limbs), min_size=size, max_size=size)), object
        ).reshape(shape)

    r = ring(limbs)
    for x, y in ((drawn(3, 1), drawn(2)), (drawn(2, 1, 2), drawn(3, 1)), (drawn(), drawn(2, 2))):
        for name, function in (("add", operator.add), ("sub", operator.sub), ("mul", operator.mul)):
            same(limbs, np.asarray(getattr(r, name)(r.encode(x), r.encode(y))), function(x, y))


@FEW
@given(st.sampled_from(LIMBS), st.data())
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3), (3, 2)),
        ((1, 5), (5, 1)),
        ((2, 2, 3), (3, 1)),
        ((2, 1, 4), (2, 4, 2)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
    ],
)
def test_matrix_products(a, b, limbs, data):
    def drawn(shape):
        size = int(np.prod(shape))
        return np.array(
            data.draw(st.lists(integers(limbs), min_size=size, max_size=size)), object
        ).reshape(shape)

    x, y = drawn(a), drawn(b)
    r = ring(limbs)
    columns = x[..., :, :, None] * y[..., None, :, :]
    expected = (
        columns.sum(axis=-2)
        if columns.shape[-2]
        else np.zeros((*columns.shape[:-2], columns.shape[-1]), object)
    )
    same(limbs, r.matmul(r.encode(x), r.encode(y)), expected)


@FEW
@given(tensors(1), st.data())
def test_shifts(drawn, data):
    limbs, x = drawn
    r, shift = ring(limbs), data.draw(st.integers(0, WORD * limbs))
    words = r.encode(x)
    same(limbs, r.shift_left(words, shift), x << shift)
    # a wide ring is never widened by a shift
    narrow = data.draw(st.integers(1, 5 if limbs == 1 else limbs))
    same(narrow, r.shift_right(words, shift, narrow), (x % (1 << (WORD * limbs))) >> shift)
    same(limbs, words, x)


@FEW
@given(tensors(1), st.data())
def test_bits(drawn, data):
    limbs, x = drawn
    r, bits = ring(limbs), data.draw(st.integers(1, WORD * limbs))
    words = r.encode(x)
    same(limbs, r.low_bits(words, bits), x % (1 << bits))
    assert r.top_bit(words, bits).dtype == bool
    assert r.top_bit(words, bits).tolist() == np.asarray((x >> (bits - 1)) & 1, bool).tolist()


@FEW
@given(tensors(1), st.integers(1, 5))
def test_resizing_keeps_the_low_bits(drawn, narrow):
    limbs, x = drawn
    resized = ring(limbs).resize(ring(limbs).encode(x), narrow)
    same(narrow, resized, x % (1 << (WORD * limbs)))


@FEW
@given(tensors(1, ((2, 3), (4,), (2, 1, 3), (3, 0))), st.booleans(), st.data())
def test_sums(drawn, keepdims, data):
    limbs, x = drawn
    axes = tuple(sorted(data.draw(st.sets(st.sampled_from(range(x.ndim)), min_size=1))))
    expected = np.asarray(np.add.reduce(x, axis=axes, keepdims=keepdims), object)
    same(limbs, np.asarray(ring(limbs).sum(ring(limbs).encode(x), axes, keepdims)), expected)


@pytest.mark.parametrize("limbs", LIMBS)
def test_constants_and_zeros(limbs):
    r = ring(limbs)
    assert ring(limbs) is r
    for value in (0, 1, -1, 1 << (WORD * limbs - 1), (1 << (WORD * limbs)) - 1, 3**70):
        same(limbs, r.constant(value), np.asarray(value, object))
    same(limbs, r.zeros((2, 3)), np.zeros((2, 3), object))
    same(limbs, r.zeros(()), np.zeros((), object))


@given(st.integers(1, 1000))
def test_limbs_that_hold_bits(bits):
    limbs = limbs_for(bits)
    assert WORD * (limbs - 1) < bits <= WORD * limbs
