"""Runs whose tables are matched by ids: the same rows at both, in later attempts too, and noticed
where they are not."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import ends
import numpy as np
import pytest

from party.attempts import Run
from party.checkpoint import Store
from party.intent import Intent, stated
from party.join import Intersection, normalised
from party.links import Addresses
from party.rows import Keyed
from party.view import RunView
from protocol.errors import AgreementError, DataError
from protocol.jobs import Input, Job
from protocol.nn import MSE, SGD, Dense, Huber, ReLU, Sequential, Tanh, Training, r2
from protocol.parameters import Parameter
from protocol.tables import Table
from protocol.tracing import trace

STEPS = 40


class Split(Job):
    """Least squares on columns of both, of which only common rows count."""

    a = Input("alice", shape=("n", 2), low=-1, high=1)
    b = Input("bob", shape=("n", 1), low=-1, high=1)
    y = Input("bob", shape=("n", 1), low=-1, high=1)
    w = Input("alice", shape=(2, 1), low=-4, high=4)
    iterations = STEPS

    def step(self, v):
        v.w -= v.a.T @ (v.a @ v.w + v.b - v.y) * 0.125

    def finish(self, v):
        v.reveal(weights=v.w, first=v.y[:1])


def table(role: str, seed: int = 1) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Ids and columns: 9 of alice's 12 rows are among bob's 15, in another order."""
    random = np.random.default_rng(seed)
    everybody = {each: random.uniform(-1, 1, 4) for each in range(20)}
    ids = list(range(12)) if role == "alice" else [*range(17, 2, -1)]
    found = np.array([everybody[each] for each in ids])
    columns = {"a": found[:, :2]} if role == "alice" else {"b": found[:, 2:3], "y": found[:, 3:]}
    return ids, columns


W = {"w": np.array([[0.5], [-0.25]])}


def keyed(role: str, seed: int = 1, ids: list[Any] | None = None) -> Keyed:
    own, columns = table(role, seed)
    whole = W if role == "alice" else {}
    return Keyed(
        normalised(ids or own, "the table"),
        lambda places: ({name: array[places] for name, array in columns.items()} | whole, {}, []),
        columns | {"ids": np.array(ids or own)},
    )


def clear() -> np.ndarray:
    """The weights from common rows alone."""
    (mine, a), (yours, b) = table("alice"), table("bob")
    common = sorted({*mine} & {*yours})
    inputs = {"a": a["a"][[mine.index(each) for each in common]], **W}
    inputs |= {name: array[[yours.index(each) for each in common]] for name, array in b.items()}
    job = Split()
    return trace(job, {name: each.shape for name, each in inputs.items()}).graph.run_clear(
        inputs, STEPS
    )["weights"]


class Told(RunView):
    def __init__(self, world: World, role: str) -> None:
        self.world, self.role = world, role

    def note(self, text: str, event: str = "note") -> None:
        self.world.told[self.role].append(text)


class World(ends.World):
    def __init__(self, folder: Path, stateful: tuple[str, ...] = ()) -> None:
        super().__init__(folder, "both", stateful)
        self.told: dict[str, list[str]] = {"alice": [], "bob": []}
        self.loop = asyncio.get_running_loop()
        self.brings: Callable[[str], Any] = keyed
        self.jobs: Callable[[str], Job] = lambda role: Split()

    def process(self, role: str, store: Store | None) -> Run:
        intent = Intent(role=role, job=self.jobs(role), iterations=STEPS, reveal="both", shapes={})
        return Run(
            intent,
            Addresses(session="s", peer="", dealer="", wait=20.0),
            self.brings(role),
            Told(self, role),
            store,
            interval=0.0,
        )

    async def both(self) -> list[Any]:
        for role in ends.PARTIES:
            self.start(role)
        return await asyncio.wait_for(
            asyncio.gather(*self.tasks.values(), return_exceptions=True), 60
        )

    def joins(self, role: str) -> int:
        return sum(text.startswith("matching rows with") for text in self.told[role])


@pytest.fixture
async def world(tmp_path, monkeypatch) -> AsyncIterator[Callable[..., World]]:
    made: list[World] = []

    def make(*stateful: str) -> World:
        made.append(World(tmp_path, stateful))
        return made[-1]

    ends.link_in_memory(monkeypatch, lambda: made[-1])
    yield make
    for each in made:
        await each.close()


async def test_rows_line_up_and_both_learn_how_many_there_are(world):
    here = world()
    right(await here.both())
    assert any(
        text.startswith("bob has 9 of the 12 ids here, and 15 in all")
        for text in here.told["alice"]
    )
    assert here.joins("alice") == here.joins("bob") == 1
    assert "each learns which of its own ids the other has too" in here.told["alice"][0]


def found(folder: Path) -> list[Path]:
    return [*folder.glob("*.checkpoint")]


async def broken_off(here: World, folder: Path) -> None:
    """Both are killed once both have a checkpoint."""
    for role in ends.PARTIES:
        here.start(role)
    while not all(found(folder / role) for role in ends.PARTIES):
        assert not any(task.done() for task in here.tasks.values())
        await asyncio.sleep(0.001)
    for role in ends.PARTIES:
        here.kill(role)
    await asyncio.gather(*here.tasks.values(), return_exceptions=True)
    here.new_dealer()


