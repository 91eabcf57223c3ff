"""Whatever a link does between two instances, every message arrives exactly once and in order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LinkError, ProtocolError
from protocol.wire.reliable import ACK_COUNT, Due, Reliable, Window


class Wire:
    """Two state machines and two bags of headers on their way; everything that is said is a plain
    tuple."""

    def __init__(self, window: Window) -> None:
        self.ends = [Reliable[int](window), Reliable[int](window)]
        # towards end 0, towards end 1
        self.flying: list[list[tuple[str, int, int, int | None]]] = [[], []]
        self.got: list[list[int]] = [[], []]
        self.next = [0, 0]
        self.now = 0.0

    def send(self, end: int) -> None:
        try:
            self.ends[end].enqueue(self.next[end], 1)
        except LinkError:
            return
        self.next[end] += 1
        self.pump(end)

    def pump(self, end: int) -> None:
        me = self.ends[end]
        while (item := me.to_hand()) is not None:
            self.flying[1 - end].append(("data", item[0], me.received, item[1]))
            me.mark_handed(item[0])

    def say(self, end: int, what: str) -> None:
        me = self.ends[end]
        self.flying[1 - end].append((what, me.handed, me.received, None))
        me.mark_told()

    def arrive(self, end: int, index: int) -> None:
        if not self.flying[end]:
            return
        what, seq, ack, item = self.flying[end].pop(index % len(self.flying[end]))
        me = self.ends[end]
        if what == "data":
            if me.numbered(seq, ack, 1):
                assert item is not None
                self.got[end].append(item)
            if me.owes_ack:
                self.say(end, "ack")
        else:
            me.unnumbered(seq, ack)
            if what == "nudge":
                me.rewind()
                self.pump(end)
            elif what == "ping":
                self.say(end, "pong")
        if me.wants_nudge(self.now):
            self.say(end, "nudge")

    def tick(self, end: int) -> None:
        due = self.ends[end].tick(self.now)
        for flag, what in ((Due.NUDGE, "nudge"), (Due.ACK, "ack"), (Due.PROBE, "ping")):
            if flag & due:
                self.say(end, what)

    def cut(self) -> None:
        self.flying = [[], []]
        for end in (0, 1):
            self.ends[end].rewind()
            self.pump(end)

    def settle(self) -> None:
        """From now on the link is perfect: everything must get through in bounded time."""
        for _ in range(60):
            for end in (0, 1):
                while self.flying[end]:
                    self.arrive(end, 0)
            self.now += 0.3
            self.tick(0)
            self.tick(1)
        for end in (0, 1):
            assert self.got[end] == list(range(self.next[1 - end]))
            assert self.ends[1 - end].retained_bytes == 0


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["send", "send", "arrive", "arrive", "late", "drop", "repeat", "tick", "cut"]
        ),
        st.integers(0, 1),
        st.integers(0, 50),
    ),
    max_size=120,
)


@given(steps)
@settings(max_examples=400, deadline=None)
def test_exactly_once_and_in_order(script):
    wire = Wire(Window(count=16, size=100))
    for what, end, index in script:
        flying = wire.flying[end]
        if what == "send":
            wire.send(end)
        elif what == "arrive":
            wire.arrive(end, 0)
        elif what == "late":
            wire.arrive(end, index)
        elif what == "drop" and flying:
            flying.pop(index % len(flying))
        elif what == "repeat" and flying:
            flying.append(flying[index % len(flying)])
        elif what == "tick":
            wire.now += index / 20
            wire.tick(end)
        elif what == "cut":
            wire.cut()
        for side in (0, 1):
            assert wire.got[side] == list(range(len(wire.got[side])))
            assert wire.ends[side].retained_bytes <= 16
    wire.settle()


def test_a_long_storm():
    wire = Wire(Window(count=64, size=10_000))
    chance = random.Random(5)
    for _ in range(20_000):
        end = chance.randrange(2)
        what = chance.random()
        flying = wire.flying[end]
        if what < 0.35:
            wire.send(end)
        elif what < 0.85:
            wire.arrive(end, 0 if chance.random() < 0.9 else chance.randrange(10))
        elif what < 0.9 and flying:
            flying.pop(chance.randrange(len(flying)))
        elif what < 0.93 and flying:
            flying.append(chance.choice(flying))
        elif what < 0.998:
            wire.now += 0.1
            wire.tick(end)
        else:
            wire.cut()
        if len(flying) > 500:
            wire.flying[end] = []
    assert min(len(got) for got in wire.got) > 500
    wire.settle()


def test_lockstep_needs_no_message_of_its_own():
    wire = Wire(Window())
    for number in range(1000):
        wire.send(0)
        wire.send(1)
        assert [len(flying) for flying in wire.flying] == [1, 1]
        wire.arrive(0, 0)
        wire.arrive(1, 0)
        assert wire.flying == [[], []]
        if number % 10 == 0:
            wire.now += 0.1
            wire.tick(0)
            wire.tick(1)
            assert wire.flying == [[], []]
    assert all(len(end._retained) <= 1 for end in wire.ends)


def test_a_stream_is_acknowledged_now_and_then():
    wire = Wire(Window())
    for _ in range(10 * ACK_COUNT):
        wire.send(0)
        wire.arrive(1, 0)
        while wire.flying[0]:
            assert wire.flying[0][0][0] == "ack"
            wire.arrive(0, 0)
        assert wire.ends[0].retained_bytes <= ACK_COUNT
    wire.send(0)
    wire.arrive(1, 0)
    wire.tick(1)
    wire.tick(1)
    assert [what for what, *_ in wire.flying[0]] == ["ack"]


def test_what_is_retained_is_bounded():
    end = Reliable[str](Window(count=3, size=10))
    end.enqueue("larger than the window, but alone", 1000)
    with pytest.raises(LinkError):
        end.enqueue("x", 1)
    end.mark_handed(1)
    end.unnumbered(0, 1)
    for _ in range(3):
        end.enqueue("x", 1)
    with pytest.raises(LinkError, match="3 messages"):
        end.enqueue("x", 1)
    assert end.retained_bytes == 3


def test_an_acknowledgement_of_what_was_never_sent():
    end = Reliable[str]()
    end.enqueue("queued, but not yet handed to the transport", 1)
    with pytest.raises(ProtocolError):
        end.unnumbered(0, 1)
    with pytest.raises(ProtocolError):
        end.numbered(1, 5, 1)


def test_duplicates_are_counted_and_resent_ones_too():
    end = Reliable[str]()
    assert end.numbered(1, 0, 1)
    assert not end.numbered(1, 0, 1)
    assert end.duplicates == 1
    end.enqueue("x", 1)
    end.mark_handed(1)
    end.rewind()
    assert end.to_hand() == (1, "x")
    end.mark_handed(1)
    assert end.resent == 1
    assert end.to_hand() is None


def test_one_nudge_for_a_gap_until_it_stalls():
    end = Reliable[str](Window(stall=1.0))
    assert not end.numbered(3, 0, 1)
    assert end.wants_nudge(0.0)
    assert not end.wants_nudge(0.5)
    assert end.wants_nudge(1.5)
    assert end.numbered(1, 0, 1)
    assert not end.wants_nudge(9.0)
