"""One end of a link, over any transport: what a program holds to talk to its peer or to the dealer.

    user ── send / receive / exchange ── Connection ── Reliable + codec ── Transport ── ZeroMQ
                                                                                     or memory

A `Transport` moves frames and may lose them. All that a user relies on is here:

* Every message is received exactly once and in order as long as both processes live, however often
  the link breaks.
* `send` never blocks. While the link is down, messages are retained up to the window
  (`wire.reliable`); beyond it, `send` raises LinkError.
* A peer from which no frame came for `options.timeout` seconds is a LinkError that names it. Pings
  ask a peer for a frame, so one that is busy is not given up. Seconds in which this process's own
  event loop did not run do not count (`liveness`).
* The hot path (`exchange`) makes no task, no timer and no timeout object: one periodic `_tick`
  watches every deadline.

Rules: one task receives at a time; a buffer given to `send` is not written to afterwards; no socket
    in this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

from ..errors import LinkError, MpcError, ProtocolError, UsageError
from ..wire.codec import GluedError, decode, encode, payload_bytes
from ..wire.messages import MAX_NUMBER, RULES, Buffer, Kind, Message, kinds_between
from ..wire.reliable import Due, Reliable
from .inbox import Inbox
from .liveness import Liveness
from .shaping import Held, LinkShape, Slow
from .terms import DOWN, FORGOTTEN, Counters, Options, Transport, Waiting, weight

TICK = 0.1  # seconds between two calls of the watchdog; timeouts are exact to within this


class Connection:
    """One end of a link. Made by `connect`, `Listener.accept` or `memory.pair`, never directly.

    own_role, role: of this end and of the peer. link: the number of the link, drawn by the
    listener; 0 until the transport is open.
    """

    def __init__(
        self,
        own_role: str,
        role: str,
        session: str,
        address: str,
        transport: Transport,
        options: Options | None = None,
        shape: LinkShape | None = None,
        link: int = 0,
    ) -> None:
        self.own_role = own_role
        self.role = role
        self.session = session
        self.address = address
        self.options = options or Options()
        self.counters = Counters()
        self.on_waiting: Callable[[Waiting], None] | None = None
        self.attempt = 0  # numbered messages of earlier attempts at a run are dropped
        self.software = ""  # the listener's version, at the side that dialled
        self.rtt: float | None = None  # seconds, the last ping's
        self.connected = bool(link)
        self.link = link
        self._slow = None if shape is None or shape.free else Slow(transport, shape, self._hold)
        self._transport = self._slow or transport
        self._reliable: Reliable[Message] = Reliable(self.options.window)
        self._allowed = kinds_between(role, own_role)
        self._may_say = kinds_between(own_role, role)
        self._inbox = Inbox(self.peer, self.options.inbox_count, self.options.inbox_bytes)
        self.failure: MpcError | None = None  # why this connection has ended, if it has
        self._refused = False  # the peer closed the connection and said why
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._life = Liveness(monotonic(), TICK)
        self._held = Held(self.options.window.count)
        self._timer = self._loop.call_later(TICK, self._tick)

    @property
    def peer(self) -> str:
        """The peer, for error messages: 'bob at tcp://10.0.0.2:7001'."""
        return f"{self.role} at {self.address}"

    @property
    def unmet(self) -> bool:
        """Whether the connection has ended before the peer sent a message, or a reason: the process
        that answered may have been about to exit, and another may answer at the same address."""
        lost = isinstance(self.failure, LinkError) and not self._refused
        return lost and not self.counters.messages_received

    @property
    def backlog(self) -> int:
        """Bytes sent and not yet acknowledged."""
        return self._reliable.retained_bytes

    # ── what users call ───────────────────────────────────────────────────────────────────────────

    def send(self, message: Message) -> None:
        """Send `message`, now or as soon as the link is up. LinkError when the connection has ended
        or the window of unacknowledged messages is full; UsageError for a kind of message that this
        role does not send to that peer."""
        if self.failure is not None:
            if self._inbox:
                return  # messages that arrived before the end are received first: they may say why
            raise type(self.failure)(*self.failure.args)
        kind, of = message.kind, message.session
        if kind not in self._may_say or not RULES[kind].numbered or of != self.session:
            raise UsageError(
                f"{self.own_role} does not send {kind.name} to {self.role} in session"
                f" {of or 'none'}"
            )
        reliable = self._reliable
        frames = encode(message, reliable.sent + 1, reliable.received, self.link, self.role)
        size = payload_bytes(message) if message.buffers else 0
        try:
            seq = reliable.enqueue(message, size)
        except LinkError as error:
            raise LinkError(f"{self.peer}: {error}") from None
        counters = self.counters
        counters.messages_sent += 1
        counters.bytes_sent += size
        if self.connected and reliable.handed == seq - 1 and self._transmit(frames):
            reliable.mark_handed(seq)
            self._transport.look()

    async def receive(self, timeout: float | None = None) -> Message:
        """The next message, in order; waits up to `timeout` seconds (None: without end). LinkError
        if none comes, or the peer is silent for `options.timeout` seconds."""
        return await self._inbox.take(timeout)

    def peek(self) -> Message | None:
        """The message that `receive` would return at once, if there is one."""
        return self._inbox.peek()

    async def exchange(self, message: Message, timeout: float | None = None) -> Message:
        """One round: send a message and wait for the next one, up to `timeout` seconds (None:
        without end). Errors of `send` and `receive`."""
        self.send(message)
        return await self._inbox.take(timeout)

    async def flush(self, timeout: float) -> bool:
        """Wait until the peer has acknowledged all that was sent: up to `timeout` seconds, of which
        at most DOWN with the link down. Returns whether it has."""
        reliable = self._reliable
        begin, pause = monotonic(), 0.001
        if reliable.sent > reliable.acked and self.connected:
            self._control(Kind.PING, number=self._stamp())  # the answer acknowledges
        while reliable.sent > reliable.acked and self.failure is None:
            if monotonic() - begin >= (timeout if self.connected else min(DOWN, timeout)):
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.02)
        return reliable.sent == reliable.acked

    async def close(self, linger: float = 1.0, reason: str = "") -> None:
        """Wait up to `linger` seconds until all that was sent is acknowledged, then tell the peer
        that the connection is closed, and why (`reason`)."""
        if self._closed:
            return
        try:
            await self.flush(linger if self.failure is None else 0.0)
        finally:
            self.abandon(LinkError(f"the connection to {self.peer} is closed here"), reason)
        if self._slow is not None:
            await asyncio.sleep(self._slow.crossing())
            self._slow.close()

    def abandon(self, error: MpcError, reason: str = "") -> None:
        """End this connection at once: `send` and `receive` raise `error` from now on, and the peer
        is told `reason`. Messages that are not acknowledged may be lost."""
        if self._closed:
            return
        self._closed = True
        if self.connected:
            self._control(Kind.GONE, body={"reason": reason[:200]})
        self._fail(error)
        self._timer.cancel()
        if self._slow is None:
            self._transport.close()
        else:  # once GONE has crossed the modelled link
            self._loop.call_later(self._slow.crossing() + TICK, self._slow.close)

    # ── what transports call ──────────────────────────────────────────────────────────────────────

    def arrived(self, frames: Sequence[Buffer]) -> None:
        """The transport has received the frames of one message. Never raises: malformed frames end
        this connection."""
        if self.failure is not None:
            return
        try:
            self.take(*decode(frames, self.options.limits, self.own_role), sum(map(len, frames)))
        except ProtocolError as error:
            self.refuse(error)

    def refuse(self, error: ProtocolError) -> None:
        """The peer broke the protocol: end the connection, and tell the peer. But a message with
        frames glued to it is dropped, as somebody on the path could make it; up to GLUED times."""
        if not (isinstance(error, GluedError) and self.counters.forgives()):
            self.abandon(
                ProtocolError(f"from {self.peer}: {error}"), reason=f"protocol error: {error}"
            )

    def take(self, message: Message, seq: int, ack: int, link: int, wire: int) -> None:
        """Handle a decoded message of `wire` bytes, with its sequence number `seq` and the peer's
        acknowledgement `ack`. ProtocolError for what the peer must not send."""
        counters = self.counters
        counters.wire_bytes_received += wire
        if link != self.link:
            counters.stale += 1
            return
        self._life.heard = True
        kind = message.kind
        if message.session != self.session:
            raise ProtocolError(f"a {kind.name} message that is not for session {self.session}")
        if kind not in self._allowed:
            raise ProtocolError(
                f"a {kind.name} message, which {self.role} never sends to {self.own_role}"
            )
        reliable = self._reliable
        if RULES[kind].numbered:
            if self._held.next:
                self._held.keep(seq, (message, seq, ack))
            else:
                self._numbered(message, seq, ack)
        elif kind is Kind.HOLD:
            for early in self._held.due(message.number):
                self._numbered(*early)
        else:
            reliable.unnumbered(seq, ack)
            self._controlled(message)
        if reliable.gap and reliable.wants_nudge(monotonic()):
            self._control(Kind.NUDGE)

    def opened(self, link: int, again: bool = False) -> None:
        """The transport is up as link number `link`; again: it was up before. All that is not
        acknowledged is sent."""
        self.link = link
        self.connected = True
        self._life.heard = True
        if again:
            self.counters.reconnects += 1
        self._held.clear()
        self._reliable.rewind()
        self.writable()

    def interrupted(self) -> None:
        """The transport is down. Messages are retained until it is up again."""
        self.connected = False

    def ended(self, error: MpcError) -> None:
        """The peer or the transport has ended for good; nothing more can be sent to it."""
        if not self._closed:
            self._closed = True
            self._fail(error)
            self._timer.cancel()
            self._transport.close()

    def probe(self) -> None:
        """Send a ping. A transport that finds the peer gone calls `interrupted` meanwhile."""
        self._control(Kind.PING, number=self._stamp())

    def patience(self) -> None:
        """Begin to count the peer's silence from now."""
        self._life.heard = True

    @property
    def silent(self) -> float:
        """Seconds since the last frame from the peer, to within TICK."""
        return self._life.silent(monotonic())

    def writable(self) -> None:
        """The transport may be able to take messages again: give it all that it has not had."""
        reliable = self._reliable
        while self.connected and (item := reliable.to_hand()) is not None:
            seq, message = item
            if not self._transmit(encode(message, seq, reliable.received, self.link, self.role)):
                return
            reliable.mark_handed(seq)
            self.counters.resent = reliable.resent

    # ── inside ────────────────────────────────────────────────────────────────────────────────────

    def _numbered(self, message: Message, seq: int, ack: int) -> None:
        reliable = self._reliable
        size = payload_bytes(message) if message.buffers else 0
        if reliable.numbered(seq, ack, size):
            self._deliver(message, size)
        elif reliable.duplicates != self.counters.duplicates:
            self.counters.duplicates = reliable.duplicates
        if reliable.owes_ack:
            self._control(Kind.ACK)

    def _deliver(self, message: Message, size: int) -> None:
        if 0 < message.attempt < self.attempt:
            self.counters.stale += 1
            return
        counters = self.counters
        counters.messages_received += 1
        counters.bytes_received += size
        self._inbox.put(message, size)

    def _controlled(self, message: Message) -> None:
        kind = message.kind
        if kind is Kind.PING:
            self._control(Kind.PONG, number=message.number)
        elif kind is Kind.PONG:
            if message.number:
                self.rtt = max(0, self._stamp() - message.number) / 1e6
        elif kind is Kind.NUDGE:
            self._reliable.rewind()
            self.writable()
        elif kind is Kind.GONE:
            reason = (message.body or {}).get("reason")
            why = (
                f": {reason}" if isinstance(reason, str) and reason.isprintable() and reason else ""
            )
            self._refused = bool(why) and reason != FORGOTTEN
            self.ended(LinkError(f"{self.peer} closed the connection{why}"))

    def _stamp(self) -> int:
        return int(monotonic() * 1e6) & MAX_NUMBER

    def _control(self, kind: Kind, number: int = 0, body: dict[str, object] | None = None) -> None:
        """Send one of the link's own messages; it is dropped where the transport cannot take it."""
        reliable = self._reliable
        message = Message(kind, self.session, 0, number, body)
        if self._transmit(
            encode(message, reliable.handed, reliable.received, self.link, self.role)
        ):
            self.counters.control_sent += 1
            reliable.mark_told()

    def _transmit(self, frames: list[Buffer]) -> bool:
        if not self._transport.transmit(frames):
            return False
        self.counters.wire_bytes_sent += weight(frames)
        return True

    def _hold(self, due: bool) -> list[Buffer]:
        """The frames of a HOLD: that the next message is sent ahead, or, if `due`, that it is due
        now (`shaping`)."""
        hold = Message(Kind.HOLD, self.session, 0, self._reliable.handed + 1 if due else 0)
        return encode(hold, 0, 0, self.link, self.role)

    def _fail(self, error: MpcError) -> None:
        if self.failure is None:
            self.failure = error
        self.connected = False
        self._inbox.end(self.failure)

    def _tick(self) -> None:
        """The watchdog, every TICK seconds: the peer's silence, acknowledgements that no message
        has carried, messages that were lost, and the deadline of a wait."""
        now = monotonic()
        self._timer = self._loop.call_later(TICK, self._tick)
        if self._life.overslept(now):
            self._transport.look()
        silent = self._life.look(now)
        self._transport.tick(now)
        if self.failure is not None:
            return
        if silent >= self.options.timeout:
            self.abandon(LinkError(f"nothing was heard from {self.peer} for {silent:.0f} seconds"))
            return
        if self.connected:
            self.writable()
            due = self._reliable.tick(now)
            if self._life.should_ask(now, self.options.ping) or due & Due.PROBE:
                self._control(Kind.PING, number=self._stamp())
            if due & Due.NUDGE:
                self._control(Kind.NUDGE)
            elif due & Due.ACK:
                self._control(Kind.ACK)
        self._transport.look()
        inbox = self._inbox
        if inbox.since:
            if self.on_waiting is not None and inbox.should_tell(now):
                waited = now - inbox.since
                self.on_waiting(Waiting(self.peer, waited, silent, self.connected))
            inbox.expire(now)
