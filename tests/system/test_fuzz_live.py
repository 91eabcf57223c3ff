"""A hundred thousand bad frames against the live ports of a running session, which ends with the
right result.

Malformed, truncated, oversized, repeated and replayed; from holders of a valid key, from strangers,
and as raw TCP. Each guest sends for real: its socket is closed only when ZeroMQ has handed
everything to the network.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator

import msgpack
import numpy as np
import psutil
import pytest
import zmq
from keyed import Keys, guest, raw, run_all
from services import until

from party.loading import load_job
from party.local import Trio
from protocol.channel import KeyPair
from protocol.channel.door import STRANGERS
from protocol.processes import raise_limits
from protocol.tracing import trace
from protocol.wire import Kind, Message
from protocol.wire.codec import encode

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
ITERATIONS = 5250  # at 3 ms a round trip, two rounds a step keep it busy for some 20 s
ROUNDS = 8
FRAMES = 8_000  # by each guest with a key, each round
MIB = 1 << 20


def messages(rng: random.Random, role: str, session: str, to: str) -> Iterator[list[bytes]]:
    """Frames of one message each, of every sort, without end."""
    body = {"role": role, "instance": rng.randbytes(16), "attempt": 1}
    opening = encode(Message(Kind.OPEN, session, body=body), 0, 0, 0, to)
    valid = [
        opening,
        encode(
            Message(Kind.ROUND, session, 1, 7, None, (rng.randbytes(144),)),
            3,
            2,
            rng.getrandbits(31),
            to,
        ),
        encode(
            Message(Kind.PLAN, session, body={"digest": "0" * 32}, buffers=(rng.randbytes(300),)),
            1,
            0,
            1 << 31,
            to,
        ),
        encode(
            Message(Kind.CREDIT, session, 1, 0, {"chunks": 1 << 30, "bytes": 1 << 40}), 1, 0, 0, to
        ),
        encode(Message(Kind.BYE, session), 5, 0, 1 << 31, to),
        encode(Message(Kind.GONE, session, body={"reason": "x"}), 0, 0, rng.getrandbits(31), to),
        encode(Message(Kind.PING, session, number=1), 0, 1 << 40, 0, to),
        encode(
            Message(Kind.CHUNK, session, 1, 0, {"phase": 1}, (rng.randbytes(64),)),
            1,
            0,
            1 << 31,
            to,
        ),
    ]
    replayed = valid[1]
    for count in itertools.count():
        frames = [bytes(frame) for frame in rng.choice(valid)]
        sort = rng.randrange(12)
        if sort == 0:
            yield [rng.randbytes(rng.randrange(200))]
        elif sort == 1:
            yield [frames[0][: rng.randrange(len(frames[0]))], *frames[1:]]
        elif sort in (2, 3):
            place = rng.randrange(len(frames[0]))
            yield [frames[0][:place] + rng.randbytes(1) + frames[0][place + 1 :], *frames[1:]]
        elif sort == 4:
            yield [b"\x91" * rng.randrange(3000)]
        elif sort == 5:
            yield [
                rng.choice(
                    [b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff"]
                )
                + rng.randbytes(20)
            ]
        elif sort == 6:
            yield [*frames, *[b""] * rng.randrange(1, 40)]
        elif sort == 7:
            yield [
                msgpack.packb(
                    [rng.choice([0, 1, 2, 99, "1", None, 2**63]) for _ in range(rng.randrange(12))]
                )
            ]
        elif sort == 8 and count % 50 == 0:
            yield [rng.randbytes(200 * 1024)]  # more than a header may be
        elif sort == 9:
            yield [bytes(frame) for frame in replayed]
        else:
            yield frames


def attack(
    address: str, own: KeyPair, server: KeyPair, role: str, session: str, seed: int, sent: list[int]
) -> None:
    """One guest with a valid key, on a TCP connection of its own."""
    context = zmq.Context()
    rng = random.Random(seed)
    client = guest(context, address, own, server)
    # each comes about six times
    pool = list(itertools.islice(messages(rng, role, session, server.public.role), FRAMES // 6))
    for count in range(FRAMES):
        client.send_multipart(pool[rng.randrange(len(pool))])
        if count % 3000 == 2999:
            client.send(bytes(2 * MIB))  # more than the dealer takes
    client.close(20_000)
    context.term()
    sent.append(FRAMES)


def strangers(address: str, valid: KeyPair, server: KeyPair, seed: int, sent: list[int]) -> None:
    """Raw bytes, halves of handshakes, plain text, a key that nobody knows; and one giant of a
    message with a valid key."""
    rng = random.Random(seed)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
    plain = greeting.replace(b"CURVE", b"NULL\0")
    count = 0
    for _ in range(60):
        for data in (
            rng.randbytes(100),
            greeting,
            greeting + rng.randbytes(300),
            plain + b"\x04\x19\x05READY" + rng.randbytes(50),
            greeting[:20],
        ):
            try:
                with raw(address, data) as client:
                    client.setsockopt(
                        socket.SOL_SOCKET,
                        socket.SO_LINGER,
                        b"\x01\0\0\0\0\0\0\0" if rng.random() < 0.3 else bytes(8),
                    )
                count += 1
            except OSError:
                pass
    context = zmq.Context()
    giant = guest(context, address, valid, server)
    giant.send(bytes(300 * MIB), copy=False)  # beyond every limit: ZeroMQ hangs up
    unknown = guest(context, address, KeyPair.generate("bob"), server)
    unencrypted = guest(context, address, None, None)
    for client in (unknown, unencrypted):
        with contextlib.suppress(zmq.Again):  # a socket that was hung up on takes nothing more
            for frames in itertools.islice(messages(rng, "bob", "fuzz", server.public.role), 100):
                client.send_multipart(frames, zmq.NOBLOCK)
    time.sleep(0.3)
    context.destroy(0)
    sent.append(count)


def test_the_session_survives_a_hundred_thousand_bad_frames(tmp_path, capsys):
    keys = Keys(tmp_path)
    seed = int(os.environ.get("MPC_FUZZ_SEED", random.SystemRandom().randrange(1 << 32)))
    begin = time.monotonic()
    sent: list[int] = []
    with Trio("fuzz") as trio:
        run_all(trio, keys, "--iterations", str(ITERATIONS), "--link", "rtt=3ms")
        processes = {
            name: psutil.Process(child.process.pid) for name, child in trio.children.items()
        }
        before = {name: process.memory_info().rss for name, process in processes.items()}
        growth = dict.fromkeys(before, 0)
        started = time.monotonic()
        for round_number in range(ROUNDS):
            ports = [(trio.dealer, "dealer", "bob"), (trio.peer, "alice", "bob")]
            if round_number % 3 == 0:
                ports.append((trio.dealer, "dealer", "alice"))
            workers = []
            for address, server, role in ports:
                session = ("fuzz", "own", "default")[round_number % 3]
                arguments = (
                    address,
                    keys.pairs[role],
                    keys.pairs[server],
                    role,
                    session,
                    seed + len(workers) + 10 * round_number,
                    sent,
                )
                workers.append(threading.Thread(target=attack, args=arguments, daemon=True))
                if round_number in (1, 4):
                    arguments = (
                        address,
                        keys.pairs["bob"],
                        keys.pairs[server],
                        seed + 100 + round_number,
                        sent,
                    )
                    workers.append(threading.Thread(target=strangers, args=arguments, daemon=True))
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(40)
                assert not worker.is_alive(), "frames were not taken"
            for name, process in processes.items():
                assert trio.children[name].process.poll() is None, (
                    f"{name} ended: {trio.children[name].errors[-2000:]}"
                )
                growth[name] = max(growth[name], process.memory_info().rss - before[name])
            time.sleep(0.5)  # so that the attack lasts
        attacked = time.monotonic() - started
        assert sum(sent) >= 100_000
        trio.wait(240)
        results = {role: json.loads(trio.children[role].output) for role in ("alice", "bob")}
        for child in trio.children.values():
            assert "Traceback" not in child.errors, child.errors[-2000:]
            assert len(child.errors) < 200_000, "its log is flooded"
        dealer_log = trio.children["dealer"].errors
    job = load_job("seed")
    inputs = {name: np.asarray(declared.default, float) for name, declared in job.inputs.items()}
    twin = trace(job, {name: each.shape for name, each in inputs.items()}).graph.run_clear(
        inputs, ITERATIONS
    )
    assert results["alice"]["results"] == results["bob"]["results"]
    assert results["alice"]["attempts"] == results["bob"]["attempts"] == 1
    assert np.abs(np.asarray(results["alice"]["results"]["weights"]) - twin["weights"]).max() < 1e-3
    assert "refused" in dealer_log
    assert max(growth.values()) < 160 * MIB, growth
    with capsys.disabled():
        mib = ", ".join(f"{name} {each / MIB:+.0f} MiB" for name, each in growth.items())
        print(
            f"\n{sum(sent):,} frames in {attacked:.1f} s (seed {seed}),"
            f" {time.monotonic() - begin:.1f} s in all; {mib}"
        )


@pytest.mark.alone
def test_the_session_survives_a_flood_of_idle_connections(tmp_path):
    """1,500 connections to each port that say nothing, 500 at a time: the newest are shed, and no
    descriptor stays."""
    raise_limits()
    keys = Keys(tmp_path)
    with Trio("flood") as trio:
        run_all(trio, keys, "--iterations", "3000", "--link", "rtt=3ms")
        # all links are up: what is open from now on is the flood's
        until(lambda: "dealing steps" in trio.children["dealer"].errors, 60)
        for name, address in (("dealer", trio.dealer), ("alice", trio.peer)):
            process = psutil.Process(trio.children[name].process.pid)
            before, most = process.num_fds(), 0
            with contextlib.ExitStack() as idle:
                for number in range(1500):
                    idle.enter_context(raw(address))
                    most = max(most, process.num_fds() - before)
                    if number % 500 == 499:  # however busy the machine is, it has seen to them
                        until(lambda: process.num_fds() - before <= STRANGERS + 10, 60)
                assert STRANGERS / 2 < most < 1000, (
                    "the flood was not met before a usual limit of descriptors"
                )
            until(lambda: process.num_fds() <= before + 2, 60, lambda: f"{name} kept descriptors")
            assert "have not said who they are" in trio.children[name].errors
        assert trio.children["alice"].process.poll() is None, (
            "the session ended before the flood did"
        )
        trio.wait(240)
        results = [json.loads(trio.children[role].output) for role in ("alice", "bob")]
        assert results[0]["results"] == results[1]["results"]
        assert results[0]["attempts"] == results[1]["attempts"] == 1
        assert all("Traceback" not in child.errors for child in trio.children.values())
