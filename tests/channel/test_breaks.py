"""Links that are cut, stalled, truncated, damaged while both ends live: nothing lost, nothing
twice."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from protocol.channel import Options
from protocol.wire.reliable import Window

from .links import Proxy, dial, listening, message

pytestmark = pytest.mark.timeout(120)

OPTIONS = Options(timeout=5, ping=0.2, window=Window(stall=0.3))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def rounds(end, count, size=100):
    for number in range(count):
        got = await end.exchange(message(number, number.to_bytes(8, "little") + bytes(size)), 15)
        assert got.number == number
        assert int.from_bytes(bytes(got.buffers[0])[:8], "little") == number
        if number % 20 == 0:
            await asyncio.sleep(0.005)


async def through(curve, mischief, count=300, size=100):
    """Run rounds through a proxy while `mischief(proxy)` happens; (alice, bob) afterwards."""
    async with (
        listening(curve, options=OPTIONS) as listener,
        Proxy(listener.address) as proxy,
    ):
        alice, bob = await asyncio.gather(
            dial(proxy.address, curve, options=OPTIONS), listener.accept(5)
        )
        trouble = asyncio.create_task(mischief(proxy))
        await asyncio.wait_for(
            asyncio.gather(rounds(alice, count, size), rounds(bob, count, size)), 20
        )
        trouble.cancel()
        for end in (alice, bob):
            assert end.counters.messages_sent == end.counters.messages_received == count
        await alice.close(0)
        return alice, bob


@pytest.mark.parametrize("curve", [True, False])
async def test_cut_again_and_again(curve):
    async def mischief(proxy):
        chance = random.Random(1)
        while True:
            await asyncio.sleep(chance.uniform(0.02, 0.15))
            proxy.cut()

    alice, bob = await through(curve, mischief, 600)
    assert alice.counters.reconnects >= 2
    assert bob.counters.reconnects >= 2


@pytest.mark.parametrize("curve", [True, False])
async def test_cut_in_the_middle_of_a_message(curve):
    async def mischief(proxy):
        for _ in range(5):
            proxy.truncate_after = 300_000
            await asyncio.sleep(0.4)

    alice, _ = await through(curve, mischief, 40, 100_000)
    assert alice.counters.reconnects >= 1


async def test_away_for_a_while():
    async def mischief(proxy):
        await asyncio.sleep(0.05)
        proxy.refusing = True
        proxy.cut()
        await asyncio.sleep(1.5)
        proxy.refusing = False

    alice, bob = await through(True, mischief)
    # more where the machine is busy
    assert min(alice.counters.reconnects, bob.counters.reconnects) >= 1


async def test_a_short_stall_is_sat_out():
    async def mischief(proxy):
        await asyncio.sleep(0.05)
        proxy.stall()
        await asyncio.sleep(0.5)
        proxy.go_on()

    alice, _ = await through(True, mischief)
    assert alice.counters.reconnects == 0


async def test_a_path_that_swallows_everything_is_given_up_for_a_new_one():
    async def mischief(proxy):
        await asyncio.sleep(0.05)
        proxy.stall()
        await asyncio.sleep(3)
        proxy.go_on()

    alice, _ = await through(True, mischief)
    assert alice.counters.reconnects >= 1


async def test_damaged():
    """With CURVE a flipped bit ends the TCP connection, and ZeroMQ does not come back by itself: we
    do."""

    async def mischief(proxy):
        proxy.damage_after = 20_000

    alice, _ = await through(True, mischief, 100, 5000)
    assert alice.counters.reconnects >= 1


async def test_replayed():
    """A frame that comes twice does not decrypt the second time: CURVE's nonces only grow."""

    async def mischief(proxy):
        proxy.replay_after = 20_000

    alice, _ = await through(True, mischief, 100, 5000)
    assert alice.counters.reconnects >= 1


async def test_mischief_leaves_no_descriptor_open():
    """A frame that ZeroMQ gives up on must not leave its engine, and its descriptor, behind; nor a
    reset in mid-handshake."""

    async with listening(options=OPTIONS) as listener, Proxy(listener.address) as proxy:
        alice, bob = await asyncio.gather(dial(proxy.address, options=OPTIONS), listener.accept(5))
        await asyncio.gather(rounds(alice, 20), rounds(bob, 20))
        before = descriptors()
        for number in range(12):
            if number % 2:
                proxy.damage_after = 0
            else:
                proxy.replay_after = 0
            await asyncio.gather(rounds(alice, 3), rounds(bob, 3))
        host, _, port = listener.address.removeprefix("tcp://").rpartition(":")
        for number in range(60):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write((b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(90))[: 1 + 2 * number])
            await writer.drain()
            writer.transport.abort()
        await asyncio.gather(rounds(alice, 20), rounds(bob, 20))
        deadline = time.monotonic() + 10
        while descriptors() > before and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert descriptors() <= before
        await alice.close(0)


async def test_a_stream_of_chunks_through_cuts():
    async with (
        listening(options=OPTIONS) as listener,
        Proxy(listener.address) as proxy,
    ):
        alice, bob = await asyncio.gather(dial(proxy.address, options=OPTIONS), listener.accept(5))

        async def send():
            for number in range(60):
                while bob.backlog > 4 << 20:
                    await asyncio.sleep(0.005)
                bob.send(message(number, bytes([number]) * (1 << 20)))

        async def receive():
            for number in range(60):
                got = await alice.receive(15)
                assert got.number == number
                assert bytes(got.buffers[0][:3]) == bytes([number]) * 3
                if number % 15 == 7:
                    proxy.cut()

        await asyncio.wait_for(asyncio.gather(send(), receive()), 20)
        assert alice.counters.reconnects >= 2
        assert await bob.flush(5)
        await alice.close(0)
