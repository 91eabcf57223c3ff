"""Every view against NumPy's indexing: one step or a batch of them, one limb or more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from protocol.errors import JobError
from protocol.ring import ring
from protocol.structural import differences, index, pad, reshape, take, transpose, windows
from protocol.views import SEEDS, Broadcast, Rows, Take, View

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
MANY = settings(max_examples=200, deadline=None)


def agrees(view: View, shape: tuple[int, ...], function) -> None:
    """The view of distinct words is function(words), for any limbs and with any batch axis in
    front."""
    plain = np.arange(int(np.prod(shape, dtype=int)), dtype=np.uint64).reshape(shape)
    expected = function(plain)
    assert view.shape == expected.shape
    assert view.fits(shape)
    assert not view.varies
    for limbs in (1, 2, 5):
        tail = () if limbs == 1 else (limbs,)
        factors = np.arange(1, limbs + 1, dtype=np.uint64).reshape(tail)
        words = (plain[(..., *(None for _ in tail))] * factors).reshape(shape + tail)
        wanted = (expected[(..., *(None for _ in tail))] * factors).reshape(expected.shape + tail)
        got = view.apply(words, None, len(tail))
        assert got.shape == wanted.shape
        assert np.array_equal(got, wanted)
        for batch in (1, 3):
            offsets = (1000 * np.arange(batch, dtype=np.uint64)).reshape(
                (batch,) + (1,) * words.ndim
            )
            steps = np.arange(5, 5 + batch)
            got = view.apply(words + offsets, steps, len(tail))
            assert got.shape == (batch, *wanted.shape)
            assert np.array_equal(got, wanted + offsets.reshape((batch,) + (1,) * wanted.ndim))


@MANY
@given(SHAPES, st.data())
def test_basic_indexing(shape, data):
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    agrees(index(shape, key), shape, lambda words: words[key])


@MANY
@given(st.integers(0, 5), st.data())
def test_slices_reaching_beyond_either_end(length, data):
    bound = st.none() | st.integers(-8, 8)
    step = st.none() | st.integers(-3, 3).filter(bool)
    key = slice(data.draw(bound), data.draw(bound), data.draw(step))
    agrees(index((length,), key), (length,), lambda words: words[key])


@MANY
@given(SHAPES, st.data())
def test_transpose(shape, data):
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    agrees(transpose(shape, axes), shape, lambda words: words.transpose(axes))
    agrees(transpose(shape, None), shape, lambda words: words.T)
    if shape:
        negative = tuple(axis - len(shape) for axis in axes)
        agrees(transpose(shape, negative), shape, lambda words: words.transpose(axes))


@pytest.mark.parametrize("limbs", [1, 2])
def test_differences_of_all_pairs(limbs):
    r, shape = ring(limbs), (4, 3, 2)
    x = np.random.default_rng(1).integers(-(2**40), 2**40, (5, *shape)).astype(object) << (
        40 * (limbs - 1)
    )
    i, j = np.triu_indices(4, 1)
    view, words, expected = differences(shape), r.encode(x), x[:, i] - x[:, j]
    assert view.fits(shape) and not view.fits((1, 3, 2)) and not view.fits((5, 3, 2))
    many, one = (
        view.apply(words, np.arange(5), len(r.tail)),
        view.apply(words[2], None, len(r.tail)),
    )
    assert np.array_equal(r.decode(many, 64 * limbs), expected)
    assert np.array_equal(r.decode(one, 64 * limbs), expected[2])


@MANY
@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4), st.data())
def test_reshape(shape, data):
    size = int(np.prod(shape, dtype=int))
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    first = data.draw(st.sampled_from(divisors))
    for new in ((size,), (first, size // first), (-1, first), (first, -1), (1, first, 1, -1)):
        agrees(reshape(shape, new), shape, lambda words, new=new: words.reshape(new))


def test_reshape_of_nothing_and_of_a_scalar():
    agrees(reshape((0, 3), (3, 0)), (0, 3), lambda words: words.reshape(3, 0))
    agrees(reshape((), (1, 1)), (), lambda words: words.reshape(1, 1))
    agrees(reshape((1, 1), ()), (1, 1), lambda words: words.reshape(()))


@MANY
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4))
def test_broadcast(shapes):
    (shape, _), result = shapes.input_shapes, shapes.result_shape
    agrees(Broadcast(result), shape, lambda words: np.broadcast_to(words, result))


@MANY
@given(SHAPES, st.data())
def test_padding(shape, data):
    """Against NumPy, which has no zeros in between: those are rows and columns of a larger
    array."""
    widths = tuple(data.draw(st.tuples(*3 * [st.integers(0, 2)])) for _ in shape)

    def padded(words):
        for axis, (before, between, after) in enumerate(widths):
            spread = np.repeat(words, between + 1, axis)
            spread[
                (slice(None),) * axis + (np.arange(spread.shape[axis]) % (between + 1) != 0,)
            ] = 0
            length = max(0, spread.shape[axis] - between)
            spread = np.take(spread, range(length), axis)
            edges = [(before, after) if n == axis else (0, 0) for n in range(words.ndim)]
            words = np.pad(spread, edges)
        return words

    view, plain = (
        pad(shape, widths),
        np.arange(1, 1 + int(np.prod(shape, dtype=int)), dtype=np.uint64).reshape(shape),
    )
    assert view.fits(shape)
    assert np.array_equal(view.apply(plain, None, 0), padded(plain))
    two = np.stack([plain, 3 * plain], -1)
    assert np.array_equal(
        view.apply(two, None, 1), np.stack([padded(plain), 3 * padded(plain)], -1)
    )
    batch = np.stack([two, 5 * two])
    assert np.array_equal(
        view.apply(batch, np.arange(2), 1), np.stack([view.apply(each, None, 1) for each in batch])
    )


@MANY
@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5), st.data())
def test_windows(shape, data):
    count = data.draw(st.integers(1, min(2, len(shape))))
    size = tuple(data.draw(st.integers(1, n)) for n in shape[-count:])
    stride = tuple(data.draw(st.integers(1, 3)) for _ in size)

    def cut(words):
        places = [
            range(0, n - k + 1, step)
            for n, k, step in zip(shape[-count:], size, stride, strict=True)
        ]
        lead = words.shape[:-count]
        out = np.empty((*lead, *(len(each) for each in places), *size), words.dtype)
        for where in np.ndindex(*(len(each) for each in places)):
            corner = [each[n] for each, n in zip(places, where, strict=True)]
            cells = tuple(slice(c, c + k) for c, k in zip(corner, size, strict=True))
            out[(..., *where, *(slice(None),) * count)] = words[(..., *cells)]
        return out

    agrees(windows(shape, size, stride), shape, cut)


@MANY
@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4), st.data())
def test_places_are_taken_in_any_order_and_several_times(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    length = shape[axis]
    places = data.draw(st.lists(st.integers(-length, length - 1), max_size=6)) if length else []
    view = take(shape, axis, places)
    agrees(view, shape, lambda words: np.take(words, np.array(places, int), axis))
    longer = (*view.shape[:axis], len(places) + 1, *view.shape[axis + 1 :])
    for wrong in (
        Take(view.shape, len(shape), view.places),
        Take(view.shape, -1, view.places),
        Take(longer, axis, (*view.places, length)),
        Take(longer, axis, (*view.places, -1)),
        Take(longer, axis, view.places),
    ):
        assert not wrong.fits(shape)


@MANY
@given(st.integers(1, 9), st.integers(0, 3), st.data())
def test_rows_wrap_around(total, width, data):
    size = data.draw(st.integers(1, total))
    inner = (2,) * width if width else ()
    view = Rows((size, *inner), total)
    assert view.varies
    steps = np.array(data.draw(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=4)))
    for limbs in (1, 2):
        shape = (total, *inner) + (() if limbs == 1 else (limbs,))
        words = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
        expected = [
            np.concatenate([words, words])[step * size % total :][:size] for step in steps.tolist()
        ]
        for step, wanted in zip(steps.tolist(), expected, strict=True):
            assert np.array_equal(view.at(words, step), wanted)
        static = view.apply(words[None], steps, limbs - 1)  # one mask for all steps
        assert np.array_equal(static, np.stack(expected))
        offsets = (1000 * np.arange(len(steps), dtype=np.uint64)).reshape((-1,) + (1,) * words.ndim)
        fresh = view.apply(words + offsets, steps, limbs - 1)  # one for each step
        assert np.array_equal(fresh, np.stack(expected) + offsets)


@MANY
@given(st.integers(1, 9), st.integers(0, 2), st.integers(0, SEEDS - 1), st.data())
def test_shuffled_rows_are_all_rows_in_each_epoch_in_another_order(total, width, seed, data):
    size = data.draw(st.integers(1, total))
    inner = (2,) * width
    view = Rows((size, *inner), total, seed)
    assert view.varies
    assert view.fits((total, *inner))
    rows = np.concatenate([view.rows(step) for step in range(3 * total)])  # 3 · size epochs
    epochs = rows.reshape(-1, total)
    assert np.array_equal(np.sort(epochs, axis=1), np.broadcast_to(np.arange(total), epochs.shape))
    assert total < 6 or len({tuple(epoch) for epoch in epochs.tolist()}) > 1
    others = [Rows((size, *inner), total, other) for other in (None, (seed + 1) % SEEDS)]
    assert total < 6 or all(
        not np.array_equal(np.concatenate([other.rows(step) for step in range(3 * total)]), rows)
        for other in others
    )
    steps = np.array(data.draw(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=4)))
    for limbs in (1, 2):
        shape = (total, *inner) + (() if limbs == 1 else (limbs,))
        words = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
        expected = np.stack([view.at(words, int(step)) for step in steps])
        assert np.array_equal(view.apply(words[None], steps, limbs - 1), expected)
        offsets = (1000 * np.arange(len(steps), dtype=np.uint64)).reshape((-1,) + (1,) * words.ndim)
        assert np.array_equal(view.apply(words + offsets, steps, limbs - 1), expected + offsets)
    for wrong in (-1, SEEDS):
        assert not Rows((size, *inner), total, wrong).fits((total, *inner))


def test_an_agreed_order_stays_what_it_was():
    """Runs of two versions of this program go on together only if they draw alike."""
    assert [Rows((4,), 6, 5).rows(step).tolist() for step in range(3)] == [
        [0, 3, 2, 4],
        [1, 5, 0, 5],
        [2, 4, 1, 3],
    ]


@given(st.integers(1, 30), st.data())
def test_an_epoch_of_minibatches_sees_every_row_equally_often(total, data):
    size = data.draw(st.integers(1, total))
    view = Rows((size,), total)
    seen = np.concatenate([view.at(np.arange(total), step) for step in range(total)])
    assert np.array_equal(np.bincount(seen, minlength=total), np.full(total, size))


@pytest.mark.parametrize(
    "make",
    [
        lambda: index((3, 4), (0, 0, 0)),
        lambda: index((3, 4), 3),
        lambda: index((3, 4), (0, -5)),
        lambda: index((3, 4), [0, 1]),
        lambda: index((3, 4), np.array([0])),
        lambda: index((3, 4), True),
        lambda: index((3, 4), 1.0),
        lambda: index((3, 4), "a"),
        lambda: index((3, 4), (Ellipsis, Ellipsis)),
        lambda: take((3, 4), 0, [3]),
        lambda: take((3, 4), 1, [-5]),
        lambda: transpose((3, 4), (0,)),
        lambda: transpose((3, 4), (0, 0)),
        lambda: transpose((3, 4), (2, 3)),
        lambda: transpose((), (0,)),
        lambda: reshape((3, 4), (5, -1)),
        lambda: reshape((3, 4), (-1, -1)),
        lambda: reshape((3, 4), (13,)),
        lambda: reshape((3, 4), (-3, -4)),
        lambda: reshape((0,), (0, -1)),
        lambda: pad((3, 4), ((0, 0, 0),)),
        lambda: pad((3,), ((0, -1, 0),)),
        lambda: windows((3, 4), (4, 1), (1, 1)),
        lambda: windows((3, 4), (1, 0), (1, 1)),
        lambda: windows((3, 4), (1, 1), (1, 0)),
        lambda: windows((3,), (1, 1), (1, 1)),
    ],
)
def test_misuse_is_a_job_error(make):
    with pytest.raises(JobError):
        make()
