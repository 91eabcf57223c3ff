"""The pure executor of a party's program: registers in, messages out. No sockets, no clock.

Drive it so, for each phase and step:

    machine.begin(phase, step, material)
    for n in machine.rounds(phase):  outgoing = machine.send(n);  machine.receive(n, incoming)
    machine.end()

One message a round, whatever is opened in it: a flat array of words, additive openings first, then the bit openings
that XOR. Every opening of the project passes through `send` and `receive`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import fixedpoint
from .graph import Array, Phase, Source
from .lowering import STEP_REGISTER, Code, Opening, Registers
from .plan import Plan
from .ring import Words, ring


@dataclass
class _Round:
    code: list[Code]
    openings: list[Opening]
    layout: list[tuple[Opening, slice]]
    sent_words: int
    received_words: int


class Machine:
    def __init__(self, plan: Plan, party: int) -> None:
        self.plan, self.party = plan, party
        self.registers: Registers = [None] * plan.lowering.registers
        self._programs = [self._program(phase) for phase in Phase]
        self._phase = Phase.SETUP
        self._pending: dict[int, Words] = {}

    def _program(self, phase: Phase) -> tuple[list[_Round], list[Code]]:
        rounds: list[_Round] = []
        code: list[Code] = []
        for stage in self.plan.lowering.phases[phase].stages:
            code = code + stage.code
            if stage.openings:
                rounds.append(self._round(code, stage.openings))
                code = []
        return rounds, code

    def _round(self, code: list[Code], openings: list[Opening]) -> _Round:
        return _Round(code, openings, [], self._words(openings, 1 - self.party), self._words(openings, self.party))

    @staticmethod
    def _words(openings: list[Opening], learner: int) -> int:
        return sum(o.field.words for o in openings if learner in o.learners)

    def load(self, inputs: Mapping[str, Array]) -> None:
        """Place this party's inputs: the owner's share is the tensor, the other's is zero.

        The first time such a tensor meets the wire it is masked, and a peer's share of anything revealed is
        determined by the result and one's own share; so this trivial sharing gives nothing away.
        """
        graph = self.plan.traced.graph
        for node in graph.nodes:
            if isinstance(node.op, Source) and node.op.label in self.plan.lowering.inputs:
                share = self.plan.lowering.inputs[node.op.label]
                mine = node.op.owner == self.party
                self.registers[share.register] = (
                    fixedpoint.encode(inputs[node.op.label], share.scale, share.limbs)
                    if mine
                    else ring(share.limbs).zeros(share.shape)
                )

    def rounds(self, phase: Phase) -> int:
        return len(self._programs[phase][0])

    def begin(self, phase: Phase, step: int, material: list[Words]) -> None:
        """Start a step: `material` holds the step's mask shares, then its dealt shares, in plan order."""
        self._phase = phase
        code = self.plan.lowering.phases[phase]
        registers = self.registers
        registers[STEP_REGISTER] = step
        for register, words in zip(code.mask_registers + code.dealt_registers, material, strict=True):
            registers[register] = words

    def send(self, number: int) -> Words:
        """Run the code up to round `number` and return the words for the peer."""
        this, registers = self._programs[self._phase][0][number], self.registers
        for run in this.code:
            run(registers)
        parts: list[Words] = []
        for opening in this.openings:
            share = registers[opening.share]
            if opening.mask is None:
                mine = ring(opening.field.limbs).low_bits(share, opening.bits)
            elif opening.field.xor:
                mine = share ^ registers[opening.mask]
            else:
                mine = ring(opening.field.limbs).add(share, registers[opening.mask])
            registers[opening.target] = mine
            if 1 - self.party in opening.learners:
                parts.append(mine.reshape(-1))
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, np.uint64)

    def expects(self, number: int) -> int:
        """Words that the peer sends in round `number`."""
        return self._programs[self._phase][0][number].received_words

    def receive(self, number: int, words: Words) -> None:
        """Complete the openings of round `number` with the peer's words."""
        this, registers, at = self._programs[self._phase][0][number], self.registers, 0
        for opening in this.openings:
            if self.party not in opening.learners:
                continue
            theirs = words[at : at + opening.field.words].reshape(opening.field.full_shape)
            at += opening.field.words
            mine = registers[opening.target]
            registers[opening.target] = (
                mine ^ theirs if opening.field.xor else ring(opening.field.limbs).add(mine, theirs)
            )

    def end(self) -> None:
        """Run what follows the last round and hand the carried variables on."""
        registers = self.registers
        for run in self._programs[self._phase][1]:
            run(registers)
        carries = self.plan.lowering.phases[self._phase].carries
        values = [registers[source] for _, source in carries]
        for (target, _), value in zip(carries, values, strict=True):
            registers[target] = value

    def results(self) -> dict[str, Array]:
        """What was revealed to this party, in float64."""
        found: dict[str, Array] = {}
        for label, (register, share) in self.plan.lowering.reveals.items():
            found[label] = fixedpoint.decode(self.registers[register], share.scale, share.limbs, share.bits)
        return found


def fields_of(words: Any, fields: Any, steps: int) -> list[Words]:
    """Split (steps, words) rows into one array per field: (steps, *full_shape), without copying."""
    found, at = [], 0
    for field in fields:
        found.append(words[:, at : at + field.words].reshape(steps, *field.full_shape))
        at += field.words
    return found
