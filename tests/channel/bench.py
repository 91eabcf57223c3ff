"""How long a round takes, and how fast bulk moves, between two processes. Run by hand: python
tests/channel/bench.py

`bare` is what ZeroMQ itself costs with a reader on its descriptor and nothing of ours; the
difference is our Python.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
from pathlib import Path

import uvloop
import zmq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from protocol.channel import Allow, KeyPair, Listener, connect
from protocol.wire import Kind, Message

ALICE, BOB = KeyPair.generate("alice"), KeyPair.generate("bob")
CHUNK = 4 << 20


async def bare(server: bool, curve: bool, rounds: int, port: int) -> float:
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER if server else zmq.DEALER)
    if curve and server:
        socket.curve_server = True
        socket.curve_secretkey = BOB.secret_z85
    elif curve:
        socket.curve_publickey, socket.curve_secretkey = ALICE.public.z85, ALICE.secret_z85
        socket.curve_serverkey = BOB.public.z85
    (socket.bind if server else socket.connect)(f"tcp://127.0.0.1:{port}")
    loop = asyncio.get_running_loop()
    inbox: list[list[bytes]] = []
    waiter: asyncio.Future[None] | None = None

    def look() -> None:
        while socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            inbox.append(socket.recv_multipart(zmq.NOBLOCK))
        if inbox and waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def receive() -> list[bytes]:
        nonlocal waiter
        while not inbox:
            waiter = loop.create_future()
            await waiter
        return inbox.pop()

    loop.add_reader(socket.fd, look)
    peer: list[bytes] = []
    if server:
        peer = (await receive())[:1]
    else:
        socket.send(b"hello")
    begin = time.perf_counter()
    for _ in range(rounds):
        if peer:
            socket.send(peer[0], zmq.SNDMORE)
        socket.send(b"x" * 140)
        look()
        await receive()
    spent = time.perf_counter() - begin
    loop.remove_reader(socket.fd)
    context.destroy(linger=200)
    return spent / rounds * 1e6


async def ours(server: bool, curve: bool, rounds: int, port: int) -> tuple[float, float]:
    keys = (BOB if server else ALICE) if curve else None
    if server:
        listener = Listener(
            f"tcp://127.0.0.1:{port}", "bob", keys, Allow([ALICE.public]) if curve else None
        )
        link = await listener.accept(10)
    else:
        link = await connect(
            f"tcp://127.0.0.1:{port}", "alice", "bob", "bench", keys, BOB.public if curve else None
        )
    payload = b"x" * 100
    begin = time.perf_counter()
    for number in range(rounds):
        await link.exchange(Message(Kind.ROUND, "bench", 1, number, None, (payload,)))
    spent = time.perf_counter() - begin
    chunk, count = bytes(CHUNK), 30
    start = time.perf_counter()
    if server:
        for number in range(count):
            link.send(Message(Kind.ROUND, "bench", 1, number, None, (chunk,)))
        await link.receive()
    else:
        for _ in range(count):
            await link.receive()
        link.send(Message(Kind.ROUND, "bench", 1, 0))
    bulk = count * CHUNK / (time.perf_counter() - start)
    await link.close()
    if server:
        await listener.close()
    return spent / rounds * 1e6, bulk


def run(what: str, curve: bool, rounds: int, port: int) -> str:
    job = bare if what == "bare" else ours
    child = multiprocessing.Process(target=lambda: uvloop.run(job(True, curve, rounds, port)))
    child.start()
    found = uvloop.run(job(False, curve, rounds, port))
    child.join(20)
    return (
        f"{found:.1f} us"
        if isinstance(found, float)
        else f"{found[0]:.1f} us, bulk {found[1] / 1e6:.0f} MB/s"
    )


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10000)
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    for turn in range(options.repeat):
        for curve in (False, True):
            for index, what in enumerate(("bare", "ours")):
                port = 27100 + 10 * turn + 2 * curve + index
                print(
                    f"{what} {'CURVE' if curve else 'plain'}:"
                    f" {run(what, curve, options.rounds, port)}",
                    flush=True,
                )
