"""The seam to ZeroMQ: sockets read through their file descriptors, their options, and ZeroMQ's
errors as this project's.

ZeroMQ's descriptor is *edge-triggered*: it turns readable once when the socket's state changes, and
a send or a receive may consume that edge. Hence two rules: read until there is nothing left, and
look again after every send. There is no task for a message, so no message can be lost by
cancelling one; `zmq.asyncio` has such tasks, and was measured slower.

Frames below COPY_BELOW bytes are copied, which is quicker than tracking a reference; larger ones
are passed by reference. Nothing in this file knows what the frames mean.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import Callable, Sequence
from typing import Any

import zmq
from zmq.backend import Socket as _Backend

from ..errors import ConfigError
from ..wire.messages import Buffer
from .keys import KeyPair, PublicKey
from .terms import Options

ZAP_DOMAIN = b"mpc"
COPY_BELOW = 64 << 10  # bytes; smaller frames are copied into and out of ZeroMQ
_PORT = r"(?:\*|\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
_ADDRESS = re.compile(rf"tcp://(?:[^\s:/\[\]]+|\[[^\s\[\]]+\]):{_PORT}|ipc://\S+")
_SHAPE = "it is not an address like tcp://host:port"
_BURST = 256  # messages read before the event loop is given a turn
# bytes by which a frame may exceed its limit and be answered with an error; ZeroMQ hangs up on more
_ROOM = 16 << 20
_NOW = int(zmq.NOBLOCK)
_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)
_NOBODY = (zmq.EAGAIN, zmq.EHOSTUNREACH, zmq.ENOTSOCK, zmq.ETERM)
_EVENTS, _RCVMORE, _POLLIN = int(zmq.EVENTS), int(zmq.RCVMORE), int(zmq.POLLIN)

# the C extension's own methods: pyzmq's Python layer above them adds half a microsecond to each
# call
_send: Callable[..., object] = _Backend.send
_recv = _Backend.recv
_get: Callable[[Any, int], int] = _Backend.get  # type: ignore[assignment]


class Reader:
    """Calls `read(socket)` for every message that arrives at `socket`; `read` takes exactly one."""

    def __init__(self, socket: zmq.Socket[bytes], read: Callable[[], None]) -> None:
        self.socket = socket
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._reading = False
        self._closed = False
        self._fd = int(socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._fd, self.look)
        self._loop.call_soon(self.look)

    def look(self) -> None:
        """Read all messages that have come. To be called after every send that `read` did not
        make."""
        if self._reading or self._closed:
            return
        self._reading = True
        socket, read = self.socket, self._read
        try:
            for _ in range(_BURST):
                if not _get(socket, _EVENTS) & _POLLIN:
                    return
                read()
                if self._closed:
                    return
            self._loop.call_soon(self.look)
        except zmq.ZMQError:
            if not self._closed:
                raise
        finally:
            self._reading = False

    def close(self) -> None:
        """Read no more. The socket stays open."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._fd)


def send(
    socket: zmq.Socket[bytes], frames: Sequence[Buffer], routing_id: bytes | None = None
) -> bool:
    """Send one message without blocking; False when no peer can take it now.

    A message is sent whole or not at all. If a frame after the first cannot be sent, ZeroMQ would
    take the frames of the next message, whichever peer it is for, as the rest of this one: so the
    socket is closed at once, with the frames that it holds. The owner finds `socket.closed` true,
    and makes another socket.
    """
    begun = False
    try:
        if routing_id is not None:
            _send(socket, routing_id, _MORE)
            begun = True
        if len(frames) == 1:
            _send(socket, frames[0], _NOW)
            return True
        last = len(frames) - 1
        for index, frame in enumerate(frames):
            size = memoryview(frame).nbytes
            _send(socket, frame, _NOW if index == last else _MORE, size < COPY_BELOW)
            begun = True
    except BaseException as error:
        if begun:
            socket.close(0)
            if isinstance(error, (OSError, MemoryError, zmq.ZMQError)):
                return False
        elif isinstance(error, zmq.ZMQError) and error.errno in _NOBODY:
            return False
        raise
    return True


