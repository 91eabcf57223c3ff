"""The end of a run, as a protocol: a result is computed once, and whatever is killed, both parties
come to have it.

The reveals of a job are one message each way, the last of the finish. It holds this party's share
of each result for the other, so with the other's own share it *is* the result. An attempt (named by
its ticket) ends in these steps:

    1  seal     record durably: the message to send, and this party's own shares → file `ending`
    2           say "sealed"; wait for the peer's
    3  reveal   send the message; wait for the peer's; compute the results
    4  finish   record them durably, and with them what `ending` holds → file `results`
    5  part     say BYE: "my results are durable"; wait for the peer's

A model that is kept is among the results: its shares are among those that are sealed, and beside
them what both re-share them by.

One invariant carries everything: **nobody sends a reveal before both are sealed** (2). So if either
has learnt anything, both hold a record that finishes the same attempt without the dealer and
without new masks: each sends the same message again.

On disk at the one × at the other, for one ticket, and what they do when they meet. W: working, no
record. S: sealed.
R: results. In brackets, what each may have sent before it was killed.

    one                    the other              when they meet
    W [nothing]            W [nothing]            go on from the newest common checkpoint
    S [sealed]             W [nothing]            the same: the sealed one sent no reveal (2)
    S [sealed, reveal]     S [sealed, reveal]     both send their reveals (again), and go on with 4
    R [reveal, BYE]        S [sealed, reveal]     R sends its reveal again, S goes on with 4
    R [reveal, BYE]        R [reveal, BYE]        BYE
    R [reveal, BYE]        W, both files lost     the newest common checkpoint, or the beginning

Each row is an agreement of both: they tell each other which tickets they can finish (`offer`), and
take the newest that is on both lists (`common`). A record that is damaged or deleted is as one that
was never written; `results` replaces a lost `ending` and the reverse. Only where a party has lost
both is the finish computed again, under new masks. The values are then rounded by new coins, so
that whoever learnt them before sees two roundings of them, and learns that much more about their
next digits; the older results are removed when the newer attempt is sealed, so both report the
same.

A party without a state folder keeps the same records in its memory: if only the other has a folder,
and is killed, this one waits for it and gives it what it lacks. If this one is killed, it has lost
both (the last row). If neither has a folder, nobody can come back, and 1, 2 and 5 are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol.channel import Connection
from protocol.errors import ProtocolError
from protocol.graph import Array
from protocol.history import History, array, plain
from protocol.machine import Machine
from protocol.ring import Words
from protocol.wire import Kind, Message
from protocol.wire.frames import pieces, split

from .checked import packed, unpacked
from .checkpoint import Store
from .messages import expect
from .shared import SharedModel

SEALED, REVEAL = "sealed", "reveal"


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What it takes to finish an attempt: the words for the peer, and this party's own shares."""

    ticket: str
    attempt: int
    message: Words = field(repr=False)
    own: list[Words] = field(repr=False)
    history: History = field(repr=False)  # what checks revealed before
    # what new shares of a model that is kept follow from
    salt: bytes = field(default=b"", repr=False)

    def body(self) -> dict[str, Any]:
        """As it is written to the state folder; shares as bytes."""
        return {
            "ticket": self.ticket,
            "epoch": self.attempt,
            "message": packed([self.message])[0],
            "own": packed(self.own),
            "history": self.history.body(),
            "salt": self.salt,
        }

    @staticmethod
    def read(body: Mapping[str, Any]) -> Conclusion:
        """What `body` gave, from a file that was whole; KeyError or ValueError if it is of another
        version."""
        message, own = unpacked([body["message"]])[0], unpacked(body["own"])
        history = History.read(body.get("history"))
        return Conclusion(
            ticket=body["ticket"],
            attempt=body["epoch"],
            message=message,
            own=own,
            history=history,
            salt=body.get("salt", b""),
        )


