"""Rotation: fresh shares of the same numbers, and no moment at which a death loses them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from halves import halves, together
from risk import Risk

from party import rotating
from party.links import Addresses
from party.rotating import rotate
from party.shared import SharedModel
from protocol.channel import Connection
from protocol.channel.memory import pair
from protocol.errors import AgreementError, ConfigError, MpcError, ProtocolError
from protocol.wire import Kind, Message

PARTIES = ("alice", "bob")
TO = Addresses(session="s", peer="", dealer=None)


@pytest.fixture(scope="module")
def made() -> list[SharedModel]:
    random = np.random.default_rng(1)
    job = Risk()
    return halves(
        job, {name: random.uniform(0, 1, each.shape) for name, each in job.inputs.items()}
    )


@pytest.fixture
def files(made, tmp_path) -> dict[str, Path]:
    found = {role: tmp_path / f"{role}.share" for role in PARTIES}
    for model, path in zip(made, found.values(), strict=True):
        model.save(path)
    return found


@pytest.fixture
def ends(monkeypatch) -> Callable[[], dict[str, Connection]]:
    """A fresh link in memory for each rotation."""
    current: dict[str, Connection] = {}

    class InMemory:
        def __init__(self, role: str) -> None:
            self.role = role

        async def peer(self) -> Connection:
            return current[self.role]

        def tell(self, message: Message) -> None:
            current[self.role].send(message)

        def abort(self, reason: str, back: bool) -> None:
            with contextlib.suppress(MpcError):
                current[self.role].send(
                    Message(Kind.ABORT, "s", body={"reason": reason, "back": back})
                )

    @contextlib.asynccontextmanager
    async def open_links(role: str, *_: Any) -> AsyncIterator[InMemory]:
        yield InMemory(role)

    monkeypatch.setattr(rotating, "open_links", open_links)

    def renew() -> dict[str, Connection]:
        current.update(zip(PARTIES, pair("s", roles=PARTIES), strict=True))
        return current

    return renew


async def both(ends: Callable[[], Any], files: dict[str, Path]) -> list[Any]:
    ends()
    return await asyncio.gather(
        *(rotate(SharedModel.read(path), path, TO, print, print) for path in files.values()),
        return_exceptions=True,
    )


def read(files: dict[str, Path]) -> list[SharedModel]:
    return [SharedModel.read(path) for path in files.values()]


async def test_new_shares_of_the_same_numbers(ends, files, made):
    before = together(made)
    for number in (2, 3):
        old = read(files)
        found = await both(ends, files)
        new = read(files)
        assert (
            [each.generations[0].number for each in new]
            == [number] * 2
            == [each.generations[0].number for each in found]
        )
        assert all(len(each.generations) == 1 for each in new)
        assert all(np.array_equal(value, before[name]) for name, value in together(new).items())
        for mixed in ((old[0], new[1]), (new[0], old[1])):
            with pytest.raises(AgreementError, match="do not fit together"):
                mixed[0].common(mixed[1].offer(), "bob")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("victim", PARTIES)
async def test_killed_at_any_write_nothing_is_lost(
    ends, files, made, monkeypatch, victim, write, when
):
    """Each of the two writes of either party fails or is the last it does; then both go on with
    what they have, and rotate."""
    before, save, count = together(made), SharedModel.save, []

    def failing(self: SharedModel, path: Path) -> None:
        if self.role == victim:
            count.append(path)
            if len(count) == write:
                if when == "after":
                    save(self, path)
                raise ConfigError("the disk is full")
        save(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(SharedModel, "save", failing)
        found = await both(ends, files)
    assert len(count) == write and any(isinstance(each, ConfigError) for each in found)
    alice, bob = read(files)
    usable = alice.common(bob.offer(), "bob"), bob.common(alice.offer(), "alice")
    assert usable[0].tag == usable[1].tag
    now = together([half.settled(each) for half, each in zip((alice, bob), usable, strict=True)])
    assert all(np.array_equal(value, before[name]) for name, value in now.items())
    assert not [each for each in await both(ends, files) if isinstance(each, Exception)]
    assert all(np.array_equal(value, before[name]) for name, value in together(read(files)).items())


async def test_a_peer_that_does_something_else_is_noticed_and_nothing_is_written(ends, files):
    path = files["alice"]
    raw = path.read_bytes()
    link = ends()["bob"]
    model = SharedModel.read(path)
    hello = {"must agree": {"what is done": "a run"}, "shapes": {}, "ticket": "0" * 32}
    for body, words in (
        (hello, "the parties were started differently: software version"),
        ({}, "does not say what it was started with"),
    ):
        link = ends()["bob"]
        link.send(Message(Kind.HELLO, "s", body=body))
        with pytest.raises((AgreementError, ProtocolError), match=words):
            await rotate(model, path, TO, print, print)
    assert path.read_bytes() == raw
