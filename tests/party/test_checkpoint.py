"""Checkpoints: complete or absent, self-checking, private, and kept until the peer has a newer
one."""

from __future__ import annotations

import stat

import numpy as np
import pytest

from party.checkpoint import Point, Store
from protocol.errors import ConfigError, DataError

STATE = [np.arange(6, dtype=np.uint64).reshape(3, 1, 2), np.array([7], np.uint64)]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "state", "s", "alice")
    made.bind("plan")
    return made


def files(store):
    return sorted(store.folder.glob("*.checkpoint"))


def test_what_is_saved_is_loaded(store):
    store.save(Point("t", 100), 3, STATE, {"steps": [50]})
    assert store.points == [Point("t", 100)]
    state, history = store.load(Point("t", 100))
    assert history == {"steps": [50]}
    for saved, loaded in zip(STATE, state, strict=True):
        assert np.array_equal(saved, loaded)
        assert loaded.flags.writeable
    assert store.attempt() == 3


def test_files_are_private_and_nothing_is_left_beside_them(store):
    store.save(Point("t", 1), 1, STATE)
    assert [stat.S_IMODE(path.stat().st_mode) for path in store.folder.glob("*.checkpoint")] == [
        0o600
    ]
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_newest_first_and_only_of_this_plan(store):
    for step in (10, 30, 20):
        store.save(Point("t", step), 1, STATE)
    assert [point.step for point in store.points] == [30, 20, 10]
    store.bind("another plan")
    assert store.points == []
    assert store.attempt() == 1  # numbers of attempts never repeat, whatever the plan


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: raw[:60] + b"\0" + raw[61:]]
)
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


INPUTS = {"x": np.array([[1.0, 2.0]]), "y": np.array([3.0])}


def test_a_record_survives_and_belongs_to_its_run(store):
    store.belong("run", INPUTS)
    assert store.recorded("ending") is None
    store.record("ending", {"epoch": 1, "ticket": "t"})
    assert store.recorded("ending")["ticket"] == "t"
    store.bind("another plan")
    assert store.recorded("ending") is None
    assert store.recorded("ending", any_plan=True)["ticket"] == "t"
    again = Store(store.folder, "s", "alice")
    again.belong("another run", INPUTS)
    assert again.recorded("ending", any_plan=True) is None


@pytest.mark.parametrize("kind", ["checkpoint", "ending", "results"])
@pytest.mark.parametrize("name", ["x", "y"])
def test_state_of_other_inputs_is_refused_by_the_name_of_the_tensor(store, kind, name):
    store.belong("run", INPUTS)
    if kind == "checkpoint":
        store.save(Point("t", 1), 1, STATE)
    else:
        store.record(kind, {"epoch": 1})
    Store(store.folder, "s", "alice").belong("run", INPUTS)
    other = INPUTS | {name: np.nextafter(INPUTS[name], 9.0)}
    with pytest.raises(DataError, match=f"^{name} is not the tensor.*--session.*--fresh"):
        Store(store.folder, "s", "alice").belong("run", other)
    again = Store(store.folder, "s", "alice")
    aside = again.set_aside()
    again.belong("run", other)
    assert len(list(aside.iterdir())) == 1
    assert again.points == []
    assert again.attempt() == 1


def test_digests_of_inputs_need_the_key_and_tell_nothing_without(store, tmp_path):
    store.belong("run", INPUTS)
    store.record("ending", {"epoch": 1})
    other = Store(tmp_path / "other", "s", "alice")
    other.belong("run", INPUTS)
    other.record("ending", {"epoch": 1})
    assert store.recorded("ending", True)["inputs"] != other.recorded("ending", True)["inputs"]
    (store.folder / "s.alice.key").unlink()
    with pytest.raises(ConfigError, match=r"s\.alice\.key is missing"):
        Store(store.folder, "s", "alice").belong("run", INPUTS)


def test_an_epoch_is_on_record_before_there_is_a_checkpoint(store):
    store.reserve(5)
    assert Store(store.folder, "s", "alice").attempt() == 5


def test_points_of_one_step_are_ordered_by_their_tickets(store):
    for ticket in ("b", "c", "a"):
        store.save(Point(ticket, 7), 1, STATE)
    assert [point.ticket for point in store.points] == ["c", "b", "a"]


def test_a_session_whose_name_begins_like_another_is_left_alone(store):
    other = Store(store.folder, "s.alice", "bob")
    other.bind("plan")
    other.save(Point("t", 1), 1, STATE)
    assert store.points == []
    assert store.set_aside() is None
    assert other.points == [Point("t", 1)]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state folder"):
        Store(tmp_path / "file" / "state", "s", "bob")


def test_what_a_killed_party_left_half_written_is_removed(store):
    store.save(Point("t", 1), 1, STATE)
    (store.folder / ".s.alice.000000000002.t.checkpoint.x1y2.new").write_bytes(b"half")
    again = Store(store.folder, "s", "alice")
    again.bind("plan")
    assert again.points == [Point("t", 1)]
    assert sorted(path.name[0] for path in store.folder.iterdir()) == ["C", "s"]
