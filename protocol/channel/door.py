"""The door of a listener: who may finish a handshake, and who was refused.

`Authenticator` answers the ZeroMQ Authentication Protocol (RFC 27/ZAP) from an `Allow` list. ZeroMQ
asks it at every CURVE handshake, over `inproc://zeromq.zap.01` of the listening socket's own
context. (pyzmq's authenticators run a thread or an event loop of their own; this one is read like
every other socket here.) The answer has a user id, `<role>/<key>`, which ZeroMQ attaches to every
later frame of that TCP connection: the role that a peer claims is checked against it.

Peers that never show a key (plain text, a wrong server key, no ZeroMQ at all) appear in ZeroMQ's
monitor alone, which `SocketMonitor` reads. ZeroMQ accepts TCP connections as long as there are
descriptors; so `SocketMonitor` also counts those without a valid OPEN, the *strangers*, and closes
the newest when they are too many.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket as network
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import zmq

from .keys import Allow, PublicKey
from .sockets import ZAP_DOMAIN, Reader

STRANGERS = 128  # TCP connections at once without a valid OPEN
PATIENCE = 20.0  # seconds that a TCP connection has for it
UNKNOWN = "an unknown address"
_ENDPOINT = "inproc://zeromq.zap.01"
_FAILED = (
    "its handshake failed: it did not speak CURVE, or it expected another key than this listener's"
)
_JUDGED = 256  # hosts of refused keys that are remembered


class Authenticator:
    """The ZAP handler of one context. roles: those that may connect. refused(reason, address): is
    called of every key that is refused."""

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
        self.trouble = ""  # the last refusal, in words, for the error of a wait that times out
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        self._reader = Reader(self._socket, self._answer)

    def look(self) -> None:
        """Answer the handshakes that wait, in this turn of the event loop (`Reader.look`)."""
        self._reader.look()

    def close(self) -> None:
        """Answer no more handshakes: ZeroMQ then lets nobody new in."""
        self._reader.close()
        self._socket.close()

    def permitted(self, user: str) -> bool:
        """Whether the key of this user id is still on the list, for the same role."""
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
        """The user id for the key in a ZAP request; "" where it is refused."""
        if len(request) < 6 or request[0] != b"1.0" or request[2] != ZAP_DOMAIN:
            return ""
        address = request[3].decode(errors="replace")
        if request[5] != b"CURVE" or len(request) != 7 or len(request[6]) != 32:
            self._refused("it did not authenticate with a key", address)
            return ""
        key = request[6]
        role = self.allow.role_of(key)
        if role is None:
            self._refused("its key is not on the list of allowed keys", address)
            self.trouble = (
                f"somebody at {address} was refused, whose key is not on the list of allowed keys"
            )
            return ""
        if role not in self._roles:
            self._refused(
                f"its key {PublicKey(role, key).short} is of {role}, which does not connect here",
                address,
            )
            return ""
        return f"{role}/{key.hex()}"


class SocketMonitor:
    """Counts strangers, and with `curve` calls refused(reason, address) of failed handshakes. The
    address is not always known; it is for the log alone.

    A handshake counts as failed when the TCP connection ends and no frame has come from it. ZeroMQ
    has an event for it, EVENT_HANDSHAKE_FAILED_PROTOCOL, which must not be asked for: it is raised
    for every frame that cannot be decrypted, also after the handshake, and sending it overwrites
    the errno by which ZeroMQ's engine would see the error. The engine then takes the frame for
    back-pressure, stops reading, and keeps the descriptor of a peer that is long gone (libzmq
    4.3.5, curve_mechanism_base.cpp).
    """

    def __init__(
        self, socket: zmq.Socket[bytes], curve: bool, refused: Callable[[str, str], None]
    ) -> None:
        self._refused = refused
        self._curve = curve
        self._guests: dict[int, _Guest] = {}  # by ZeroMQ's descriptor, in order of arrival
        self._inside: set[int] = set()  # descriptors of those that are no strangers
        self._judged: list[str] = []  # hosts whose key was refused, and that was reported
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(1.0, self._tidy)
        self._socket = socket
        self._monitor = socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        self._reader = Reader(self._monitor, self._event)

    def close(self) -> None:
        """Stop watching the listener's socket."""
        self._reader.close()
        self._timer.cancel()
        if not self._socket.closed:
            self._socket.disable_monitor()

    def spoke(self, descriptor: int) -> None:
        """A frame has come from this TCP connection, so its handshake has succeeded."""
        if descriptor in self._guests:
            self._guests[descriptor].silent = False

    def judged(self, host: str) -> None:
        """The failed handshake of this host has been reported already, by `Authenticator`."""
        self._judged = [*self._judged[-_JUDGED:], host]

    def _event(self) -> None:
        code, descriptor = struct.unpack("=HI", self._monitor.recv_multipart(zmq.NOBLOCK)[0])
        if code == zmq.EVENT_ACCEPTED:
            self._guests.pop(descriptor, None)
            self._guests[descriptor] = _Guest(_place(descriptor), monotonic())
            self._shed()
            return
        guest = self._guests.pop(descriptor, None)
        self._inside.discard(descriptor)
        if self._curve and guest is not None and guest.silent and not guest.shed:
            host = guest.host
            known = host if host != UNKNOWN else next(iter(self._judged), host)
            if known in self._judged:
                self._judged.remove(known)
            else:
                self._refused(_FAILED, host)

    def admit(self, descriptor: int, instead_of: int = -1) -> None:
        """A valid OPEN has come from the TCP connection `descriptor`: it is no stranger.
        instead_of: the descriptor of an earlier TCP connection of the same session, which is one
        again."""
        self._inside.discard(instead_of)
        if descriptor in self._guests:
            self._inside.add(descriptor)

    def leave(self, descriptor: int) -> None:
        """The session on the TCP connection `descriptor` is over: it is a stranger again."""
        self._inside.discard(descriptor)
        if descriptor in self._guests:
            self._guests[descriptor].since = monotonic()

    def _tidy(self) -> None:
        """Close strangers that have been so for PATIENCE seconds. Runs every second."""
        self._timer = self._loop.call_later(1.0, self._tidy)
        for descriptor, guest in self._strangers():
            if monotonic() - guest.since >= PATIENCE:
                _hang_up(descriptor, guest)

    def _strangers(self) -> list[tuple[int, _Guest]]:
        return [
            (descriptor, guest)
            for descriptor, guest in self._guests.items()
            if descriptor not in self._inside
        ]

    def _shed(self) -> None:
        """If there are more than STRANGERS, close the newest of the host that has the most."""
        strangers = [each for each in self._strangers() if not each[1].shed]
        if len(strangers) <= STRANGERS:
            return
        (host, _), *_ = Counter(guest.host for _, guest in strangers).most_common(1)
        descriptor, guest = next(each for each in reversed(strangers) if each[1].host == host)
        _hang_up(descriptor, guest)
        self._refused(
            f"more than {STRANGERS} connections at once have not said who they are", guest.host
        )


