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
    """Reports failed handshakes of a listening socket; the address is a best effort, for the log only."""

    def __init__(self, socket: zmq.Socket[bytes], curve: bool, refused: Callable[[str, str], None]) -> None:
        self._refused = refused
        self._hosts: dict[int, str] = {}
        self._reason = ""
        self._mismatch = "it did not speak CURVE" if curve else "it spoke CURVE, and this listener has no keys"
        self._socket = socket
        self._monitor = socket.get_monitor_socket(
            zmq.EVENT_ACCEPTED
            | zmq.EVENT_DISCONNECTED
            | zmq.EVENT_CLOSED
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )
        self._reader = Reader(self._monitor, self._event)

    def close(self) -> None:
        self._reader.close()
        self._socket.disable_monitor()

    def _event(self) -> None:
        code, value = struct.unpack("=HI", self._monitor.recv_multipart(zmq.NOBLOCK)[0])
        if code == zmq.EVENT_ACCEPTED:
            self._hosts[value] = _host(value)
        elif code == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self._reason = f"it hung up during the handshake; maybe {self._mismatch}"
        elif code == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
                self._reason = self._mismatch
            elif value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
                self._reason = "it expected another key than this listener's"
            else:
                self._reason = "its handshake is malformed"
        else:  # the socket of the handshake that just failed, or an ordinary end
            host = self._hosts.pop(value, "an unknown address")
            if self._reason:
                self._refused(self._reason, host)
                self._reason = ""


def _host(descriptor: int) -> str:
    """Who is at the other end of ZeroMQ's own TCP socket, unless that is closed already."""
    try:
        with network.socket(fileno=os.dup(descriptor)) as copy:
            return str(copy.getpeername()[0])
    except (OSError, IndexError, TypeError):
        return "an unknown address"
