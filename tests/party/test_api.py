"""The library: three roles as tasks of one event loop, and what it says where it is misused."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
import risk
import uvloop
from loopback import dealing
from squares import Fit, W, X, Y, least_squares

import party
from party import Party, Result, plain, plan
from party.local import free_address
from party.view import RunView
from protocol.errors import (
    AgreementError,
    ConfigError,
    DataError,
    JobError,
    LinkError,
    Stopped,
)

RNG = np.random.default_rng(6)
BRIEF = Party("bob", wait=0.05)


class Endless(Fit):
    iterations = 1_000_000
    check_every = 100_000


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path


@contextlib.asynccontextmanager
async def both() -> AsyncIterator[tuple[Party, Party]]:
    """Alice and Bob, with a dealer that runs in this loop."""
    async with dealing() as where:
        yield Party("alice", wait=20, **where), Party("bob", wait=20, **where)


@pytest.mark.parametrize("in_a_loop", [asyncio.run, uvloop.run])
def test_three_roles_in_one_event_loop(home, in_a_loop):
    async def run() -> list[Result]:
        async with both() as (alice, bob):
            return await asyncio.gather(alice.train(Fit, w=W), bob.train(Fit(), x=X.tolist(), y=Y))

    hers, his = in_a_loop(run())
    assert sorted(hers.values) == ["weights"] and sorted(his.values) == ["fitted", "weights"]
    assert np.array_equal(hers["weights"], his["weights"])
    assert np.abs(his["weights"] - least_squares()).max() < 1e-3
    assert his.steps == [2, 4, 6, 8] and len(his.history["loss"]) == 4
    assert his.report.rounds == hers.report.rounds > 0
    # his last message may come when she has ended
    assert his.report.bytes_sent >= hers.report.bytes_received > 0
    assert "weights (3, 1)" in repr(his) and "loss, at check 4" in repr(his)


async def test_what_stays_shared_is_a_half_to_save_and_to_go_on_with(home, tmp_path):
    class Kept(Fit):
        keep = ("w",)

    async with both() as (alice, bob):
        data = {"x": X, "y": Y}
        halves = await asyncio.gather(
            alice.train(Kept, w=W, keep=True), bob.train(Kept, data, keep=True)
        )
        assert all(each.model is not None for each in halves)
        halves[0].model.save(tmp_path / "alice.share")
        more = await asyncio.gather(
            alice.train(Kept, model=tmp_path / "alice.share"),
            bob.train(Kept, data, model=halves[1].model),
        )
        assert np.abs(more[0]["weights"] - least_squares(16)).max() < 1e-3
        assert more[0].model is None
        faults = await asyncio.gather(
            alice.train(Kept, model=tmp_path / "alice.share"),
            bob.train(Kept, data),
            return_exceptions=True,
        )
    assert "--model is 'given' for alice and 'not given' for bob" in str(faults[0])


async def test_predictions_from_python(home, tmp_path):
    """With the job at hand, or from the file that trained the model."""
    rows = {"x": RNG.uniform(-1, 1, (40, 3)), "y": np.arange(40.0)[:, None] % 2}
    new = RNG.uniform(-1, 1, (5, 3))
    async with both() as (alice, bob):
        halves = await asyncio.gather(
            alice.train(risk.__file__, keep=True), bob.train(risk.__file__, rows, keep=True)
        )
        models = [each.model for each in halves]
        hers, his = await asyncio.gather(
            alice.predict(models[0], to={"probabilities": "both"}),
            bob.predict(models[1], x=new, job=risk.Risk, to={"probabilities": "both"}),
        )
        assert np.array_equal(hers["probabilities"], his["probabilities"])
        assert his["probabilities"].shape == (5, 1)
        faults = await asyncio.gather(
            alice.predict(models[0]), bob.predict(models[1]), return_exceptions=True
        )
    assert (
        "the owner of x is 'bob' for alice and 'alice' for bob; start both with the same, and one"
        " of them with the rows" in str(faults[0])
    )


async def test_a_difference_is_the_error_of_both_and_the_loop_goes_on(home):
    async with both() as (alice, bob):
        faults = await asyncio.gather(
            alice.run(Fit, w=W, iterations=3), bob.run(Fit, x=X, y=Y), return_exceptions=True
        )
    assert {type(each) for each in faults} == {AgreementError}
    assert "iterations is 3 for alice and 8 for bob" in str(faults[0])


async def test_cancelled_it_ends_at_both_within_seconds(home):
    begun = asyncio.Event()

    class Watching(RunView):
        def running(self, *_):
            begun.set()

    async with both() as (alice, bob):
        his = asyncio.create_task(bob.train(Endless, x=X, y=Y))
        hers = asyncio.create_task(alice.train(Endless, w=W, view=Watching()))
        await begun.wait()
        hers.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(hers, 15)
        with pytest.raises(Stopped, match="alice stopped: it was interrupted"):
            await asyncio.wait_for(his, 15)


def test_a_loop_that_ends_while_data_are_read_ends_without_a_word(caplog):
    async def cell() -> None:
        reading = asyncio.ensure_future(Party("bob")._prepared(lambda: time.sleep(0.1)))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        reading.cancel()

    asyncio.run(cell())
    assert not caplog.records


async def test_the_loop_goes_on_with_other_work(home):
    """Reading, planning and steps leave it to others: here they get their turns, however long a
    plan takes."""
    turns, meanwhile, planned = 0, [], 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    class Long(Fit):
        def setup(self, v):
            nonlocal planned
            begun, before = time.perf_counter(), turns
            while time.perf_counter() < begun + 0.5:
                pass
            meanwhile.append(turns - before)
            planned = turns

    async with both() as (alice, bob):
        beside = asyncio.create_task(others())
        await asyncio.gather(alice.train(Long, w=W), bob.train(Long, x=X, y=Y))
        beside.cancel()
    assert len(meanwhile) >= 2 and min(meanwhile) > 5
    assert turns - planned > 100


async def test_a_plain_call_within_a_running_loop(home):
    async with both() as (alice, bob):
        hers = asyncio.create_task(asyncio.to_thread(alice.train_sync, Fit, {"w": W}))
        his = await asyncio.to_thread(bob.train_sync, Fit, x=X, y=Y)
        assert np.array_equal((await hers)["weights"], his["weights"])


async def test_a_plain_call_from_a_coroutine_has_a_loop_of_its_own(home):
    with pytest.raises(LinkError, match="did not answer within"):
        Party("bob", peer=free_address(), dealer=free_address(), wait=0.2).run_sync(Fit, x=X, y=Y)


def test_a_plain_call_where_no_loop_runs(home):
    with pytest.raises(LinkError, match="did not answer within"):
        Party("bob", peer=free_address(), dealer=free_address(), wait="200ms").run_sync(
            Fit, x=X, y=Y
        )


def test_numbers_and_texts_are_read_alike():
    texts = Party(
        "bob", wait="2m", rtt="40ms", bandwidth="100mbit", dealer_bandwidth="none", threads=2
    )
    numbers = Party("bob", wait=120, rtt=0.04, bandwidth=1e8, dealer_bandwidth=0, threads="2")
    assert vars(texts) == vars(numbers)


@pytest.mark.parametrize(
    ("misuse", "kind", "words"),
    [
        (lambda: Party("carol"), ConfigError, "a Party is 'alice' or 'bob', not 'carol'"),
        (lambda: Party("bob", wait="soon"), ConfigError, "wait: 'soon' is not a duration"),
        (lambda: Party("bob", wait=0), ConfigError, "must be more than zero"),
        (lambda: Party("bob", peer="here"), ConfigError, "peer: 'here' is not an address"),
        (lambda: Party("bob", session="a b"), ConfigError, "not a session name"),
        (
            lambda: Party("bob", dealer="tcp://192.0.2.1:7700").run_sync(Fit, x=X, y=Y),
            ConfigError,
            "needs a key",
        ),
        (
            lambda: Party("bob").run_sync(Fit, x=X, y=Y, reveal="me"),
            ConfigError,
            "'me' is not one of alice",
        ),
        (lambda: BRIEF.run_sync(Fit, x=X, y=Y, w=W), DataError, "it is alice's to bring"),
        (lambda: BRIEF.run_sync(Fit, x=X, y=Y[:-1]), DataError, "6"),
        (lambda: BRIEF.run_sync(Fit, x=X, z=Y), DataError, "has no tensor z"),
        (lambda: plan(Fit), ConfigError, "the shape of x is not known here"),
        (lambda: plan(Fit, x=(6, 3), y=(5, 1)), DataError, "y has 5 rows and x 6"),
        (lambda: plan(Fit, x=(6, 3), y=(6, 1), link="fast"), ConfigError, "a link is one of"),
        (lambda: plain(Fit, x=X, w=W), DataError, "tensor y has no default"),
        (lambda: plain(Fit, x=2 * X, y=Y, w=W), DataError, r"leaves its declared range \[-1, 1\]"),
        (
            lambda: plain(Fit, x=[[1, 2], [3]], y=Y, w=W),
            DataError,
            "tensor x has rows of different lengths",
        ),
        (lambda: plain("sead"), JobError, "did you mean 'seed'"),
        (lambda: plain(int), JobError, "not int"),
        (lambda: plain(Fit, x=X, y=Y, w=W)["wieghts"], DataError, "wieghts was not revealed"),
    ],
)
def test_misuse_is_one_sentence(misuse, kind, words, home):
    with pytest.raises(kind, match=words):
        misuse()


def test_importing_the_package_imports_nothing_that_takes_time():
    assert set(party.__all__) <= set(dir(party))
    with pytest.raises(AttributeError):
        party.nothing  # noqa: B018