def caller(frame: zmq.Frame) -> tuple[str, str, int]:
    """Where a frame came from: the user id that `Authenticator` gave, the peer's address, and
    ZeroMQ's descriptor of the TCP connection (-1: unknown)."""

    def property_of(name: str) -> str:
        try:
            value = frame.get(name)
        except zmq.ZMQError:
            return ""
        return value if isinstance(value, str) else ""

    descriptor = property_of("__fd")
    return (
        property_of("User-Id"),
        property_of("Peer-Address"),
        int(descriptor) if descriptor.isdigit() else -1,
    )


@dataclass
class _Guest:
    """A TCP connection that ZeroMQ accepted."""

    place: tuple[object, ...]  # address and port of the other end: no other connection has both
    since: float
    silent: bool = True  # no frame has come from it, so perhaps its handshake is not done
    shed: bool = False

    @property
    def host(self) -> str:
        return str(self.place[0]) if self.place else UNKNOWN


def _copy(descriptor: int) -> network.socket:
    """A duplicate of ZeroMQ's TCP socket. OSError where the descriptor is no socket any more."""
    own = os.dup(descriptor)
    try:
        return network.socket(fileno=own)
    except OSError:
        os.close(own)
        raise


def _place(descriptor: int) -> tuple[object, ...]:
    """Address and port of the other end of ZeroMQ's TCP socket; () where it is closed already."""
    try:
        with _copy(descriptor) as copy:
            found = copy.getpeername()
            return found if isinstance(found, tuple) else ()
    except OSError:
        return ()


def _hang_up(descriptor: int, guest: _Guest) -> None:
    """Shut a TCP connection down, unless another one has its descriptor by now. ZeroMQ sees the end
    of the stream and closes it."""
    guest.shed = True
    with contextlib.suppress(OSError), _copy(descriptor) as copy:
        if guest.place and copy.getpeername() == guest.place:
            copy.shutdown(network.SHUT_RDWR)
