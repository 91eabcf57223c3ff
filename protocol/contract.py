"""The contract of a run: which masks are drawn and which tensors dealt, by phase. Both parties
follow it, and it is all that the dealer gets of a plan.

Data and counts; no user code, and no secret. `contract_codec` writes and reads it, and `validate`
checks one that came from another process.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .correlations import Correlation, Field
from .schedule import Phase, PhaseRun, PhaseSchedule

CHUNK_BYTES = 1 << 20
PART_BYTES = 16 << 20


class Chunk(NamedTuple):
    """Executions [first, first + rows) of a phase, dealt together; or part `part` of a single
    one."""

    phase: Phase
    first: int
    rows: int
    part: int

    @property
    def place(self) -> str:
        """Where in a run its first execution is, in words for messages."""
        return (
            f"step {self.first}" if self.phase == Phase.STEP else f"the {self.phase.name.lower()}"
        )


class DealtPart(NamedTuple):
    """Correlations [first, end) of a phase, whose tensors are the dealt words [start, stop) of a
    step."""

    first: int
    end: int
    start: int
    stop: int

    @property
    def words(self) -> int:
        """Dealt words of a step in this part."""
        return self.stop - self.start


@dataclass(frozen=True)
class PhaseDealing:
    """The masks and the correlations of one execution of a phase."""

    masks: tuple[Field, ...]
    correlations: tuple[Correlation, ...]

    @property
    def dealt(self) -> list[Field]:
        """The dealt tensors of one step, in the order of the correlations."""
        return [field for spec in self.correlations for field in spec.fields]

    @cached_property
    def mask_words(self) -> int:
        """Words of the masks of one step."""
        return sum(mask.words for mask in self.masks)

    @cached_property
    def mask_places(self) -> list[int]:
        """The word at which each mask begins in a row of a party's words."""
        return list(itertools.accumulate((mask.words for mask in self.masks), initial=0))

    @cached_property
    def dealt_words(self) -> int:
        """Words of the dealt tensors of one step."""
        return sum(field.words for field in self.dealt)

    @cached_property
    def parts(self) -> tuple[DealtPart, ...]:
        """The dealt words of one execution, cut between correlations: into parts of at most
        PART_BYTES, or of one correlation that is larger.

        Where there are several, they are made, sent and computed with one after the other, so that
        nobody must hold all of them.
        """
        found, first, start, stop = list[DealtPart](), 0, 0, 0
        for number, spec in enumerate(self.correlations):
            words = sum(field.words for field in spec.fields)
            if stop > start and 8 * (stop + words - start) > PART_BYTES:
                found.append(DealtPart(first, number, start, stop))
                first, start = number, stop
            stop += words
        return (*found, DealtPart(first, len(self.correlations), start, stop))

    @property
    def largest_part(self) -> int:
        """Words of the largest part."""
        return max(part.words for part in self.parts)

    def masks_of(self, part: DealtPart, phase: int) -> int:
        """Words of the masks of this phase, which is `phase`, that a part depends on."""
        specs = self.correlations[part.first : part.end]
        used = {mask.index for spec in specs for mask in spec.operands if mask.phase == phase}
        return sum(self.masks[index].words for index in used)

    @property
    def steps_per_chunk(self) -> int:
        """Executions that are dealt in one chunk: as many as need about CHUNK_BYTES of memory; one,
        if it comes in parts."""
        if len(self.parts) > 1:
            return 1
        return max(
            1,
            CHUNK_BYTES
            // (8 * max(1, self.dealt_words + max(self.mask_words, self.operand_words))),
        )

    @cached_property
    def operand_words(self) -> int:
        """Words of the largest correlation's operands, as far as they differ from step to step.
        Views may make them larger than the masks."""
        operands = (
            [mask for mask in spec.operands if mask.varies(Phase.STEP)]
            for spec in self.correlations
        )
        return max(
            (sum(math.prod(mask.shape) * mask.limbs for mask in masks) for masks in operands),
            default=0,
        )


@dataclass(frozen=True)
class Dealing:
    """The dealer's part of a plan."""

    phases: tuple[PhaseDealing, PhaseDealing, PhaseDealing, PhaseDealing]
    schedule: PhaseSchedule

    @property
    def steps(self) -> int:
        """How many steps the run has."""
        return self.schedule.steps

    def count(self, phase: Phase) -> int:
        """How often `phase` is executed in the run."""
        return self.schedule.count(phase)

    def batch(self, phase: Phase, first: int) -> int:
        """How many executions of a phase are dealt together, from execution `first` on."""
        return min(self.phases[phase].steps_per_chunk, self.schedule.together(phase, first))

    def batches(self, start: int = 0) -> Iterator[PhaseRun]:
        """All executions in the order in which they are dealt, cut into batches; steps from `start`
        on."""
        for phase, first, count in self.schedule.dealt(start):
            end = first + count
            while first < end:
                size = self.batch(phase, first)
                yield phase, first, size
                first += size

    @cached_property
    def walk(self) -> tuple[np.ndarray, np.ndarray]:
        """`batches` from the first step on, with how often each comes: between two checks they are
        the same each time, so a long run need not be gone through."""
        every, steps = self.schedule.every or max(1, self.steps), self.steps
        before, once = self._batches(every)
        rest = self._batches(steps % every)[1]
        found = np.concatenate([before, np.tile(once, (steps // every, 1)), rest])
        return found[:, 0], found[:, 1]

    def _batches(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Phases and executions: of what is dealt before all steps, and of so many steps."""
        short = replace(self, schedule=PhaseSchedule(steps, self.schedule.every))
        each = ((phase, count) for phase, _, count in short.batches())
        found = np.fromiter(each, np.dtype((np.int64, 2)))
        return found[:2], found[2:]

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The chunks that are streamed to Bob, in order; steps from `start` on. Phases in which
        nothing is dealt have none."""
        for phase, first, count in self.batches(start):
            if self.phases[phase].dealt_words:
                yield from (
                    Chunk(phase, first, count, part)
                    for part in range(len(self.phases[phase].parts))
                )

    def bytes_of(self, chunk: Chunk) -> int:
        """Bytes that are sent for a chunk."""
        return 8 * chunk.rows * self.phases[chunk.phase].parts[chunk.part].words

    def making_words(self, phase: int) -> int:
        """Words that the dealer holds while it makes one execution of a phase, or its most
        demanding part: masks, values and both shares."""
        own = self.phases[phase]
        if len(own.parts) == 1:
            return 4 * own.mask_words + 3 * own.dealt_words
        return max(3 * (own.masks_of(part, phase) + part.words) for part in own.parts)

    def step_bytes(self, phase: int) -> int:
        """`making_words`, in bytes."""
        return 8 * self.making_words(phase)

    @property
    def lasting_words(self) -> int:
        """Words of the masks of the setup that other phases refer to."""
        used = {
            mask.index
            for own in self.phases[Phase.SETUP + 1 :]
            for spec in own.correlations
            for mask in spec.operands
            if mask.phase == Phase.SETUP
        }
        return sum(self.phases[Phase.SETUP].masks[index].words for index in used)
