"""Two real parties and a real dealer's session in one process, over in-memory links, with deaths
wherever a test wants them.

A *point* is a moment at which a process can be killed: before and after each write, sync, rename
and message of a party, from where its end begins. Points are numbered in the order a party comes to
them. A party that dies leaves its files as they are and its links broken, and says nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextvars import Context, ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from halves import together

from dealer.session import Session
from dealer.stock import Stock
from dealer.turns import Turns
from dealer.workers import Workers
from party import agreement, attempts
from party.attempts import Run
from party.checkpoint import Store
from party.ending import REVEAL, Ending
from party.intent import Intent
from party.jobs.seed import Seed
from party.links import Addresses, Links
from party.report import Report
from party.shared import SharedModel, keeper
from party.view import RunView
from protocol.channel import Connection
from protocol.channel.memory import pair
from protocol.errors import LinkError, MpcError
from protocol.log import Log
from protocol.tracing import trace
from protocol.validate import Limits
from protocol.wire import Kind

PARTIES = ("alice", "bob")
ITERATIONS = 3
WHO: ContextVar[str] = ContextVar("WHO", default="")
JOB = Seed()
INPUTS = {name: np.asarray(each.default, float) for name, each in JOB.inputs.items()}
CLEAR = trace(JOB, {name: array.shape for name, array in INPUTS.items()}).graph.run_clear(
    INPUTS, ITERATIONS
)
JOB.kept = JOB.keep = ("w",)  # each run leaves a model too


class Killed(BaseException):
    """The process of a party is gone."""


class World:
    """Everything outside the parties' processes, and what is known of these. `fault` decides at
    each point: an exception to raise there, or None."""

    def __init__(self, folder: Path, reveal: str, stateful: tuple[str, ...]) -> None:
        self.folder, self.reveal, self.stateful = folder, reveal, stateful
        self.tasks: dict[str, asyncio.Task[Report]] = {}
        self.links: dict[str, MemoryLinks] = {}
        self.dead: set[str] = set()  # for as long as it is not started again
        self.ending: set[str] = set()
        self.points: dict[str, list[str]] = {role: [] for role in PARTIES}
        self.fault: Callable[[str, int, str], BaseException | None] = lambda role, number, what: (
            None
        )
        self.revealed: set[int] = set()  # attempts in which somebody sent its share of the results
        self.learnt: dict[str, dict[str, Any]] = {}
        self.models: dict[str, SharedModel] = {}
        self.errors: dict[str, str] = {}
        self._waiting: dict[str, asyncio.Future[Connection]] = {}
        self._ends: dict[str, list[Connection]] = {}  # of the links of each life
        self._workers = Workers(1)
        self._serving: set[asyncio.Task[None]] = set()
        self.new_dealer()

    # ---- the network -----------------------------------------------------------------------------

    def new_dealer(self) -> None:
        """The dealer is killed, and a new one is started."""
        for links in self.links.values():
            if (link := links.held("dealer")) is not None:
                link.ended(LinkError("the dealer is gone"))
        for task in self._serving:
            task.cancel()
        self._dealer = Session(
            "s",
            self._workers,
            Turns(self._workers),
            Limits(),
            Stock(96 << 20, 64, 1 << 30, lambda: 1),
            Log("dealer"),
        )

    async def meet(self, role: str) -> Connection:
        other = "bob" if role == "alice" else "alice"
        if (waiting := self._waiting.pop(other, None)) is not None and not waiting.done():
            mine, theirs = pair("s", roles=(role, other))
            self._ends.setdefault(role, []).append(mine)
            self._ends.setdefault(other, []).append(theirs)
            waiting.set_result(theirs)
            return mine
        self._waiting[role] = asyncio.get_running_loop().create_future()
        return await self._waiting[role]

    async def to_dealer(self, role: str) -> Connection:
        mine, theirs = pair("s", roles=(role, "dealer"))
        self._ends.setdefault(role, []).append(mine)
        # in a context of its own: what the dealer sends is no point of the party that came to it
        task = asyncio.create_task(self._dealer.serve(theirs), context=Context())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return mine

    # ---- the processes ---------------------------------------------------------------------------

    def point(self, what: str) -> None:
        role = WHO.get()
        if role in self.dead:
            raise Killed
        if role in self.ending:
            self.points[role].append(what)
            if (error := self.fault(role, len(self.points[role]) - 1, what)) is not None:
                if isinstance(error, Killed):
                    self.bury(role)
                raise error

    def bury(self, role: str) -> None:
        self.dead.add(role)
        for link in self._ends.pop(role, []):  # those too that it had not taken up yet
            if link.failure is None:
                link._transport.other.connection.ended(LinkError(f"{role} is gone"))
                link.ended(LinkError("dead"))

    def kill(self, role: str) -> None:
        """From outside, wherever it is."""
        if role in self.tasks and not self.tasks[role].done() and role not in self.dead:
            self.bury(role)
            self.tasks[role].cancel()

    def start(self, role: str) -> None:
        self.dead.discard(role)
        self.ending.discard(role)

        async def life() -> Report:
            WHO.set(role)
            store = Store(self.folder / role, "s", role) if role in self.stateful else None
            return await self.process(role, store).run()

        self.tasks[role] = asyncio.create_task(life())

    def process(self, role: str, store: Store | None) -> Run:
        """What a party's process does."""
        mine = {name: array for name, array in INPUTS.items() if JOB.inputs[name].owner == role}
        intent = Intent(
            role=role,
            job=JOB,
            iterations=ITERATIONS,
            reveal=self.reveal,
            shapes={name: each.shape for name, each in mine.items()},
        )
        to = Addresses(session="s", peer="", dealer="", wait=20.0)
        keep = keeper(role, (), JOB)
        return Run(intent, to, mine, RunView(), store, interval=0.0, keeper=keep)

    async def until_done(self, lives: int = 6) -> None:
        """Start what is not running, as an operator with a unit that restarts would, until both
        have ended well together."""
        for _ in range(lives):
            for role in PARTIES:
                self.start(role)
            while any(not task.done() for task in self.tasks.values()):
                await asyncio.wait(
                    self.tasks.values(), timeout=30, return_when=asyncio.FIRST_COMPLETED
                )
                for role, task in list(self.tasks.items()):
                    # its peer may still be there, and then waits for it
                    if task.done() and role in self.dead:
                        await asyncio.gather(task, return_exceptions=True)
                        self.start(role)
                if all(task.done() for task in self.tasks.values()):
                    break
                if any(task.done() for task in self.tasks.values()):
                    await asyncio.wait(self.tasks.values(), timeout=0.5)
                    # a result on its own is not the end: whoever waits, its peer is started again
                    for role in PARTIES:
                        if self.tasks[role].done() and any(
                            not task.done() for task in self.tasks.values()
                        ):
                            self.note(role)
                            self.start(role)
            ended = [self.note(role) for role in PARTIES]
            if all(ended):
                return
        raise AssertionError(f"lost: {self.errors}")

    def note(self, role: str) -> bool:
        """Take down how a life ended."""
        try:
            report = self.tasks[role].result()
            self.learnt[role], self.models[role] = report.results, report.model
            return True
        except (MpcError, Killed, asyncio.CancelledError) as error:
            self.errors[role] = str(error)
            return False

    def right(self) -> None:
        """Who is to learn has the right results, equal at both; nobody else has any. Both have
        halves of one model."""
        assert (
            np.abs(together([self.models[role] for role in PARTIES])["w"] - CLEAR["weights"]).max()
            < 1e-4
        )
        for role in PARTIES:
            learns = self.reveal in (role, "both")
            assert set(self.learnt[role]) == (set(CLEAR) if learns else set())
            for name, value in self.learnt[role].items():
                assert np.abs(value - CLEAR[name]).max() < 1e-4
        if self.reveal == "both":
            for name in CLEAR:
                assert np.array_equal(self.learnt["alice"][name], self.learnt["bob"][name])

    async def close(self) -> None:
        for task in (*self.tasks.values(), *self._serving):
            task.cancel()
        await asyncio.gather(*self.tasks.values(), *self._serving, return_exceptions=True)
        self._workers.shutdown()


