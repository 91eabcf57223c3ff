"""A message goes out whole, to the one it is for: with a fault injected at each frame of a send,
nobody receives a byte of another's."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import zmq

from protocol.channel import sockets
from protocol.errors import ProtocolError
from protocol.wire import Kind, Message
from protocol.wire.codec import encode

from .links import dial, listening

pytestmark = pytest.mark.timeout(120)
LARGE = 100_000  # bytes: a frame of its own
FRAMES = 4  # of a message from a listener: the routing id, the header, two large buffers


class Fault:
    """Fails the n-th frame that is sent of a message with large buffers, once."""

    def __init__(self, monkeypatch, at: int, error: Exception) -> None:
        self.at, self.error, self.struck = at, error, False
        self._real = sockets._send
        self._count = itertools.count()
        monkeypatch.setattr(sockets, "send", self._armed(sockets.send))
        monkeypatch.setattr(sockets, "_send", self._frame)
        self._on = False

    def _armed(self, send):
        def wrapped(socket, frames, routing_id=None):
            self._on = len(frames) > 1 and not self.struck
            self._count = itertools.count(0 if routing_id is not None else 1)
            try:
                return send(socket, frames, routing_id)
            finally:
                self._on = False

        return wrapped

    def _frame(self, *arguments):
        if self._on and next(self._count) == self.at:
            self.struck = True
            raise self.error
        return self._real(*arguments)


ERRORS = [OSError(12, "Cannot allocate memory"), zmq.ZMQError(zmq.EAGAIN), MemoryError()]


def large(session: str, mark: bytes, number: int = 1) -> Message:
    return Message(Kind.ROUND, session, 1, number, None, (mark * LARGE, mark * LARGE))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("at", range(1, FRAMES))
async def test_a_listener_whose_send_fails_at_one_frame(monkeypatch, at, error):
    async with listening() as listener:
        ends = {}
        for name in ("one", "two"):
            ends[name] = await asyncio.gather(
                dial(listener.address, session=name), listener.accept(5)
            )
        seen = {name: record(monkeypatch, dialled) for name, (dialled, _) in ends.items()}
        fault = Fault(monkeypatch, at, error)
        ends["one"][1].send(large("one", b"1"))
        ends["two"][1].send(large("two", b"2"))
        assert fault.struck
        for name, (dialled, _) in ends.items():
            assert (await dialled.receive(20)).buffers[0] == name_mark(name) * LARGE
        for name, (dialled, accepted) in ends.items():  # and both go on, on the new socket
            dialled.send(large(name, b"x"))
            await accepted.receive(20)
            assert name_mark({"one": "two", "two": "one"}[name]) * 1000 not in seen[name]
            assert accepted.counters.reconnects == 1
        await asyncio.gather(*(end.close(0) for end, _ in ends.values()))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("at", range(2, FRAMES))
async def test_a_dialler_whose_send_fails_at_one_frame(monkeypatch, at, error):
    async with listening() as listener:
        alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
        fault = Fault(monkeypatch, at, error)
        alice.send(large("test", b"1"))
        alice.send(large("test", b"2", 2))
        assert fault.struck
        assert [(await bob.receive(20)).number for _ in range(2)] == [1, 2]
        assert bob.counters.reconnects == 1 and bob.failure is None
        await alice.close(0)


async def test_a_message_for_somebody_else_is_refused():
    for to, session in (("dealer", "test"), ("alice", "other")):
        async with listening() as listener:
            alice, bob = await asyncio.gather(dial(listener.address), listener.accept(5))
            bob._transport.transmit(encode(Message(Kind.ROUND, session, 1, 1), 1, 0, bob.link, to))
            with pytest.raises(ProtocolError, match=r"a ROUND message (arrived )?that is not for"):
                await alice.receive(5)
            await alice.close(0)


def name_mark(name: str) -> bytes:
    return {"one": b"1", "two": b"2"}[name]


def record(monkeypatch, connection) -> bytearray:
    """Every byte that reaches the process of this connection, decoded or not."""
    found = bytearray()
    transport = connection._transport
    real = sockets.receive_rest

    def receive_rest(socket, first, most):
        frames = real(socket, first, most)
        if socket is transport._socket:
            for frame in frames:
                found.extend(frame)
        return frames

    monkeypatch.setattr(sockets, "receive_rest", receive_rest)
    return found
