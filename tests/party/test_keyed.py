"""What a party brings to a job whose rows are matched: ids as they are written, and tensors of the
rows that count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from party.given import Given
from party.keyed import all_inputs, brought
from party.planned import planned
from protocol.errors import DataError
from protocol.jobs import Input, Job
from protocol.labels import Labels
from protocol.preparation import Standardise
from protocol.tables import Table


class Split(Job):
    x = Table(
        alice=["age"], bob=["calls"], key={"alice": "patient", "bob": "pid"}, steps=[Standardise()]
    )
    y = Labels("bob", "ill", classes=["no", "yes"], one_hot=False)

    def step(self, v):
        pass

    def finish(self, v):
        v.reveal(total=v.x.sum() + v.y.sum())


class Counted(Split):
    x = Table(alice=["age"], bob=["calls"], key={"alice": "patient", "bob": "pid"}, rows=2)
    y = Labels("bob", "ill", classes=["no", "yes"], one_hot=False, rows=2)


class Rest(Split):
    x = Table("alice", key="patient")
    y = Labels("bob", "ill", classes=["no", "yes"], one_hot=False, key="pid")


class Weighted(Split):
    weights = Input("bob", ("n", 1), 0, 9)


WEIGHTS = {"alice": {}, "bob": {"weights": np.array([1.0, 2.0, 3.0, 400.0])}}
ALICE = "patient,age\n007,30\n8,40\n12,60\n9007199254740993,50\n"
BOB = "pid;calls;ill\n12;3;no\n7;1;yes\n8;5;yes\n007;2;no\n"


@pytest.fixture
def files(tmp_path) -> dict[str, Given]:
    (tmp_path / "alice.csv").write_text(ALICE)
    (tmp_path / "bob.csv").write_text(BOB)
    return {role: Given(tables={"": tmp_path / f"{role}.csv"}) for role in ("alice", "bob")}


def test_ids_are_read_as_they_are_written(files):
    _, alice = brought(Split(), "alice", files["alice"])
    _, bob = brought(Split(), "bob", files["bob"])
    assert alice is not None and bob is not None
    assert alice.ids == [b"007", b"8", b"12", b"9007199254740993"]
    assert (alice.column, bob.column) == ("patient", "pid")
    assert bob.ids == [b"12", b"7", b"8", b"007"]


def test_ids_that_all_have_a_point_and_a_zero_are_whole_numbers(tmp_path, files):
    """As pandas writes them; beside others they are what is written."""
    floats = BOB.replace("007", "0")
    for id_ in ("12", "7", "8", "0"):
        floats = floats.replace(f"\n{id_};", f"\n{id_}.0;")
    (tmp_path / "bob.csv").write_text(floats)
    assert brought(Split(), "bob", files["bob"])[1].ids == [b"12", b"7", b"8", b"0"]
    (tmp_path / "bob.csv").write_text(floats.replace("\n7.0", "\n7.1"))
    assert brought(Split(), "bob", files["bob"])[1].ids == [b"12.0", b"7.1", b"8.0", b"0.0"]
    (tmp_path / "bob.csv").write_text(floats.replace("\n7.0", "\n07.0"))
    assert brought(Split(), "bob", files["bob"])[1].ids == [b"12.0", b"07.0", b"8.0", b"0.0"]


def test_tensors_are_of_the_rows_that_count_and_so_is_what_is_learnt(files):
    _, alice = brought(Split(), "alice", files["alice"])
    assert alice is not None
    arrays, fitted, _ = alice.prepare(np.array([2, 0, 1]))
    ages = np.array([60.0, 30.0, 40.0])
    assert np.allclose(arrays["x.alice"][:, 0], (ages - ages.mean()) / ages.std())
    assert fitted["x.alice"].to_json().count(str(ages.mean())[:8])
    _, bob = brought(Split(), "bob", files["bob"])
    assert bob is not None
    assert bob.prepare(np.array([0, 3, 2]))[0]["y"].ravel().tolist() == [0, 0, 1]


def test_frames_bring_ids_too(files):
    frame = pd.DataFrame({"age": [1, 2, 3], "patient": ["a", "ä", "c"]})
    _, keyed = brought(Split(), "alice", Given(tables={"": frame}))
    assert keyed is not None
    assert keyed.ids == [b"a", "ä".encode(), b"c"]


def test_a_column_of_ids_is_no_feature(files):
    inputs, _ = brought(Rest(), "alice", files["alice"])
    assert inputs.pending["x"].names == ("age",)
    assert planned(
        Rest(), "rest", Given(tables={"alice": files["alice"].tables[""]}), {"y": (4, 1)}
    ).plan.traced.shapes["x"] == (4, 1)


def test_a_plan_of_shapes_counts_with_the_most_that_can_be_common():
    """Tables that are matched by ids may have as many rows as they like."""
    shapes = {"x.alice": (320, 1), "x.bob": (350, 1), "y": (350, 1)}
    found = planned(Split(), "split", Given(), shapes).plan.traced.shapes
    assert found == dict.fromkeys(shapes, (320, 1))


def test_rows_that_do_not_count_may_hold_anything(tmp_path, files):
    """An empty cell, a number out of range and a class that nobody lists are faults of the rows
    that both have, and of no others."""
    (tmp_path / "alice.csv").write_text(ALICE.replace("9007199254740993,50", "9007199254740993,"))
    (tmp_path / "bob.csv").write_text(BOB.replace("7;1;yes", "7;1;maybe"))
    (_, alice), (_, bob) = (
        brought(Weighted(), role, replace(files[role], data=WEIGHTS[role])) for role in files
    )
    assert alice is not None and bob is not None
    assert alice.prepare(np.array([2, 0]))[0]["x.alice"].ravel().tolist() == [1, -1]
    assert bob.prepare(np.array([0, 2]))[0]["weights"].ravel().tolist() == [1, 3]
    with pytest.raises(DataError, match=r"column age has no value in line 5"):
        alice.prepare(np.array([0, 2, 3]))
    with pytest.raises(
        DataError, match=r"column ill has a category in line 3 which the job does not list"
    ):
        bob.prepare(np.array([0, 1]))
    with pytest.raises(DataError, match=r"tensor weights .* leaves its declared range"):
        bob.prepare(np.array([0, 3]))


def test_other_rows_are_another_run(tmp_path, files):
    _, first = brought(Split(), "alice", files["alice"])
    (tmp_path / "alice.csv").write_text(ALICE.replace("50", "51"))
    _, second = brought(Split(), "alice", files["alice"])
    assert first is not None and second is not None
    assert (first.read["x.alice"] != second.read["x.alice"]).any()


def test_both_tables_in_one_process_stand_in_the_order_of_ids(tmp_path, files):
    given = Given(tables={role: tmp_path / f"{role}.csv" for role in files})
    assert all_inputs(Split(), given)["y"].ravel().tolist() == [0, 0, 1]  # 007, 12, 8
    order = {"alice": np.array([1]), "bob": np.array([2])}
    with pytest.raises(DataError, match="constant"):
        all_inputs(Split(), given, order=order)
    (tmp_path / "bob.csv").write_text("pid,calls,ill\nA,1,no\nB,2,yes\n")
    with pytest.raises(DataError, match="no id is in both tables"):
        all_inputs(Split(), given)


def test_as_many_rows_as_the_job_declares(files):
    _, keyed = brought(Counted(), "bob", files["bob"])
    assert keyed is not None
    assert keyed.prepare(np.array([2, 0]))[0]["x.bob"].ravel().tolist() == [5, 3]
    with pytest.raises(DataError, match="3 rows in common, and the job declares rows=2") as caught:
        keyed.prepare(np.array([2, 0, 1]))
    assert caught.value.for_peer == str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            ALICE.replace("\n12,", "\n8,"),
            "column patient of {} has one id twice, in line 3 and line 4",
        ),
        (
            ALICE.replace("\n12,", "\n,"),
            "column patient of {} has no id that is text or a whole number in line 4",
        ),
        (
            ALICE.replace("\n12,", "\nNA,"),
            "column patient of {} has no id that is text or a whole number in line 4",
        ),
        (ALICE.replace("patient", "id"), "{} has no column 'patient' of ids (it has: id, age)"),
    ],
)
def test_ids_that_cannot_be_matched(tmp_path, files, text, said):
    path: Path = tmp_path / "alice.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        brought(Split(), "alice", files["alice"])
    assert str(caught.value).startswith(said.format(path))
    assert "9007199254740993" not in str(caught.value)


def test_a_tensor_of_other_rows(files):
    given = Given({"weights": np.ones((3, 1))}, files["bob"].tables)
    with pytest.raises(DataError, match="weights has 3"):
        brought(Weighted(), "bob", given)
    _, keyed = brought(Weighted(), "bob", Given({"weights": np.arange(4.0)}, files["bob"].tables))
    assert keyed is not None
    assert keyed.prepare(np.array([2, 0]))[0]["weights"].ravel().tolist() == [2, 0]


def test_a_table_that_is_not_brought():
    with pytest.raises(
        DataError,
        match=r"^x\.alice is matched by ids; bring it with --table FILE, or --table x=FILE$",
    ):
        brought(Split(), "alice", Given())
