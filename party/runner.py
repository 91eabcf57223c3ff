"""The online phase: drive the machine through the plan, one exchange with the peer a round.

This is the hot path: no round allocates a task or a timer; the connection watches for timeouts.

In the first round of a step each party may request a checkpoint or a halt. Both see both requests,
so both act at the end of the same step; where a CHECK follows the step, after that CHECK, so that a
checkpoint holds all that was revealed by then.

After a CHECK the run may go straight to the finish. Both parties decide it from the same revealed
numbers and mark the first round of the finish as such; a party that has decided otherwise raises
AgreementError.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol.channel import Connection
from protocol.errors import AgreementError, LinkError, MpcError, ProtocolError
from protocol.graph import Phase
from protocol.machine import Machine
from protocol.ring import Words
from protocol.signals import Halted
from protocol.wire import Kind, Message
from protocol.wire.frames import joined, pieces, split

from .intake import Supply
from .messages import stopped
from .observing import CHECKPOINT, HALT, STOP, StepObserver

_SMALL_MESSAGE = np.zeros(12, np.uint64)


@dataclass
class Progress:
    """How far the online phase is: steps done, of how many, rounds, seconds."""

    step: int  # that are done
    steps: int  # that are planned
    phase: Phase = Phase.SETUP
    rounds: int = 0
    seconds: float = 0.0  # of the online phase, once it is over
    step_seconds: float = 0.0  # of all steps, once they are over
    # seconds between sending a round's message and receiving the peer's, over all rounds
    waited_for_peer: float = 0.0
    # seconds by phase, of executions that are done; and by round of the phase, over all of them
    spent: dict[Phase, float] = field(default_factory=lambda: dict.fromkeys(Phase, 0.0))
    by_round: dict[Phase, list[float]] = field(default_factory=dict)


class Runner:
    """Drives one attempt at a run: setup, the steps from number `start` on, checks and finish.

    machine: this party's registers and code. peer: the link for the rounds. intake: the source of
    dealt material. attempt: its number. observers: called around steps and checks.
    """

    def __init__(
        self,
        machine: Machine,
        peer: Connection,
        intake: Supply,
        attempt: int,
        start: int,
        observers: Sequence[StepObserver] = (),
    ) -> None:
        self._machine, self._peer, self._intake, self._attempt = machine, peer, intake, attempt
        self._observers = tuple(observers)
        self.progress = Progress(start, machine.plan.dealing.steps)
        self._request: str | None = None
        self._granted: str | None = None
        self._unconfirmed = False
        self._witnesses = 0  # rounds of setup so far
        self._finishes = 0  # rounds of the finish so far

    async def meet(self) -> None:
        """Exchange 96 bytes of zeros with the peer, so that a measurement begins at both parties
        at the same time."""
        await self._exchange(_SMALL_MESSAGE, len(_SMALL_MESSAGE))

    async def run(self, restored: list[Words] | None = None) -> None:
        """Run to the end. restored: the shares of the carried variables at step `start`, from a
        checkpoint. Raises Halted; every MpcError names the phase or step in which it arose."""
        progress, machine = self.progress, self._machine
        begun = time.monotonic()
        try:
            over, stepping = False, begun
            for phase, first, count in machine.plan.dealing.schedule.runs(progress.step):
                if over and phase != Phase.FINISH:
                    continue
                if phase == Phase.FINISH:
                    machine.recall()
                    progress.step_seconds = time.monotonic() - stepping
                await self._phase(phase, first, first + count)
                if phase == Phase.SETUP:
                    if restored is not None:
                        machine.restore(restored)
                    stepping = time.monotonic()
                elif phase == Phase.CHECK:
                    over = self._close_check(progress.step)
        except MpcError as error:
            raise error.at(self.place()) from None
        finally:
            progress.seconds = time.monotonic() - begun

    def place(self) -> str:
        """The phase or step that is being computed, in words."""
        progress = self.progress
        if progress.phase in (Phase.STEP, Phase.CHECK):
            return f"step {progress.step} of {progress.steps}"
        return (
            f"the {progress.phase.name.lower()},"
            f" {'before' if progress.phase == Phase.SETUP else 'after'} the steps"
        )

    async def _phase(self, phase: Phase, first: int, total: int) -> None:
        """Compute the executions `first` to `total` − 1 of a phase, as their material comes."""
        machine, progress = self._machine, self.progress
        exchange = {Phase.SETUP: self._witnessed, Phase.FINISH: self._sealed}.get(
            phase, self._exchange
        )
        progress.phase = phase
        rounds, in_parts = range(machine.rounds(phase)), machine.in_parts(phase)
        by_round = progress.by_round.setdefault(phase, [0.0] * len(rounds))
        step, stepping = first, phase == Phase.STEP and machine.rounds(phase) > 0
        last = time.perf_counter()
        while step < total:
            count, fields = (1, []) if in_parts else await self._intake.chunk(phase, step)
            for offset in range(count):
                if stepping:
                    for observer in self._observers:
                        await observer.before(step)
                    self._request = next(
                        filter(None, (observer.request() for observer in self._observers)), None
                    )
                machine.begin(phase, step, [field[offset] for field in fields])
                begun = time.perf_counter()
                for number in rounds:
                    if in_parts:
                        await self._supply(phase, step, number)
                    machine.receive(
                        number, *await exchange(machine.send(number), machine.expects(number))
                    )
                    now = time.perf_counter()
                    by_round[number] += now - begun
                    begun = now
                if in_parts:
                    await self._supply(phase, step, len(rounds))
                machine.end()
                step += 1
                progress.spent[phase] += begun - last
                last = begun
                if phase == Phase.STEP:
                    progress.step = step
                if stepping:
                    for observer in self._observers:
                        observer.after(step)
                    if step < total or not machine.plan.dealing.schedule.every:
                        self._close_step(step)

    async def _supply(self, phase: Phase, step: int, number: int) -> None:
        """Give the machine the parts of the dealt material that round `number` needs first."""
        for load in self._machine.loads(number):
            material = self._intake.masks(phase, step, load.masks)
            if load.part is not None:
                material += await self._intake.part(phase, step, load.part)
            self._machine.supply(load, material)

    def _close_check(self, step: int) -> bool:
        """Tell observers of a CHECK. True if one of them ends the run early; otherwise do what was
        requested in the step before it."""
        over = False
        for observer in self._observers:
            over |= observer.checked(step)
        if over and step < self.progress.steps:
            self._granted, self._request = None, STOP
            return True
        self._close_step(step)
        return False

    def _close_step(self, step: int) -> None:
        """Write the checkpoint, or halt, as both parties agreed in the step; not after the last
        step, whose values the finish needs."""
        granted, self._granted = self._granted, None
        if granted is None or step == self.progress.steps:
            return
        for observer in self._observers:
            observer.checkpoint(step)
        self._unconfirmed = True
        if granted == HALT:
            raise Halted

    async def _witnessed(self, words: Words, expected: int) -> list[Words]:
        """A round of setup, whose words the observers see: an attempt that resumes must send the
        same words under the same masks."""
        number, self._witnesses = self._witnesses, self._witnesses + 1
        for observer in self._observers:
            observer.sending(number, words)
        reply = await self._exchange(words, expected)
        for observer in self._observers:
            observer.heard(number, joined(reply))
        return reply

    async def _sealed(self, words: Words, expected: int) -> list[Words]:
        """A round of the finish. The last one sends the shares of the results; before it observers
        seal them, which ensures that both parties can end even if one is killed."""
        self._finishes += 1
        if self._finishes == self._machine.rounds(Phase.FINISH):
            for observer in self._observers:
                await observer.seal(words)
        return await self._exchange(words, expected)

    async def _exchange(self, words: Words, expected: int) -> list[Words]:
        """One round: send this party's words, wait for the peer's `expected` words, and read the
        requests that both carry."""
        peer, progress = self._peer, self.progress
        number = progress.rounds
        body: Mapping[str, Any] | None = None
        if self._request is not None:
            body = {self._request: True}
        message = Message(Kind.ROUND, peer.session, self._attempt, number, body, split(words))
        peer.send(message)
        sent = time.perf_counter()
        reply = await peer.receive()
        progress.waited_for_peer += time.perf_counter() - sent
        progress.rounds = number + 1
        if reply.kind is not Kind.ROUND or reply.attempt != self._attempt or reply.number != number:
            raise self._wrong(reply, number)
        asked: set[str] | None = None
        if body is not None or reply.body is not None:
            asked = {*(body or ()), *(reply.body or ())}
            if (STOP in (body or ())) != (STOP in (reply.body or ())):
                raise self._apart()  # before sizes are compared: they are in different phases
        theirs = pieces(reply.buffers, expected)
        if theirs is None:
            raise self._wrong(reply, number)
        if asked is not None:
            self._granted = HALT if HALT in asked else CHECKPOINT if CHECKPOINT in asked else None
            self._request = None
        if self._unconfirmed:
            self._unconfirmed = False
            for observer in self._observers:
                observer.confirmed()
        return theirs

    def _apart(self) -> AgreementError:
        return AgreementError(
            f"{self._peer.role} and this party do not agree on whether the run ends after step"
            f" {self.progress.step}; stop() must compare revealed numbers, and nothing that may"
            " differ from host to host"
        )

    def _wrong(self, reply: Message, number: int) -> MpcError:
        """The error for a message that is not round `number` of this attempt."""
        who = self._peer.role
        if reply.kind is Kind.ABORT:
            return stopped(self._peer, reply)
        if reply.kind is Kind.END:
            return self._apart()
        if reply.kind is Kind.BYE:
            return LinkError(f"{who} left before the job was done")
        if reply.kind is not Kind.ROUND:
            return ProtocolError(f"{who} sent {reply.kind.name} in round {number}")
        if reply.attempt != self._attempt or reply.number != number:
            return ProtocolError(
                f"{who} is in round {reply.number} of attempt {reply.attempt}, not in {number} of"
                f" {self._attempt}"
            )
        return ProtocolError(f"{who} sent a message of the wrong size in round {number}")
