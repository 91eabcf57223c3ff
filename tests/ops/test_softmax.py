"""softmax and what belongs to it against NumPy within what each promises, their gradients, and what
they cost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import secure

from protocol.errors import JobError, OutOfRangeError
from protocol.jobs import Input, Job, Parameter
from protocol.ops import cross_entropy, gradient, log_softmax, logsumexp, relu, softmax, within
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace


def true_sum(z: np.ndarray, axis: int = -1) -> np.ndarray:
    top = z.max(axis, keepdims=True)
    return np.log(np.exp(z - top).sum(axis, keepdims=True)) + top


def true_softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.exp(z - true_sum(z, axis))


def promised(k: int, f: int, accurate: bool = False, maximum: bool = False) -> float:
    """Of logsumexp."""
    levels = (k - 1).bit_length()
    if accurate:
        return 1e-6 + levels**2 * 4e-7 + (k + 4) * 2.0**-f
    return 2e-5 + 16 * 2.0**-f if maximum else levels * (1e-5 + 2.0**-f / 2)


def classes(rows: int, k: int, peak: float, seed: int = 1) -> np.ndarray:
    """Of all sorts: alike at either end, one or some of them above the others, close together,
    anywhere."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(-peak, peak, (rows, k))
    z[0], z[1], z[2] = -peak, peak, 0.0
    for n in range(k):
        z[3 + n] = np.where(np.arange(k) <= n, peak, -peak)
        z[3 + k + n] = np.where(np.arange(k) == n, peak, -peak)
        z[3 + 2 * k + n] = np.where(np.arange(k) == n, -peak, peak)
    z[-20:] = rng.uniform(-0.5, 0.5, (20, k)) * min(peak, 2.0)
    return z


@pytest.mark.parametrize("f", [13, 16, 20, 24])
@pytest.mark.parametrize(
    ("k", "peak", "accurate"),
    [
        (2, 8, False),
        (3, 8, True),
        (7, 8, False),
        (10, 2, False),
        (10, 8, False),
        (10, 8, True),
        (10, 24, False),
        (16, 24, True),
        (37, 8, False),
    ],
)
def test_by_the_tree_within_the_promised_error_up_to_the_ends_of_its_range(k, peak, accurate, f):
    z = classes(3 * k + 60, k, peak)
    options: dict[str, Any] = {"limit": float(peak), "fraction_bits": f}
    error = promised(k, min(f, 20), accurate)
    levels = (k - 1).bit_length() + accurate
    run = secure(lambda z: logsumexp(z, keepdims=True, accurate=accurate), z, **options)
    assert np.abs(run.results[0]["out"] - true_sum(z)).max() <= error + 2 * 2.0**-f
    assert run.rounds in (levels + 1, levels + 2)  # and the reveal, with its truncation
    assert not run.plan.lowering.warnings
    run = secure(lambda z: softmax(z, accurate=accurate), z, **options)
    p = true_softmax(z)
    assert np.all(
        np.abs(run.results[0]["out"] - p) <= p * error * 1.1 + 5e-7 + 4 * 2.0 ** -min(f, 20)
    )
    assert run.rounds == levels + 2  # no truncation
    assert not run.plan.lowering.warnings


@pytest.mark.parametrize(
    ("k", "peak", "accurate"), [(2, 100, False), (10, 60, False), (10, 60, True), (20, 1000, False)]
)
def test_by_the_maximum_where_the_range_is_wide(k, peak, accurate):
    z = classes(3 * k + 60, k, peak)
    z[-30:] /= peak / 4
    run = secure(
        lambda z: {"p": softmax(z, accurate=accurate), "l": logsumexp(z, accurate=accurate)},
        z, limit=float(peak), fraction_bits=20,
    )  # fmt: skip
    error, p = promised(k, 20, accurate, maximum=True), true_softmax(z)
    assert np.abs(run.results[0]["l"] - true_sum(z)[:, 0]).max() <= error + 2.0**-19
    assert np.all(np.abs(run.results[0]["p"] - p) <= p * error * 1.1 + 5e-7 + 2.0**-18)
    assert not run.plan.lowering.warnings
    assert run.rounds == {2: 6, 10: 7, 20: 12}[k] + accurate + 1  # and the reveal


