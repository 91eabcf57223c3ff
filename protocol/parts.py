"""The code of a phase whose material comes in parts (`contract.DealtPart`), because no party could
hold all of it at once.

The code is that of the phase, in another order. Lowering schedules all code as early as possible;
here each piece waits for the round that needs its result, so that its operands are loaded late.
Before each round a party goes through *loads*: masks, which it expands from its seed, and the next
part of what is dealt, each followed by the code that then has all of its operands. Registers are
released after their last use. What is opened in which round is unchanged.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from typing import NamedTuple

from .contract import DealtPart
from .program import Code, PhaseCode, Registers


class Load(NamedTuple):
    """Masks by number, one part by number or None, the registers of both, and the code to run when
    they are loaded."""

    masks: list[int]
    part: int | None
    registers: list[int]
    code: list[Callable[[Registers], None]]


def loads(
    phase: PhaseCode, parts: tuple[DealtPart, ...], kept: Collection[int]
) -> list[list[Load]]:
    """The loads before each round, and before what follows the last one. kept: registers that are
    read after the phase, or in another one."""
    rounds = _late(phase, kept)
    opened = [stage.openings for stage in phase.stages if stage.openings]
    spent = _last_uses(phase, rounds, kept)
    masks = {register: number for number, register in enumerate(phase.mask_registers)}
    dealt = _by_part(phase, parts)
    place = {register: number for number, registers in enumerate(dealt) for register in registers}
    through = 0  # parts
    found: list[list[Load]] = []

    def need(register: int) -> None:
        nonlocal through
        if register in masks:
            now = found[-1][-1]
            now.registers.insert(len(now.masks), register)
            now.masks.append(masks.pop(register))
        while through <= place.get(register, -1):
            found[-1].append(Load([], through, dealt[through], []))
            through += 1

    for number, code in enumerate(rounds):
        found.append([Load([], None, [], [])])
        if number and (gone := spent.get((number - 1, -1))):
            found[-1][-1].code.append(_forget(gone))
        for at, each in enumerate(code):
            for register in each.inputs:
                need(register)
            found[-1][-1].code.append(each.run)
            if gone := spent.get((number, at)):
                found[-1][-1].code.append(_forget(gone))
        for opening in opened[number] if number < len(opened) else ():
            for read in (opening.share, opening.mask):
                if read is not None:
                    need(read)
    # what nobody needs arrives too
    found[-1] += [Load([], number, dealt[number], []) for number in range(through, len(parts))]
    return found


def order(phase: PhaseCode) -> None:
    """Put the correlations into the order in which they are needed."""
    when: dict[int, int] = {}
    for number, code in enumerate(_late(phase, ())):
        for each in code:
            for register in each.inputs:
                when.setdefault(register, number)
    registers = iter(phase.dealt_registers)
    found = [
        (spec, [*itertools.islice(registers, len(spec.fields))]) for spec in phase.correlations
    ]
    found.sort(
        key=lambda pair: min((when.get(each, len(phase.stages)) for each in pair[1]), default=0)
    )
    phase.correlations[:] = [spec for spec, _ in found]
    phase.dealt_registers[:] = [register for _, each in found for register in each]


def _late(phase: PhaseCode, kept: Collection[int]) -> list[list[Code]]:
    """The code before each round and behind the last one, each piece as late as can be."""
    code, opened = list[Code](), 0
    due: dict[int, int] = {}  # register → the round that it is needed in
    for stage in phase.stages:
        code += stage.code
        for opening in stage.openings:
            for register in (opening.share, opening.mask):
                if register is not None:
                    due.setdefault(register, opened)
        opened += bool(stage.openings)
    due |= {register: min(due.get(register, opened), opened) for register in kept}
    rounds: list[list[Code]] = [[] for _ in range(opened + 1)]
    for each in reversed(code):
        number = due.get(each.out, opened)
        rounds[number].append(each)
        for register in each.inputs:
            due[register] = min(due.get(register, number), number)
    for found in rounds:
        found.reverse()
    return rounds


def _last_uses(
    phase: PhaseCode, rounds: list[list[Code]], kept: Collection[int]
) -> dict[tuple[int, int], list[int]]:
    """(round, place in its code, or −1: its openings) → registers of this phase that nobody reads
    after that."""
    opened = [stage.openings for stage in phase.stages if stage.openings]
    own = {*phase.mask_registers, *phase.dealt_registers} - {*kept}
    own |= {each.out for code in rounds for each in code} - {*kept}
    own |= {opening.target for openings in opened for opening in openings} - {*kept}
    found: dict[tuple[int, int], list[int]] = {}

    def use(place: tuple[int, int], registers: Collection[int | None]) -> None:
        last = {register for register in registers if register in own}
        own.difference_update(last)
        if last:
            found[place] = sorted(each for each in last if each is not None)

    for number in range(len(rounds) - 1, -1, -1):
        if number < len(opened):
            use((number, -1), [register for o in opened[number] for register in (o.share, o.mask)])
        for at in range(len(rounds[number]) - 1, -1, -1):
            each = rounds[number][at]
            use((number, at), [*each.inputs, each.out])
    return found


def _by_part(phase: PhaseCode, parts: tuple[DealtPart, ...]) -> list[list[int]]:
    """The registers that each part fills."""
    registers = iter(phase.dealt_registers)
    counts = [len(spec.fields) for spec in phase.correlations]
    return [list(itertools.islice(registers, sum(counts[part.first : part.end]))) for part in parts]


def _forget(registers: list[int]) -> Callable[[Registers], None]:
    def run(found: Registers) -> None:
        for register in registers:
            found[register] = None

    return run
