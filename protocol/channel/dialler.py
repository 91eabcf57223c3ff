"""The side that connects: one DEALER socket for one `Connection`, made anew as often as necessary.

ZeroMQ reconnects a TCP connection by itself, and its monitor says when: then OPEN is sent again,
and all messages that are not acknowledged. ZMQ_IMMEDIATE keeps messages out of a socket without a
TCP connection, so that messages wait in `wire.reliable` and nowhere else. After an error of the
ZMTP protocol (a truncated or forged frame is one) ZeroMQ never reconnects; so a socket without an
event for REPLACE seconds is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import struct
from collections.abc import Callable, Sequence
from time import monotonic

import zmq

from ..errors import ConfigError, LinkError, ProtocolError
from ..wire.codec import decode, encode
from ..wire.messages import Buffer, Kind, Message
from . import sockets
from .connection import Connection
from .keys import KeyPair, PublicKey
from .shaping import LinkShape
from .terms import Options, Transport, Waiting

REPEAT = 0.5  # seconds until an unanswered OPEN is repeated
OCCUPIED = 7.0  # seconds until a session that another instance has is given up; above TAKEOVER
REPLACE = 2.0  # seconds without an event from ZeroMQ until the socket is replaced
_WATCHED = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_DELAYED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
# until the link has worked; see door.SocketMonitor for what it does
_WATCHED_FIRST = _WATCHED | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


class Dialler(Transport):
    """The transport of a connection that this process opens. keys, server: this side's key pair and
    the listener's public key; None: plain text."""

    connection: Connection

    def __init__(
        self,
        address: str,
        keys: KeyPair | None,
        server: PublicKey | None,
        role: str,
        session: str,
        options: Options,
    ) -> None:
        self.address = address
        self.trouble = ""  # why there is no connection, by ZeroMQ's last event
        self._keys, self._server = keys, server
        self._role, self._session = role, session
        self._options = options
        self._instance = secrets.token_bytes(16)
        self._attempt = 0
        self._ready = False  # ZeroMQ's handshake is done
        self._opened = False  # the listener has answered OPEN at least once
        self._said_at = 0.0
        self._occupied_at = 0.0  # when the listener first named another instance
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._life_at = monotonic()
        self._context = sockets.context()
        self._names = itertools.count()
        # of the socket and of its monitor, while there is a socket
        self._readers: list[sockets.Reader] = []
        self._waiter: asyncio.Future[None] | None = None

    # ── what Connection calls ─────────────────────────────────────────────────────────────────────

    def transmit(self, frames: Sequence[Buffer]) -> bool:
        """As `Transport.transmit`. Where ZeroMQ took only some of the frames the socket is closed,
        and `tick` makes another."""
        if not self._readers:
            return False
        sent = sockets.send(self._socket, frames)
        if self._socket.closed:
            self._unplug()
            self._ready = False
            self._life_at = -REPLACE
            self.connection.interrupted()
        return sent

    def look(self) -> None:
        for reader in self._readers[:1]:
            reader.look()

    def tick(self, now: float) -> None:
        """Do what is due at `now` (seconds, of `monotonic`): send OPEN again, or replace a socket
        without events, or one through which no frame comes."""
        connection = self.connection
        if not self._opened:
            # `wait` has the timeout of a listener that never answered
            connection.patience()
        if connection.connected:
            # a path that drops all packets: TCP would repeat them for a quarter of an hour
            if connection.silent >= self._options.renew:
                self._renew()
                connection.interrupted()
            return
        if self._ready:
            if now - self._said_at >= REPEAT:
                self._say_open(now)
        elif now - self._life_at >= REPLACE:
            self._renew()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._unplug(linger=100)  # milliseconds, for the goodbye
        self._context.destroy()
        self._wake()

    # ── inside ────────────────────────────────────────────────────────────────────────────────────

    def plug(self) -> None:
        """Make the socket and let ZeroMQ connect it."""
        self._life_at = monotonic()
        self._ready = False
        try:
            self._socket = socket = self._context.socket(zmq.DEALER)
            sockets.configure(socket, self._options)
            socket.setsockopt(zmq.IMMEDIATE, 1)
            socket.setsockopt(zmq.RECONNECT_IVL, 50)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
            socket.setsockopt(zmq.HANDSHAKE_IVL, 20_000)
            socket.setsockopt(zmq.CONNECT_TIMEOUT, 5_000)
            if self._keys is not None and self._server is not None:
                sockets.dial_curve(socket, self._keys, self._server)
            self._readers = [sockets.Reader(socket, self._read), self._watch()]
            sockets.dial(socket, self.address)
        except ConfigError:
            self.close()
            raise
        except zmq.ZMQError as error:
            raise LinkError(
                f"no socket to {self.address} could be made: {error.strerror}"
            ) from None

    def _watch(self) -> sockets.Reader:
        """The reader of the events of the socket's TCP connections."""
        events = _WATCHED if self._opened else _WATCHED_FIRST
        # a name of its own: ZeroMQ releases that of an earlier socket with a delay
        name = f"inproc://events-{next(self._names)}"
        self._monitor = self._socket.get_monitor_socket(events, name)
        return sockets.Reader(self._monitor, self._event)

    def _renew(self) -> None:
        self._unplug()
        with contextlib.suppress(LinkError):  # next time, perhaps
            self.plug()

    def _unplug(self, linger: int = 0) -> None:
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()
        if readers and not self._socket.closed:
            self._socket.disable_monitor()
            self._socket.close(linger)

    def _event(self) -> None:
        code, value = struct.unpack("=HI", self._monitor.recv_multipart(zmq.NOBLOCK)[0])
        self._life_at = monotonic()
        if code == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._ready = True
            self._say_open(self._life_at)
        elif code == zmq.EVENT_DISCONNECTED:
            self._ready = False
            self.connection.interrupted()
        elif code == zmq.EVENT_CLOSED:
            self.trouble = "nobody listens there yet"
        elif code == zmq.EVENT_CONNECT_RETRIED:
            self.trouble = self.trouble or "nobody listens there yet"
        elif code == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self._give_up(
                f"it refused this key of {self._role}: does its list of allowed keys have it?"
            )
        elif (
            code == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            and value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
        ):
            speaks = "plain text" if self._keys is None else "encryption"
            self._give_up(
                f"it does not accept {speaks}: one side has keys and the other was started without"
            )
        elif code in (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL):
            ours = (
                "is its public key the right one?"
                if self._keys is not None
                else "does it want keys?"
            )
            self.trouble = f"it hung up during the handshake: {ours}"

    def _give_up(self, why: str) -> None:
        """End the connection, for a reason that does not pass. Not if the link has worked before:
        then somebody on the path may have caused this."""
        self.trouble = why
        if not self._opened:
            self.connection.ended(LinkError(f"{self.connection.peer}: {why}"))

    def _say_open(self, now: float) -> None:
        self._said_at = now
        self._attempt += 1
        body = {"role": self._role, "instance": self._instance, "attempt": self._attempt}
        link = self.connection.link
        opening = Message(Kind.OPEN, self._session, body=body)
        if not self.transmit(encode(opening, 0, 0, link, self.connection.role)):
            self._said_at = now - REPEAT  # the socket has no connection yet: again at the next tick
        self._loop.call_soon(self.look)

    def _read(self) -> None:
        socket = self._socket
        frames = sockets.receive_rest(socket, sockets.receive(socket), self._options.limits.buffers)
        connection = self.connection
        try:
            message, seq, ack, link = decode(frames, self._options.limits, self._role)
            kind = message.kind
            if message.session != self._session:
                raise ProtocolError(
                    f"a {kind.name} message that is not for session {self._session}"
                )
            if kind is Kind.OPENED:
                self._welcomed(message, link)
            elif kind is Kind.WHO and message.body:
                self._occupied(message.body.get("reason"))
            elif kind is Kind.WHO:
                if link == connection.link and monotonic() - self._said_at >= REPEAT / 10:
                    self._say_open(monotonic())
            else:
                connection.take(message, seq, ack, link, sum(map(len, frames)))
        except ProtocolError as error:
            connection.refuse(error)

    def _occupied(self, reason: object) -> None:
        """Another instance has this session. One that has died loses it to this one within OCCUPIED
        seconds; after that it is alive, and this one gives up."""
        if self._opened or not isinstance(reason, str) or not reason.isprintable():
            return
        self.trouble = reason
        self._occupied_at = self._occupied_at or monotonic()
        if monotonic() - self._occupied_at >= OCCUPIED:
            self._give_up(reason)
            self._wake()

    def _welcomed(self, message: Message, link: int) -> None:
        connection = self.connection
        body = message.body or {}
        if body.get("instance") != self._instance or connection.link not in (0, link) or not link:
            connection.counters.stale += 1
            return
        if body.get("role") != connection.role:
            raise ProtocolError("it is not who the configuration says it is")
        software = body.get("software")
        connection.software = (
            software[:64] if isinstance(software, str) and software.isprintable() else ""
        )
        again, self._opened = self._opened, True
        if not again:
            self._readers.pop().close()
            self._socket.disable_monitor()
            self._readers.append(self._watch())
        self.trouble = ""
        connection.opened(link, again)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout: float, waiting: Callable[[Waiting], None] | None) -> None:
        """Wait until the connection is open. LinkError after `timeout` seconds, or when the
        connection ends. waiting: is called about once a second."""
        begin = monotonic()
        connection = self.connection
        while not self._opened and connection.failure is None:
            waited = monotonic() - begin
            if waited >= timeout:
                why = f": {self.trouble}" if self.trouble else ""
                error = LinkError(f"{connection.peer} did not answer within {timeout:.0f} s{why}")
                connection.abandon(error)
                raise error
            if waiting is not None and waited >= 1:
                waiting(Waiting(connection.peer, waited, waited, False))
            self._waiter = self._loop.create_future()
            try:
                await asyncio.wait_for(self._waiter, min(1.0, timeout - waited))
            except TimeoutError:
                pass
            finally:
                self._waiter = None
        # a connection that was open, and is `unmet`, is left to the caller
        if connection.failure is not None and not (self._opened and connection.unmet):
            raise connection.failure