@pytest.mark.parametrize("peak", [2000.0, 1e5])
@pytest.mark.parametrize("accurate", [False, True])
def test_what_no_window_of_exponents_reaches_counts_as_nothing(peak, accurate):
    """And runs: the guard counted what is far below the largest."""

    class Far(Job):
        fraction_bits, iterations = 20, 0
        z = Input("bob", (60, 5), -peak, peak)

        def finish(self, v):
            v.reveal(p=softmax(v.z, accurate=accurate), total=logsumexp(v.z, -1, True, accurate))

    z = np.rint(classes(60, 5, peak) * 2**20) / 2**20
    run = simulate(Far(), {"z": z})
    assert not run.beyond
    error = promised(5, 20, accurate, maximum=not accurate)
    assert np.abs(run.results[0]["total"] - true_sum(z)).max() <= error
    assert np.abs(run.results[0]["p"] - true_softmax(z)).max() <= error + 2.0**-19 + 5e-7


def test_logits_that_are_a_product_take_no_round_more():
    """They are compared on the opening of the product, at the job's fraction bits."""
    x, w = np.random.default_rng(1).uniform(-4, 4, (2, 10, 10))
    run = secure(lambda x, w: softmax(x @ w), x, w, limit=4.0, fraction_bits=20)
    assert run.rounds == 1 + 7 + 1
    error = promised(10, 20, False, maximum=True)
    assert np.abs(run.results[0]["out"] - true_softmax(x @ w)).max() <= error * 1.1 + 2.0**-16


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.data())
def test_any_shape_and_axis(dims, data):
    axis = data.draw(st.integers(-len(dims), len(dims) - 1))
    seed = data.draw(st.integers(0, 2**32))
    z = np.random.default_rng(seed).uniform(-8, 8, dims)
    run = secure(
        lambda z: {
            "softmax": softmax(z, axis), "log": log_softmax(z, axis),
            "sum": logsumexp(z, axis), "kept": logsumexp(z, axis, keepdims=True),
        },
        z, limit=8.0, fraction_bits=20,
    )  # fmt: skip
    total = true_sum(z, axis)
    expected = {
        "softmax": np.exp(z - total),
        "log": z - total,
        "sum": total.squeeze(axis),
        "kept": total,
    }
    for name, value in expected.items():
        assert run.results[0][name].shape == value.shape
        assert np.abs(run.results[0][name] - value).max() <= promised(5, 20) + 2.0**-18


def test_what_is_known_of_the_range_decides_and_a_statement_is_enough():
    z = classes(100, 10, 8)
    narrow = secure(lambda z: softmax(within(z, -8, 8)), z, limit=1000.0, fraction_bits=20)
    wide = secure(softmax, z, limit=1000.0, fraction_bits=20)
    assert narrow.rounds == 5 + 1
    assert wide.rounds > narrow.rounds
    assert np.abs(narrow.results[0]["out"] - wide.results[0]["out"]).max() < 1e-4


@pytest.mark.parametrize("peak", [8.0, 100.0])
def test_the_plan_chooses_fraction_bits_for_it(peak):
    class Unstated(Job):
        iterations = 0
        z = Input("bob", (40, 10), -peak, peak)

        def finish(self, v):
            v.reveal(p=softmax(v.z), l=logsumexp(v.z))

    z = np.random.default_rng(5).uniform(-peak, peak, (40, 10))
    run = simulate(Unstated(), {"z": z})
    assert np.abs(run.results[0]["p"] - true_softmax(z)).max() <= 5e-3
    assert np.abs(run.results[0]["l"] - true_sum(z)[:, 0]).max() <= 5e-3 * peak


def test_more_classes_than_a_series_serves_take_another_comparison():
    z = np.random.default_rng(6).uniform(-90, 90, (3, 130))
    z[0] = 90.0  # the largest sum
    run = secure(lambda z: {"p": softmax(z), "l": logsumexp(z)}, z, limit=100.0, fraction_bits=20)
    assert np.abs(run.results[0]["p"] - true_softmax(z)).max() <= 2e-5 + 130 * (3e-7 + 2.0**-20)
    assert (
        np.abs(run.results[0]["l"] - true_sum(z)[:, 0]).max()
        <= 2e-5 + 130 * (3e-7 + 2.0**-20) + 2.0**-15
    )
    assert secure(softmax, np.zeros((2, 65)), limit=8.0).results[0]["out"].shape == (2, 65)


def test_values_that_leave_a_stated_range_are_noticed():
    class Leaves(Job):
        iterations = 1
        z = Input("bob", shape=(2, 4), default=[[0, 1, 2, 40.0], [0, 0, 0, 0]])

        def step(self, v):
            v.p = softmax(within(v.z * 1.0, -8, 8))

        setup = step

        def finish(self, v):
            v.reveal(p=v.p)

    with pytest.raises(OutOfRangeError, match="1 of 8 entries outside"):
        simulate(Leaves(), {"z": np.asarray(Leaves.z.default)})


