"""What a function is not made for is said by who brings it, before anything is shared, and by the
twin in the clear."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from loopback import dealing

from party import Party, plain
from protocol import nn
from protocol.beforehand import refused
from protocol.errors import DataError, OutOfRangeError, Stopped
from protocol.jobs import Input, Job
from protocol.ops import gradient, log, polynomial, reciprocal, sigmoid, softmax, sqrt, within
from protocol.tracing import trace

X = np.array([2.0, -3.0, 0.0, 1e-9, 5.0, 9.0])


class Logs(Job):
    iterations = 0
    x = Input("bob", (6,), -10, 10)
    w = Input("alice", (6,), -10, 10)

    def finish(self, v):
        v.reveal(out=log(v.x))


class Several(Logs):
    def finish(self, v):
        v.reveal(a=log(v.x), b=sqrt(v.x), c=v.w / v.x)


class Shifted(Logs):
    def finish(self, v):
        v.reveal(out=reciprocal(v.x[1:] * 0.5 - 1))


class Both(Logs):
    def finish(self, v):
        v.reveal(out=log(v.x + v.w))


class Rows(Logs):
    iterations = 3
    s = Input("alice", (), -100, 100)

    def step(self, v):
        v.s += log(v.x.minibatch(2)).sum()

    def finish(self, v):
        v.reveal(s=v.s)


def said(job: Job, x: np.ndarray, party: int = 1, steps: int | None = None) -> str:
    inputs = {"x": x, "w": np.ones(6), "s": np.zeros(())}
    traced = trace(job, {name: inputs[name].shape for name in job.inputs}, steps)
    return refused(traced.graph, party, inputs, traced.iterations)


@pytest.mark.parametrize("job", [Logs, Several, Rows])
def test_the_owner_is_told_what_its_entries_are(job):
    phrase = said(job(), X)
    assert "x, of which a function is taken (test_domains.py:" in phrase
    assert ": 1 of 6 entries is negative, 1 is 0, 1 is below 9.53674e-07; log is made for" in phrase
    assert "absolute" not in phrase  # which a logarithm has no use for
    assert said(job(), X, party=0) == ""
    assert said(job(), np.array([2.0, 3.0, 1e-6, 0.5, 5.0, 10.0])) == ""


def test_what_it_makes_of_that_alone_too_and_not_what_others_have_a_part_in():
    assert "3 of 5 entries are negative" in said(Shifted(), X)
    assert said(Both(), X) == ""


def test_rows_that_no_step_reads_do_not_matter():
    assert said(Rows(), X[::-1], steps=1) == "" and said(Rows(), X[::-1], steps=2)


@pytest.mark.parametrize("job", [Logs, Several, Shifted, Both, Rows])
def test_in_the_clear_it_is_no_silent_number(job):
    brought = {"w": -np.ones(6), "x": X} | ({"s": 0.0} if job is Rows else {})
    with pytest.raises(OutOfRangeError, match=r"is taken of \(test_domains.py:.* negative"):
        plain(job, **brought)


async def test_nothing_is_shared_before(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    async with dealing() as where:
        alice, bob = (Party(role, wait=20, **where) for role in ("alice", "bob"))
        hers, his = await asyncio.gather(
            alice.run(Logs, w=np.ones(6)), bob.run(Logs, x=X), return_exceptions=True
        )
    assert isinstance(his, DataError) and "tensor x" in str(his)
    assert "is negative, 1 is 0" in str(his)
    assert isinstance(hers, Stopped) and "negative" not in str(hers)


LOGITS = np.array([-30.0, 0.0, 8.0, 30.0, -8.0, 4.0])


class Ranged(Job):
    iterations = 0
    x = Input("bob", (6,), -30, 30)
    function = staticmethod(sigmoid)

    def finish(self, v):
        v.reveal(out=self.function(v.x))


class Series(Ranged):
    function = staticmethod(lambda x: sigmoid(x, "fourier"))


class Cubes(Ranged):
    function = staticmethod(lambda x: polynomial(x, [0, 0, 0, 1.0], limit=16.0))


class Stated(Ranged):
    function = staticmethod(lambda x: softmax(within(x, -16, 16)))


@pytest.mark.parametrize(
    "job, name, truth, off",
    [
        (Ranged, "sigmoid of shape", lambda x: 1 / (1 + np.exp(-x)), 0.05),
        (Series, "sigmoid of shape", lambda x: 1 / (1 + np.exp(-x)), 1e-3),
        (Cubes, "polynomial of shape", lambda x: x**3, 1e-9),
        (Stated, " of shape", lambda x: np.exp(x) / np.exp(x).sum(), 1e-4),
    ],
)
def test_beyond_a_fit_the_twin_gives_no_number(job, name, truth, off):
    with pytest.raises(OutOfRangeError, match=rf"{name} .*test_domains.py:\d+.* is below -.*stay"):
        plain(job, x=LOGITS)
    inside = LOGITS * 0.25
    assert np.abs(plain(job, x=inside)["out"] - truth(inside)).max() <= off


@pytest.mark.parametrize(
    "loss, words, y",
    [
        (nn.CrossEntropy(limit=8), r"CrossEntropy\(limit=8\)", np.eye(2)[[0, 1, 1, 0]]),
        (nn.BinaryCrossEntropy(), "of sigmoid, .*BinaryCrossEntropy", np.eye(2)[[0, 1, 1, 0]]),
    ],
)
def test_a_step_of_a_loss_beyond_its_limit_is_named_by_it(loss, words, y):
    class Step(Job):
        iterations = 1
        z = Input("bob", (4, 2), -64, 64)
        y = Input("alice", (4, 2), 0, 1, row_sum=1)
        w = Input("alice", (4, 2), -100, 100)

        def step(self, v):
            (slope,) = gradient(loss(v.z, v.y), [v.z])
            v.w -= 0.1 * slope

        def finish(self, v):
            v.reveal(w=v.w)

    z = np.array([[1.0, -1], [0.5, 2], [-3, 3], [0, 0.25]])
    with pytest.raises(OutOfRangeError, match=words):
        plain(Step, z=16 * z, y=y, w=np.zeros((4, 2)))
    p = 1 / (1 + np.exp(-z)) if "Binary" in words else np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    count = 8 if "Binary" in words else 4
    out = plain(Step, z=z, y=y, w=np.zeros((4, 2)))["w"]
    assert np.abs(out + 0.1 * (p - y) / count).max() <= 1e-4
