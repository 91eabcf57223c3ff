"""The pure executor of a party's program: registers in, messages out. No sockets, no clock.

Drive it so, for each phase and step:

    machine.begin(phase, step, material)
    for n in machine.rounds(phase):  outgoing = machine.send(n);  machine.receive(n, incoming)
    machine.end()

or where the material comes in parts (`parts.py`), which `begin` is then not given: before each
`send(n)`, and before `end()`, every load of `machine.loads(n)` is handed to `machine.supply` with
the material that it names.

One message a round, whatever is opened in it: a flat array of words, opening after opening in the
plan's order. Every opening of the project passes through `send` and `receive`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import fixedpoint, kernels
from .contract import Dealing
from .graph import Array, Phase
from .guard import judged
from .nodes import Source
from .ops.stored import Stored
from .parts import Load, loads
from .plan import Plan
from .program import STEP_REGISTER, Opening, Registers
from .ring import Ring, Words, ring
from .variables import GUARDS, SHARE_OF

Span = tuple[int, int]  # where an opening lies in a message: first word, end


class _Sent(NamedTuple):
    """What `send` does for one opening: registers[target] = combine(registers[share],
    registers[mask])."""

    combine: Callable[..., Words]
    share: int
    mask: int
    target: int
    place: Span | None  # None: the peer does not learn it
    shape: tuple[int, ...]


class _Received(NamedTuple):
    """What `receive` does for one opening: registers[target] = combine(registers[target],
    theirs)."""

    combine: Callable[..., Words]
    target: int
    place: Span
    shape: tuple[int, ...]
    wide: bool  # elements of several words: not to be cut anywhere


_Run = Callable[[Registers], None]


class _Round(NamedTuple):
    code: list[_Run]
    sent: list[_Sent]
    received: list[_Received]
    sent_words: int
    received_words: int


class _Program(NamedTuple):
    rounds: list[_Round]
    tail: list[_Run]
    material: list[int]  # registers, in plan order
    carries: list[tuple[int, int]]
    phase: Phase
    # before each round and before the end; [] where all material is there from the beginning
    loads: list[list[Load]]


_EMPTY = np.empty(0, np.uint64)


class Machine:
    """The registers and the code of one party's run of a plan. party: 0 Alice, 1 Bob. A register
    holds ring words, of a share, a mask's share, an opening or dealt material."""

    def __init__(self, plan: Plan, party: int) -> None:
        self.plan, self.party = plan, party
        self.registers: Registers = [None] * plan.lowering.registers
        self._programs = [self._program(phase) for phase in Phase]
        self._now = self._programs[Phase.SETUP]
        self._remembered: list[Words] = []
        prepare(plan.dealing)

    def _program(self, phase: Phase) -> _Program:
        code, dealing = self.plan.lowering.phases[phase], self.plan.dealing.phases[phase]
        in_parts = len(dealing.parts) > 1
        rounds: list[_Round] = []
        runs: list[_Run] = []
        for stage in code.stages:
            runs += [] if in_parts else [each.run for each in stage.code]
            if stage.openings:
                rounds.append(self._round(runs, stage.openings))
                runs = []
        found = loads(code, dealing.parts, self._kept(phase)) if in_parts else []
        return _Program(
            rounds, runs, code.mask_registers + code.dealt_registers, code.carries, phase, found
        )

    def _kept(self, phase: Phase) -> set[int]:
        """Registers that are read when the phase is over, or in another one."""
        lowering = self.plan.lowering
        found = {register for register, _ in lowering.reveals.values()}
        found |= {register for pair in lowering.phases[phase].carries for register in pair}
        for other in set(Phase) - {phase}:
            code = lowering.phases[other]
            found |= {
                register for stage in code.stages for each in stage.code for register in each.inputs
            }
            found |= {
                register
                for o in code.openings
                for register in (o.share, o.mask)
                if register is not None
            }
            found |= {source for _, source in code.carries}
        return found

    def _round(self, code: list[_Run], openings: list[Opening]) -> _Round:
        sent: list[_Sent] = []
        received: list[_Received] = []
        out = back = 0
        for o in openings:
            words, shape, arithmetic = o.field.words, o.field.full_shape, ring(o.field.limbs)
            combine = np.bitwise_xor if o.field.xor else arithmetic.add
            place = (out, out + words) if 1 - self.party in o.learners else None
            mine = partial(_revealed, arithmetic, o.bits) if o.mask is None else combine
            sent.append(
                _Sent(mine, o.share, o.share if o.mask is None else o.mask, o.target, place, shape)
            )
            if place:
                out += words
            if self.party in o.learners:
                received.append(
                    _Received(combine, o.target, (back, back + words), shape, o.field.limbs > 1)
                )
                back += words
        return _Round(code, sent, received, out, back)

    def load(self, inputs: Mapping[str, Array], shares: Mapping[str, Words] | None = None) -> None:
        """Place this party's inputs: the owner's share is the tensor, the other's is zero.

        The first time such a tensor meets the wire it is masked, and a peer's share of anything
        revealed is determined by the result and one's own share; so this trivial sharing gives
        nothing away. `shares`: this party's, of what both hold since an earlier run.
        """
        graph = self.plan.traced.graph
        for node in graph.nodes:
            if (
                not isinstance(node.op, (Source, Stored))
                or node.op.label not in self.plan.lowering.inputs
            ):
                continue
            share = self.plan.lowering.inputs[node.op.label]
            if isinstance(node.op, Stored):
                self.registers[share.register] = (shares or {})[node.op.label]
            else:
                mine = node.op.owner == self.party
                self.registers[share.register] = (
                    fixedpoint.encode(inputs[node.op.label], share.scale, share.limbs)
                    if mine
                    else ring(share.limbs).zeros(share.shape)
                )

    def rounds(self, phase: Phase) -> int:
        """Rounds of one execution of `phase`."""
        return len(self._programs[phase].rounds)

    def in_parts(self, phase: Phase) -> bool:
        """Whether the material of a phase comes in parts, by `loads`."""
        return bool(self._programs[phase].loads)

    def begin(self, phase: Phase, step: int, material: list[Words]) -> None:
        """Begin execution `step` of `phase`. material: this party's shares of the masks and then of
        the dealt tensors, as ring words in the plan's order; empty where they come in parts."""
        now = self._now = self._programs[phase]
        registers = self.registers
        registers[STEP_REGISTER] = step
        if not now.loads:
            for register, words in zip(now.material, material, strict=True):
                registers[register] = words

    @property
    def phase(self) -> Phase:
        """The phase whose execution was begun last."""
        return self._now.phase

    def loads(self, number: int) -> list[Load]:
        """The loads to `supply`, in order, before round `number` is sent, or before `end`."""
        found = self._now.loads
        return found[number] if found else []

    def supply(self, load: Load, material: Iterable[Words]) -> None:
        """Take the material of one load: this party's shares of its masks, then of its dealt
        tensors. Code whose operands are then all there is run."""
        registers = self.registers
        for register, words in zip(load.registers, material, strict=True):
            registers[register] = words
        for run in load.code:
            run(registers)

    def send(self, number: int) -> Words:
        """Run the code up to round `number`. Returns the words for the peer."""
        this, registers = self._now.rounds[number], self.registers
        for run in this.code:
            run(registers)
        if len(this.sent) == 1:
            ((combine, share, mask, target, place, _),) = this.sent
            mine = registers[target] = combine(registers[share], registers[mask])
            return mine.reshape(-1) if place else _EMPTY
        message = np.empty(this.sent_words, np.uint64)
        for combine, share, mask, target, place, shape in this.sent:
            out = message[place[0] : place[1]].reshape(shape) if place else None
            registers[target] = combine(registers[share], registers[mask], out=out)
        return message

    def expects(self, number: int) -> int:
        """How many words the peer sends in round `number`."""
        return self._now.rounds[number].received_words

    def receive(self, number: int, words: Words, *more: Words) -> None:
        """Complete the openings of round `number` with the peer's words, in one piece or
        several."""
        this, registers = self._now.rounds[number], self.registers
        if more and any(each.wide for each in this.received):
            words, more = np.concatenate([words, *more]), ()
        for combine, target, (first, end), shape, _ in this.received:
            if more:
                registers[target] = _by_pieces(combine, registers[target], (words, *more), first)
            else:
                theirs = words if end - first == this.received_words else words[first:end]
                registers[target] = combine(registers[target], theirs.reshape(shape))

    def end(self) -> None:
        """Run the code after the last round, and give carried variables their next values."""
        registers = self.registers
        for run in self._now.tail:
            run(registers)
        values = [registers[source] for _, source in self._now.carries]
        for (target, _), value in zip(self._now.carries, values, strict=True):
            registers[target] = value

    @property
    def _carried(self) -> list[int]:
        """The registers of this party's shares of the carried variables."""
        return [target for target, _ in self.plan.lowering.phases[Phase.STEP].carries]

    def remember(self) -> None:
        """Copy the carried variables as they are, between two steps, for `recall`."""
        self._remembered = [np.array(self.registers[target]) for target in self._carried]

    def recall(self) -> None:
        """Before the finish: give carried variables the values of the last `remember`, if there was
        one."""
        for target, words in zip(self._carried, self._remembered, strict=bool(self._remembered)):
            self.registers[target] = words

    def state(self) -> list[Words]:
        """This party's shares of the carried variables between two steps, in the plan's order, as
        ring words (*shape[, limbs]); behind them those that `remember` has kept, if any."""
        return [*(self.registers[target] for target in self._carried), *self._remembered]

    def restore(self, state: list[Words]) -> None:
        """Give carried variables the values that `state` returned. ValueError where these do not
        fit the plan."""
        targets = self._carried
        remembered = state[len(targets) :]
        for target, words in zip(targets * (2 if remembered else 1), state, strict=True):
            if words.shape != self.registers[target].shape:
                raise ValueError("a restored share has another shape than the plan says")
        for target, words in zip(targets, state, strict=False):
            self.registers[target] = words
        self._remembered = remembered

    def sealed(self) -> list[Words]:
        """This party's shares of what the last round of the finish opens, as ring words; to be
        called after `send` of that round."""
        return [
            self.registers[each.target] for each in self._programs[Phase.FINISH].rounds[-1].sent
        ]

    def unseal(self, shares: list[Words]) -> int:
        """Continue in a new process before the last round of the finish: `shares` are what `sealed`
        returned in the earlier one. Returns the number of that round, whose message is still to be
        received."""
        self._now = self._programs[Phase.FINISH]
        for each, words in zip(self._now.rounds[-1].sent, shares, strict=True):
            self.registers[each.target] = words
        return len(self._now.rounds) - 1

    def results(self, phase: Phase = Phase.FINISH) -> dict[str, Array]:
        """The tensors that the job revealed to this party in `phase`, by name, in float64."""
        return {label: self._revealed(label) for label in self.plan.revealed(phase, self.party)}

    def beyond(self, phase: Phase = Phase.FINISH, known: bool | None = None) -> tuple[str, ...]:
        """What this party has learnt in a phase of values that left the range assumed for them, a
        phrase each.

        `known`: only what both parties have learnt, or only what the other has not.
        """
        guards, results = self.plan.guards.get(phase, ()), self.results(phase)
        both = self.plan.revealed(phase, 0, 1)
        if known is not None:
            results = {label: array for label, array in results.items() if (label in both) == known}
        if not guards or known is False:
            return judged(self.plan.lowering.sizes, (), np.zeros(0), results)
        return judged(self.plan.lowering.sizes, guards, self._revealed(GUARDS[phase]), results)

    def kept(self) -> dict[str, Words]:
        """This party's shares of the tensors that stay shared at the end, by name (`Plan.kept`)."""
        reveals = self.plan.lowering.reveals
        return {name: self.registers[reveals[SHARE_OF + name][0]] for name in self.plan.kept}

    def _revealed(self, label: str) -> Array:
        register, share = self.plan.lowering.reveals[label]
        return fixedpoint.decode(self.registers[register], share.scale, share.limbs, share.bits)


