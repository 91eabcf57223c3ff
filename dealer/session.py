"""One session at the dealer: two parties with one plan, and the material that is streamed to Bob.

The dealer knows a session by its name and by an offer of each party: plan digest, first step and
tickets. When both offers have the same tickets and the same digest, an *attempt* begins: fresh
seeds, which depend on the tickets of both parties too, and a stream to Bob that is ahead of his
steps as far as his credit and the dealer's stock allow. A new pair of offers ends the attempt
before it; no mask is ever dealt again.

At most as many chunks of a session are made at a time as there are workers, and one more may wait
to be sent; `turns` decides which session's chunk is made next. An error in a session ends that
session, with a sentence to its parties, and no other.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from protocol import __version__
from protocol.channel import Connection
from protocol.contract import Chunk, Dealing
from protocol.dealing import Deal
from protocol.errors import AgreementError, LinkError, MaterialError, MpcError, ProtocolError
from protocol.graph import Phase
from protocol.log import Log
from protocol.prg import attempt_seed, fresh_seed
from protocol.ring import Words
from protocol.validate import Limits
from protocol.wire import Kind, Message
from protocol.wire.credit import Credit
from protocol.wire.frames import split

from .offer import Offer
from .stock import Stock, mib
from .tally import Tally
from .turns import Queued, Turns
from .workers import Workers

PROBE = 1 << 20  # bytes of one buffer of a probe
MOST_PROBED = 16  # buffers in one
PROBES = 4  # probes that one connection may ask for
_PAUSE = 0.02  # seconds until the stock is asked again when it is used up
_PROBE = bytes(PROBE)


async def refuse(connection: Connection, reason: str, tally: Tally, log: Log) -> None:
    """Tell a party why it is refused, count and log that, and close its connection."""
    tally.refused += 1
    log(f"refused {connection.peer}: {reason}", "refused", "warning", connection.session)
    connection.send(Message(Kind.ABORT, connection.session, body={"reason": reason}))
    await connection.close(linger=0.5, reason=reason)


@dataclass
class ConnectedParty:
    """A connected party, its last offer, and its credit."""

    connection: Connection
    offer: Offer | None = None
    credit: Credit = field(default_factory=Credit)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    probes: int = 0


@dataclass(frozen=True)
class Making:
    """A chunk that is being made: its number in the attempt, and its size in bytes."""

    number: int
    chunk: Chunk
    size: int
    words: asyncio.Task[Words] = field(repr=False)


class Session:
    """One session: the offers of its parties, the attempt that they began, and the stream of that
    attempt to Bob."""

    def __init__(
        self,
        name: str,
        workers: Workers,
        turns: Turns,
        limits: Limits,
        stock: Stock,
        log: Log,
        tally: Tally | None = None,
        weight: float = 1.0,
    ) -> None:
        self.name, self._workers, self._turns, self._queued = name, workers, turns, Queued(weight)
        self._limits, self._stock, self._log = limits, stock, log
        self._tally = tally or Tally()
        self.steps: int | None = None  # of the plan of the attempt
        self.sent = 0  # steps whose material was sent
        self._parties: dict[str, ConnectedParty] = {}
        self._attempt = 0
        self._stream: asyncio.Task[None] | None = None
        self._made = 0

    @property
    def empty(self) -> bool:
        """Whether no party is connected."""
        return not self._parties

    @property
    def links(self) -> dict[str, Connection]:
        """The connections to its parties, by role."""
        return {role: party.connection for role, party in self._parties.items()}

    @property
    def dealing(self) -> Dealing | None:
        """The dealing part of a party's plan, which is public: shapes alone. None where no party
        has made an offer."""
        return next((party.offer.dealing for party in self._parties.values() if party.offer), None)

    @property
    def fixed(self) -> int:
        """Bytes that are held for as long as the present offers are valid."""
        return max(
            (party.offer.memory for party in self._parties.values() if party.offer), default=0
        )

    @property
    def making(self) -> int:
        """Bytes that a worker holds while it makes the largest chunk of the present offers."""
        return max(
            (party.offer.making for party in self._parties.values() if party.offer), default=0
        )

    @property
    def ahead(self) -> int:
        """Bytes of material that is made, and not yet acknowledged by Bob."""
        bob = self._parties.get("bob")
        return self._made + (bob.connection.backlog if bob is not None else 0)

    async def serve(self, connection: Connection) -> None:
        """Handle one party's messages, one after the other, until it leaves."""
        role = connection.role
        present = self._parties.get(role)
        if present is not None and present.connection.failure is None:
            await self._turn_away(connection)
            return
        party = self._parties[role] = ConnectedParty(connection)
        self._log(f"{role} joined session {self.name}", "joined", session=self.name)
        try:
            while await self._answer(party, await connection.receive()):
                pass
        except MpcError as error:
            self._log(
                f"{role} left session {self.name}: {error}",
                "left",
                "warning",
                self.name,
                self._attempt,
            )
            if not isinstance(error, LinkError):
                self._abort(str(error), party)
        finally:
            if self._parties.get(role) is party:
                del self._parties[role]
            if self._stream is not None and (role == "bob" or self.empty):
                self._stream.cancel()
            await connection.close(linger=0.5)

    async def _turn_away(self, connection: Connection) -> None:
        """Refuse a party whose role in this session another connection has."""
        reason = (
            f"another {connection.role} has a session {self.name} here; choose another name with"
            " --session"
        )
        await refuse(connection, reason, self._tally, self._log)

    async def _answer(self, party: ConnectedParty, message: Message) -> bool:
        """Handle one message. Returns False when no more follow."""
        role, body = party.connection.role, message.body or {}
        if message.kind is Kind.PLAN:
            party.offer = None
            loop = asyncio.get_running_loop()
            party.offer = await loop.run_in_executor(
                self._workers, Offer.read, message, self._limits
            )
            if not self._stock.admits(self):
                self._tally.refused += 1
                alone = self._stock.needed([self]) > self._stock.memory
                raise MaterialError(
                    f"the dealer has no memory{'' if alone else ' left'} for a session that needs"
                    f" {mib(self.fixed)} all the time and {mib(self.making)} for each chunk in the"
                    f" making; {'' if alone else 'come back when others have ended, '}use smaller"
                    " minibatches, or raise the dealer's --max-memory, now"
                    f" {mib(self._stock.memory)}"
                )
            self._pair()
        elif message.kind is Kind.CREDIT:
            if message.attempt == self._attempt and party.credit.granted(
                body.get("chunks"), body.get("bytes")
            ):
                party.more.set()
        elif message.kind is Kind.HELLO:
            self._greet(party, body.get("probe"))
        elif message.kind is Kind.BYE:
            self._log(
                f"{role} finished session {self.name}",
                "finished",
                session=self.name,
                epoch=self._attempt,
            )
            return False
        elif message.kind is Kind.ABORT:
            self._log(
                f"{role} gave up session {self.name}",
                "left",
                session=self.name,
                epoch=self._attempt,
            )
            return False
        else:
            raise ProtocolError(
                f"{role} sent the dealer a {message.kind.name}, which it has no use for"
            )
        return True

    def _greet(self, party: ConnectedParty, probe: object) -> None:
        """Answer `party doctor`: version and clock, or some mebibytes of zeros, by which the
        bandwidth is measured."""
        if probe is None:
            body = {"version": __version__, "time": time.time()}
            party.connection.send(Message(Kind.WELCOME, self.name, body=body))
            return
        party.probes += 1
        if type(probe) is not int or not 1 <= probe <= MOST_PROBED or party.probes > PROBES:
            raise ProtocolError(
                f"{party.connection.role} asked for a probe that is not from 1 to {MOST_PROBED}"
                " MiB, or for too many"
            )
        party.connection.send(
            Message(Kind.CHUNK, self.name, body={"probe": probe}, buffers=(_PROBE,) * probe)
        )

    def _abort(self, reason: str, *parties: ConnectedParty) -> None:
        for party in parties:
            if party.connection.failure is None:
                party.connection.send(
                    Message(Kind.ABORT, self.name, body={"reason": reason[:2000]})
                )

    def _pair(self) -> None:
        """Begin an attempt if both parties have made the same offer."""
        alice, bob = self._parties.get("alice"), self._parties.get("bob")
        if alice is None or bob is None or alice.offer is None or bob.offer is None:
            return
        if alice.offer.ticket != bob.offer.ticket:
            return  # one of them is still with an earlier attempt
        if alice.offer != bob.offer:
            error = AgreementError(
                "the dealer got two different plans for one session; start both parties with the"
                " same job"
            )
            self._abort(str(error), alice, bob)
            return
        if self._stream is not None:
            self._stream.cancel()
        offer = alice.offer = bob.offer
        self._attempt = offer.attempt
        self._tally.streams += 1
        self.sent, self.steps = offer.start, offer.dealing.steps
        seeds = fresh_seed(), fresh_seed()
        for party, seed in zip((alice, bob), seeds, strict=True):
            party.credit, party.more = Credit(), asyncio.Event()
            party.connection.send(
                Message(Kind.SEED, self.name, self._attempt, 0, {"ticket": offer.ticket}, (seed,))
            )
        text = (
            f"session {self.name}, attempt {self._attempt}: dealing steps {offer.start} to"
            f" {offer.dealing.steps}"
        )
        self._log(text, "dealing", session=self.name, epoch=self._attempt, step=offer.start)
        # as each party does
        mixed = [attempt_seed(seed, self.name, offer.ticket, offer.attempt) for seed in seeds]
        self._stream = asyncio.create_task(self._deal(alice, bob, offer, (mixed[0], mixed[1])))

    async def _deal(
        self, alice: ConnectedParty, bob: ConnectedParty, offer: Offer, seeds: tuple[bytes, bytes]
    ) -> None:
        """Make and send the chunks of one attempt: several are made at a time, and they are sent in
        order."""
        making: deque[Making] = deque()
        where = "its plan"
        try:
            loop = asyncio.get_running_loop()
            deal = await loop.run_in_executor(self._workers, Deal, offer.dealing, *seeds)
            plan = offer.dealing.chunks(offer.start)
            coming = next(plan, None)
            number = 0
            while coming is not None or making:
                size = offer.dealing.bytes_of(coming) if coming is not None else 0
                if (
                    coming is not None
                    and len(making) <= self._workers.orders
                    and self._stock.allows(self, size)
                ):
                    self._made += size
                    making.append(Making(number, coming, size, self._making(deal, coming)))
                    coming, number = next(plan, None), number + 1
                elif making:
                    where = making[0].chunk.place
                    await self._send(bob, making[0])
                    self._made -= making.popleft().size
                else:
                    await asyncio.sleep(_PAUSE)
        except LinkError:
            pass  # serve() sees the same and says so
        # workers run kernels on what others sent: whatever it is, it ends this session alone
        except Exception as error:
            reason = (
                f"the dealer could not make the material for {where} of session {self.name}:"
                f" {_blame(error)}"
            )
            self._tally.failed += 1
            self._log(reason, "failed", "error", self.name, offer.attempt)
            self._abort(reason, alice, bob)
        finally:
            for each in making:  # of this attempt; the next may have begun to make its own
                each.words.cancel()
                self._made -= each.size

    def _making(self, deal: Deal, chunk: Chunk) -> asyncio.Task[Words]:
        return asyncio.create_task(self._turns.make(self._queued, deal, chunk))

    async def _send(self, bob: ConnectedParty, made: Making) -> None:
        """Send a chunk when it is made and Bob's credit allows it."""
        words, chunk = await made.words, made.chunk
        ready = time.monotonic()
        while not bob.credit.allows(made.size):
            bob.more.clear()
            await bob.more.wait()
        self._tally.waited_for_credit += time.monotonic() - ready
        bob.credit.spend(made.size)
        body = {
            "phase": int(chunk.phase),
            "first": chunk.first,
            "count": chunk.rows,
            "part": chunk.part,
        }
        bob.connection.send(
            Message(Kind.CHUNK, self.name, self._attempt, made.number, body, split(words))
        )
        self._tally.chunks += 1
        self._tally.bytes += made.size
        if chunk.phase == Phase.STEP:
            self.sent = chunk.first + chunk.rows


def _blame(error: Exception) -> str:
    """What went wrong, without what it went wrong with."""
    if isinstance(error, MpcError):
        return str(error)
    if isinstance(error, MemoryError):
        return "it ran out of memory; use smaller tensors or minibatches, or fewer sessions"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return (
        f"{type(error).__name__}{place}; this is a fault of the dealer's program, please report it"
    )
