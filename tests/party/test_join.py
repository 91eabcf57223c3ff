"""Rows of two tables matched by their ids: against Python's sets, as two processes, and against a
peer that breaks the rules."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from typing import Any

import joiner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from party import join as joining
from party.join import CommonRows, Intersection, join, normalised
from party.points import POINT
from protocol.channel.memory import Faults, pair
from protocol.errors import DataError, MpcError, ProtocolError
from protocol.wire import Kind, Message


def joined(
    alice: Sequence[Any], bob: Sequence[Any], faults: Faults | None = None, **options: Any
) -> list[Any]:
    """What each finds: its rows, or the error that it ends with."""

    async def both() -> list[Any]:
        ends = pair(faults=faults)
        try:
            sides = zip(ends, (alice, bob), strict=True)
            return await asyncio.gather(
                *(join(end, normalised(ids, "the table"), **options) for end, ids in sides),
                return_exceptions=True,
            )
        finally:
            await asyncio.gather(*(end.close(0) for end in ends))

    return asyncio.run(both())


def text(value: int | str) -> str:
    return unicodedata.normalize("NFC", value.strip()) if isinstance(value, str) else str(value)


IDS = st.lists(
    st.integers(-30, 30) | st.text(st.characters(codec="utf-8"), max_size=2).filter(str.strip),
    min_size=1,
    max_size=40,
    unique_by=text,
)


@settings(max_examples=60, deadline=None)
@given(IDS, IDS)
def test_common_rows_are_those_of_the_sets_and_stand_in_one_order(alice, bob):
    found = joined(alice, bob)
    common = {text(each) for each in alice} & {text(each) for each in bob}
    if not common:
        assert {type(each) for each in found} == {DataError}
        return
    rows = [
        [text(ids[place]) for place in each.places]
        for ids, each in zip((alice, bob), found, strict=True)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == len(common)
    assert set(rows[0]) == common
    assert [each.theirs for each in found] == [len(bob), len(alice)]
    assert found[0].digest == found[1].digest


def test_rows_are_places_of_the_own_table():
    first, second = joined(["c", "a", "b"], ["b", "x", "c"])
    assert isinstance(first, CommonRows)
    assert sorted(first.places.tolist()) == [0, 2]
    assert sorted(second.places.tolist()) == [0, 2]


@pytest.mark.parametrize(("alice", "bob"), [(40, 3), (3, 40), (16, 16), (17, 15)])
@pytest.mark.parametrize("faults", [None, Faults(drop=0.1, repeat=0.1, reorder=0.1, seed=7)])
def test_many_small_chunks_of_unequal_tables(monkeypatch, alice, bob, faults):
    monkeypatch.setattr(joining, "CHUNK", 4)
    mine, yours = list(range(alice)), list(range(bob))[::-1]
    first, second = joined(mine, yours, faults, threads=2)
    assert [mine[place] for place in first.places] == [yours[place] for place in second.places]
    assert len(first.places) == min(alice, bob)


def test_the_order_is_new_in_every_join_and_tells_nothing_of_the_table():
    ids = list(range(30))
    orders = [joined(ids, ids)[0].places.tolist() for _ in range(2)]
    assert orders[0] != orders[1]
    matching = [Intersection("bob", normalised(ids, "the table"), 1, b"key") for _ in range(2)]
    assert [*matching[0]._order] != [*matching[1]._order]


def test_what_is_sent_is_nothing_but_points(monkeypatch):
    """Of an id that the other lacks, two points that no other join has."""
    sent: list[Message] = []

    async def once() -> None:
        ends = pair()
        for end in ends:
            send = end.send
            monkeypatch.setattr(
                end, "send", lambda message, send=send: (sent.append(message), send(message))
            )
        await asyncio.gather(
            *(
                join(end, normalised(ids, "t"))
                for end, ids in zip(ends, ([1, 2], [2, 3]), strict=True)
            )
        )
        await asyncio.gather(*(end.close(0) for end in ends))

    asyncio.run(once())
    asyncio.run(once())
    points = [
        bytes(buffer)[at : at + POINT]
        for message in sent
        for buffer in message.buffers
        for at in (0, POINT)
    ]
    assert len(points) == 16
    # the common id's, times both scalars, comes from either side in each of the two joins
    assert len(set(points)) == 14
    assert {key for message in sent for key in message.body or {}} == {"count", "nonce", "common"}


# ---- ids -----------------------------------------------------------------------------------------


def test_ids_are_compared_as_they_are_written():
    assert normalised(["é", " a\t", "07", 7, "-0", "A"], "t") == normalised(
        ["é", "a", "07", "7", "-0", "A"], "t"
    )
    assert normalised([7.0, np.int64(8), np.float32(9)], "t") == [b"7", b"8", b"9"]
    assert normalised(np.array(["x", "y"]), "t") == [b"x", b"y"]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([4711, None], "column patient has no id that is text or a whole number in row 2"),
        ([4711, float("nan")], "column patient has no id that is text or a whole number in row 2"),
        ([4711, "  "], "column patient has no id that is text or a whole number in row 2"),
        ([4711, 0.5], "column patient has no id that is text or a whole number in row 2"),
        ([4711, True], "column patient has no id that is text or a whole number in row 2"),
        ([4711, 2.0**60], "column patient has no id that is text or a whole number in row 2"),
        ([4711, "\ud800"], "column patient has an id that is no Unicode text in row 2"),
        ([4711, 5, " 4711"], "column patient has one id twice, in row 1 and row 3"),
        ([], "column patient has no rows"),
    ],
)
def test_ids_that_cannot_be_matched_are_named_by_their_rows(ids, said):
    with pytest.raises(DataError) as caught:
        normalised(ids, "column patient")
    assert said in str(caught.value)
    assert "4711" not in str(caught.value)


def test_more_ids_than_can_be_matched(monkeypatch):
    monkeypatch.setattr(joining, "MOST", 2)
    with pytest.raises(DataError, match="has 3 rows; at most 2"):
        normalised(range(3), "column patient")


def test_no_common_id_is_said_to_both():
    for each in joined(["a"], ["b", "c"]):
        assert isinstance(each, DataError)
        assert each.for_peer == str(each)
        assert "no id is in both tables" in str(each)


def test_rows_say_nothing():
    assert repr(joined([1], [1])[0]) == "CommonRows(theirs=1)"


# ---- a peer that breaks the rules ----------------------------------------------------------------


def join_message(number: int = 0, body: Any = None, *buffers: bytes) -> Message:
    return Message(Kind.JOIN, "memory", number=number, body=body, buffers=buffers)


HELLO = {"count": 2, "nonce": bytes(32)}
GOOD = (9).to_bytes(POINT, "little") + (16).to_bytes(POINT, "little")


def against(*messages: Message, ids: int = 2) -> MpcError:
    """What alice says of a bob that sends these, and then takes whatever comes."""

    async def both() -> BaseException:
        alice, bob = pair()
        try:
            for message in messages:
                bob.send(message)
            await join(alice, normalised(range(ids), "the table"))
        except MpcError as error:
            return error
        finally:
            await asyncio.gather(alice.close(0), bob.close(0))
        raise AssertionError("nothing was noticed")

    found = asyncio.run(asyncio.wait_for(both(), 20))
    assert isinstance(found, MpcError)
    return found


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([join_message(0, None)], "bob did not say how many ids it has"),
        ([join_message(0, HELLO | {"count": 0})], "bob did not say how many ids it has"),
        ([join_message(0, HELLO | {"count": -1})], "bob did not say how many ids it has"),
        ([join_message(0, HELLO | {"count": 1 << 40})], "bob did not say how many ids it has"),
        ([join_message(0, HELLO | {"count": True})], "bob did not say how many ids it has"),
        ([join_message(0, HELLO | {"nonce": "0"})], "bob did not say how many ids it has"),
        ([join_message(0, HELLO | {"nonce": b"0"})], "bob did not say how many ids it has"),
        ([Message(Kind.PLAN, "memory")], "bob sent PLAN where JOIN was expected"),
        ([join_message(0, HELLO), join_message()], "bob sent other points than it announced"),
        (
            [join_message(0, HELLO), join_message(0, None, GOOD[:POINT])],
            "bob sent other points than it announced",
        ),
        (
            [join_message(0, HELLO), join_message(0, None, GOOD + GOOD)],
            "bob sent other points than it announced",
        ),
        (
            [join_message(0, HELLO), join_message(0, None, GOOD, GOOD)],
            "bob sent other points than it announced",
        ),
        (
            [join_message(0, HELLO), join_message(1, None, GOOD)],
            "bob sent other points than it announced",
        ),
        (
            [join_message(0, HELLO), join_message(0, None, GOOD[:POINT] * 2)],
            "bob sent a point twice",
        ),
        (
            [join_message(0, HELLO), join_message(0, None, bytes(POINT) + GOOD[:POINT])],
            "a point that belongs to no id",
        ),
        (
            [
                join_message(0, HELLO),
                join_message(0, None, GOOD),
                join_message(0, None, GOOD[:POINT] * 2),
            ],
            "bob gives two ids the same point",
        ),
        (
            [
                join_message(0, HELLO),
                join_message(0, None, GOOD),
                join_message(0, None, GOOD),
                join_message(0, {"common": "0"}),
            ],
            "bob finds other common rows",
        ),
        (
            [join_message(0, HELLO), Message(Kind.ABORT, "memory", body={"reason": "enough"})],
            "bob stopped: enough",
        ),
    ],
)
def test_a_peer_that_breaks_the_rules_is_refused_in_a_sentence(messages, said):
    error = against(*messages)
    assert said in str(error)
    assert isinstance(error, ProtocolError) or "stopped" in said


def test_two_writings_of_one_point_are_refused():
    """u and u + P are the same point, so that both would answer for one id."""
    again = (9 + 2**255 - 19).to_bytes(POINT, "little")
    messages = [
        join_message(0, HELLO),
        join_message(0, None, GOOD[:POINT] + again),
        join_message(0, None, GOOD),
    ]
    assert "bob gives two ids the same point" in str(against(*messages))


def test_points_sent_back_are_refused():
    async def both() -> str:
        alice, bob = pair()
        task = asyncio.create_task(join(alice, normalised(range(2), "the table")))
        bob.send(join_message(0, HELLO))
        await bob.receive(5)
        points = await bob.receive(5)
        bob.send(join_message(0, None, bytes(points.buffers[0])))
        found = await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(alice.close(0), bob.close(0))
        return str(found[0])

    assert "or one of this party's own" in asyncio.run(both())


# ---- processes -----------------------------------------------------------------------------------


@pytest.mark.system
def test_two_processes_find_the_same_rows(tmp_path):
    (*_, bobs, alice), (*_, alices, bob) = joiner.two(tmp_path, 5000)
    assert alice == bob
    assert sorted(map(int, alice)) == list(range(2500, 5000))
    assert (bobs, alices) == (5000, 5000)
