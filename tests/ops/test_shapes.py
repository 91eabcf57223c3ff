"""Operations over shapes of any rank against NumPy's of the same names: places, sums along axes,
products over several."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ULP, check, numbers, secure

from protocol.errors import JobError
from protocol.ops import elu, gradient, leaky_relu, one_hot, softmax, take

FEW = settings(max_examples=20, deadline=None)
X, Y = numbers((3, 4), 1), numbers((2, 3, 4), 2)
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.take(x, [2, 0, 2], 1),
        lambda x: np.take(x, [[5, -1], [0, 5]]),
        lambda x: np.take(x, 1, -2),
        lambda x: np.take(x, np.zeros((0,), int), 0),
        lambda x: x[[2, 0, -1]],
        lambda x: x[:, [0, 2, 2]],
        lambda x: x[:, np.array([[3, 0], [1, 1]])],
        lambda x: x[1, [0, 2]],
        lambda x: x[[0, 2], [1, 3]],
        lambda x: x[..., [True, False, True, True]],
        lambda x: x[:0, []],
        lambda x: x[np.array(1)],
        lambda x: np.atleast_2d(x[0]) + np.atleast_2d(x[0, 0]),
        lambda x: np.stack([x[0, 0], x[1, 2]]),
        lambda x: x + np.ones_like(x) - np.zeros_like(x),
        lambda x: np.pad(x, 1),
        lambda x: np.pad(x, (1, 2)),
        lambda x: np.pad(x, ((1, 2),)),
        lambda x: np.pad(x, ((1, 2), (0, 3)), constant_values=((0.5, -1.0), (0.0, 2.0))),
        lambda x: np.pad(x, 0),
        lambda x: np.pad(x, ((2, 1), (0, 3)), "edge"),
        lambda x: np.pad(x, ((2, 1), (0, 3)), "reflect"),
        lambda x: np.pad(x, ((2, 1), (0, 3)), mode="symmetric"),
        lambda x: np.pad(x, ((4, 1), (0, 9)), "wrap"),
        lambda x: np.split(x, 2, 1)[1],
        lambda x: np.split(x, [1, 3], axis=-1)[1],
        lambda x: np.split(x, [2, 2, 9])[1],
        lambda x: np.array_split(x, 3, 1)[0],
        lambda x: np.roll(x, 2, 1),
        lambda x: np.roll(x, -3),
        lambda x: np.roll(x, (1, 2)),
        lambda x: np.roll(x, 1, (0, -1)),
        lambda x: np.roll(x, (1, -2, 1), (0, 1, 0)),
        lambda x: np.roll(x, (1, 2), 0),
        lambda x: np.concatenate([x, x[:1]], axis=None),
        lambda x: np.repeat(x, 2, 0),
        lambda x: np.repeat(x, [1, 0, 2], axis=0),
        lambda x: np.repeat(x, 2),
        lambda x: np.tile(x, 2),
        lambda x: np.tile(x, (2, 1, 3)),
        lambda x: np.cumsum(x, 1),
        lambda x: np.cumsum(x),
        lambda x: x.cumsum(axis=-2),
        lambda x: np.flip(np.stack([x, x], -1), (0, 2)),
        lambda x: np.flip(x, np.int64(-1)),
        lambda x: np.expand_dims(x, (0, -1)),
        lambda x: np.moveaxis(np.stack([x, x], -1), (0, -1), (1, 0)),
        lambda x: np.einsum("ij->j", x),
        lambda x: np.einsum("ji", x),
        lambda x: np.einsum("ii->i", x[:, :3]),
        lambda x: np.einsum("ii", x[:, 1:]),
        lambda x: np.einsum("...i->i...", x),
    ],
)
def test_what_only_moves_and_adds_is_exact_and_free(function):
    assert check(function, X, bound=0.0).rounds == 1  # the reveal


@FEW
@given(SHAPES, st.data())
def test_cumulative_sums_in_any_ring(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = numbers(shape, 3)
    check(lambda x: np.cumsum(x, axis), x, bound=0.0)
    check(
        lambda x: np.cumsum(x * x, axis),
        x,
        bound=2 * shape[axis] * ULP,
        fraction_bits=16,
        limit=2.0**14,
    )


@FEW
@given(SHAPES, st.data())
def test_means_and_variances(shape, data):
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1)))))
    keepdims = data.draw(st.booleans())
    x = numbers(shape, 4)
    check(lambda x: np.mean(x, axes, keepdims=keepdims), x, bound=12 * ULP)
    check(lambda x: np.var(x, axes, keepdims=keepdims), x, bound=60 * ULP)
    count = int(np.prod([shape[axis] for axis in axes]))
    if count > 1:
        check(lambda x: np.var(x, axes, ddof=1), x, bound=200 * ULP)


@st.composite
def einsums(draw):
    """Subscripts of two tensors, and their shapes: indices of one, of both, in the result or
    summed, and "..."."""
    letters = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    length = {each: draw(st.integers(1, 3)) for each in letters}
    terms, shapes = [], []
    for _ in range(2):
        term = draw(st.lists(st.sampled_from(letters), max_size=3))
        shape = [length[each] for each in term]
        if len(set(term)) == len(term) and term and draw(st.booleans()):
            at = draw(st.integers(0, len(term) - 1))
            shape[at] = draw(st.sampled_from([1, shape[at]]))  # broadcasts
        lead = draw(st.integers(0, 2))
        terms.append(("..." if lead else "") + "".join(term))
        shapes.append((*[draw(st.sampled_from([1, 2])) for _ in range(lead)], *shape))
    text = ",".join(terms)
    if draw(st.booleans()):
        used = sorted({each for each in text if each.isalpha()})
        chosen = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        text += "->" + ("..." if "..." in text else "") + "".join(chosen)
    return text, *shapes


@settings(max_examples=60, deadline=None)
@given(einsums())
def test_einsum(case):
    text, *shapes = case
    x, y = (numbers(shape, seed, 4.0) for seed, shape in enumerate(shapes))
    function = lambda x, y: np.einsum(text, x, y)  # noqa: E731
    expected = np.asarray(function(x, y))
    terms = x.size * y.size / max(1, expected.size)
    run = check(function, x, y, bound=(1 + 16 * terms) * ULP, clear=expected)
    assert run.rounds <= 3
    check(lambda x: np.einsum(text, x, y), x, bound=(1 + 16 * terms) * ULP, clear=expected)
    check(lambda y: np.einsum(text, x, y), y, bound=(1 + 16 * terms) * ULP, clear=expected)


def test_einsum_deals_what_a_matrix_product_does():
    a, b = numbers((2, 3, 4), 1), numbers((4, 5, 2), 2)
    run = secure(lambda a, b: np.einsum("ijk,kli->ijl", a, b), a, b)
    same = secure(lambda a, b: a @ b.transpose(2, 0, 1), a, b)
    assert (run.rounds, run.bytes_sent, run.dealt_bytes) == (
        same.rounds,
        same.bytes_sent,
        same.dealt_bytes,
    )


@st.composite
def products(draw):
    lead = draw(st.lists(st.integers(1, 3), max_size=2))
    n, k, m = (draw(st.integers(1, 4)) for _ in range(3))
    a = [draw(st.sampled_from([1, each])) for each in lead][draw(st.integers(0, len(lead))) :]
    left, right = draw(
        st.sampled_from(
            [
                ((*a, n, k), (*lead, k, m)),
                ((*lead, n, k), (*a, k, m)),
                ((k,), (*lead, k, m)),
                ((*lead, n, k), (k,)),
                ((k,), (k,)),
            ]
        )
    )
    return left, right


@settings(max_examples=40, deadline=None)
@given(products())
def test_matrix_products_of_any_rank_of_secret_and_public_tensors(case):
    x, y = (numbers(shape, seed, 4.0) for seed, shape in enumerate(case))
    check(lambda x, y: x @ y, x, y, bound=ULP)
    assert check(lambda x: x @ y, x, bound=ULP).rounds <= 2
    assert check(lambda y: x @ y, y, bound=ULP).rounds <= 2
    check(np.dot, x, y, bound=ULP)
    check(lambda x: np.dot(x, y), x, bound=ULP)
    check(
        lambda y: y.dot(x) if y.shape[-1] == x.shape[max(-2, -x.ndim)] else np.outer(x, y),
        y,
        bound=ULP,
    )
    check(np.outer, x, y, bound=ULP)


def test_gradients_of_places_taken_several_times():
    """Σ w · f(x) is linear in x: by each entry it is the value at a unit tensor."""
    for function in (
        lambda x: np.take(x, [[0, 2], [2, 2]], 1),
        lambda x: x[:, [0, 2, 2]],
        lambda x: x[[0, 2, 2], [1, 1, 3]],
        lambda x: np.pad(x, ((2, 1), (0, 3)), "edge"),
        lambda x: np.repeat(x, [3, 0, 1], 0),
        lambda x: np.tile(x, (2, 2)),
        lambda x: np.cumsum(x, 1),
        lambda x: np.einsum("ii->i", x[:, :3]),
    ):
        weights = numbers(function(X).shape, 7, 2.0)
        units = np.eye(X.size).reshape(X.size, *X.shape)
        expected = np.reshape([(weights * function(unit)).sum() for unit in units], X.shape)
        run = check(
            lambda x, f=function, w=weights: gradient((f(x) * w).sum(), [x])[0],
            X,
            bound=ULP,
            clear=expected,
        )
        assert run.rounds <= 2
        secret = secure(lambda x, w, f=function: gradient((f(x) * w).sum(), [x])[0], X, weights)
        assert np.abs(secret.results[0]["out"] - expected).max() <= ULP
        # a view: opened at its own size
        assert secret.bytes_sent[0] <= 8 * (2 * X.size) + 8 * weights.size


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (
            np.concatenate([x, np.ones((7, 1))], axis=1) @ np.array([[0.5], [-2.0], [3.0], [100.3]])
        ),
        lambda x: np.hstack([np.full((7, 1), 1e-5), x * x]),
        lambda x: np.vstack([[1, 2, 3], x]) * 2.0,
        lambda x: np.stack([x, np.zeros((7, 3))], axis=1),
    ],
)
def test_some_parts_of_what_is_joined_may_be_public(function):
    check(function, numbers((7, 3), 4), bound=3 * ULP)


def test_labels_as_vectors():
    found = one_hot([[1, 0], [2, 2]], 3)
    assert np.array_equal(found, np.eye(3)[[[1, 0], [2, 2]]])
    for wrong in ([3], [-1], [0.5]):
        with pytest.raises(JobError, match="one_hot"):
            one_hot(wrong, 3)


def test_a_length_is_public():
    assert np.array_equal(secure(lambda x: x[len(x) - 1], X).results[0]["out"], X[-1])


@pytest.mark.parametrize("peak", [8.0, 100.0])
def test_rectifiers_of_two_pieces(peak):
    x = numbers((4, 50), 5, peak)
    run = check(
        lambda x: leaky_relu(x, 0.1),
        x,
        bound=2 * ULP + 0.1 * peak * ULP,
        clear=np.where(x >= 0, x, 0.1 * x),
    )
    assert run.rounds == 4 + 2  # the truncation after 0.1, and the reveal
    assert secure(lambda x: leaky_relu(x @ np.ones((50, 1))), x).rounds == 4 + 2
    clear = np.where(x >= 0, x, 0.5 * np.expm1(np.minimum(x, 0)))
    assert check(lambda x: elu(x, 0.5), x, bound=2 * ULP, clear=clear).rounds == 5 + 2

    def slopes(x):
        return {
            "leaky": gradient(leaky_relu(x, 0.25).sum(), [x])[0],
            "elu": gradient(elu(x).sum(), [x])[0],
        }

    got = secure(slopes, x).results[0]
    assert np.abs(got["leaky"] - np.where(x >= 0, 1, 0.25)).max() <= ULP
    assert np.abs(got["elu"] - np.where(x >= 0, 1, np.exp(np.minimum(x, 0)))).max() <= 4 * ULP


@st.composite
def broadcasting(draw):
    """Three shapes that broadcast together."""
    full = draw(SHAPES)
    return [
        tuple(draw(st.sampled_from([1, n])) for n in full)[draw(st.integers(0, len(full))) :]
        for _ in range(3)
    ]


@FEW
@given(broadcasting())
def test_selections_of_any_rank_broadcast(shapes):
    x, a, b = (numbers(shape, seed, 4.0) for seed, shape in enumerate(shapes))
    low, high = np.minimum(a, b), np.maximum(a, b)
    whole = np.zeros(np.broadcast_shapes(*shapes))
    for function, bound in (
        (lambda x, a, b: np.where(x > 0, a, b), ULP),
        (lambda x, a, b: np.where(x >= a, b + x, -1.5), ULP),
        (lambda x, a, b: np.maximum(x, a) + np.minimum(a, b), 2 * ULP),
        (lambda x, a, b: np.clip(x + whole, low, high) + 0 * (a + b), 2 * ULP),
        (lambda x, a, b: np.clip(x + whole, np.minimum(a, b), np.maximum(a, b)), 2 * ULP),
        (lambda x, a, b: np.clip(x, a_min=None, a_max=1.5) + np.abs(a) + np.sign(b), 2 * ULP),
        (lambda x, a, b: np.fmax(x, a) * (b > 0), 2 * ULP),
        (lambda x, a, b: (x > a) * (a <= b) + whole, 0.0),
    ):
        check(function, x, a, b, bound=bound)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: np.take(x, [4], 1), "out of range"),
        (lambda x: np.take(x, [0.5], 1), "whole numbers"),
        (lambda x: np.take(x, [0], 2), "axis 2"),
        (lambda x: take(X, [0], 0), "takes a secret tensor"),
        (lambda x: np.take(x, x, 0), "one-hot"),
        (lambda x: x[[0, 3]], "place 3 is out of range"),
        (lambda x: x[[0.5]], "not indexed so: only integers, slices"),
        (lambda x: x[:, :, [0]], "not indexed so: too many indices"),
        (lambda x: x[x > 0], "indexed by integers, slices, None, ... and public arrays, not"),
        (lambda x: x[[0], x], "has no value here"),
        (lambda x: np.tensordot(x, x, 1), "as many of both, and of one length"),
        (lambda x: np.tensordot(x, X, 3), "a number of axes that both have, or a pair"),
        (lambda x: np.pad(x, -1), "≥ 0"),
        (lambda x: np.pad(x, ((1, 1), (1, 1), (1, 1))), "a pair"),
        (lambda x: np.pad(x, 1, "mean"), "no mode"),
        (lambda x: np.pad(x, 1, constant_values=x), "public|convert"),
        (lambda x: np.split(x, 3, 1), "equal parts"),
        (lambda x: np.split(x, 0), "≥ 1"),
        (lambda x: np.repeat(x, [1, 2], 0), "for each"),
        (lambda x: np.tile(x, -1), "≥ 0"),
        (lambda x: np.cumsum(x, 2), "axis 2"),
        (lambda x: np.flip(x, (0, -2)), "names one axis twice"),
        (lambda x: np.flip(x, 1.0), "whole numbers"),
        (lambda x: np.expand_dims(x, (0, 4)), "a tensor with 4 axes"),
        (lambda x: np.moveaxis(x, (0, 1), 0), "as many of both"),
        (lambda x: softmax(x, 2), "axis 2"),
        (lambda x: np.var(x, 0, ddof=3), "ddof"),
        (lambda x: np.einsum("ij,jk->ik", x), "2 tensors"),
        (lambda x: np.einsum("ij,jk", x, x), "index j is 4 long in the first tensor and 3"),
        (lambda x: np.einsum("i,jk", x, x), "another number of axes"),
        (lambda x: np.einsum("ij->ik", x), "no tensor has"),
        (lambda x: np.einsum("ij->ii", x), "twice"),
        (lambda x: np.einsum("i1->i", x), "not a letter"),
        (lambda x: np.einsum("i...->i", x), "missing"),
        (lambda x: np.einsum("ii", x), "4 long in one tensor"),
        (lambda x: np.einsum("ij,jk,kl", x, x.T, x), "two at a time"),
        (lambda x: np.dot(x, Y), "differ"),
        (lambda x: x @ np.ones((2, 5, 2)), "does not fit"),
        (lambda x: one_hot(x, 3), "one-hot vectors"),
        (lambda x: leaky_relu(x, x), "one public number"),
        (lambda x: elu(X), "secret tensor"),
        (lambda x: x % 2, "write x / y for the quotient"),
        (lambda x: np.mod(x, 2), "write x / y for the quotient"),
        (lambda x: 7 % x, "write x / y for the quotient"),
        (lambda x: divmod(x, 2), "divide by a public number"),
        (lambda x: round(x, 2), "bits=0"),
        (lambda x: x.__setitem__(0, 1.0), "not changed in place: make another, with concatenate"),
        (lambda x: len(x.sum()), "it has no length"),
        (lambda x: x.max(axis=1, where=x), "np.max of a secret tensor: got an unexpected keyword"),
        (lambda x: math.floor(x), "bits=0"),
        (lambda x: x << 1, "power of two"),
        (lambda x: x ^ x, "outcomes"),
        (lambda x: np.fmod(x, 2), "not offered"),
        (lambda x: np.floor(x), "not rounded"),
    ],
)
def test_what_does_not_fit_is_said(function, says):
    with pytest.raises(JobError, match=says):
        secure(function, X)
