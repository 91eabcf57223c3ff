"""The online phase: drive the machine through the plan, one exchange with the peer a round.

The hot path. Nothing here allocates a task or a timer for a round; the connection watches the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from protocol.channel import Connection
from protocol.errors import LinkError, MpcError, ProtocolError
from protocol.graph import Phase
from protocol.machine import Machine
from protocol.wire import Kind, Message

from .agreement import stopped
from .intake import Intake


@dataclass
class Progress:
    """Where the online phase stands; read by whoever shows it."""

    step: int
    steps: int
    phase: Phase = Phase.SETUP
    rounds: int = 0
    begun: float = 0.0
    seconds: float = 0.0  # of the online phase, once it is over


class Runner:
    def __init__(self, machine: Machine, peer: Connection, intake: Intake, epoch: int, start: int) -> None:
        self._machine, self._peer, self._intake, self._epoch = machine, peer, intake, epoch
        self.progress = Progress(start, machine.plan.dealing.steps)
        self.after_step: Callable[[int], None] | None = None

    async def run(self) -> None:
        """Setup, the remaining steps, finish. Errors name the step they happened at."""
        progress = self.progress
        progress.begun = time.monotonic()
        try:
            for phase in Phase:
                progress.phase = phase
                first = progress.step if phase == Phase.STEP else 0
                await self._phase(phase, first, self._machine.plan.dealing.count(phase))
        except MpcError as error:
            raise type(error)(f"{error} (at {self.place()})") from None
        progress.seconds = time.monotonic() - progress.begun

    def place(self) -> str:
        progress = self.progress
        if progress.phase == Phase.STEP:
            return f"step {progress.step} of {progress.steps}"
        return f"the {progress.phase.name.lower()}, {'before' if progress.phase == Phase.SETUP else 'after'} the steps"

    async def _phase(self, phase: Phase, first: int, total: int) -> None:
        machine, exchange, progress = self._machine, self._exchange, self.progress
        rounds = range(machine.rounds(phase))
        step = first
        while step < total:
            count, fields = await self._intake.chunk(phase, step)
            for offset in range(count):
                machine.begin(phase, step, [field[offset] for field in fields])
                for number in rounds:
                    machine.receive(number, await exchange(machine.send(number), machine.expects(number)))
                machine.end()
                step += 1
                if phase == Phase.STEP:
                    progress.step = step
                    if self.after_step is not None:
                        self.after_step(step)

    async def _exchange(self, words: np.ndarray[tuple[int, ...], np.dtype[np.uint64]], expected: int):  # type: ignore[no-untyped-def]
        peer, progress = self._peer, self.progress
        number = progress.rounds
        message = Message(Kind.ROUND, peer.session, self._epoch, number, None, (memoryview(words).cast("B"),))
        reply = await peer.exchange(message)
        progress.rounds = number + 1
        if reply.kind is not Kind.ROUND:
            if reply.kind is Kind.ABORT:
                raise stopped(peer, reply)
            if reply.kind is Kind.BYE:
                raise LinkError(f"{peer.role} left before the job was done")
            raise ProtocolError(f"{peer.role} sent {reply.kind.name} in round {number}")
        if reply.epoch != self._epoch or reply.number != number:
            raise ProtocolError(
                f"{peer.role} is in round {reply.number} of epoch {reply.epoch}, not in {number} of {self._epoch}"
            )
        if len(reply.buffers) != 1 or len(reply.buffers[0]) != 8 * expected:
            raise ProtocolError(f"{peer.role} sent a message of the wrong size in round {number}")
        return np.frombuffer(reply.buffers[0], np.uint64)
