"""The record of what was used: two copies, on disk before anything is handed out, and agreed with
the peer's."""

from __future__ import annotations

import os

import pytest

from party.journal import Journal
from protocol.errors import MaterialError, ProtocolError


def journal(folder, who="bob"):
    return Journal("ab" * 16, who, [folder / "one" / "j", folder / "two" / "j"])


def said(book):
    book.close()
    return book.body()


def test_a_journal_remembers(tmp_path):
    book = journal(tmp_path)
    book.reserve_steps(100)
    book.reserve_steps(50)
    book.reserve_check(3)
    book.reserve_finish(1)
    assert book.opened("sent", 0, "a" * 32)
    assert book.opened("received", 0, "b" * 32)
    assert book.opened("sent", 0, "a" * 32)
    assert not book.opened("sent", 0, "c" * 32)
    assert not book.opened("sent", 2, "c" * 32)
    book.close()
    assert said(journal(tmp_path)) == {
        "step": 100,
        "check": 3,
        "finish": 1,
        "sent": ["a" * 32],
        "received": ["b" * 32],
    }


@pytest.mark.parametrize("lost", ["one", "two"])
def test_either_copy_is_enough_and_mends_the_other(tmp_path, lost):
    book = journal(tmp_path)
    book.reserve_steps(100)
    book.opened("sent", 0, "a" * 32)
    book.close()
    (tmp_path / lost / "j").unlink()
    journal(tmp_path).close()
    (tmp_path / ("two" if lost == "one" else "one") / "j").unlink()
    assert said(journal(tmp_path))["step"] == 100


def test_an_older_copy_does_not_take_anything_back(tmp_path):
    book = journal(tmp_path)
    book.reserve_steps(100)
    old = (tmp_path / "one" / "j").read_bytes()
    book.reserve_steps(200)
    book.close()
    (tmp_path / "one" / "j").write_bytes(old)
    assert said(journal(tmp_path))["step"] == 200


def test_a_torn_last_line_is_dropped_and_writing_goes_on_behind_it(tmp_path):
    book = journal(tmp_path)
    book.reserve_steps(100)
    book.reserve_steps(200)
    book.close()
    for name in ("one", "two"):
        path = tmp_path / name / "j"
        path.write_bytes(path.read_bytes()[:-5])
    book = journal(tmp_path)
    assert book.step == 100
    book.reserve_steps(300)
    assert said(book)["step"] == said(journal(tmp_path))["step"] == 300


@pytest.mark.parametrize(
    "damage", [lambda raw: b"x" + raw[1:], lambda raw: raw[:80] + b"9" + raw[81:], lambda raw: b""]
)
def test_a_damaged_journal_refuses_its_material(tmp_path, damage):
    book = journal(tmp_path)
    for end in (100, 200, 300):
        book.reserve_steps(end)
    book.close()
    path = tmp_path / "one" / "j"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MaterialError, match=r"damaged|is empty"):
        journal(tmp_path)


def test_a_journal_of_other_material_is_no_record(tmp_path):
    journal(tmp_path).close()
    with pytest.raises(MaterialError, match="of other material"):
        Journal("cd" * 16, "bob", [tmp_path / "one" / "j"])


def test_two_processes_cannot_have_one_journal(tmp_path):
    book = journal(tmp_path)
    with pytest.raises(MaterialError, match="another process"):
        journal(tmp_path)
    book.close()
    journal(tmp_path).close()


def test_the_record_is_on_disk_before_reserve_returns(tmp_path, monkeypatch):
    book, events = journal(tmp_path), []
    real = {"write": os.write, "fsync": os.fsync}
    monkeypatch.setattr(
        os, "write", lambda fd, data: (events.append("write"), real["write"](fd, data))[1]
    )
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), real["fsync"](fd))[1])
    book.reserve_steps(10)
    assert events == ["write", "fsync", "write", "fsync"]
    assert b"step 10 " in (tmp_path / "one" / "j").read_bytes()


def test_the_peers_record_is_taken_over(tmp_path):
    book = journal(tmp_path)
    book.reserve_steps(50)
    book.absorb(
        {"step": 70, "check": 4, "finish": 2, "sent": ["a" * 32], "received": ["b" * 32]}, "alice"
    )
    assert said(book) == {
        "step": 70,
        "check": 4,
        "finish": 2,
        "sent": ["b" * 32],
        "received": ["a" * 32],
    }
    book = journal(tmp_path)
    with pytest.raises(MaterialError, match="say different things"):
        book.absorb(
            {"step": 0, "check": 0, "finish": 0, "sent": ["c" * 32], "received": []}, "alice"
        )


@pytest.mark.parametrize(
    "body",
    [
        None,
        5,
        {},
        {"step": -1, "check": 0, "finish": 0, "sent": [], "received": []},
        {"step": True, "check": 0, "finish": 0, "sent": [], "received": []},
        {"step": 0, "check": 0, "finish": 0, "sent": ["x"], "received": []},
        {"step": 0, "check": 0, "finish": 0, "sent": [["a" * 32]], "received": []},
        {"step": 0, "check": 0, "finish": 0, "sent": "a" * 32, "received": []},
        {"step": 1 << 60, "check": 0, "finish": 0, "sent": [], "received": []},
    ],
)
def test_a_peer_that_says_nonsense_is_a_protocol_error(tmp_path, body):
    with pytest.raises(ProtocolError):
        journal(tmp_path).absorb(body, "alice")
