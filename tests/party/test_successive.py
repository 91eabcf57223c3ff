"""Calls one after the other between two live parties, each in an event loop of its own: the end of
one is under way when the next begins."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from loopback import dealing

from party import Party, plain
from protocol.channel import Allow, Listener
from protocol.errors import LinkError
from protocol.keyring import other_key, own_key

ROWS = {"x": [[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]], "y": [0, 1, 1, 0]}
CALLS = 5


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def called(role: str, at: dict[str, str], calls: int, wait: str = "30s") -> list[np.ndarray]:
    """The weights of so many trainings in a row."""
    own = ROWS if role == "bob" else {}
    one = Party(role, wait=wait, **at)
    return [one.train_sync("seed", iterations=10, **own)["weights"] for _ in range(calls)]


async def test_calls_in_a_row_need_no_pause():
    async with dealing() as at:
        alice, bob = await asyncio.gather(
            *(asyncio.to_thread(called, role, at, CALLS) for role in ("alice", "bob"))
        )
    right = plain("seed", iterations=10, **ROWS)["weights"]
    for found in (*alice, *bob):
        assert np.abs(found - right).max() < 1e-4
    assert len(alice) == len(bob) == CALLS


async def answer_and_leave(at: dict[str, str], reason: str | None) -> None:
    """As alice, let bob in and hang up; None: without a goodbye, as a killed process."""
    bob = other_key("bob", None, True)
    assert bob is not None
    listener = Listener(
        at["peer"],
        "alice",
        own_key("alice", None, [at["peer"]], False),
        Allow([bob]),
        roles=("bob",),
    )
    connection = await listener.accept(30)
    if reason is None:
        connection._timer.cancel()
        listener.kill()
    else:
        await connection.close(0.2, reason)
        await listener.close(0.1)


@pytest.mark.parametrize("reason", [None, ""], ids=["killed", "closed"])
async def test_a_peer_that_leaves_without_a_word_is_met_again(reason):
    async with dealing() as at:
        bob = asyncio.create_task(asyncio.to_thread(called, "bob", at, 1))
        await answer_and_leave(at, reason)
        alice = await asyncio.to_thread(called, "alice", at, 1)
        assert np.array_equal(alice, await bob)


async def test_a_peer_that_says_why_it_hangs_up_is_believed():
    async with dealing() as at:
        begun = time.monotonic()
        bob = asyncio.create_task(asyncio.to_thread(called, "bob", at, 1))
        await answer_and_leave(at, "this is session other")
        with pytest.raises(LinkError, match="closed the connection: this is session other"):
            await bob
        assert time.monotonic() - begun < 20


async def test_a_peer_that_never_says_a_word_is_waited_for_no_longer_than_wait():
    async with dealing() as at:
        begun = time.monotonic()
        bob = asyncio.create_task(asyncio.to_thread(called, "bob", at, 1, "6s"))
        await answer_and_leave(at, "")
        with pytest.raises(LinkError, match="alice at tcp"):
            await bob
        assert 3 < time.monotonic() - begun < 20
