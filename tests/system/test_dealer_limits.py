"""The dealer survives its clients: bounded plans, fair shares, bounded memory, and no failure that
spreads."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgpack
import psutil
import pytest
import zmq
from keyed import Keys, guest, raw, run_all, wait_for
from served import TICKET, credit, offer, pair, plan, reason, serving

from party.local import Trio
from protocol import contract_codec
from protocol.channel import KeyPair
from protocol.channel.door import STRANGERS
from protocol.contract import Dealing
from protocol.dealing import Deal
from protocol.errors import LinkError
from protocol.graph import Phase
from protocol.prg import attempt_seed
from protocol.wire import Kind, Message
from protocol.wire.codec import payload_bytes

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
MIB = 1 << 20
NO_TICKETS = (
    None,
    7,
    "",
    "t",
    TICKET[1:],
    TICKET + "0",
    TICKET.replace("-", "0"),
    f"../{TICKET[3:]}",
    TICKET + "\n",
)


async def dealt(keys: Keys, address: str, session: str, dealing: Dealing) -> int:
    """A whole session's material, taken as fast as it comes; bytes."""
    total, wanted = (
        0,
        8 * sum(own.dealt_words * dealing.count(Phase(n)) for n, own in enumerate(dealing.phases)),
    )
    async with pair(keys, address, session) as (alice, bob):
        for party in (alice, bob):
            party.send(offer(session, dealing))
        assert (await alice.receive(20)).kind is (await bob.receive(20)).kind is Kind.SEED
        bob.send(credit(session))
        while total < wanted:
            message = await bob.receive(20)
            assert message.kind is Kind.CHUNK, message.body
            total += payload_bytes(message)
    return total


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


def malformed(masks: list) -> bytes:
    """A plan of five steps with these masks in its setup."""
    return msgpack.packb([contract_codec.VERSION, 5, 0, [[masks, []], *[[[], []]] * 3]])


async def test_plans_that_are_refused_in_a_sentence(keys):
    good = plan(4)
    field = [[1 << 45], 1, False]
    cases = {
        "could not be read": [
            b"",
            b"\xc1",
            b"garbage" * 100,
            msgpack.packb([1, 5]),
            contract_codec.pack(good)[:-3],
        ],
        "has a mask": [malformed([field])],
        "--max-step-memory": [contract_codec.pack(plan(4 << 20))],
        "more masks and correlations": [malformed([[[1], 1, False]] * 40_000)],
    }
    async with serving(keys, max_step_memory=64 * MIB) as address:
        number = 0
        for words, plans in cases.items():
            for data in plans:
                number += 1
                bob = await keys.connect(address, "bob", "dealer", f"bad{number}")
                bob.send(offer(f"bad{number}", data))
                assert words in await reason(bob)
                await bob.close(0)
        for changes in (
            {"digest": "0" * 32},
            {"start": 1001},
            {"start": -1},
            {"epoch": -1},
            *({"ticket": bad} for bad in NO_TICKETS),
        ):
            bob = await keys.connect(address, "bob", "dealer", "bad")
            bob.send(offer("bad", good, **changes))
            assert "plan" in await reason(bob)
            await bob.close(0)
        big = await keys.connect(address, "bob", "dealer", "big")
        big.send(offer("big", bytes(2 * MIB)))
        with pytest.raises(
            LinkError, match="a frame of 2097152 bytes arrived; the limit is 1048576"
        ):
            await big.receive(5)
        await big.close(0)
        assert (
            await dealt(keys, address, "good", good)
            >= 8 * 1000 * good.phases[Phase.STEP].dealt_words
        )


async def test_several_workers_serve_one_session_in_order(keys, monkeypatch):
    """Whichever chunk is ready first: what comes is the whole stream, chunk by chunk, and two are
    made at a time."""
    dealing, real = plan(64, 500), Deal.corrections
    busy, most, guard = 0, 0, threading.Lock()

    def uneven(self, phase, first, count, part):
        nonlocal busy, most
        with guard:
            busy += 1
            most = max(most, busy)
        time.sleep(0.02 if first % 3 else 0.0)
        try:
            return real(self, phase, first, count, part)
        finally:
            with guard:
                busy -= 1

    monkeypatch.setattr("protocol.contract.CHUNK_BYTES", 1 << 14)
    monkeypatch.setattr(Deal, "corrections", uneven)
    async with serving(keys, workers=2) as address, pair(keys, address, "side") as (alice, bob):
        for party in (alice, bob):
            party.send(offer("side", dealing))
        seeds = [bytes((await party.receive(20)).buffers[0]) for party in (alice, bob)]
        bob.send(credit("side"))
        deal = Deal(dealing, *(attempt_seed(seed, "side", TICKET, 1) for seed in seeds))
        for number, place in enumerate(dealing.chunks()):
            message = await bob.receive(20)
            body = dict(zip(("phase", "first", "count", "part"), place, strict=True))
            assert (message.number, message.body) == (number, body)
            assert b"".join(message.buffers) == real(deal, *place).tobytes()
    assert most == 2


