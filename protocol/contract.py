"""The contract of a run: what is drawn and dealt, phase by phase. Both parties hold to it, and the dealer works from it alone.

Data and counts; nothing of user code, and nothing secret. `contract_codec.py` writes and reads it, `validate.py` says whether
one that somebody sent is sound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .correlations import Correlation, Field
from .schedule import Phase, Run, Schedule

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class PhaseDealing:
    """What is drawn and dealt for one step of a phase."""

    masks: tuple[Field, ...]
    correlations: tuple[Correlation, ...]

    @property
    def dealt(self) -> list[Field]:
        return [field for spec in self.correlations for field in spec.fields]

    @property
    def mask_words(self) -> int:
        return sum(mask.words for mask in self.masks)

    @property
    def dealt_words(self) -> int:
        return sum(field.words for field in self.dealt)

    @property
    def steps_per_chunk(self) -> int:
        """Steps that travel together: about a mebibyte, counting what has to be held for them."""
        return max(1, CHUNK_BYTES // (8 * max(1, self.dealt_words + max(self.mask_words, self.operand_words))))

    @property
    def operand_words(self) -> int:
        """The largest correlation's operands, as far as they are different in every step: views may make much of little."""
        operands = ([mask for mask in spec.operands if mask.varies(Phase.STEP)] for spec in self.correlations)
        return max((sum(math.prod(mask.shape) * mask.limbs for mask in masks) for masks in operands), default=0)


@dataclass(frozen=True)
class Dealing:
    """The dealer's part of a plan."""

    phases: tuple[PhaseDealing, PhaseDealing, PhaseDealing, PhaseDealing]
    schedule: Schedule

    @property
    def steps(self) -> int:
        return self.schedule.steps

    def count(self, phase: Phase) -> int:
        return self.schedule.count(phase)

    def batch(self, phase: Phase, first: int) -> int:
        """Executions of a phase that are dealt together, from the one with this number on."""
        return min(self.phases[phase].steps_per_chunk, self.schedule.together(phase, first))

    def batches(self, start: int = 0) -> Iterator[Run]:
        """Everything in the order in which it is dealt, cut into batches; steps from `start` on."""
        for phase, first, count in self.schedule.dealt(start):
            end = first + count
            while first < end:
                size = self.batch(phase, first)
                yield phase, first, size
                first += size

    def step_bytes(self, phase: int) -> int:
        """Memory that one step of a phase takes at the dealer: masks, values, both shares."""
        own = self.phases[phase]
        return 8 * (4 * own.mask_words + 3 * own.dealt_words)