class Ending:
    """One party's records of the end, in its state folder and in memory, or in memory alone."""

    def __init__(
        self,
        store: Store | None,
        keep: Callable[[Machine, str, History, bytes], SharedModel] | None = None,
    ) -> None:
        """keep: makes this party's half of a model that stays shared, of the machine that has
        finished, its ticket, its history and the salt of both."""
        self._store, self._keep = store, keep
        self._seals: dict[str, Conclusion] = {}  # by ticket
        self._finished: str | None = None  # the ticket of the results
        self._results: dict[str, Array] = {}
        self.beyond: tuple[str, ...] = ()  # what in them left its range
        self.history = History()
        self.model: SharedModel | None = None  # that is kept
        self._read(any_plan=True)

    @property
    def begun(self) -> bool:
        """Whether there is an end to go on with, for which no dealer is needed."""
        return bool(self._seals)

    @property
    def results(self) -> dict[str, Array] | None:
        """The results by name, if this party has finished the run; else None."""
        return None if self._finished is None else self._results

    def bind(self) -> None:
        """The store is bound to a plan now: forget attempts at any other plan."""
        if self._store is not None:
            self._seals, self._finished = {}, None
            self._read(any_plan=False)

    def _read(self, any_plan: bool) -> None:
        if self._store is None:
            return
        sealed, done = (self._store.recorded(name, any_plan) for name in ("ending", "results"))
        if done is not None:
            seal = Conclusion.read(done)
            self._seals[seal.ticket] = seal
            self._finished, self._results = (
                seal.ticket,
                {name: array(each) for name, each in done["results"].items()},
            )
            self.beyond, self.history = tuple(done["beyond"]), seal.history
            self.model = SharedModel.of(done["model"]) if done.get("model") else None
        if sealed is not None:
            seal = Conclusion.read(sealed)
            self._seals[seal.ticket] = seal
            if self._finished is not None and seal.attempt > self._seals[self._finished].attempt:
                self._finished = None  # sealed after these results were given up

    # ---- what the peer is told, and tells --------------------------------------------------------

    def offer(self) -> list[list[Any]]:
        """For each attempt that can be finished from here: its ticket and number, and whether its
        results are on record."""
        return [
            [seal.ticket, seal.attempt, seal.ticket == self._finished]
            for seal in self._seals.values()
        ]

    def common(self, theirs: object, who: str) -> tuple[str, bool] | None:
        """The newest attempt that both can finish, and whether the peer still lacks its results."""
        if not isinstance(theirs, list) or not all(
            isinstance(each, list)
            and len(each) == 3
            and isinstance(each[0], str)
            and type(each[2]) is bool
            for each in theirs
        ):
            raise ProtocolError(f"{who} did not say what it has of the end of the run")
        lacks = {each[0]: not each[2] for each in theirs}
        found = [seal for ticket, seal in self._seals.items() if ticket in lacks]
        if not found:
            return None
        ticket = max(found, key=lambda seal: (seal.attempt, seal.ticket)).ticket
        return ticket, lacks[ticket]

    # ---- the steps -------------------------------------------------------------------------------

    async def seal(
        self,
        peer: Connection,
        machine: Machine,
        history: History,
        ticket: str,
        attempt: int,
        salt: bytes,
        message: Words,
    ) -> None:
        """Steps 1 and 2. When this returns, either party can finish this attempt, however often it
        is killed. message: this party's shares of what is revealed to the other. salt: of both, for
        new shares of what is kept."""
        own = [np.array(words) for words in machine.sealed()]
        seal = Conclusion(
            ticket=ticket,
            attempt=attempt,
            message=np.array(message),
            own=own,
            history=history,
            salt=salt,
        )
        if self._store is not None:
            self._store.record("ending", seal.body())
            if self._finished is not None:
                self._store.forget("results")  # the peer has lost them, and both compute others
        self._seals, self._finished, self._results = {ticket: seal}, None, {}
        peer.send(
            Message(Kind.END, peer.session, attempt, body={"ticket": ticket, "stage": SEALED})
        )
        await _hear(peer, ticket, SEALED)

    async def deliver(self, peer: Connection, machine: Machine, ticket: str, lacks: bool) -> None:
        """Steps 3 and 4 from what is on record, as far as each party needs them. `machine` has run
        nothing."""
        seal = self._seals[ticket]
        if lacks:
            body = {"ticket": ticket, "stage": REVEAL}
            peer.send(
                Message(
                    Kind.END, peer.session, seal.attempt, body=body, buffers=split(seal.message)
                )
            )
        if ticket == self._finished:
            return
        reply = await _hear(peer, ticket, REVEAL)
        number = machine.unseal(seal.own)
        words = pieces(reply.buffers, machine.expects(number))
        if words is None:
            raise ProtocolError(f"{peer.role} sent a share of the results that has the wrong size")
        machine.receive(number, *words)
        self.finish(ticket, machine, seal.history, seal.salt)

    def finish(self, ticket: str, machine: Machine, history: History, salt: bytes = b"") -> None:
        """Step 4: take the results from `machine`, and what left its range. If there is a state
        folder, both are durable when this returns."""
        results, self.beyond, self.history = (
            machine.results(),
            (*history.beyond, *machine.beyond()),
            history,
        )
        self.model = None if self._keep is None else self._keep(machine, ticket, history, salt)
        seal = self._seals.get(ticket)
        if self._store is not None and seal is not None:
            found = {name: plain(each) for name, each in results.items()}
            more = {
                "results": found,
                "beyond": list(self.beyond),
                "model": self.model and self.model.body(),
            }
            self._store.record("results", {**seal.body(), **more})
        self._finished, self._results = ticket, results


async def _hear(peer: Connection, ticket: str, stage: str) -> Message:
    message = await expect(peer, Kind.END)
    body = message.body or {}
    if body.get("ticket") != ticket or body.get("stage") != stage:
        raise ProtocolError(f"{peer.role} is at another point of the end of the run")
    return message