async def test_a_failure_while_making_material_ends_that_session_only(keys, monkeypatch):
    good, bad = plan(4, 2000), plan(5, 2000)
    real = Deal.corrections

    def failing(self, phase, first, count, part):
        if self.dealing == bad and phase == Phase.STEP and first:
            raise ZeroDivisionError("a secret 12345")
        return real(self, phase, first, count, part)

    monkeypatch.setattr(Deal, "corrections", failing)
    monkeypatch.setattr("protocol.contract.CHUNK_BYTES", 1 << 12)
    async with serving(keys) as address:
        other = asyncio.create_task(dealt(keys, address, "good", good))
        async with pair(keys, address, "bad") as (alice, bob):
            for party in (alice, bob):
                party.send(offer("bad", bad))
            for party in (alice, bob):
                assert (await party.receive(20)).kind is Kind.SEED
            bob.send(credit("bad"))
            for party in (alice, bob):
                while (message := await party.receive(20)).kind is Kind.CHUNK:
                    assert party is bob
                assert message.kind is Kind.ABORT
                text = (message.body or {})["reason"]
                assert (
                    "could not make the material for step" in text and "ZeroDivisionError" in text
                )
                assert "12345" not in text
        assert await other > 0
        assert await dealt(keys, address, "after", good) > 0


async def test_a_session_whose_plan_does_not_fit_beside_the_others_is_told(keys):
    async with serving(keys, max_stock=MIB, max_memory=4 * MIB) as address:
        bob = await keys.connect(address, "bob", "dealer", "big")
        bob.send(offer("big", plan(1 << 16)))
        said = await reason(bob)
        assert (
            "no memory for a session that needs" in said
            and "come back" not in said
            and "--max-memory, now 4 MiB" in said
        ), said
        await bob.close(0)
        assert await dealt(keys, address, "small", plan(4, 10)) > 0


async def test_probes_are_bounded(keys):
    async with serving(keys) as address:
        bob = await keys.connect(address, "bob", "dealer", "doctor-1")
        hello = await bob.exchange(Message(Kind.HELLO, "doctor-1", body={"version": "x"}), 5)
        assert hello.kind is Kind.WELCOME and abs((hello.body or {})["time"] - time.time()) < 5
        for size in (1, 16, 1, 1):
            answer = await bob.exchange(Message(Kind.HELLO, "doctor-1", body={"probe": size}), 20)
            assert sum(len(each) for each in answer.buffers) == size * MIB
        bob.send(Message(Kind.HELLO, "doctor-1", body={"probe": 1}))
        assert "too many" in await reason(bob)
        await bob.close(0)
        for size in (0, -1, 17, "8", True, None):
            alice = await keys.connect(address, "alice", "dealer", "doctor-2")
            alice.send(Message(Kind.HELLO, "doctor-2", body={"probe": size}))
            answer = await alice.receive(5)
            assert answer.kind is (Kind.WELCOME if size is None else Kind.ABORT)
            await alice.close(0)


async def test_sessions_are_counted(keys):
    async with serving(keys, max_sessions=2) as address:
        first = await keys.connect(address, "alice", "dealer", "one")
        second = await keys.connect(address, "alice", "dealer", "two")
        third = await keys.connect(address, "alice", "dealer", "three")
        assert "the dealer has 2 sessions" in await reason(third)
        await second.close(0.5)
        await asyncio.sleep(0.3)
        assert await dealt(keys, address, "three", plan(3, 10)) > 0
        await first.close(0)


async def test_a_party_whose_name_is_taken_by_another_key_is_told(keys, tmp_path):
    (tmp_path / "b").mkdir()
    others = Keys(tmp_path / "b")
    others.pairs["dealer"] = keys.pairs["dealer"]
    (tmp_path / "listed").write_text(
        "\n".join(str(k.pairs[r].public) for k in (keys, others) for r in ("alice", "bob"))
    )
    with Trio() as trio:
        dealer = trio.start(
            "dealer", ["--key", str(keys.files["dealer"]), "--allow", str(tmp_path / "listed")]
        )
        await asyncio.to_thread(wait_for, dealer, "ready")
        first = await keys.connect(trio.dealer, "alice", "dealer", "same")
        try:
            second = await others.connect(trio.dealer, "alice", "dealer", "same")
            said = await reason(second)
            await second.close(0)
        except LinkError as error:  # the answer may be there before the connection is
            said = str(error)
        assert "another alice has a session same here" in said
        assert first.failure is None
        assert await dealt(others, trio.dealer, "mine", plan(3, 10)) > 0
        await first.close(0)


