"""The end of a run: whoever is killed wherever, no result is lost, none is wrong, and both have the
same."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ends import PARTIES, Killed, World, install

VICTIMS = ("one", "both", "all")


class Scene:
    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.world: World

    def new(self, reveal: str = "both", stateful: tuple[str, ...] = PARTIES) -> World:
        self.count += 1
        self.world = World(self.folder / str(self.count), reveal, stateful)
        return self.world


@pytest.fixture
def scene(monkeypatch, tmp_path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    install(monkeypatch, lambda: made.world)
    yield made


async def points(scene: Scene, reveal: str = "both") -> dict[str, list[str]]:
    """The points of an end that nobody disturbs."""
    world = scene.new(reveal)
    await world.until_done()
    world.right()
    await world.close()
    assert len(world.revealed) == 1
    return world.points


async def killed(
    scene: Scene, role: str, at: int, victims: str, reveal: str, stateful=PARTIES, again: int = -1
) -> World:
    """A run in which `role` dies at its point `at`, others with it; and, if `again`, at that point
    of its later lives."""
    world = scene.new(reveal, stateful)
    deaths = [at] if again < 0 else [at, at + 1 + again]

    def fault(who: str, number: int, what: str) -> BaseException | None:
        if who != role or number not in deaths:
            return None
        deaths.remove(number)
        if victims != "one":
            world.kill("bob" if role == "alice" else "alice")
        if victims == "all":
            world.new_dealer()
        return Killed()

    world.fault = fault
    try:
        await asyncio.wait_for(world.until_done(), 60)
    finally:
        await world.close()
    assert at not in deaths, f"{role} has no point {at}"
    world.right()
    return world


async def test_the_end_has_the_points_that_it_says(scene):
    for found in (await points(scene)).values():
        kinds = [what.removeprefix("before ") for what in found if what.startswith("before ")]
        record = ["write", "sync", "rename", "sync"]
        assert kinds[: 2 * len(record) + 2] == [*record, "message END", "message ROUND", *record]
        assert "message BYE" in kinds


@pytest.mark.parametrize("victims", VICTIMS)
@pytest.mark.parametrize("role", PARTIES)
async def test_killed_at_every_point(scene, role, victims):
    for at in range(len((await points(scene))[role])):
        world = await killed(scene, role, at, victims, "both")
        assert len(world.revealed) == 1, f"point {at}: the results were opened in several attempts"


@pytest.mark.parametrize("reveal", ["alice", "bob", "none"])
@pytest.mark.parametrize("role", PARTIES)
async def test_killed_at_some_points_when_one_learns_or_nobody(scene, role, reveal):
    for at in range(1, len((await points(scene, reveal))[role]), 4):
        world = await killed(scene, role, at, VICTIMS[at % 3], reveal)
        assert len(world.revealed) == 1


@pytest.mark.parametrize("role", PARTIES)
async def test_killed_again_while_it_ends_what_was_broken_off(scene, role):
    total = len((await points(scene))[role])
    for at in range(0, total, 4):
        await killed(scene, role, at, "both", "both", again=at % 7)


@pytest.mark.parametrize("stateful", PARTIES)
async def test_only_one_has_a_folder(scene, stateful):
    """It is killed: the other waits with what it has in memory."""
    world = scene.new("both", (stateful,))
    await world.until_done()
    total = len(world.points[stateful])
    await world.close()
    for at in range(0, total, 2):
        world = await killed(scene, stateful, at, "one", "both", (stateful,))


@pytest.mark.parametrize("what", ["results", "ending", "both", "all"])
@pytest.mark.parametrize("damage", ["deleted", "damaged"])
@pytest.mark.parametrize("role", PARTIES)
async def test_records_that_are_lost(scene, role, damage, what):
    world = scene.new()
    await world.until_done()
    first = world.learnt["alice"]
    names = {"both": ["results", "ending"], "all": []}.get(what, [what])
    if what == "all":
        shutil.rmtree(world.folder / role)
    for name in names:
        path = world.folder / role / f"s.{role}.{name}"
        if damage == "deleted":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1])
    world.learnt = {}
    await world.until_done()
    await world.close()
    world.right()
    if what in ("results", "ending"):
        assert len(world.revealed) == 1
        assert all((world.learnt["bob"][name] == value).all() for name, value in first.items())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("role", PARTIES)
async def test_a_disk_that_refuses(scene, role, code):
    """At each step of a write, for a whole life; then the operator mends it."""
    found = [
        n
        for n, what in enumerate((await points(scene))[role])
        if what.startswith("before") and "message" not in what
    ]
    assert len(found) == 8
    for at in found:
        world = scene.new()
        refused = []

        def fault(who: str, number: int, what: str, at=at, refused=refused) -> BaseException | None:
            if who == role and number == at:
                refused.append(what)
                return OSError(code, "no")
            return None

        world.fault = fault
        try:
            await asyncio.wait_for(world.until_done(), 60)
        finally:
            await world.close()
        assert refused
        assert "nothing is lost" in world.errors[role]
        world.right()
        assert len(world.revealed) == 1
