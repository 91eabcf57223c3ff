"""Whether a contract that another process sent is sound. Checked before memory is allocated, or
anything computed, for it.

`contract_codec.unpack` has checked types; here meaning is checked: each kind of correlation says by
its `check` whether it can be made and what that takes, and a step and a chunk as a whole must stay
within limits.

Not in this file: the meaning of a correlation, which is in its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from .contract import Dealing
from .correlations import Correlation
from .correlations.checking import Checker, Unfit
from .errors import ProtocolError
from .schedule import Phase
from .wording import counted


@dataclass(frozen=True)
class Limits:
    """The most that a plan may take: words and work of a step, counted as it is made, with the
    others of its chunk.

    The defaults keep out only what nobody could make; a dealer has limits of its own.
    """

    memory: int = 1 << 40  # bytes
    work: int = 1 << 60  # multiplications of 64-bit words
    parts: int = 1 << 20  # masks and correlations in all
    message: int = 1 << 40  # bytes dealt in one part of a step, which one message has to hold


def check(dealing: Dealing, limits: Limits) -> None:
    """ProtocolError unless every chunk of this plan can be made within `limits`."""
    for phase in Phase:
        _Phase(dealing, phase, limits).run()


class _Phase:
    """One phase, whose correlations may refer to its own masks and to those of the setup."""

    def __init__(self, dealing: Dealing, phase: Phase, limits: Limits) -> None:
        self.dealing, self.phase, self.limits = dealing, phase, limits
        self.own = dealing.phases[phase]
        self.steps = dealing.count(phase)
        self.most_words = limits.memory // 8
        masks = {int(known): dealing.phases[known].masks for known in (Phase.SETUP, phase)}
        self.it = Checker(masks, int(phase), self.most_words)
        self.working = 0  # words for each step
        self.work: list[int] = []  # multiplications for each step, by correlation

    def run(self) -> None:
        name = self.phase.name.lower()
        for number, mask in enumerate(self.own.masks):
            try:
                self.it.field(mask)
            except Unfit as error:
                raise ProtocolError(
                    f"the plan's {name} has a mask, number {number}, that cannot be: {error}"
                ) from None
        for number, spec in enumerate(self.own.correlations):
            try:
                self.correlation(spec)
                for field in spec.fields:
                    self.it.field(field)
            except Unfit as error:
                what = (
                    f"the plan's {name} has a correlation, number {number} ({spec.kind}), that"
                    f" cannot be: {error}"
                )
                raise ProtocolError(what) from None
        if 8 * self.own.largest_part > self.limits.message:
            raise ProtocolError(
                f"one operation of the plan's {name} deals {8 * self.own.largest_part >> 20} MiB,"
                f" which is more than a message holds ({self.limits.message >> 20} MiB); use"
                " smaller tensors or minibatches"
            )
        self.chunk(name)

    def chunk(self, name: str) -> None:
        """ProtocolError where a chunk, or a part of one, takes more memory or time than is allowed:
        its words, and the largest correlation."""
        count = min(self.own.steps_per_chunk, max(1, self.steps)) if self.phase == Phase.STEP else 1
        self.bound(
            self.it.static + count * (self.dealing.making_words(self.phase) + self.working),
            f"making a chunk of {counted(count, 'step')} of its {name}",
        )
        work = count * max(sum(self.work[part.first : part.end]) for part in self.own.parts)
        if work > self.limits.work:
            raise ProtocolError(
                f"a chunk of {counted(count, 'step')} of the plan's {name} takes {work:.1e}"
                f" multiplications, and the dealer allows {self.limits.work:.1e}; use"
                " smaller tensors or minibatches"
            )

    def bound(self, words: int, what: str) -> None:
        if words > self.most_words:
            raise ProtocolError(
                f"the plan needs {8 * words / 2**20:.3g} MiB at the dealer for {what}, which allows"
                f" {self.limits.memory >> 20} MiB; use smaller tensors or minibatches, or raise"
                " --max-step-memory"
            )

    def correlation(self, spec: Correlation) -> None:
        words, work = spec.check(self.it)
        self.working = max(self.working, words)
        self.work.append(work)
        if words > self.most_words:
            need = (
                f"{8 * words >> 20} MiB while it is made, and the dealer allows"
                f" {self.limits.memory >> 20} MiB"
            )
            raise Unfit(
                f"it needs {need}; use smaller tensors or minibatches, or raise --max-step-memory"
            )
