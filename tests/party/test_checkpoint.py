"""Checkpoints: complete or absent, self-checking, private, and kept until the peer has a newer one."""

from __future__ import annotations

import stat

import numpy as np
import pytest

from party.checkpoint import Point, Store
from protocol.errors import ConfigError

STATE = [np.arange(6, dtype=np.uint64).reshape(3, 1, 2), np.array([7], np.uint64)]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "state", "s", "alice")
    made.bind("plan")
    return made


def files(store):
    return sorted(store._folder.glob("*.checkpoint"))


def test_what_is_saved_is_loaded(store):
    store.save(Point("t", 100), 3, STATE)
    assert store.points == [Point("t", 100)]
    for saved, loaded in zip(STATE, store.load(Point("t", 100)), strict=True):
        assert np.array_equal(saved, loaded)
        assert loaded.flags.writeable
    assert store.epoch() == 3


def test_files_are_private_and_nothing_is_left_beside_them(store):
    store.save(Point("t", 1), 1, STATE)
    assert [stat.S_IMODE(path.stat().st_mode) for path in store._folder.glob("*.checkpoint")] == [0o600]
    assert stat.S_IMODE(store._folder.stat().st_mode) == 0o700


def test_newest_first_and_only_of_this_plan(store):
    for step in (10, 30, 20):
        store.save(Point("t", step), 1, STATE)
    assert [point.step for point in store.points] == [30, 20, 10]
    store.bind("another plan")
    assert store.points == []
    assert store.epoch() == 1  # epochs never repeat, whatever the plan


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: raw[:60] + b"\0" + raw[61:]])
def test_a_damaged_file_is_noticed_and_the_one_before_it_used(store, damage):
    store.save(Point("t", 10), 1, STATE)
    store.save(Point("t", 20), 1, STATE)
    path = files(store)[-1]
    path.write_bytes(damage(path.read_bytes()))
    assert [point.step for point in store.points] == [10]


def test_every_byte_counts(store):
    store.save(Point("t", 10), 1, STATE)
    (path,) = files(store)
    raw = path.read_bytes()
    for at in range(len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        assert store.points == []


def test_the_common_point_the_one_before_and_newer_ones_are_kept(store):
    for step in (10, 20, 30):
        store.save(Point("t", step), 1, STATE)
        store.confirm(Point("t", step))
    store.save(Point("t", 40), 1, STATE)  # which the peer may not have
    assert [point.step for point in store.points] == [40, 30, 20]
    store.load(Point("t", 30))  # a crash: both hold 30
    store.save(Point("u", 35), 2, STATE)
    assert {point.step for point in store.points} == {40, 35, 30, 20}
    store.confirm(Point("u", 35))
    assert {point.step for point in store.points} == {35, 30}


def test_results_survive(store):
    assert store.finished("run") is None
    store.finish({"weights": np.array([[1.5], [2.5]])}, "run")
    assert store.finished("another run") is None
    found = store.finished("run")
    assert found is not None
    assert np.array_equal(found["weights"], [[1.5], [2.5]])


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state folder"):
        Store(tmp_path / "file" / "state", "s", "bob")


def test_what_a_killed_party_left_half_written_is_removed(store):
    store.save(Point("t", 1), 1, STATE)
    (store._folder / ".s.alice.000000000002.t.checkpoint.x1y2.new").write_bytes(b"half")
    again = Store(store._folder, "s", "alice")
    again.bind("plan")
    assert again.points == [Point("t", 1)]
    assert sorted(path.name[0] for path in store._folder.iterdir()) == ["C", "s"]
