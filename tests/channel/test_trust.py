"""Who is let in, who is turned away and told why, and that neither disturbs those who are
inside."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest
import zmq

from protocol.channel import Allow, KeyPair, Listener, connect, door
from protocol.channel.door import STRANGERS
from protocol.channel.listener import TAKEOVER
from protocol.errors import ConfigError, LinkError
from protocol.processes import raise_limits
from protocol.wire import Kind, Message
from protocol.wire.codec import encode

from .links import ALICE, BOB, DEALER, dial, linked, listening, message

pytestmark = pytest.mark.timeout(120)


class Log(list):
    def __call__(self, reason, address):
        self.append((reason, address))


async def test_an_unknown_key():
    log = Log()
    stranger = KeyPair.generate("alice")
    async with listening(refused=log) as listener:
        for _ in range(2):
            with pytest.raises(LinkError, match="refused this key of alice"):
                await connect(
                    listener.address, "alice", "bob", "test", stranger, BOB.public, timeout=5
                )
        assert log == [("its key is not on the list of allowed keys", "127.0.0.1")]
        assert not listener.connections


async def test_a_known_key_in_a_role_that_does_not_connect_here():
    log = Log()
    async with listening(refused=log, roles=("alice",)) as listener:
        with pytest.raises(LinkError, match="refused this key of dealer"):
            await connect(listener.address, "dealer", "bob", "test", DEALER, BOB.public, timeout=5)
    assert "is of dealer, which does not connect here" in log[0][0]


async def test_a_known_key_that_claims_another_role():
    log = Log()
    async with listening(refused=log, roles=("alice", "dealer")) as listener:
        lying = KeyPair(type(DEALER.public)("alice", DEALER.public.raw), DEALER.secret)
        with pytest.raises(LinkError, match="it calls itself alice with a key of dealer"):
            await connect(listener.address, "alice", "bob", "test", lying, BOB.public, timeout=5)
        assert log == [("it calls itself alice with a key of dealer", "127.0.0.1")]


async def test_a_client_in_plain_text():
    log = Log()
    async with listening(refused=log) as listener:
        for _ in range(2):
            with pytest.raises(LinkError, match=r"does not accept plain text|does it want keys"):
                await dial(listener.address, curve=False, timeout=1)
    assert log and all("it did not speak CURVE" in reason for reason, _ in log)
    assert {address for _, address in log} <= {"127.0.0.1", "an unknown address"}
    assert len(log) == len(set(log))


async def test_an_encrypted_client_of_a_listener_in_plain_text():
    async with listening(curve=False) as listener:
        with pytest.raises(
            LinkError, match=r"does not accept encryption|is its public key the right one"
        ):
            await dial(listener.address, curve=True, timeout=1)


async def test_the_server_is_pinned():
    async with listening() as listener:
        wrong = KeyPair.generate("bob").public
        with pytest.raises(LinkError, match="is its public key the right one"):
            await connect(listener.address, "alice", "bob", "test", ALICE, wrong, timeout=1.2)


async def test_nobody_there():
    seen = []
    begin = time.monotonic()
    with pytest.raises(LinkError, match="did not answer within 1 s: nobody listens there"):
        await dial("tcp://127.0.0.1:9", timeout=1.2, waiting=seen.append)
    assert time.monotonic() - begin < 3
    assert seen and not any(waiting.connected for waiting in seen)


async def test_somebody_who_hung_up_and_went_is_not_there():
    """So ends a run whose peer, of the same address, is just ending an earlier one."""
    met = asyncio.Event()

    async def hang_up(_reader, writer):
        writer.close()
        met.set()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    late = asyncio.create_task(dial(f"tcp://127.0.0.1:{port}", timeout=1))
    await met.wait()
    server.close()
    with pytest.raises(LinkError, match="did not answer within 1 s: nobody listens there"):
        await late


async def test_the_list_is_exchanged_while_running():
    async with listening(refused=Log()) as listener:
        alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        listener.reload(Allow([DEALER.public]))
        with pytest.raises(LinkError, match="taken off"):
            await bob.receive(5)
        with pytest.raises(LinkError, match="taken off"):
            await alice.receive(5)
        with pytest.raises(LinkError, match="refused this key"):
            await dial(listener.address)
        listener.reload(Allow([ALICE.public]))
        alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        await asyncio.gather(alice.exchange(message(1)), bob.exchange(message(1)))
        await alice.close(0)


@pytest.mark.parametrize("curve", [True, False])
async def test_strangers_and_garbage_do_not_disturb(curve):
    log = Log()
    async with listening(curve, refused=log) as listener:
        alice, bob = await asyncio.gather(dial(listener.address, curve), listener.accept(5))
        host, port = "127.0.0.1", int(listener.address.rpartition(":")[2])
        idle = [socket.create_connection((host, port)) for _ in range(100)]
        for index, raw in enumerate(idle[:50]):
            raw.sendall(bytes([index]) * 200)
        context = zmq.Context()
        intruder = context.socket(zmq.DEALER)
        intruder.linger = 0
        intruder.sndhwm = 0
        if curve:
            intruder.curve_publickey, intruder.curve_secretkey = ALICE.public.z85, ALICE.secret_z85
            intruder.curve_serverkey = BOB.public.z85
        intruder.connect(listener.address)
        forged = Message(
            Kind.OPEN, "test", body={"role": "alice", "instance": bytes(16), "attempt": 1}
        )
        for index in range(300):
            intruder.send_multipart([b"\x9a" + bytes([index % 256]) * index])
            intruder.send_multipart(encode(message(index), index, 0, alice.link, "bob"))
            intruder.send_multipart(encode(forged, 0, 0, 0, "bob"))
            intruder.send_multipart([b""] * 20)

        async def run(end):
            for number in range(300):
                assert (await end.exchange(message(number, b"x"), 5)).number == number

        await asyncio.gather(run(alice), run(bob))
        context.destroy(linger=0)
        for raw in idle:
            raw.close()
        assert len(listener.connections) == 1
        assert any("connected already" in reason for reason, _ in log)
        await alice.close(0)


async def test_a_replayed_greeting_does_not_take_a_connection_over():
    async with listening(curve=False) as listener:
        alice, bob = await asyncio.gather(dial(listener.address, curve=False), listener.accept(5))
        dialler = alice._transport
        body = {"role": "alice", "instance": dialler._instance, "attempt": dialler._attempt}
        context = zmq.Context()
        replay = context.socket(zmq.DEALER)
        replay.connect(listener.address)
        replay.send_multipart(
            encode(Message(Kind.OPEN, "test", body=body), 0, 0, alice.link, "bob")
        )
        await asyncio.sleep(0.2)
        await asyncio.gather(alice.exchange(message(1), 5), bob.exchange(message(1), 5))
        assert bob.counters.reconnects == 0
        context.destroy(linger=0)
        await alice.close(0)


async def test_a_new_process_replaces_one_that_is_gone():
    async with listening() as listener:
        first, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        first._transport.close()  # as kill -9 would: no goodbye
        begin = time.monotonic()
        second, again = await asyncio.gather(dial(listener.address), listener.accept(5))
        assert time.monotonic() - begin < TAKEOVER / 2
        with pytest.raises(LinkError, match="came back as a new process"):
            await bob.receive(5)
        await asyncio.gather(second.exchange(message(1), 5), again.exchange(message(1), 5))
        assert listener.connections == [again]
        await asyncio.gather(first.close(0), second.close(0))


async def test_a_second_process_waits_while_the_first_lives():
    log = Log()
    async with listening(refused=log) as listener:
        first, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        with pytest.raises(
            LinkError, match="did not answer within 1 s: alice is connected already"
        ):
            await dial(listener.address, timeout=1)
        assert log == [("alice is connected already in session test", "127.0.0.1")]
        other, _ = await asyncio.gather(
            dial(listener.address, session="another"), listener.accept(5)
        )
        await asyncio.gather(first.exchange(message(1), 5), bob.exchange(message(1), 5))
        await asyncio.gather(first.close(0), other.close(0))


async def test_a_listener_that_restarts_does_not_know_the_session():
    async with listening() as listener:
        alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        address = listener.address
        bob.abandon = bob._timer.cancel  # a killed process says nothing
        bob._timer.cancel()
        listener.kill()
        again = Listener(address, "bob", BOB, Allow([ALICE.public]))
        with pytest.raises(LinkError, match="does not know the session"):
            await alice.receive(10)
        await again.close()


async def test_a_listener_that_leaves_leaves_who_comes_to_the_next():
    async with listening() as listener:
        first, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        listener.leave()
        await asyncio.gather(first.exchange(message(1), 5), bob.exchange(message(1), 5))
        await first.close(1)
        coming = asyncio.create_task(dial(listener.address, timeout=20))
        await asyncio.sleep(0.7)
        assert not coming.done() and not listener.connections
        await listener.close(0.1)
        again = Listener(listener.address, "bob", BOB, Allow([ALICE.public]))
        second, bob = await asyncio.gather(coming, again.accept(20))
        await asyncio.gather(second.exchange(message(1), 5), bob.exchange(message(1), 5))
        await second.close(0)
        await again.close()


async def test_sessions_are_bounded():
    async with listening(most=2) as listener:
        links = [await dial(listener.address, session=f"s{index}") for index in range(2)]
        with pytest.raises(LinkError, match="2 sessions already"):
            await dial(listener.address, session="s2")
        await links[0].close(1)
        links.append(await dial(listener.address, session="s2"))
        await asyncio.gather(*(link.close(0) for link in links))


async def test_a_new_process_takes_the_place_of_a_dead_one_where_all_places_are_taken():
    async with listening(most=1) as listener:
        dead = await dial(listener.address)
        dead._timer.cancel()
        dead._transport._unplug()  # a killed process says nothing
        again = await dial(listener.address, timeout=20)
        assert len(listener.connections) == 1
        await asyncio.gather(again.close(0), dead.close(0))


async def test_a_client_that_stops_reading_is_bounded_and_the_others_go_on():
    async with listening() as listener:
        alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        sleepy, victim = await asyncio.gather(
            dial(listener.address, session="sleepy"), listener.accept(5)
        )
        sleepy._timer.cancel()
        sleepy._transport._readers[0].close()
        chunk = bytes(8 << 20)
        with pytest.raises(LinkError, match="not acknowledged"):
            for number in range(100):
                victim.send(Message(Kind.ROUND, "sleepy", 1, number, None, (chunk,)))
        assert victim.backlog <= 256 << 20
        await asyncio.gather(alice.exchange(message(1), 5), bob.exchange(message(1), 5))
        await asyncio.gather(alice.close(0), sleepy.close(0))


@pytest.mark.parametrize(
    "address", ["tcp://", "nonsense", "tcp://127.0.0.1:99999", "tcp://192.0.2.1:5000", "udp://x:1"]
)
async def test_an_address_that_cannot_be(address):
    with pytest.raises(ConfigError, match="cannot listen at"):
        Listener(address, "bob", None)


async def test_an_address_in_use_and_keys_that_do_not_fit():
    async with listening() as listener:
        with pytest.raises(ConfigError, match="another process listens there"):
            Listener(listener.address, "bob", None)
        with pytest.raises(ConfigError, match="public key of bob is needed"):
            await connect(listener.address, "alice", "bob", "test", ALICE, None)
        with pytest.raises(ConfigError, match="key of bob was given to alice"):
            await connect(listener.address, "alice", "bob", "test", BOB, BOB.public)
        with pytest.raises(ConfigError, match="key of alice was given for bob"):
            await connect(listener.address, "alice", "bob", "test", ALICE, ALICE.public)
        with pytest.raises(ConfigError, match="cannot connect to"):
            await connect("nonsense", "alice", "bob", "test", ALICE, BOB.public)
    with pytest.raises(ConfigError, match="needs the list"):
        Listener("tcp://127.0.0.1:0", "bob", BOB)


async def test_user_of_a_connection_is_told_who_it_is():
    async with linked("curve") as (alice, bob):
        assert (bob.role, bob.session, alice.role) == ("alice", "test", "bob")
        assert bob.peer.startswith("alice at 127.0.0.1")
        assert ALICE.public.raw.hex() not in repr(bob) + bob.peer


async def test_a_flood_of_idle_connections_is_shed_and_leaves_nothing_behind():
    """1,500 connections that never say who they are: few stand at any time, and those who are
    inside notice nothing."""
    raise_limits()
    log = Log()
    async with listening(refused=log) as listener:
        alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        host, port = "127.0.0.1", int(listener.address.rpartition(":")[2])
        before = descriptors()
        idle, most = [], 0
        for count in range(1500):
            idle.append(socket.create_connection((host, port)))
            if count % 25 == 0:
                await asyncio.gather(alice.exchange(message(count)), bob.exchange(message(count)))
            most = max(most, descriptors() - before - len(idle))
        assert most < 4 * STRANGERS, "far too many stood at once"
        assert await until(lambda: descriptors() - before - len(idle) <= STRANGERS)
        assert alice.counters.reconnects == 0 and alice.failure is None
        for each in idle:
            each.close()
        assert await until(lambda: descriptors() <= before), "descriptors stayed open"
        assert any("have not said who they are" in reason for reason, _ in log)
        async with asyncio.timeout(10):
            other, _ = await asyncio.gather(
                dial(listener.address, session="later"), listener.accept(10)
            )
        await asyncio.gather(alice.close(0), other.close(0))


async def test_those_who_never_say_who_they_are_are_hung_up_on(monkeypatch):
    monkeypatch.setattr(door, "PATIENCE", 0.5)
    async with listening(refused=Log()) as listener:
        alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        context = zmq.Context()
        silent = context.socket(zmq.DEALER)  # with a good key, and not a word
        silent.curve_publickey, silent.curve_secretkey = ALICE.public.z85, ALICE.secret_z85
        silent.curve_serverkey = BOB.public.z85
        silent.reconnect_ivl = -1
        monitor = silent.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        silent.connect(listener.address)
        assert await until(lambda: bool(monitor.poll(0)))
        await asyncio.gather(alice.exchange(message(1)), bob.exchange(message(1)))
        assert alice.counters.reconnects == 0
        context.destroy(linger=0)
        await alice.close(0)


async def test_a_refused_key_is_named_by_the_one_who_waited():
    async with listening(refused=Log()) as listener:
        with pytest.raises(LinkError, match="refused this key"):
            await connect(
                listener.address,
                "alice",
                "bob",
                "test",
                KeyPair.generate("alice"),
                BOB.public,
                timeout=5,
            )
        with pytest.raises(
            LinkError,
            match=r"did not connect .*: somebody at 127.0.0.1 was refused, whose key is not",
        ):
            await listener.accept(0.2)


async def test_without_an_answer_from_the_handler_nobody_comes_in():
    async with listening() as listener:
        listener._zap._reader.close()
        listener._zap._socket.close(0)
        with pytest.raises(LinkError):
            await dial(listener.address, timeout=1.5)
        assert not listener.connections


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(condition, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return bool(condition())