def receive(socket: zmq.Socket[bytes]) -> bytes:
    """The next frame, of few bytes, as a copy. zmq.Again if there is none."""
    frame: bytes = _recv(socket, _NOW)
    return frame


def receive_rest(socket: zmq.Socket[bytes], first: bytes, most: int) -> list[Buffer]:
    """The frames of a message whose `first` was just received: at most `most` + 1 of them; further
    ones are received and dropped."""
    frames: list[Buffer] = [first]
    while _get(socket, _RCVMORE):
        frame: Any = _recv(socket, _NOW, False)
        if len(frames) > most:
            continue
        buffer: memoryview = frame.buffer
        frames.append(bytes(buffer) if buffer.nbytes < COPY_BELOW else buffer.toreadonly())
    return frames


def context() -> zmq.Context[zmq.Socket[bytes]]:
    """A context for one listener or one connection, so that each has a ZAP handler of its own."""
    own: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    # nothing ever waits for a socket to empty unless it was told to linger
    own.setsockopt(zmq.BLOCKY, 0)
    return own


def configure(socket: zmq.Socket[bytes], options: Options) -> None:
    """Set the options that all sockets have, of listeners and of those that connect.

    What may be in flight is limited by the window of `wire.reliable`, and by credit, never by
    ZeroMQ's high-water marks. There is none for sending, where ZeroMQ would drop or block; that for
    receiving is larger than an honest peer's window, and stops reading from a dishonest one.

    No ZMTP heartbeats: their timer writes to a connection without checking whether its input has
    ended, which aborts the process (libzmq 4.3.5, `Assertion failed: !_io_error`,
    stream_engine_base.cpp). One altered frame, or a peer that floods and leaves, is enough. Silent
    peers are found by this project's own pings (`liveness`), hosts that vanished by TCP keep-alive.
    """
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 2 * options.window.count + 64)
    socket.setsockopt(zmq.MAXMSGSIZE, max(options.limits.header, options.limits.frame) + _ROOM)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 20)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 5)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 4)
    # milliseconds without an acknowledgement of what was sent; keep-alive is not for that
    socket.setsockopt(zmq.TCP_MAXRT, 40_000)


def serve_curve(socket: zmq.Socket[bytes], keys: KeyPair) -> None:
    """Accept nothing but CURVE, from clients that the ZAP handler of the same context approves."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret_z85)
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    # without an answer from the handler no handshake succeeds
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def dial_curve(socket: zmq.Socket[bytes], keys: KeyPair, server: PublicKey) -> None:
    """Speak CURVE, to the holder of `server`'s secret key only."""
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.z85)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret_z85)
    socket.setsockopt(zmq.CURVE_SERVERKEY, server.z85)


def bind(socket: zmq.Socket[bytes], address: str) -> str:
    """Listen at `address`. Returns it as ZeroMQ resolved it, with a port in place of `:0`.
    ConfigError where that is not possible."""
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(f"cannot listen at {address}: {_SHAPE}")
    socket.setsockopt(zmq.IPV6, "[" in address)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        raise ConfigError(f"cannot listen at {address}: {_why(error)}") from None
    return str(socket.getsockopt_string(zmq.LAST_ENDPOINT))


def dial(socket: zmq.Socket[bytes], address: str) -> None:
    """Have ZeroMQ connect to tcp://HOST:PORT, and retry by itself. ConfigError for what is no such
    address, or is in none of this host's networks."""
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(f"cannot connect to {address}: {_SHAPE}")
    socket.setsockopt(zmq.IPV6, "[" in address)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        raise ConfigError(f"cannot connect to {address}: {_why(error)}") from None


def _why(error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return "another process listens there"
    if error.errno in (zmq.EADDRNOTAVAIL, errno.ENODEV):
        return "this host does not have that address"
    if error.errno in (zmq.EINVAL, zmq.EPROTONOSUPPORT):
        return _SHAPE
    return str(error.strerror)
