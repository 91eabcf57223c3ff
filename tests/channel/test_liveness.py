"""Silence is judged fairly."""

from __future__ import annotations

import pytest

from protocol.channel.liveness import Liveness


def test_silence_grows_until_something_is_heard():
    life = Liveness(0.0, 0.1)
    assert life.look(0.1) == 0
    assert life.look(0.6) == pytest.approx(0.5)
    assert life.silent(0.7) == pytest.approx(0.6)
    life.heard = True
    assert life.silent(5.0) == 0
    assert life.look(5.0) == 0


def test_time_asleep_is_forgiven():
    life = Liveness(0.0, 0.1)
    life.look(0.0)
    assert not life.overslept(0.15)
    assert life.overslept(60.0)
    assert life.look(60.0) < 0.5
    assert not life.overslept(60.1)


def test_a_ping_now_and_then_and_only_when_idle():
    life = Liveness(0.0, 0.1)
    life.look(0.0)
    asked = []
    for tick in range(1, 50):
        now = tick / 10
        life.look(now)
        if life.should_ask(now, 1.0):
            asked.append(now)
    assert asked == pytest.approx([1.0, 2.0, 3.0, 4.0], abs=0.11)
    life.heard = True
    assert not life.should_ask(9.0, 1.0)