# ---- gradients -----------------------------------------------------------------------------------


def test_gradients_of_the_three():
    rng = np.random.default_rng(2)
    z, c = rng.uniform(-4, 4, (6, 5)), rng.uniform(-1, 1, (6, 5))
    p = true_softmax(z)
    flows = {
        "softmax": p * (c - (p * c).sum(-1, keepdims=True)),
        "log": c - p * c.sum(-1, keepdims=True),
        "sum": p * c[:, :1],
    }
    run = secure(
        lambda z, c: {
            "softmax": gradient((softmax(z) * c).sum(), [z])[0],
            "log": gradient((log_softmax(z) * c).sum(), [z])[0],
            "sum": gradient((logsumexp(z, keepdims=True) * c[:, :1]).sum(), [z])[0],
        },
        z, c, limit=4.0, fraction_bits=20,
    )  # fmt: skip
    for name, value in flows.items():
        assert np.abs(run.results[0][name] - value).max() <= 2e-4


def one_hot(rows: tuple[int, ...], k: int) -> np.ndarray:
    return np.eye(k)[np.random.default_rng(4).integers(0, k, rows)]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [(7,), (2, 3), ()])
@pytest.mark.parametrize("public", [False, True])
def test_cross_entropy_and_its_gradient_are_those_of_pytorch(rows, smoothing, public):
    k = 10
    z, y = np.random.default_rng(3).uniform(-8, 8, (*rows, k)), one_hot(rows, k)
    smooth = y * (1 - smoothing) + smoothing / k
    loss = -(smooth * (z - true_sum(z))).sum(-1).mean()
    slope = (true_softmax(z) - smooth) / math.prod(rows)

    def both(z, y_secret):
        found = cross_entropy(z, y if public else y_secret, smoothing)
        return {"loss": found, "slope": gradient(found, [z])[0]}

    run = secure(both, z, y, limit=8.0, fraction_bits=20)
    assert abs(float(run.results[0]["loss"]) - loss) <= promised(k, 20) + 3e-5
    assert np.abs(run.results[0]["slope"] - slope).max() <= (promised(k, 20) + 2e-5) / math.prod(
        rows
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classes_count_by_their_weight(smoothing):
    """PyTorch's formula of labels that are probabilities."""
    z, y, weight = classes(20, 3, 4.0), one_hot((20,), 3), np.array([0.5, 1.0, 4.0])
    smooth = (y * (1 - smoothing) + smoothing / 3) * weight
    slope = (true_softmax(z) * smooth.sum(-1, keepdims=True) - smooth) / 20
    by_labels = -(1 - smoothing) * weight * (z - true_sum(z)) / 20

    def all_of(z, y):
        found = cross_entropy(z, y, smoothing, weight=weight)
        dz, dy = gradient(found, [z, y])
        return {"loss": found, "dz": dz, "dy": dy}

    run = secure(all_of, z, y, limit=4.0, fraction_bits=20)
    assert abs(run.results[0]["loss"] + (smooth * (z - true_sum(z))).sum(-1).mean()) <= 2e-4
    assert np.abs(run.results[0]["dz"] - slope).max() <= 1e-4
    assert np.abs(run.results[0]["dy"] - by_labels).max() <= 4e-4
    counted, plain = (
        secure(lambda z, y: gradient(cross_entropy(z, y, weight=w), [z])[0], z, y, limit=4.0)
        for w in (weight, None)
    )
    assert counted.rounds <= plain.rounds + 1


def test_the_gradient_by_secret_labels():
    z, y = classes(60, 4, 4.0)[:8], one_hot((8,), 4)
    run = secure(
        lambda z, y: gradient(cross_entropy(z, y, 0.2), [y])[0], z, y, limit=4.0, fraction_bits=20
    )
    assert np.abs(run.results[0]["out"] - 0.8 * (true_sum(z) - z) / 8).max() <= 2e-4


def test_rows_of_labels_that_do_not_sum_to_1_have_a_gradient_for_a_round_more():
    z, y = classes(20, 3, 4.0), np.random.default_rng(1).uniform(0, 1, (20, 3)).round(3)
    run = secure(
        lambda z, y: gradient(-(y * log_softmax(z)).sum(axis=-1).mean(), [z])[0],
        z, y, limit=4.0, fraction_bits=20,
    )  # fmt: skip
    expected = (true_softmax(z) * y.sum(axis=-1, keepdims=True) - y) / 20
    assert np.abs(run.results[0]["out"] - expected).max() <= 1e-4


def test_a_loss_that_nobody_looks_at_costs_nothing():
    z, y = classes(60, 10, 8.0), one_hot((60,), 10)

    def slope(z, y):
        return gradient(cross_entropy(z, y), [z])[0]

    def by_hand(z, y):
        return (softmax(z) - y) * (1.0 / 60)

    found, alone = (secure(each, z, y, limit=8.0, fraction_bits=16) for each in (slope, by_hand))
    assert (found.rounds, found.bytes_sent, found.dealt_bytes) == (
        alone.rounds,
        alone.bytes_sent,
        alone.dealt_bytes,
    )
    loss = secure(lambda z, y: cross_entropy(z, y), z, y, limit=8.0, fraction_bits=16)
    assert loss.rounds <= 4 + 2  # and the reveal, with its truncation


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda z: softmax(z, 2), "axis 2 of a tensor with 2 axes"),
        (lambda z: logsumexp(z[:, :0]), "no classes"),
        (lambda z: cross_entropy(z, np.zeros((3, 3))), "must sum to 1"),
        (lambda z: cross_entropy(z, np.eye(4)), "they must be alike"),
        (lambda z: cross_entropy(z, z, weight=(1.0, 2.0)), "above 0 for each of 3 classes"),
        (lambda z: cross_entropy(z, z, weight=(1.0, 2.0, 0.0)), "above 0 for each of 3 classes"),
        (lambda z: cross_entropy(z, z, 1.0), "a number from 0 to 1"),
        (lambda z: cross_entropy(z, z, math.nan), "finite number"),
    ],
)
def test_what_does_not_fit_ends_in_a_sentence(call, words):
    with pytest.raises(JobError, match=words):
        secure(call, np.zeros((3, 3)), limit=8.0)