def right(reports: list[Any]) -> None:
    for report in reports:
        assert np.abs(report.results["weights"] - clear()).max() < 1e-3
    assert np.array_equal(reports[0].results["first"], reports[1].results["first"])


async def test_a_run_that_goes_on_has_the_same_rows(world, tmp_path):
    here = world("alice", "bob")
    await broken_off(here, tmp_path)
    kept = tmp_path / "bob" / "s.bob.rows"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    before = kept.read_bytes()
    right(await here.both())
    assert any("going on from step" in text for text in here.told["alice"])
    assert here.joins("alice") == here.joins("bob") == 1
    assert kept.read_bytes() == before
    right(await here.both())  # finished: the same results again, without a join
    assert here.joins("alice") == here.joins("bob") == 1


async def test_a_peer_that_dies_while_rows_are_matched_comes_back(world, monkeypatch):
    """Its successor finds them, and what the run reveals is said although the first attempt had no
    plan."""
    here = world("alice", "bob")
    planned: list[str] = []
    monkeypatch.setattr(Told, "planned", lambda self, plan: planned.append(self.role))
    answer = Intersection.answer

    def dying(self: Intersection, chunk: int) -> bytes:
        if self._who == "alice" and not here.dead and len(planned) == 0 and here.joins("bob") == 1:
            here.loop.call_soon_threadsafe(here.kill, "bob")
        return answer(self, chunk)

    monkeypatch.setattr(Intersection, "answer", dying)
    for role in ends.PARTIES:
        here.start(role)
    await asyncio.gather(here.tasks["bob"], return_exceptions=True)
    assert here.tasks["bob"].cancelled()
    here.start("bob")
    right(await asyncio.wait_for(asyncio.gather(*here.tasks.values()), 60))
    assert here.joins("alice") == 2
    assert sorted(planned) == ["alice", "bob"]


async def test_rows_that_one_has_lost_are_matched_again_and_nothing_old_is_used(world, tmp_path):
    here = world("alice", "bob")
    await broken_off(here, tmp_path)
    (tmp_path / "alice" / "s.alice.rows").unlink()
    right(await here.both())
    assert here.joins("alice") == here.joins("bob") == 2
    assert not any("going on from step" in text for text in here.told["alice"])


@pytest.mark.parametrize("what", ["ids", "b"])
async def test_a_changed_table_is_noticed(world, tmp_path, what):
    here = world("alice", "bob")
    await broken_off(here, tmp_path)
    ids, _ = table("bob")
    here.brings = lambda role: keyed(role, ids=ids[::-1]) if what == "ids" else keyed(role, seed=2)
    here.start("bob")
    with pytest.raises(DataError, match=f"^{what} is not the tensor that the state in"):
        await here.tasks["bob"]


async def test_one_that_matches_rows_and_one_that_does_not_are_told(world):
    here = world()
    _, columns = table("bob")
    here.brings = lambda role: keyed(role) if role == "alice" else columns
    for error in await here.both():
        assert isinstance(error, AgreementError)
        assert "rows is 'as they stand' for bob and 'matched by id' for alice" in str(error) or (
            "rows is 'matched by id' for alice and 'as they stand' for bob" in str(error)
        )


class Weighted(Split):
    C = Parameter(0.5)


async def test_two_jobs_are_told_apart_before_rows_are_matched(world):
    """Of C = 1 and C = 2 both learnt which rows are common, and that they could not go on."""
    here = world()

    def jobs(role: str) -> Job:
        job = Weighted()
        job.C = 1.0 if role == "alice" else 2.0
        return job

    here.jobs = jobs
    for error in await here.both():
        assert isinstance(error, AgreementError)
        assert "C = 1.0" in str(error) and "C = 2.0" in str(error), error
    assert not here.joins("alice") and not here.joins("bob")


def network(*layers: Any, **more: Any) -> Job:
    made = {
        "x": Table(alice=["age"], bob=["calls"], key="id"),
        "y": Table("bob", ["price"], key="id"),
        "model": Sequential(*layers),
        "loss": MSE(),
    }
    return type("Network", (Training,), made | more)()


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (network(Dense(2, 1), ReLU()), set()),
        (network(Dense(2, 1), Tanh()), {"model.1"}),
        (network(Dense(2, 1), ReLU(), loss=Huber()), {"loss"}),
        (network(Dense(2, 1), ReLU(), optimiser=SGD(lr=0.5)), {"optimiser"}),
        (network(Dense(2, 1), ReLU(), held_out=0.2, metrics={"r2": r2}), {"held_out", "metrics"}),
        (
            network(Dense(2, 1), ReLU(), x=Table(alice=["age"], bob=["calls"], key="pid")),
            {"x, key of alice", "x, key of bob"},
        ),
    ],
)
def test_what_a_job_says_without_shapes(other, differs):
    mine, theirs = stated(network(Dense(2, 1), ReLU())), stated(other)
    found = {name for name in mine | theirs if mine.get(name) != theirs.get(name)}
    assert found == differs


async def test_data_that_common_rows_spoil_end_both_runs(world):
    here = world()

    def brings(role: str) -> Keyed:
        def spoilt(places: Any) -> Any:
            raise DataError("column age is constant in the training rows; leave it out")

        found = keyed(role)
        return found if role == "alice" else Keyed(found.ids, spoilt, found.read)

    here.brings = brings
    alice, bob = await here.both()
    assert "column age is constant" in str(bob)
    assert str(alice) == "bob stopped: its data cannot be used, as its own output says"