async def connect(
    address: str,
    role: str,
    peer_role: str,
    session: str,
    keys: KeyPair | None,
    peer_key: PublicKey | None = None,
    *,
    timeout: float = 60.0,
    options: Options | None = None,
    shape: LinkShape | None = None,
    waiting: Callable[[Waiting], None] | None = None,
) -> Connection:
    """Connect to the `Listener` of `peer_role` at `address`, retrying for up to `timeout` seconds.

    keys: this side's own; None: plain text. peer_key: the listener's; only a process that has its
    secret key is talked to. waiting: is called about once a second. LinkError where nobody answers
    in time, or the listener refuses; ConfigError for an address or keys that cannot be used.
    """
    if keys is not None:
        if peer_key is None:
            raise ConfigError(f"the public key of {peer_role} is needed to connect to {address}")
        if keys.role != role:
            raise ConfigError(f"the key of {keys.role} was given to {role}")
        if peer_key.role != peer_role:
            raise ConfigError(f"the key of {peer_key.role} was given for {peer_role}")
    options = options or Options()
    dialler = Dialler(address, keys, peer_key, role, session, options)
    connection = Connection(role, peer_role, session, address, dialler, options, shape)
    dialler.connection = connection
    try:
        dialler.plug()
        await dialler.wait(timeout, waiting)
    except BaseException as error:
        connection.abandon(
            error if isinstance(error, LinkError) else LinkError("the attempt was given up")
        )
        raise
    return connection
