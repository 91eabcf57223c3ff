"""Random programs of up to twelve operations of all kinds, as jobs and as what float64 and the
bounds of the operations say of them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.bounds import RING, Bounded, UnfitError
from ops.compound import KINDS, Instruction, Tensors

from protocol.jobs import Input, Job

LARGEST = 2.0**9  # of values: programs stay where 64-bit arithmetic has room for them
COARSEST = 10  # fraction bits that a plan chooses


@dataclass
class Program:
    """Instructions on a growing list of tensors, which begins with the inputs: in each step, and in
    the finish."""

    fraction_bits: int | None
    inputs: list[np.ndarray]
    peak: float
    to: str | None  # who learns the results, if not both
    steps: int = 0
    step: list[Instruction] = field(default_factory=list)
    updates: dict[int, int] = field(default_factory=dict)  # input → tensor that it is after a step
    finish: list[Instruction] = field(default_factory=list)
    ranges: dict[int, float] = field(default_factory=dict)  # of inputs that steps change

    def __str__(self) -> str:
        inputs = [
            f"t{n} = {x.tolist()}  # in ±{self._range(n):g}" for n, x in enumerate(self.inputs)
        ]
        step = [f"    t{len(self.inputs) + n} = {each.text}" for n, each in enumerate(self.step)]
        step += [f"    t{n} := t{k}" for n, k in self.updates.items()]
        finish = [f"t{len(self.inputs) + n} = {each.text}" for n, each in enumerate(self.finish)]
        head = f"f = {self.fraction_bits}, to {self.to or 'both'}"
        return "\n".join(
            [head, *inputs, *([f"{self.steps} times:", *step] if self.steps else []), *finish]
        )

    def _range(self, n: int) -> float:
        return self.ranges.get(n, self.peak)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {f"x{n}": array for n, array in enumerate(self.inputs)}

    def job(self) -> Job:
        def tensors(v: Any, instructions: list[Instruction]) -> list[Any]:
            found = [v[f"x{n}"] for n in range(len(self.inputs))]
            for each in instructions:
                found.append(each.secure(found))
            return found

        def step(_: Job, v: Any) -> None:
            found = tensors(v, self.step)
            for n, k in self.updates.items():
                v[f"x{n}"] = found[k]

        def check(_: Job, v: Any) -> None:
            v.reveal({f"x{n}": v[f"x{n}"] for n in self.updates}, to=self.to)

        def finish(_: Job, v: Any) -> None:
            v.reveal({f"t{n}": each for n, each in enumerate(tensors(v, self.finish))}, to=self.to)

        inputs = {
            f"x{n}": Input(("alice", "bob")[n % 2], array.shape, -self._range(n), self._range(n))
            for n, array in enumerate(self.inputs)
        }
        body = {
            "fraction_bits": self.fraction_bits,
            "step": step,
            "finish": finish,
            "check_every": 1,
        }
        # What steps change stays in its range, but not by as much as a plan takes for likely: a
        # fourth power shows it.
        wide = property(lambda job: replace(Job.numerics.__get__(job), margin=2.0**20))
        checked = {"check": check, "numerics": wide} if self.updates else {}
        return type("Program", (Job,), inputs | body | checked)()

    def start(self, f: int) -> Tensors:
        found = [
            Bounded(array, 2.0**-f, 2.0**-f, self._range(n)) for n, array in enumerate(self.inputs)
        ]
        return Tensors(found, 0)

    def after(self, state: Tensors, f: int) -> Tensors:
        """The inputs after another step; what is carried has f fraction bits."""
        found = run(self.step, state)
        carried = {n: Bounded(found[k].value, found[k].error + 2.0**-f, 2.0**-f, self._range(n))
                   for n, k in self.updates.items()}  # fmt: skip
        assert state.step is not None
        return Tensors([carried.get(n, x) for n, x in enumerate(state)], state.step + 1)

    def expected(self, f: int) -> tuple[list[Tensors], Tensors]:
        """The inputs after each step, and the tensors of the finish."""
        states = [self.start(f)]
        for _ in range(self.steps):
            states.append(self.after(states[-1], f))
        return states[1:], run(self.finish, Tensors(states[-1]))

    def refused(self, why: str) -> bool:
        """Whether a refusal is right: an operation does not fit by itself, or a range is too narrow
        for the finest fraction bits that fit."""
        if not (
            narrow := re.search(r"in a range (\S+) wide.*(with f = (\d+),|f = 40 is the)", why)
        ):
            return not self.fits(self.fraction_bits or COARSEST)
        finest = int(narrow[3]) - 1 if narrow[3] else 40
        too_narrow = 1e-4 * float(narrow[1]) <= 2.1 * 2.0**-finest
        return (
            self.fraction_bits is None and too_narrow and not (narrow[3] and self.fits(finest + 1))
        )

    def fits(self, f: int) -> bool:
        """Whether each operation by itself fits the ring, its operands at f fraction bits."""
        states, finish = self.expected(f)
        steps = [
            tensor for state in [self.start(f), *states[:-1]] for tensor in run(self.step, state)
        ]
        return all(tensor.bits <= RING for tensor in [*steps, *finish])


def run(instructions: list[Instruction], tensors: Tensors) -> Tensors:
    found = Tensors(tensors, tensors.step)
    for each in instructions:
        found.append(each.clear(found))
        if not found[-1].peak <= LARGEST:
            raise UnfitError
    return found


SHAPES = [(3,), (2, 2), (3, 2), (1, 4), (3, 3), (2, 1, 2), (1, 2, 3, 3), ()]


@st.composite
def programs(draw: Any) -> Program:
    f = draw(st.sampled_from([None, *range(8, 31)]))
    usual = COARSEST if f is None else f
    peak = draw(st.sampled_from([0.25, 1.0, 4.0]))
    shape = draw(st.sampled_from(SHAPES))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs = [
        np.rint(random.uniform(-peak, peak, shape) * 2**usual) / 2**usual
        for _ in range(draw(st.integers(1, 3)))
    ]
    program = Program(f, inputs, peak, draw(st.sampled_from([None, None, "alice", "bob"])))
    state = program.start(usual)
    if draw(st.integers(0, 2)) == 2:
        tensors = _instructions(draw, program.step, state, draw(st.integers(1, 5)))
        alike = [n for n, tensor in enumerate(tensors) if tensor.value.shape == shape]
        for n in range(draw(st.integers(1, len(inputs)))):
            program.updates[n] = alike[-1] if n == 0 else draw(st.sampled_from(alike))
        state = _stepped(program, state, usual, draw(st.integers(1, 3)))
    _instructions(
        draw, program.finish, Tensors(state), draw(st.integers(1, 12 - len(program.step)))
    )
    return program


def _stepped(program: Program, state: Tensors, f: int, steps: int) -> Tensors:
    """The inputs after up to so many steps, as many as have small numbers; with ranges that hold
    them."""
    peaks = {n: max(program.peak, state[n].peak) for n in program.updates}
    for _ in range(steps):
        try:
            after = program.after(state, f)
            run(program.step, after)
        except UnfitError:
            break
        state = after
        program.steps += 1
        peaks = {n: max(found, state[n].peak) for n, found in peaks.items()}
    program.ranges = {n: 2.0 ** math.ceil(math.log2(1.01 * peak)) for n, peak in peaks.items()}
    return state


def _instructions(draw: Any, found: list[Instruction], tensors: Tensors, count: int) -> Tensors:
    """Draw `count` instructions, of which those that are offered for the tensors are kept."""
    for _ in range(count):
        kind = draw(st.sampled_from(sorted(KINDS)))
        made = KINDS[kind](draw, tensors)
        if made is None:
            continue
        try:
            tensors = run([made], tensors)
        except UnfitError:
            continue
        found.append(made)
    return tensors
