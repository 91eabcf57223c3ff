"""One end of a link, whatever carries it: what one holds to talk to a peer or to the dealer.

    user ── send / receive / exchange ── Connection ── Reliable + codec ── Transport ── ZeroMQ or
    memory

A `Transport` only moves frames and may lose them; everything a user relies on is here:

* messages arrive exactly once and in order as long as both processes live, however often the link
  breaks;
* `send` never blocks: while the link is down messages are retained, up to the window, and then it
  is an error;
* a peer that nothing was heard of for `timeout` seconds is a `LinkError` that names it; one that is
  merely busy is
  not: any sign of life counts, and pings ask for one. Time when this process's own event loop stood
      still does not;
* the hot path (`exchange`) makes no task, no timer and no timeout object: one periodic `tick`
  watches everything.
Rules: one task receives at a time; buffers given to `send` are not written to afterwards; no socket
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

TICK = 0.1  # seconds between two looks of the watchdog; every timeout is only this exact


class Connection:
    """One end of a link. Made by `connect`, `Listener.accept` or `memory.pair`, never directly."""

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
        self.epoch = 0  # numbered messages of earlier epochs are dropped
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
        self.failure: MpcError | None = None  # why this connection is over, if it is
        self._refused = False  # the other side hung up and said why
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._life = Liveness(monotonic(), TICK)
        self._held = Held(self.options.window.count)
        self._timer = self._loop.call_later(TICK, self._tick)

    @property
    def peer(self) -> str:
        """The other side in an error message: 'bob at tcp://10.0.0.2:7001'."""
        return f"{self.role} at {self.address}"

    @property
    def unmet(self) -> bool:
        """Over before the other side said a word, or why: who answered may have been on its way
        out, and another may answer."""
        lost = isinstance(self.failure, LinkError) and not self._refused
        return lost and not self.counters.messages_received

    @property
    def backlog(self) -> int:
        """Bytes sent and not yet acknowledged."""
        return self._reliable.retained_bytes

    # ── what users call ───────────────────────────────────────────────────────────────────────────

    def send(self, message: Message) -> None:
        """Send, now or as soon as the link allows. LinkError when closed or when too much is
        retained."""
        if self.failure is not None:
            if self._inbox:
                return  # what came before the end is received first: it may say why
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
        """One round: send one message and wait for the next, up to `timeout` seconds (None: without
        end). Errors as of `receive`."""
        self.send(message)
        return await self._inbox.take(timeout)

    async def flush(self, timeout: float) -> bool:
        """Wait until all that was sent is acknowledged, up to `timeout` seconds (DOWN while the
        link is); was it?"""
        reliable = self._reliable
        begin, pause = monotonic(), 0.001
        if reliable.sent > reliable.acked and self.connected:
            self._control(Kind.PING, number=self._stamp())  # whose answer acknowledges
        while reliable.sent > reliable.acked and self.failure is None:
            if monotonic() - begin >= (timeout if self.connected else min(DOWN, timeout)):
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.02)
        return reliable.sent == reliable.acked

    async def close(self, linger: float = 1.0, reason: str = "") -> None:
        """Say goodbye after waiting up to `linger` seconds for everything sent to be
        acknowledged."""
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
        """End this connection at once, with the error that its users will see. Queued messages are
        lost."""
        if self._closed:
            return
        self._closed = True
        if self.connected:
            self._control(Kind.GONE, body={"reason": reason[:200]})
        self._fail(error)
        self._timer.cancel()
        if self._slow is None:
            self._transport.close()
        else:  # let the goodbye cross the modelled link first
            self._loop.call_later(self._slow.crossing() + TICK, self._slow.close)

    # ── what transports call ──────────────────────────────────────────────────────────────────────

    def arrived(self, frames: Sequence[Buffer]) -> None:
        """Frames of one message came in. Never raises: a malformed one ends this connection."""
        if self.failure is not None:
            return
        try:
            self.take(*decode(frames, self.options.limits, self.own_role), sum(map(len, frames)))
        except ProtocolError as error:
            self.refuse(error)

    def refuse(self, error: ProtocolError) -> None:
        """The peer broke the protocol: end the connection, and tell it. What an attacker may have
        done is passed over."""
        if not (isinstance(error, GluedError) and self.counters.forgives()):
            self.abandon(
                ProtocolError(f"from {self.peer}: {error}"), reason=f"protocol error: {error}"
            )

    def take(self, message: Message, seq: int, ack: int, link: int, wire: int) -> None:
        """A decoded message came in."""
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
        """The transport is up (again): whatever is not acknowledged goes out."""
        self.link = link
        self.connected = True
        self._life.heard = True
        if again:
            self.counters.reconnects += 1
        self._held.clear()
        self._reliable.rewind()
        self.writable()

    def interrupted(self) -> None:
        """The transport is down; messages are retained until it is up again."""
        self.connected = False

    def ended(self, error: MpcError) -> None:
        """The other side, or the transport, will not come back."""
        if not self._closed:
            self._closed = True
            self._fail(error)
            self._timer.cancel()
            self._transport.close()

    def probe(self) -> None:  # a transport that knows that the peer is gone says so now
        """Ask for a sign of life."""
        self._control(Kind.PING, number=self._stamp())

    def patience(self) -> None:
        """Silence up to now does not count."""
        self._life.heard = True

    @property
    def silent(self) -> float:
        """Seconds since anything was heard, to within a tick."""
        return self._life.silent(monotonic())

    def writable(self) -> None:
        """Hand the transport everything it has not had yet."""
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
        if 0 < message.epoch < self.epoch:
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
        """Send one of the link's own messages; if the transport cannot, it is simply not said."""
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
        """What a shaped link says before a large message, and when that is due."""
        hold = Message(Kind.HOLD, self.session, 0, self._reliable.handed + 1 if due else 0)
        return encode(hold, 0, 0, self.link, self.role)

    def _fail(self, error: MpcError) -> None:
        if self.failure is None:
            self.failure = error
        self.connected = False
        self._inbox.end(self.failure)

    def _tick(self) -> None:
        """The one watchdog: liveness, acknowledgements that nothing carried, stalls, patience."""
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
