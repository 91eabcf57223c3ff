"""The model of a link exactly; its notation; and that real time follows the model."""

from __future__ import annotations

import asyncio
import time

import pytest

from protocol.channel import PROFILES, LinkShape, Options, parse_shape
from protocol.channel.memory import Faults, pair
from protocol.channel.shaping import Delay, Held, Link
from protocol.errors import ConfigError, ProtocolError
from protocol.wire.reliable import Window

from .links import KINDS, linked, message

pytestmark = pytest.mark.timeout(120)


def test_delay_alone():
    link = Link(LinkShape(rtt=0.040))
    assert [link.depart(t, 10**6) for t in (0.0, 0.001, 5.0)] == [0.020, 0.021, 5.020]


def test_bandwidth_queues():
    link = Link(LinkShape(rtt=0.010, bandwidth=8e6))  # one megabyte a second
    assert link.depart(0.0, 500_000) == pytest.approx(0.505)
    assert link.depart(0.1, 500_000) == pytest.approx(1.005)  # waits for the first
    assert link.depart(2.0, 1000) == pytest.approx(2.006)  # the link was idle


def test_jitter_is_bounded_and_keeps_the_order():
    link = Link(LinkShape(rtt=0.040, jitter=0.010), seed=3)
    alone = [link.depart(t, 1) - t for t in range(1000)]
    assert 0.015 <= min(alone) < 0.0155 and 0.0245 < max(alone) <= 0.025
    close = [link.depart(2000 + t / 1e5, 1) for t in range(1000)]
    assert close == sorted(close)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("rtt=40ms,jitter=5ms,bandwidth=100mbit", LinkShape(0.040, 0.005, 100e6)),
        (" RTT=1s , bandwidth=1.5gbit", LinkShape(1.0, 0.0, 1.5e9)),
        ("bandwidth=512kbit", LinkShape(bandwidth=512e3)),
        ("rtt=250us", LinkShape(rtt=250e-6)),
        ("none", LinkShape()),
        ("ocean", PROFILES["ocean"]),
        (
            "ocean,bandwidth=10mbit",
            LinkShape(PROFILES["ocean"].rtt, PROFILES["ocean"].jitter, 10e6),
        ),
    ],
)
def test_notation(text, shape):
    found = parse_shape(text)
    assert (found.rtt, found.jitter, found.bandwidth) == pytest.approx(
        (shape.rtt, shape.jitter, shape.bandwidth)
    )
    assert str(parse_shape(str(found))) == str(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "moon",
        "rtt",
        "rtt=",
        "rtt=40",
        "rtt=40mbit",
        "bandwidth=5ms",
        "rtt=-1ms",
        "delay=4ms",
        "rtt=1ms,rtt=2ms",
        "rtt=1ms,jitter=2ms",
        "rtt=61s",
        "bandwidth=0mbit",
        "rtt=1ms,ocean",
        "rtt=nanms",
        "rtt=1e3ms",
        "rtt=1ms,,",
    ],
)
def test_what_is_not_a_link(text):
    with pytest.raises(ConfigError) as caught:
        parse_shape(text)
    assert "link" in str(caught.value) or "rtt" in str(caught.value)


async def test_real_time_follows_the_model():
    late: list[float] = []
    done = asyncio.get_running_loop().create_future()
    expected: list[float] = []

    def deliver(item):
        late.append(time.monotonic() - expected[item])
        if item == 59:
            done.set_result(None)

    delay = Delay(LinkShape(rtt=0.0173, jitter=0.004, bandwidth=50e6), deliver)
    for index in range(60):
        delay.put(index, 20_000)
        expected.append(delay.link.busy_until)
        await asyncio.sleep(0.002)
    await done
    delay.close()
    assert min(late) >= 0
    assert sorted(late)[30] < 0.001


async def test_bulk_takes_the_time_its_size_demands():
    async with linked("curve", shape=LinkShape(rtt=0.020, bandwidth=80e6)) as (alice, bob):
        begin = time.monotonic()
        for number in range(5):
            alice.send(message(number, bytes(400_000)))
        for _ in range(5):
            await bob.receive(5)
        spent = time.monotonic() - begin
        assert 0.210 <= spent < 0.260  # 2 MB at 10 MB/s, and half a round trip


@pytest.mark.parametrize("kind", KINDS)
async def test_large_messages_go_ahead_and_nobody_notices(kind):
    """Order, the time of arrival and the number of messages are those of the model, whatever the
    sizes."""
    sizes = [100, 500_000, 10, 40_000, 300_000, 0]
    async with linked(kind, shape=LinkShape(rtt=0.060, bandwidth=400e6)) as (alice, bob):
        begin = time.monotonic()
        for number, size in enumerate(sizes):
            alice.send(message(number, bytes(size)))
        for number, size in enumerate(sizes):
            got = await bob.receive(5)
            due = 0.030 + 8 * sum(sizes[: number + 1]) / 400e6
            assert (got.number, len(got.buffers[0])) == (number, size)
            assert time.monotonic() - begin >= due - 0.001
        assert bob.counters.messages_received == len(sizes)
        assert bob.counters.duplicates == alice.counters.resent == 0


@pytest.mark.parametrize("seed", range(4))
async def test_large_messages_survive_a_bad_link_that_is_slow_too(seed):
    faults = Faults(drop=0.05, repeat=0.05, reorder=0.05, cut=0.01, seed=seed)
    options = Options(window=Window(stall=0.05))
    alice, bob = pair(
        "test", options=options, faults=faults, shape=LinkShape(rtt=0.004, bandwidth=1e9)
    )
    for number in range(60):
        alice.send(message(number, bytes(50_000 if number % 3 else 10)))
    assert [(await bob.receive(10)).number for _ in range(60)] == list(range(60))
    await asyncio.gather(alice.close(0), bob.close(0))


def test_what_is_held_and_what_is_due():
    held = Held(2)
    assert held.due(0) == [] and held.next
    held.keep(1, "a")
    assert not held.next
    held.keep(2, "b")
    with pytest.raises(ProtocolError, match="more than 2"):
        held.keep(3, "c")
    assert held.due(1) == ["a"]
    assert held.due(5) == ["b"]
    assert held.due(6) == []
    held.keep(7, "d")
    held.clear()
    assert held.due(9) == []


async def test_the_goodbye_crosses_too():
    alice, bob = pair("test", shape=LinkShape(rtt=0.1))
    alice.send(message(1))
    await alice.close(1)
    assert (await bob.receive(1)).number == 1
    with pytest.raises(Exception, match="closed the connection"):
        await bob.receive(1)
    await bob.close(0)


def test_a_shape_that_changes_nothing_costs_nothing():
    assert LinkShape().free
    assert not LinkShape(bandwidth=1e9).free
