"""One contract, every kind of connection."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from protocol.channel import LinkShape, Options, Waiting
from protocol.channel.memory import Faults, pair
from protocol.errors import LinkError, ProtocolError, UsageError
from protocol.wire import Kind, Message
from protocol.wire.codec import encode
from protocol.wire.reliable import Window

from .links import KINDS, linked, message

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def test_in_order_both_ways(kind):
    async with linked(kind) as (alice, bob):
        for number in range(200):
            alice.send(message(number, b"a" * number))
            bob.send(message(number, b"b" * number))
        for number in range(200):
            got = await bob.receive(5)
            assert (got.number, got.session, got.attempt) == (number, "test", 1)
            assert bytes(got.buffers[0]) == b"a" * number
            assert bytes((await alice.receive(5)).buffers[0]) == b"b" * number


async def test_lockstep_adds_no_message(kind):
    async with linked(kind) as (alice, bob):

        async def run(end):
            for number in range(500):
                got = await end.exchange(message(number, b"x" * 100))
                assert got.number == number

        control = [end.counters.control_sent for end in (alice, bob)]
        await asyncio.gather(run(alice), run(bob))
        for end, before in zip((alice, bob), control, strict=True):
            counters = end.counters
            assert (counters.messages_sent, counters.messages_received) == (500, 500)
            assert (counters.bytes_sent, counters.bytes_received) == (50_000, 50_000)
            assert counters.wire_bytes_sent < 500 * 140
            assert counters.control_sent - before <= 1
            assert end.backlog <= 100


@pytest.mark.parametrize("size", [0, 1, 16 << 10, (16 << 10) + 1, 100_000, 5_000_000])
async def test_every_size(kind, size):
    payload = bytes(range(256)) * (size // 256 + 1)
    payload = payload[:size]
    async with linked(kind) as (alice, bob):
        alice.send(message(1, b"first", memoryview(payload), b"last"))
        got = await bob.receive(10)
        assert [bytes(buffer) for buffer in got.buffers] == [b"first", payload, b"last"]
        assert memoryview(got.buffers[1]).readonly
        assert bob.counters.bytes_received == size + 9


async def test_a_stream_is_acknowledged(kind):
    async with linked(kind, Options(window=Window(count=2000))) as (alice, bob):
        for number in range(1000):
            alice.send(message(number, b"x" * 2000))
        for number in range(1000):
            assert (await bob.receive(5)).number == number
        assert await alice.flush(5)
        assert alice.backlog == 0
        assert 1 <= bob.counters.control_sent <= 40


async def test_goodbye(kind):
    async with linked(kind) as (alice, bob):
        alice.send(message(1, b"last words"))
        await alice.close(2)
        assert (await bob.receive(5)).number == 1
        with pytest.raises(LinkError, match=r"alice at .* closed the connection"):
            await bob.receive(5)
        with pytest.raises(LinkError):
            bob.send(message(2))
        with pytest.raises(LinkError, match="closed here"):
            alice.send(message(2))


async def test_patience_with_a_peer_that_lives(kind):
    seen: list[Waiting] = []
    async with linked(kind, Options(timeout=0.6, ping=0.2)) as (alice, bob):
        alice.on_waiting = seen.append
        with pytest.raises(LinkError, match=r"no message came from bob at .* for \d seconds"):
            await alice.receive(1.5)
        bob.send(message(1))
        assert (await alice.receive(1)).number == 1
        assert alice.rtt is not None and alice.rtt < 0.5
    assert seen and "bob at" in seen[0].peer and seen[0].connected and seen[0].seconds >= 1


async def test_who_waits_no_longer_is_not_said_to_wait(kind):
    seen: list[Waiting] = []
    async with linked(kind, Options(timeout=5.0, ping=0.2)) as (alice, _):
        alice.on_waiting = seen.append
        waiting = asyncio.create_task(alice.receive())
        await asyncio.sleep(1.6)
        assert seen and not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        seen.clear()
        await asyncio.sleep(1.6)
        assert not seen


async def test_a_blocked_event_loop_is_not_a_dead_peer(kind):
    async with linked(kind, Options(timeout=0.5, ping=0.1)) as (alice, bob):
        alice.send(message(1))
        time.sleep(1.0)  # noqa: ASYNC251  (a long computation)
        assert (await bob.receive(1)).number == 1
        bob.send(message(2))
        assert (await alice.receive(1)).number == 2


async def test_what_is_said_to_the_wrong_one(kind):
    async with linked(kind) as (alice, _):
        with pytest.raises(UsageError, match="alice does not send CHUNK to bob"):
            alice.send(Message(Kind.CHUNK))
        with pytest.raises(UsageError):
            alice.send(Message(Kind.PING))


async def test_a_peer_that_sends_what_its_role_may_not(kind):
    async with linked(kind) as (alice, bob):
        alice._transport.transmit(encode(Message(Kind.CHUNK, "test"), 1, 0, alice.link, "bob"))
        with pytest.raises(ProtocolError, match=r"from alice at .*CHUNK"):
            await bob.receive(5)
        with pytest.raises(LinkError, match="protocol error"):
            await alice.receive(5)


@pytest.mark.parametrize("garbage", [[b""], [b"\xc1"], [b"x" * 5000], [b"a", b"b"], [b""] * 5000])
async def test_garbage_ends_the_connection(kind, garbage):
    async with linked(kind) as (alice, bob):
        alice._transport.transmit(garbage)
        with pytest.raises(ProtocolError, match="from alice"):
            await bob.receive(5)


async def test_another_link_and_an_earlier_epoch_are_dropped(kind):
    async with linked(kind) as (alice, bob):
        alice._transport.transmit(encode(message(9), 1, 0, alice.link + 1, "bob"))
        alice.send(message(1, attempt=1))
        alice.send(message(2, attempt=2))
        bob.attempt = 2
        assert (await bob.receive(5)).number == 2
        assert bob.counters.stale == 2


async def test_an_inbox_is_bounded(kind):
    async with linked(kind, Options(inbox_count=50)) as (alice, bob):
        for number in range(60):
            alice.send(message(number))
        with pytest.raises(ProtocolError, match="more than was asked for"):
            await asyncio.sleep(0.1)
            for _ in range(60):
                await bob.receive(5)


async def test_sending_is_bounded_while_nobody_reads(kind):
    async with linked(kind, Options(window=Window(count=20, size=10_000))) as (alice, bob):
        bob._transport.close()
        with pytest.raises(LinkError, match=r"bob at .*: 20 messages"):
            for number in range(40):
                alice.send(message(number, b"x"))


async def test_a_cancelled_receive_loses_nothing(kind):
    async with linked(kind) as (alice, bob):
        for number in range(20):
            task = asyncio.create_task(bob.receive())
            await asyncio.sleep(0)
            alice.send(message(number))
            if number % 2:
                await asyncio.sleep(0.005)
            task.cancel()
            try:
                got = await task
            except asyncio.CancelledError:
                got = await bob.receive(5)
            assert got.number == number


async def test_two_receivers_are_a_mistake(kind):
    async with linked(kind) as (_, bob):
        task = asyncio.create_task(bob.receive())
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="two tasks"):
            await bob.receive()
        task.cancel()


async def test_a_dead_peer_is_named(kind):
    async with linked(kind, Options(timeout=0.7, ping=0.2)) as (alice, bob):
        bob._timer.cancel()
        if kind == "memory":
            bob._transport.close()
        else:
            bob._transport.carrier._reader.close()
        begin = time.monotonic()
        with pytest.raises(LinkError, match=r"nothing was heard from bob at .* for 1 second"):
            await alice.receive()
        assert 0.6 < time.monotonic() - begin < 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "faults",
    [
        Faults(drop=0.1),
        Faults(repeat=0.3),
        Faults(reorder=0.2),
        Faults(cut=0.02),
        Faults(0.05, 0.05, 0.05, 0.01),
    ],
    ids=["drop", "repeat", "reorder", "cut", "all"],
)
async def test_faults_in_memory(faults, seed):
    options = Options(timeout=10, ping=0.2, window=Window(stall=0.05))
    alice, bob = pair("test", options=options, faults=replace(faults, seed=seed))

    async def run(end):
        for number in range(60):
            got = await end.exchange(message(number, b"x"))
            assert got.number == number

    await asyncio.wait_for(asyncio.gather(run(alice), run(bob)), 15)
    assert alice.counters.messages_received == bob.counters.messages_received == 60
    await asyncio.gather(alice.close(0), bob.close(0))


async def test_a_shaped_round_takes_half_its_round_trip(kind):
    async with linked(kind, shape=LinkShape(rtt=0.030)) as (alice, bob):
        spent: list[float] = []

        async def run(end, keep):
            for number in range(30):
                begin = time.monotonic()
                await end.exchange(message(number, b"x" * 100))
                keep.append(time.monotonic() - begin)

        begin = time.monotonic()
        await asyncio.gather(run(alice, spent), run(bob, []))
        assert time.monotonic() - begin >= 30 * 0.015
        # of a busy machine too, and less than a whole round trip
        assert 0.0145 <= sorted(spent)[15] <= 0.029


async def test_two_messages_glued_by_the_network_are_asked_for_again():
    """One changed bit outside of what CURVE protects makes ZeroMQ deliver two messages as one."""
    bob, alice = pair("test")  # each end is the connection to the one it is named after
    glued: list[bytes] = []

    def glue(frames):
        """Two messages arrive as one."""
        if len(glued) < 2:
            glued.extend(bytes(frame) for frame in frames)
            return True if len(glued) < 2 else transmit(list(glued))
        return transmit(frames)

    await asyncio.gather(bob.exchange(message(0)), alice.exchange(message(0)))
    transmit, bob._transport.transmit = bob._transport.transmit, glue
    for number in (1, 2, 3):
        bob.send(message(number))
    assert [(await alice.receive(10)).number for _ in range(3)] == [1, 2, 3]
    assert alice.counters.glued == 1