# ---- training ------------------------------------------------------------------------------------


class Network(Job):
    """64-32-10."""

    iterations = 12
    fraction_bits = 18
    rate = Parameter(0.5)
    x = Input("bob", shape=(32, 64), low=0, high=1)
    y = Input("alice", shape=(32, 10), low=0, high=1)
    w0 = Input("alice", shape=(64, 32), low=-2, high=2)
    w1 = Input("bob", shape=(32, 10), low=-2, high=2)
    b1 = Input("bob", shape=(10,), low=-2, high=2)

    def step(self, v):
        z = within(relu(v.x @ v.w0) @ v.w1 + v.b1, -8, 8)
        names = ("w0", "w1", "b1")
        for name, g in zip(
            names, gradient(cross_entropy(z, v.y), [v[name] for name in names]), strict=True
        ):
            v[name] -= self.rate * g

    def finish(self, v):
        v.reveal(w0=v.w0, w1=v.w1, b1=v.b1)


def test_a_network_trains_as_its_twin_in_float64():
    rng = np.random.default_rng(6)
    x, y = rng.random((32, 64)), one_hot((32,), 10)
    w0, w1, b1 = rng.uniform(-0.2, 0.2, (64, 32)), rng.uniform(-0.3, 0.3, (32, 10)), np.zeros(10)
    inputs = {"x": x, "y": y, "w0": w0.copy(), "w1": w1.copy(), "b1": b1}
    run = simulate(Network(), inputs)
    losses = []
    for _ in range(Network.iterations):
        h = np.maximum(x @ w0, 0)
        z = h @ w1 + b1
        losses.append(-(y * (z - true_sum(z))).sum(-1).mean())
        error = (true_softmax(z) - y) / 32
        w0, w1, b1 = (
            w0 - Network.rate * x.T @ (error @ w1.T * (h > 0)),
            w1 - Network.rate * h.T @ error,
            b1 - Network.rate * error.sum(0),
        )
    assert losses[-1] < losses[0] - 0.3
    for name, value in {"w0": w0, "w1": w1, "b1": b1}.items():
        assert np.abs(run.results[0][name] - value).max() <= 2e-3, name


def test_the_gradient_of_a_network_takes_the_rounds_of_its_layers_and_five():
    traced = trace(Network(), {name: each.shape for name, each in Network().inputs.items()}, 1)
    assert make_plan(traced, 0, (0, 1)).costs[1].rounds <= 1 + 4 + 1 + 5 + 4
