"""One session at the dealer: two parties with one plan, and the stream of material they consume.

The dealer knows a session by its name, an offer of each party (plan digest, first step, ticket), and nothing else. When both
offers carry the same ticket and the same digest, an epoch begins: fresh seeds, and a stream to Bob that runs ahead of him as
far as his credit allows. A new pair of offers ends the epoch before; no mask is ever dealt again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass, field

from protocol.channel import Connection
from protocol.dealing import Deal, chunks
from protocol.errors import AgreementError, LinkError, MpcError, ProtocolError
from protocol.log import Log
from protocol.plan import Dealing
from protocol.prg import fresh_seed
from protocol.wire import Kind, Message
from protocol.wire.credit import Credit


@dataclass(frozen=True)
class Offer:
    """What a party brings to the dealer: nothing in it depends on a value."""

    ticket: str
    digest: str
    start: int
    epoch: int
    dealing: Dealing

    @staticmethod
    def read(message: Message, limit: int) -> Offer:
        body = message.body or {}
        ticket, digest = body.get("ticket"), body.get("digest")
        start, epoch = body.get("start"), body.get("epoch")
        if (
            not (isinstance(ticket, str) and isinstance(digest, str) and type(start) is int and type(epoch) is int)
            or len(message.buffers) != 1
        ):
            raise ProtocolError("a plan came without its ticket, digest, first step or contents")
        dealing = Dealing.unpack(bytes(message.buffers[0]))
        if not 0 <= start <= dealing.steps:
            raise ProtocolError(f"a plan of {dealing.steps} steps is to start at step {start}")
        largest = max(dealing.step_bytes(phase) for phase in (0, 1, 2))
        if largest > limit:
            raise ProtocolError(
                f"one step of the plan needs {largest >> 20} MiB at the dealer, which allows {limit >> 20} MiB; "
                "use smaller tensors or minibatches, or raise --max-step-memory"
            )
        return Offer(ticket, digest, start, epoch, dealing)


@dataclass
class Party:
    """A connected party and what it last offered."""

    connection: Connection
    offer: Offer | None = None
    credit: Credit = field(default_factory=Credit)
    more: asyncio.Event = field(default_factory=asyncio.Event)


class Session:
    def __init__(self, name: str, workers: Executor, limit: int, log: Log) -> None:
        self.name, self._workers, self._limit, self._log = name, workers, limit, log
        self._parties: dict[str, Party] = {}
        self._epoch = 0
        self._stream: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        return not self._parties

    async def serve(self, connection: Connection) -> None:
        """Answer one party until it leaves."""
        role = connection.role
        party = self._parties[role] = Party(connection)
        self._log(f"{role} joined session {self.name}", "joined", session=self.name)
        try:
            while True:
                message = await connection.receive()
                if message.kind is Kind.PLAN:
                    party.offer = Offer.read(message, self._limit)
                    self._pair()
                elif message.kind is Kind.CREDIT:
                    body = message.body or {}
                    if message.epoch == self._epoch and party.credit.granted(body.get("chunks"), body.get("bytes")):
                        party.more.set()
                elif message.kind is Kind.BYE:
                    self._log(f"{role} finished session {self.name}", "finished", session=self.name, epoch=self._epoch)
                    return
                elif message.kind is Kind.ABORT:
                    self._log(f"{role} gave up session {self.name}", "left", session=self.name, epoch=self._epoch)
                    return
                else:
                    raise ProtocolError(f"{role} sent the dealer a {message.kind.name}, which it has no use for")
        except MpcError as error:
            self._log(f"{role} left session {self.name}: {error}", "left", "warning", self.name, self._epoch)
            if not isinstance(error, LinkError):
                self._abort(party, str(error))
        finally:
            if self._parties.get(role) is party:
                del self._parties[role]
            if self._stream is not None and (role == "bob" or self.empty):
                self._stream.cancel()
            await connection.close(linger=0.5)

    def _abort(self, party: Party, reason: str) -> None:
        if party.connection.failure is None:
            party.connection.send(Message(Kind.ABORT, self.name, body={"reason": reason}))

    def _pair(self) -> None:
        """Begin an epoch once both parties offer the same thing."""
        alice, bob = self._parties.get("alice"), self._parties.get("bob")
        if alice is None or bob is None or alice.offer is None or bob.offer is None:
            return
        if alice.offer.ticket != bob.offer.ticket:
            return  # one of them is still with an earlier attempt
        if alice.offer != bob.offer:
            error = AgreementError("the dealer got two different plans for one session; start both parties with the same job")
            self._abort(alice, str(error))
            self._abort(bob, str(error))
            return
        if self._stream is not None:
            self._stream.cancel()
        self._epoch = bob.offer.epoch
        seeds = fresh_seed(), fresh_seed()
        for party, seed in zip((alice, bob), seeds, strict=True):
            party.credit, party.more = Credit(), asyncio.Event()
            party.connection.send(Message(Kind.SEED, self.name, self._epoch, 0, {"ticket": bob.offer.ticket}, (seed,)))
        text = f"session {self.name}, epoch {self._epoch}: dealing steps {bob.offer.start} to {bob.offer.dealing.steps}"
        self._log(text, "dealing", session=self.name, epoch=self._epoch, step=bob.offer.start)
        self._stream = asyncio.create_task(self._deal(bob, bob.offer, Deal(bob.offer.dealing, *seeds), self._epoch))

    async def _deal(self, bob: Party, offer: Offer, deal: Deal, epoch: int) -> None:
        try:
            number = 0
            async for (phase, first, count), words in self._batches(offer, deal):
                while not bob.credit.allows(words.nbytes):
                    bob.more.clear()
                    await bob.more.wait()
                bob.credit.spend(words.nbytes)
                body = {"phase": int(phase), "first": first, "count": count}
                bob.connection.send(Message(Kind.CHUNK, self.name, epoch, number, body, (memoryview(words).cast("B"),)))
                number += 1
        except LinkError:
            pass  # serve() sees the same and says so
        except MpcError as error:
            self._abort(bob, str(error))

    async def _batches(self, offer: Offer, deal: Deal) -> AsyncIterator[tuple]:  # type: ignore[type-arg]
        """Chunks in order, the next one being made while one is handed out."""
        loop = asyncio.get_running_loop()
        plan = iter(chunks(offer.dealing, offer.start))

        def start() -> tuple | None:  # type: ignore[type-arg]
            chunk = next(plan, None)
            return None if chunk is None else (chunk, loop.run_in_executor(self._workers, deal.corrections, *chunk))

        ahead = start()
        while ahead is not None:
            chunk, future = ahead
            words = await future
            ahead = start()
            yield chunk, words
