"""What lowering produces: registers, shares, openings, and code by phase and level. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .correlations import Correlation, Field, Mask
from .graph import Phase

Registers = list[Any]


class Code(NamedTuple):
    """registers[out] = a function of registers[inputs]."""

    run: Callable[[Registers], None]
    out: int
    inputs: tuple[int, ...]


STEP_REGISTER = 0  # holds the number of the step


@dataclass(frozen=True)
class RegisterValue:
    """The contents of a register, known in `phase` after `level` openings."""

    register: int
    phase: Phase
    level: int


@dataclass(frozen=True)
class Share(RegisterValue):
    """This party's share of a tensor: at `scale` fraction bits, known modulo 2^bits, in `limbs`
    words an element."""

    shape: tuple[int, ...]
    scale: int
    bits: int
    limbs: int


@dataclass(frozen=True)
class Operand:
    """An opened tensor as a product reads it: public = tensor + mask; share: this party's share of
    the mask; mask: for the dealer, which deals functions of it."""

    public: RegisterValue
    share: RegisterValue
    mask: Mask


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Both parties send share + mask's share, and the sum of both goes to `target`. Where there is
    no mask it is a reveal: each sends its share to the `learners`."""

    share: int
    mask: int | None
    target: int
    field: Field
    name: str
    learners: tuple[int, ...] = (0, 1)
    bits: int = 0


@dataclass
class Stage:
    """One level of a phase: code, and then openings, which make one round if there are any."""

    code: list[Code] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)


@dataclass
class PhaseCode:
    """The program of one phase. Registers [material, material + fields) hold the step's masks and
    dealt tensors."""

    stages: list[Stage] = field(default_factory=list)
    masks: list[Field] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    mask_registers: list[int] = field(default_factory=list)
    dealt_registers: list[int] = field(default_factory=list)
    # (register of a carried variable, register of its next value): copied at the end
    carries: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """Rounds of one execution: the stages in which something is opened."""
        return sum(bool(stage.openings) for stage in self.stages)

    @property
    def openings(self) -> list[Opening]:
        """All openings of the phase, in the order in which they are sent."""
        return [opening for stage in self.stages for opening in stage.openings]

    def stage(self, level: int) -> Stage:
        """The stage at `level`; it and those before it are made where they are missing."""
        while len(self.stages) <= level:
            self.stages.append(Stage())
        return self.stages[level]


def make_code(function: Callable[..., Any], out: int, inputs: list[int]) -> Code:
    """Code that puts function(inputs) into the register `out`."""
    if len(inputs) == 1:
        (a,) = inputs

        def run(registers: Registers) -> None:
            registers[out] = function(registers[a])

    elif len(inputs) == 2:
        a, b = inputs

        def run(registers: Registers) -> None:
            registers[out] = function(registers[a], registers[b])

    else:

        def run(registers: Registers) -> None:
            registers[out] = function(*(registers[i] for i in inputs))

    return Code(run, out, tuple(inputs))