SLEEPER = """
import asyncio, pathlib, signal, sys
from keyed import Keys
from served import credit, offer, pair, plan

async def main(folder, address, session):
    async with pair(Keys(pathlib.Path(folder)), address, session) as (alice, bob):
        for party in (alice, bob):
            party.send(offer(session, plan(20_000, 1 << 20)))
        await bob.receive(20)
        bob.send(credit(session))
        await bob.receive(20)
        print("asleep", flush=True)
        signal.raise_signal(signal.SIGSTOP)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_client_that_stops_reading_costs_bounded_memory(keys, tmp_path):
    """Bob grants the earth and takes nothing. Others are served meanwhile, and he is given up after
    the time-out."""
    here = Path(__file__).parent
    environment = dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join(map(str, (here, here.parent, here.parents[1])))
    }
    with Trio() as trio:
        dealer = trio.start("dealer", [*keys.options("dealer"), "--timeout", "6s"])
        await asyncio.to_thread(wait_for, dealer, "ready")
        assert await dealt(keys, trio.dealer, "warm", plan(5000, 100)) > 0
        process = psutil.Process(dealer.process.pid)
        before = process.memory_info().rss
        sleepers = [
            subprocess.Popen(
                [sys.executable, "-c", SLEEPER, str(tmp_path), trio.dealer, f"asleep{number}"],
                stdout=subprocess.PIPE,
                env=environment,
            )
            for number in range(3)
        ]
        try:
            for each in sleepers:
                assert each.stdout is not None and b"asleep" in await asyncio.to_thread(
                    each.stdout.readline
                )
            most = slowest = 0.0
            for number in range(6):
                begin = time.monotonic()
                assert await dealt(keys, trio.dealer, f"awake{number}", plan(2000, 500)) > 20 * MIB
                slowest = max(slowest, time.monotonic() - begin)
                most = max(most, process.memory_info().rss - before)
            assert most < 256 * MIB, f"{most / MIB:.0f} MiB"
            assert slowest < 10, f"{slowest:.1f} s"
            deadline = time.monotonic() + 60
            while dealer.errors.count("nothing was heard from bob") < 3:
                assert time.monotonic() < deadline, dealer.errors
                await asyncio.sleep(0.1)
        finally:
            for each in sleepers:
                each.kill()
                each.wait()
        print(
            f"three sessions that stopped reading: {most / MIB:.0f} MiB; 24 MB for another in"
            f" {slowest:.2f} s"
        )


async def test_a_large_session_does_not_hold_up_a_small_one(keys):
    """One worker, one chunk at a time for each session: the small one waits for one large chunk at
    most, never for a queue."""
    async with serving(keys) as address:
        large = asyncio.create_task(dealt(keys, address, "large", plan(400_000, 60)))
        await asyncio.sleep(0.5)
        begin = time.monotonic()
        await dealt(keys, address, "small", plan(10, 1000))
        small = time.monotonic() - begin
        assert not large.done()
        begin = time.monotonic()
        await large
        assert small < 3, f"the small one took {small:.1f} s"


def test_idle_and_unauthenticated_connections_change_nothing(keys):
    with Trio("idle") as trio:
        run_all(trio, keys, "--iterations", "4500", "--link", "rtt=1ms")
        dealer = psutil.Process(trio.children["dealer"].process.pid)
        time.sleep(1.5)  # until the session itself has what it needs
        before = dealer.memory_info().rss
        open_before = dealer.num_fds()
        idle = [
            raw(address, data)
            for address in (trio.dealer, trio.peer)
            for data in (b"",) * 100 + (b"\xff" * 9,) * 100
        ]
        context = zmq.Context()
        stranger = KeyPair.generate("bob")
        guests = [guest(context, trio.dealer, stranger, keys.pairs["dealer"]) for _ in range(50)]
        # never say OPEN
        known = [
            guest(context, trio.dealer, keys.pairs["bob"], keys.pairs["dealer"]) for _ in range(50)
        ]
        time.sleep(1)
        assert trio.children["alice"].process.poll() is None, (
            "the session was over before it could be disturbed"
        )
        growth = dealer.memory_info().rss - before
        descriptors = dealer.num_fds() - open_before
        trio.wait(240)
        for each in idle:
            each.close()
        context.destroy(0)
        results = [json.loads(trio.children[role].output) for role in ("alice", "bob")]
        assert results[0]["results"] == results[1]["results"]
        assert results[0]["attempts"] == 1
        # of the 400 that came: the newest are shed
        assert STRANGERS / 2 < descriptors < 2 * STRANGERS
        print(f"{descriptors} connections that say nothing: {growth / MIB:.1f} MiB")
        assert growth < 64 * MIB, f"{growth / MIB:.0f} MiB"
        assert len(guests) == len(known) == 50
