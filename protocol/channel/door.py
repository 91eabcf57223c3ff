"""The door of a listener: who may finish a handshake, and who was turned away.

`Authenticator` speaks the ZeroMQ Authentication Protocol, answered from an `Allow` list. ZeroMQ asks at
every CURVE handshake, over `inproc://zeromq.zap.01` of the listening socket's own context. pyzmq's
authenticators bring a thread or an event loop of their own; this one is read like every other socket here.
The answer carries a user id, `<role>/<key>`, which ZeroMQ attaches to every later frame of that connection:
what a peer claims about itself is checked against it.

Clients that do not get as far as showing a key (plain text, the wrong server key, no ZeroMQ at all) are
seen by `Watch` only, through ZeroMQ's monitor.
"""

from __future__ import annotations

import os
import socket as network
import struct
from collections.abc import Callable

import zmq

from .keys import Allow, PublicKey
from .sockets import Reader

_ENDPOINT = "inproc://zeromq.zap.01"
_FAILED = "its handshake failed: it did not speak CURVE, or it expected another key than this listener's"
_UNKNOWN = "an unknown address"
_JUDGED = 256  # hosts remembered


class Authenticator:
    """Answers for one context. `refused(reason, address)` is called for every key turned away."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        allow: Allow,
        roles: frozenset[str],
        refused: Callable[[str, str], None],
    ) -> None:
        self.allow = allow
        self._roles = roles
        self._refused = refused
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        self._reader = Reader(self._socket, self._answer)

    def look(self) -> None:
        self._reader.look()

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def permitted(self, user: str) -> bool:
        """Is the holder of this user id still on the list?"""
        role, _, code = user.partition("/")
        try:
            return self.allow.role_of(bytes.fromhex(code)) == role
        except ValueError:
            return False

    def _answer(self) -> None:
        request = self._socket.recv_multipart(zmq.NOBLOCK)
        number = request[1] if len(request) > 1 else b""
        user = self._judge(request)
        status = (b"200", b"OK") if user else (b"400", b"refused")
        self._socket.send_multipart([b"1.0", number, *status, user.encode(), b""], zmq.NOBLOCK)

    def _judge(self, request: list[bytes]) -> str:
        """The user id of the one who asks, or nothing."""
        if len(request) < 6 or request[0] != b"1.0":
            return ""
        address = request[3].decode(errors="replace")
        if request[5] != b"CURVE" or len(request) != 7 or len(request[6]) != 32:
            self._refused("it did not authenticate with a key", address)
            return ""
        key = request[6]
        role = self.allow.role_of(key)
        if role is None:
            self._refused("its key is not on the list of allowed keys", address)
            return ""
        if role not in self._roles:
            self._refused(f"its key {PublicKey(role, key).short} is of {role}, which does not connect here", address)
            return ""
        return f"{role}/{key.hex()}"


class Watch:
    """Reports failed handshakes of a socket that speaks CURVE; the address is a best effort, for the log only.

    ZeroMQ could say what failed (EVENT_HANDSHAKE_FAILED_PROTOCOL), but must not be asked: it raises that event for every frame
    that it cannot decrypt, also after the handshake, and sending it overwrites the errno by which its engine would see the error.
    The engine then takes the frame for back-pressure, stops reading, and keeps the descriptor of a peer that is long gone
    (libzmq 4.3.5, curve_mechanism_base.cpp). So a handshake has failed here if a connection ends from which no frame came.
    """

    def __init__(self, socket: zmq.Socket[bytes], refused: Callable[[str, str], None]) -> None:
        self._refused = refused
        self._silent: dict[int, str] = {}  # descriptors of ZeroMQ's from which no frame has come, and who is there
        self._judged: list[str] = []  # hosts whose key the authenticator has turned away, and said so
        self._socket = socket
        self._monitor = socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        self._reader = Reader(self._monitor, self._event)

    def close(self) -> None:
        self._reader.close()
        self._socket.disable_monitor()

    def spoke(self, descriptor: int) -> None:
        """A frame came from there, so its handshake is done."""
        self._silent.pop(descriptor, None)

    def judged(self, host: str) -> None:
        """The end of the handshake with this host has been reported."""
        self._judged = [*self._judged[-_JUDGED:], host]

    def _event(self) -> None:
        code, descriptor = struct.unpack("=HI", self._monitor.recv_multipart(zmq.NOBLOCK)[0])
        if code == zmq.EVENT_ACCEPTED:
            self._silent[descriptor] = _host(descriptor)
        elif (host := self._silent.pop(descriptor, None)) is not None:
            known = host if host != _UNKNOWN else next(iter(self._judged), host)
            if known in self._judged:
                self._judged.remove(known)
            else:
                self._refused(_FAILED, host)


def _host(descriptor: int) -> str:
    """Who is at the other end of ZeroMQ's own TCP socket, unless that is closed already."""
    try:
        with network.socket(fileno=os.dup(descriptor)) as copy:
            return str(copy.getpeername()[0])
    except (OSError, IndexError, TypeError):
        return _UNKNOWN