class MemoryLinks(Links):
    world: World

    async def _accept(self) -> Connection:
        return await asyncio.wait_for(self.world.meet(self._role), self.wait)

    async def _dial(self, whom: str) -> Connection:
        return await (self.world.to_dealer(self._role) if whom == "dealer" else self._accept())

    def held(self, whom: str) -> Connection | None:
        link = self._dealer if whom == "dealer" else self._peer
        return link if link is not None and link.failure is None and link.role == whom else None

    def abort(self, reason: str, back: bool) -> None:
        if self._role not in self.world.dead:
            super().abort(reason, back)

    async def close(self) -> None:
        for link in (self._peer, self._dealer):
            if link is not None:
                await link.close(0.05)


def link_in_memory(patch: pytest.MonkeyPatch, current: Callable[[], World]) -> None:
    """Links in memory, for whatever runs as a party of the current world."""

    @contextlib.asynccontextmanager
    async def open_links(role: str, to: Addresses, note: Any, waiting: Any) -> AsyncIterator[Links]:
        links = MemoryLinks(role, to, note, waiting)
        links.world = current()
        links.world.links[role] = links
        try:
            yield links
        finally:
            await links.close()

    patch.setattr(attempts, "open_links", open_links)
    patch.setattr(attempts, "SETTLE", 0.002)


def install(patch: pytest.MonkeyPatch, current: Callable[[], World]) -> None:
    """Points, and links in memory, for whatever runs as a party of the current world."""
    plans: dict[Any, Any] = {}
    make = agreement.make_plan

    def known(traced: Any, who: int, learners: tuple[int, ...], guard: bool) -> Any:
        if (who, learners) not in plans:
            plans[who, learners] = make(trace(*traced), who, learners, guard)
        return plans[who, learners]

    patch.setattr(
        agreement, "trace_job", lambda job, shapes, iterations, network: (job, shapes, iterations)
    )
    patch.setattr(agreement, "make_plan", known)
    link_in_memory(patch, current)

    def pointed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if not WHO.get():
                return function(*arguments, **named)
            current().point(f"before {name}")
            found = function(*arguments, **named)
            current().point(f"after {name}")
            return found

        return wrapped

    patch.setattr(os, "fsync", pointed("sync", os.fsync))
    patch.setattr(os, "fdopen", pointed("write", os.fdopen))
    patch.setattr(Path, "replace", pointed("rename", Path.replace))
    send, seal, deliver = Connection.send, Ending.seal, Ending.deliver

    def sent(connection: Connection, message: Any) -> None:
        if message.kind is Kind.END and message.body["stage"] == REVEAL:
            current().revealed.add(message.attempt)
        pointed(f"message {message.kind.name}", send)(connection, message)

    async def sealed(self: Ending, *arguments: Any) -> None:
        current().ending.add(WHO.get())
        await seal(self, *arguments)
        current().revealed.add(arguments[4])

    async def delivered(self: Ending, *arguments: Any) -> None:
        current().ending.add(WHO.get())
        await deliver(self, *arguments)

    patch.setattr(Connection, "send", sent)
    patch.setattr(Ending, "seal", sealed)
    patch.setattr(Ending, "deliver", delivered)
