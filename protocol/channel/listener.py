"""The side that others connect to: one ROUTER socket, any number of `Connection`s.

ZeroMQ gives every TCP connection a routing id of its own, which nobody else can take (so neither
ROUTER_HANDOVER nor identities chosen by clients are used: either would let one client step into
another's place). Which session a TCP connection belongs to, its first message says, OPEN: role,
session, and the nonce of its process instance. From then on

* the same instance on a new TCP connection is the same `Connection`, rebound and resumed;
* a frame from a TCP connection that has not said OPEN is answered with WHO, and otherwise ignored;
* another instance with the same role and session takes the old one's place only when the old one's
  TCP connection is gone, or nothing came on it for TAKEOVER seconds;
* the role must be the one that the key's owner has on the allow-list, at every OPEN.

A frame that breaks the protocol ends the connection it came on and no other. Memory is bounded: by
the windows of the connections, by their number, and, before OPEN, by the handshake time-out.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import math
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic

import zmq

from .. import __version__
from ..errors import ConfigError, LinkError, ProtocolError
from ..wire.codec import decode, encode
from ..wire.messages import PARTIES, ROLES, Buffer, Kind, Message
from . import sockets
from .connection import Connection
from .door import Authenticator, SocketMonitor, caller
from .keys import Allow, KeyPair
from .refusals import Refusals, Refused
from .routes import Route, Routes
from .shaping import LinkShape
from .terms import FORGOTTEN, Options, Waiting

# seconds of silence after which a new instance may replace one whose TCP connection still stands
TAKEOVER = 5.0
AGAIN = 10.0  # seconds after which a port that was just released must be free


class Listener:
    """Listens at `address` from when it is made, inside a running event loop. ConfigError where the
    address cannot be bound, or the keys are not this role's.

    keys: this side's own; None: plain text, and nobody is authenticated. allow: whose keys may
    connect. roles: those that may connect. shape: the link to model. most: sessions at once.
    refused(reason, address): is called of everyone turned away, once a minute for each reason and
    address.
    """

    def __init__(
        self,
        address: str,
        role: str,
        keys: KeyPair | None,
        allow: Allow | None = None,
        *,
        roles: Iterable[str] = PARTIES,
        options: Options | None = None,
        shape: LinkShape | None = None,
        refused: Refused | None = None,
        most: int = 256,
    ) -> None:
        if keys is not None and keys.role != role:
            raise ConfigError(f"the key of {keys.role} was given to {role}")
        if keys is not None and allow is None:
            raise ConfigError("a listener with a key needs the list of keys that may connect")
        self.role = role
        self.options = options or Options()
        self.roles = frozenset(roles) - {role}
        self._shape = shape
        self._most = most
        self._refusals = Refusals(refused)
        self._instance = secrets.token_bytes(16)
        self._routes = Routes()
        self._accepted: collections.deque[Connection] = collections.deque()
        self._waiter: asyncio.Future[None] | None = None
        self._leaving = self._closed = False
        self._failure: ConfigError | None = None
        self._loop = asyncio.get_running_loop()
        self._context = sockets.context()
        self._zap: Authenticator | None = None
        self._keys = keys
        try:
            if keys is not None and allow is not None:
                self._zap = Authenticator(self._context, allow, self.roles, self._turned_away)
            self._listen(address)
        except BaseException:
            if self._zap is not None:
                self._zap.close()
            self._context.destroy(linger=0)
            raise

    def _listen(self, address: str) -> None:
        """Make the socket, and whatever reads it."""
        self.socket = self._context.socket(zmq.ROUTER)
        sockets.configure(self.socket, self.options)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, 20_000)
        self.socket.setsockopt(zmq.BACKLOG, 512)
        if self._keys is not None:
            sockets.serve_curve(self.socket, self._keys)
        self.address = sockets.bind(self.socket, address)
        self._watch = SocketMonitor(self.socket, self._keys is not None, self._refusals.told)
        self._reader = sockets.Reader(self.socket, self._read)

    async def accept(
        self, timeout: float = math.inf, waiting: Callable[[Waiting], None] | None = None
    ) -> Connection:
        """The connection of the next peer that says OPEN. LinkError if none does within `timeout`
        seconds, or the listener is closed.

        waiting: is called about once a second until then.
        """
        begin = monotonic()
        who = " or ".join(sorted(self.roles))
        while not self._accepted:
            if self._closed:
                raise self._failure or LinkError(f"the listener at {self.address} is closed")
            waited = monotonic() - begin
            if waited >= timeout:
                why = (
                    f": {self._zap.trouble}" if self._zap is not None and self._zap.trouble else ""
                )
                raise LinkError(
                    f"{who} did not connect to {self.address} within {timeout:.0f} seconds{why}"
                )
            if waiting is not None and waited >= 1:
                waiting(Waiting(f"{who} at {self.address}", waited, waited, False))
            self._waiter = self._loop.create_future()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._waiter, min(1.0, timeout - waited))
            self._waiter = None
        return self._accepted.popleft()

    @property
    def connections(self) -> list[Connection]:
        """The connections of all sessions, of those whose TCP connection is interrupted too."""
        return [route.connection for route in self._routes.held if route.connection is not None]

    def reload(self, allow: Allow) -> None:
        """Replace the allow-list by `allow`; connections whose key is not on it end with a
        LinkError."""
        if self._zap is None:
            return
        self._zap.allow = allow
        for route in self._routes.held:
            if not self._zap.permitted(route.user) and route.connection is not None:
                error = LinkError(
                    f"the key of {route.connection.peer} was taken off the list of allowed keys"
                )
                route.connection.abandon(error, "its key was taken off the list of allowed keys")

    def leave(self) -> None:
        """Accept no more sessions; open connections stay. A peer that says OPEN is not answered,
        and repeats it until the next listener at this address answers."""
        self._leaving = True

    async def close(self, linger: float = 0.0) -> None:
        """Close every connection, each after at most `linger` seconds, and stop listening."""
        if self._closed:
            return
        self.leave()
        try:
            await asyncio.gather(*(connection.close(linger) for connection in self.connections))
            if linger:
                await asyncio.sleep(0.02)  # goodbyes are in ZeroMQ's hands; LINGER is 0
        finally:
            self.kill(
                linger
                # also when the wait is cancelled: a forgotten reader would sit on a descriptor that
                # is used again
            )

    def kill(self, linger: float = 0.0) -> None:
        """Close all sockets without telling the peers, as the end of this process would."""
        if self._closed:
            return
        self._closed = True
        self._reader.close()
        self._watch.close()
        if self._zap is not None:
            self._zap.close()
        self._context.destroy(linger=int(min(linger, 0.2) * 1000))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def look(self) -> None:
        """Read what has come in, in this turn of the event loop (`Reader.look`)."""
        if not self._closed:
            self._reader.look()

    def transmit(self, frames: Sequence[Buffer], routing_id: bytes) -> bool:
        """Send the frames of one message to one TCP connection; False if they cannot be sent now.

        Where ZeroMQ took only some of the frames the socket is closed, as it cannot be told to
        forget them; all peers connect again.
        """
        if self.socket.closed:
            return False
        sent = sockets.send(self.socket, frames, routing_id)
        if self.socket.closed:
            self._reader.close()
            self._watch.close()
            self._routes.interrupt()
            self._again(monotonic() + AGAIN)
        return sent

    def _again(self, deadline: float) -> None:
        """Bind the address of the closed socket again; until `deadline` (of `monotonic`), every
        0.02 seconds while ZeroMQ has not released the port. After it, the listener ends."""
        if self._closed:
            return
        try:
            self._listen(self.address)
        except (ConfigError, zmq.ZMQError) as error:
            self.socket.close(0)
            if monotonic() < deadline:
                self._loop.call_later(0.02, self._again, deadline)
                return
            self._failure = ConfigError(str(error))
            self.kill()

    def forget(self, route: Route) -> None:
        """The connection on `route` is over."""
        self._watch.leave(route.descriptor)
        self._routes.remove(route)

    # ── inside ────────────────────────────────────────────────────────────────────────────────────

    def _read(self) -> None:
        socket = self.socket
        routing_id = sockets.receive(socket)
        route = self._routes.at(routing_id)
        if route is None:
            self._stranger(routing_id)
            return
        frames = sockets.receive_rest(socket, sockets.receive(socket), self.options.limits.buffers)
        connection = route.connection
        assert connection is not None
        try:
            message, seq, ack, link = decode(frames, self.options.limits, self.role)
            if message.kind is Kind.OPEN:
                self._open(routing_id, route.user, "", route.descriptor, message, link)
            else:
                connection.take(message, seq, ack, link, sum(map(len, frames)))
        except ProtocolError as error:
            connection.refuse(error)

    def _stranger(self, routing_id: bytes) -> None:
        """A frame from a TCP connection that has not (successfully) said OPEN."""
        frame = self.socket.recv(zmq.NOBLOCK, copy=False)
        user, address, descriptor = caller(frame)
        self._watch.spoke(descriptor)
        first = frame.bytes if len(frame.buffer) <= 4096 else b""
        frames = sockets.receive_rest(self.socket, first, 0)
        try:
            message, _, _, link = decode(frames, self.options.limits, self.role)
        except ProtocolError as error:
            self._refusals.told(str(error), address)
            return
        if message.kind is Kind.OPEN:
            self._open(routing_id, user, address, descriptor, message, link)
        elif self._routes.is_new_stranger(routing_id):
            self._reply(routing_id, Kind.WHO, message.session, "", link)

    def _open(
        self,
        routing_id: bytes,
        user: str,
        address: str,
        descriptor: int,
        message: Message,
        link: int,
    ) -> None:
        body = message.body or {}
        role, instance, attempt = body.get("role"), body.get("instance"), body.get("attempt")
        if (
            type(role) is not str
            or type(instance) is not bytes
            or len(instance) != 16
            or type(attempt) is not int
        ):
            self._refusals.told("its greeting is malformed", address)
            return
        reason = ""
        if role not in self.roles:
            reason = f"{role if role in ROLES else 'that role'} does not connect here"
        elif self._zap is not None and user.partition("/")[0] != role:
            reason = f"it calls itself {role} with a key of {user.partition('/')[0]}"
        elif not message.session or not message.session.isprintable():
            reason = "its session has no proper name"
        if reason:
            self._refusals.told(reason, address)
            self._reply(routing_id, Kind.GONE, message.session, role, link, {"reason": reason})
            return
        route = self._routes.of(user, role, message.session)
        if route is not None and route.instance == instance:
            if attempt > route.attempt:
                route.attempt = attempt
                self._resume(route, routing_id, descriptor)
            return
        if link:
            self._reply(routing_id, Kind.GONE, message.session, role, link, {"reason": FORGOTTEN})
            return
        if self._leaving:  # the peer repeats OPEN, and the next listener here answers
            return
        if route is not None and self._alive(route):
            reason = f"{role} is connected already in session {message.session}"
            self._refusals.told(reason, address)
            self._reply(routing_id, Kind.WHO, message.session, role, link, {"reason": reason})
            return
        if route is None and len(self._routes) >= self._most:
            reason = f"there are {self._most} sessions already"
            self._refusals.told(reason, address)
            self._reply(routing_id, Kind.GONE, message.session, role, link, {"reason": reason})
            return
        if route is not None and route.connection is not None:
            route.connection.ended(LinkError(f"{route.connection.peer} came back as a new process"))
        route = Route(self, routing_id)
        route.user, route.instance, route.attempt, route.descriptor = (
            user,
            instance,
            attempt,
            descriptor,
        )
        self._accept(role, message.session, route, address)

    def _accept(self, role: str, session: str, route: Route, host: str) -> None:
        link = secrets.randbits(31) | 1 << 31
        where = f"{host or 'somewhere'} (connected to {self.address})"
        connection = Connection(
            self.role, role, session, where, route, self.options, self._shape, link
        )
        route.connection = connection
        self._routes.add(route, role, session)
        self._watch.admit(route.descriptor)
        self._welcome(route)
        self._accepted = collections.deque(each for each in self._accepted if each.failure is None)
        self._accepted.append(connection)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self, route: Route, routing_id: bytes, descriptor: int) -> None:
        """The instance that has this session says OPEN again: on another TCP connection, or because
        the answer to its last OPEN was lost."""
        again = route.routing_id != routing_id
        self._watch.admit(descriptor, instead_of=route.descriptor)
        self._routes.move(route, routing_id, descriptor)
        self._welcome(route)
        if route.connection is not None:
            route.connection.opened(route.connection.link, again)

    def _welcome(self, route: Route) -> None:
        assert route.connection is not None
        body = {"role": self.role, "instance": route.instance, "software": __version__}
        to = route.connection
        self._reply(route.routing_id, Kind.OPENED, to.session, to.role, to.link, body)

    def _alive(self, route: Route) -> bool:
        """Whether the instance that has this session is connected, and was heard within TAKEOVER
        seconds."""
        connection = route.connection
        if connection is None or connection.failure is not None:
            return False
        connection.probe()  # ROUTER_MANDATORY tells at once when its TCP connection is gone
        return connection.connected and connection.silent < TAKEOVER

    def _reply(
        self,
        routing_id: bytes,
        kind: Kind,
        session: str,
        to: str,
        link: int,
        body: Mapping[str, object] | None = None,
    ) -> None:
        self.transmit(encode(Message(kind, session, 0, 0, body), 0, 0, link, to), routing_id)

    def _turned_away(self, reason: str, address: str) -> None:
        """`Authenticator` has refused a key of a peer at `address`."""
        self._watch.judged(address)
        self._refusals.told(reason, address)