def _revealed(
    arithmetic: Ring, bits: int, share: Words, _: Words, out: Words | None = None
) -> Words:
    """The words of a revealed tensor, with bits above its width cleared: a reveal has no mask, so
    nothing beyond the value may be sent."""
    low = arithmetic.low_bits(share, bits)
    if out is None:
        return low
    out[...] = low
    return out


def _by_pieces(
    combine: Callable[..., Words], mine: Words, pieces: Iterable[Words], first: int
) -> Words:
    """combine(mine, theirs), where theirs begins at word `first` of the concatenated `pieces`."""
    flat, out, start = mine.reshape(-1), np.empty(mine.size, np.uint64), -first
    for piece in pieces:
        end = start + len(piece)
        a, b = max(start, 0), min(end, mine.size)
        if a < b:
            combine(flat[a:b], piece[a - start : b - start], out=out[a:b])
        start = end
    return out.reshape(mine.shape)


def prepare(dealing: Dealing) -> None:
    """Load compiled code and tables that a run of this plan uses, so that its first step takes no
    longer than the others."""
    fields = [field for phase in dealing.phases for field in (*phase.masks, *phase.dealt)]
    kernels.preload({1, *(field.limbs for field in fields)})


def fields_of(words: Any, fields: Any, steps: int) -> list[Words]:
    """Split (steps, words) rows into one array per field: (steps, *full_shape), without copying."""
    found, at = [], 0
    for field in fields:
        found.append(words[:, at : at + field.words].reshape(steps, *field.full_shape))
        at += field.words
    return found
