"""One party's run: find the peer and the dealer, agree, compute, report; and begin again where it
broke off.

    links → agreement → seed → rounds → the end (ending.py)

An *attempt* begins with fresh seeds at the newest step whose shares both parties hold, or goes on
with the end of an earlier attempt. Without a state folder there is one attempt; with one, a lost
peer or dealer is waited for, and another attempt begins. Any other end is told to the others in a
sentence and raised here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from types import MappingProxyType
from typing import Any

from protocol.beforehand import refused
from protocol.channel import Connection
from protocol.errors import ConfigError, DataError, LinkError, MpcError
from protocol.graph import Array
from protocol.history import History
from protocol.jobs import ROLES
from protocol.machine import Machine
from protocol.prg import SEED_BYTES
from protocol.signals import Halted
from protocol.views import Shape
from protocol.wire import Kind, Message

from .agreement import Agreed, agree
from .attending import Attendance
from .checkpoint import ANOTHER, Store
from .ending import Ending
from .formats.preparation import Fitted
from .intent import Intent
from .links import Addresses, Links, open_links
from .material_file import Material
from .messages import expect, reason
from .observing import StepObserver
from .report import Report
from .rows import Keyed, Matched, Places, scored, shapes_of
from .runner import Runner
from .shared import Keeper, SharedModel
from .supply import supplied
from .view import RunView

# seconds between two attempts: SETTLE, doubled up to LONG as long as attempts end within LONG
SETTLE, LONG = 0.2, 5.0
COMEBACK = 30.0  # seconds that a party with its results waits for a peer that may lack them


class Run:
    """One party's run, attempt by attempt, until it has its results or cannot go on."""

    def __init__(
        self,
        intent: Intent,
        to: Addresses,
        inputs: Mapping[str, Array] | Keyed,
        view: RunView,
        store: Store | None = None,
        *,
        interval: float = 5.0,
        material: Material | None = None,
        threads: int = 1,
        fitted: Mapping[str, Fitted] = MappingProxyType({}),
        keeper: Keeper | None = None,
        serving: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        """to: addresses and keys of the others, and how long they are waited for. inputs: this
        party's tensors, or what it takes to match their rows first. store: the state folder; None:
        nothing outlives this object. interval: seconds between two checkpoints. material: the file
        that takes the dealer's place. threads: for matching rows. fitted: what preparation learnt,
        where rows are not matched. keeper: makes the half of a model that stays shared. serving:
        entered for as long as the run lasts.

        DataError if the state was computed from other inputs than these.
        """
        self.intent, self._to, self._view = intent, to, view
        self._serving = serving or nullcontext()
        self._store, self._interval, self._material = store, interval, material
        self._party = ROLES.index(intent.role)
        self._begun = self._progressed = time.monotonic()
        self._matched: Matched | None = None
        if isinstance(inputs, Keyed):
            self._matched = Matched(inputs, view.note, store, to.public_keys(intent.role), threads)
        # whole tables, until rows are matched
        self._inputs = inputs.read if isinstance(inputs, Keyed) else inputs
        if store is not None:
            store.belong(intent.fingerprint, self._inputs)
        self._fitted, self._keeper = fitted, keeper
        self._ending = Ending(store, None if keeper is None else self._kept)
        self._reached = 0
        self._attempts = self._recomputed = 0
        known = self._ending.results is not None
        self._done = self._report(shapes_of(self._inputs)) if known else None
        self._halting = self._stepping = self._told = False
        self._links: Links | None = None

    def halt(self) -> bool:
        """Ask for an orderly stop: a checkpoint after the step that is being computed, and the end
        of the run there. False where no step is being computed, or there is no folder for the
        checkpoint."""
        self._halting = self._store is not None
        return self._halting and self._stepping

    def close(self) -> None:
        """Close the file of material, if there is one."""
        if self._material is not None:
            self._material.close()

    def reload(self, to: Addresses) -> None:
        """Expect these keys of the others from now on; a link to one whose key has changed ends."""
        if self._links is not None:
            self._links.reload(to)

    @property
    def brought(self) -> Mapping[str, Array]:
        """This party's tensors, by name; of tables whose rows are matched, the common rows once
        they are known."""
        return self._inputs

    def ids_of(self, places: Places) -> tuple[str, list[str]] | None:
        """The column of ids, and those of rows of this party's table, where rows are matched by
        them."""
        return None if self._matched is None else self._matched.ids_of(places)

    def preparation(self) -> Mapping[str, Fitted]:
        """What the preparation of this party's tables learnt, by tensor, from the rows that count;
        nothing as long as these are not known."""
        if self._matched is None:
            return self._fitted
        return self._matched.fitted if self._matched.prepared() else {}

    def _kept(self, machine: Machine, ticket: str, history: History, salt: bytes) -> SharedModel:
        assert self._keeper is not None
        return self._keeper(machine, ticket, history, salt, self.preparation())

    async def run(self) -> Report:
        """Run to the end: attempts until one succeeds. Raises MpcError, one sentence, for whatever
        ends the run, and Halted after `halt`."""
        view = self._view
        async with (
            self._serving,
            open_links(self.intent.role, self._to, view.note, view.waiting) as links,
        ):
            self._links = links
            pause, unmet = SETTLE, False
            if self._done is not None:
                self._view.note(
                    f"this run is finished; seeing for up to {self._patience():.0f} s whether"
                    f" {links.whom} lacks its results (for another run, name another --session, or"
                    " start with --fresh)",
                    "finished",
                )
            while True:
                begun = time.monotonic()
                again = unmet or self._done is not None
                links.wait = max(0.1, self._patience()) if again else self._to.wait
                self._attempts += not unmet
                unmet = False
                try:
                    return await self._attempt(links)
                except LinkError as error:
                    if self._halting:
                        raise Halted from None
                    patience = self._patience()
                    if self._done is not None and patience <= SETTLE:
                        # the peer may lack its results, but we cannot wait for it for ever
                        return self._done
                    if links.unmet and patience > SETTLE:
                        # who answered was the peer's run before this one, on its way out
                        unmet = True
                        await asyncio.sleep(SETTLE)
                        continue
                    if (self._store is None and not self._ending.begun) or patience <= SETTLE:
                        links.abort(str(error), back=False)
                        raise
                    self._view.note(
                        f"{error}; waiting up to {patience:.0f} s to go on from there", "lost"
                    )
                    links.abort(str(error), back=True)
                    pause = SETTLE if time.monotonic() - begun > LONG else min(2 * pause, LONG)
                    await asyncio.sleep(pause)
                except Halted:
                    links.abort(
                        "it was asked to end, and will go on when it is started again", back=True
                    )
                    if self._halting:
                        raise
                except BaseException as error:
                    links.abort(
                        reason(error),
                        back=self._store is not None and not isinstance(error, MpcError),
                    )
                    raise

    def _patience(self) -> float:
        """Seconds left to wait for the others: `wait` from the last progress on, or COMEBACK at
        most once this party has its results."""
        limit = self._to.wait if self._done is None else min(self._to.wait, COMEBACK)
        return limit - (time.monotonic() - self._progressed)

    async def _attempt(self, links: Links) -> Report:
        """Meet the others and agree; then compute the steps that remain and the finish, or only
        finish an earlier attempt, which takes no dealer."""
        ended = self._ending.begun
        if ended:
            peer, dealer = await links.peer(), None
        else:
            peer, dealer = await links.both()
            self._view.linked()
        agreed = await agree(
            peer, self.intent, self._store, self._material, self._ending, self._matched
        )
        if self._matched is not None:
            self._inputs = self._matched.arrays
        if ended and not self._ending.begun and self._store is not None:
            raise ConfigError(
                f"the state in {self._store.folder} is of another program's run: {ANOTHER}"
            )
        self._view.begins(agreed.start.attempt, *filter(None, (peer, dealer)))
        if agreed.start.ending is not None:
            self._done = await self._finished(peer, agreed)
        else:
            if self._ending.begun:
                if self._done is not None:
                    self._view.note(
                        f"{peer.role} has nothing of this run's end: both compute it again", "again"
                    )
                self._done, links.wait = None, self._to.wait
                dealer = None if self._to.dealer is None else await links.dealer()
                self._view.linked()
            self._done = await self._computed(peer, dealer, agreed)
        self._progressed = time.monotonic()
        links.tell(Message(Kind.BYE, self._to.session))
        if agreed.start.lasting:
            await self._part(peer)
        return self._done

    async def _part(self, peer: Connection) -> None:
        """Wait for the peer's BYE: its results are durable, and nobody need come back. LinkError if
        the link breaks before."""
        try:
            await expect(peer, Kind.BYE)
        except LinkError:
            raise
        except MpcError as error:
            self._view.note(
                f"{error}; what it lacks is kept here: start both again, and it gets it", "kept"
            )

    async def _finished(self, peer: Connection, agreed: Agreed) -> Report:
        """Finish an earlier attempt that both have sealed: each sends its reveal again if the other
        lacks the results."""
        assert agreed.start.ending is not None
        ticket, lacks = agreed.start.ending
        self._view.note(
            f"the steps are done; finishing with {peer.role} what was broken off", "resumed"
        )
        await self._ending.deliver(peer, Machine(agreed.plan, self._party), ticket, lacks)
        return self._done or self._report(shapes_of(self._inputs))

    @property
    def _rows(self) -> Places | None:
        return None if self._matched is None else self._matched.places

    def _report(self, shapes: Mapping[str, Shape], **cost: Any) -> Report:
        """What is on record of the end, and what it cost, where that is known. shapes: of the
        tensors that the steps were computed from, as far as they are known."""
        results = self._ending.results or {}
        return Report(
            results=results,
            beyond=self._ending.beyond,
            rows=self._rows,
            scored=scored(self.intent.job, shapes, self._rows, results),
            history=self._ending.history,
            model=self._ending.model,
            attempts=max(1, self._attempts),
            recomputed=self._recomputed,
            **cost,
        )

    async def _computed(
        self, peer: Connection, dealer: Connection | None, agreed: Agreed
    ) -> Report:
        """Compute the steps from the agreed checkpoint on, and the finish. dealer: None where
        material is a file's."""
        plan, number, point = agreed.plan, agreed.start.attempt, agreed.start.point
        start = 0 if point is None else point.step
        if not self._told:
            self._told = True
            self._view.planned(plan)
        if start or self._attempts > 1:
            self._recomputed += max(0, self._reached - start)
            self._view.note(
                f"going on from step {start} of {plan.dealing.steps}, attempt {number}", "resumed"
            )
        if not agreed.accepted and (
            said := refused(plan.traced.graph, self._party, self._inputs, plan.traced.iterations)
        ):
            raise DataError(f"tensor {said}")
        state, told = (
            (None, None) if point is None or self._store is None else self._store.load(point)
        )
        intake = await supplied(self._material, peer, dealer, agreed, self._party, start)
        machine = Machine(plan, self._party)
        machine.load(self._inputs, agreed.shares)
        history = History.read(told)
        runner = Runner(
            machine, peer, intake, number, start, self._observers(machine, peer, history, agreed)
        )
        setup_seconds = time.monotonic() - self._begun
        sent, received = peer.counters.bytes_sent, peer.counters.bytes_received
        self._view.running(runner, intake, peer, dealer)
        self._stepping = True
        try:
            await runner.run(state)
        finally:
            self._stepping = False
            intake.close()
            if runner.progress.step > self._reached:
                self._reached, self._progressed = runner.progress.step, time.monotonic()
        self._ending.finish(agreed.ticket, machine, history, agreed.salt)
        return self._report(
            plan.traced.shapes,
            seconds=runner.progress.seconds,
            setup_seconds=setup_seconds,
            iterations=plan.dealing.steps,
            rounds=runner.progress.rounds,
            messages=2 * runner.progress.rounds,
            bytes_sent=peer.counters.bytes_sent - sent,
            bytes_received=peer.counters.bytes_received - received,
            dealt_bytes=intake.bytes_received + SEED_BYTES,
            waits_for_material=intake.waits,
            waited_for_material=intake.waited,
            waited_for_peer=runner.progress.waited_for_peer,
            step_seconds=runner.progress.step_seconds,
        )

    def _observers(
        self, machine: Machine, peer: Connection, history: History, agreed: Agreed
    ) -> list[StepObserver]:
        """Who is called around each step, in this order: the record of used material, checkpoints
        and checks, the view."""
        own = Attendance(
            agreed=agreed,
            machine=machine,
            peer=peer,
            history=history,
            ending=self._ending,
            store=self._store,
            interval=self._interval,
            halting=lambda: self._halting,
            revealed=self._view.revealed,
        )
        return [*([] if self._material is None else [self._material]), own, self._view]
