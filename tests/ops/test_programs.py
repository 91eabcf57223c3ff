"""Random programs of up to twelve operations, in the simulator against float64, within the bound carried through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from ops.bounds import Bounded

from protocol.errors import JobError, ProtocolError
from protocol.jobs import Input, Job
from protocol.ops import absolute, clip, concatenate, maximum, minimum, polynomial, relu, where
from protocol.simulate import simulate

EVERY_GRAPH_MUST_PLAN = False  # to be turned on with a solver of scales that refuses nothing that fits
LARGEST = 2.0**9  # of values: programs stay where 64-bit arithmetic has room for them

REFUSED = [0, 0]  # programs, and those among them that had no plan


@dataclass
class Program:
    """Instructions on a growing list of tensors; each is applied to secrets and to bounded float64 arrays alike."""

    fraction_bits: int
    inputs: list[np.ndarray]
    peak: float
    text: list[str] = field(default_factory=list)
    secure: list[Callable[[list[Any]], Any]] = field(default_factory=list)
    values: list[Bounded] = field(default_factory=list)

    def add(self, text: str, secure: Callable[[list[Any]], Any], value: Bounded) -> None:
        if value.peak <= LARGEST:
            self.text.append(f"t{len(self.values)} = {text}")
            self.secure.append(secure)
            self.values.append(value)

    def job(self) -> Job:
        def finish(_: Job, v: Any) -> None:
            tensors = [getattr(v, f"x{n}") for n in range(len(self.inputs))]
            for instruction in self.secure:
                tensors.append(instruction(tensors))
            v.reveal(**{f"t{n}": tensor for n, tensor in enumerate(tensors) if n >= len(self.inputs)})

        inputs = {
            f"x{n}": Input(("alice", "bob")[n % 2], array.shape, -self.peak, self.peak)
            for n, array in enumerate(self.inputs)
        }
        body = {"fraction_bits": self.fraction_bits, "step": lambda self, v: None, "finish": finish}
        return type("Program", (Job,), inputs | body)()


CONSTANTS = st.sampled_from([0.5, -0.25, 3.0, 0.1, -1.7, 0.003, 1.0, 0.0])


@st.composite
def programs(draw: Any) -> Program:
    f = draw(st.integers(8, 30))
    peak = draw(st.sampled_from([0.25, 1.0, 4.0]))
    shape = draw(st.sampled_from([(3,), (2, 2), (3, 2), (1, 4), (3, 3), (2, 1, 2)]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs = [np.rint(random.uniform(-peak, peak, shape) * 2**f) / 2**f for _ in range(draw(st.integers(1, 3)))]
    program = Program(f, inputs, peak, values=[Bounded(array, 0.0, 2.0**-f) for array in inputs])
    for _ in range(draw(st.integers(1, 12))):
        _instruction(draw, program)
    return program


def _instruction(draw: Any, program: Program) -> None:
    values = program.values
    n = draw(st.integers(0, len(values) - 1))
    a = values[n]
    alike = [k for k, value in enumerate(values) if value.value.shape == a.value.shape]
    m = draw(st.sampled_from(alike))
    b = values[m]
    c = draw(CONSTANTS)
    kinds = ["add", "subtract", "multiply", "public", "shift", "negate", "sum", "power", "polynomial", "relu", "absolute",
             "maximum", "minimum", "limit", "clip", "where", "compare", "flip", "reshape", "concatenate", "matmul", "array"]  # fmt: skip
    match draw(st.sampled_from(kinds)):
        case "add":
            program.add(f"t{n} + t{m}", lambda t: t[n] + t[m], a.add(b))
        case "subtract":
            program.add(f"t{n} - t{m}", lambda t: t[n] - t[m], a.subtract(b))
        case "multiply":
            program.add(f"t{n} * t{m}", lambda t: t[n] * t[m], a.multiply(b))
        case "public":
            program.add(f"{c} * t{n}", lambda t: c * t[n], a.public(c))
        case "array":
            array = c * np.logspace(-2, 1, a.value.shape[-1]) if a.value.ndim else np.asarray(c)
            program.add(f"t{n} * {array}", lambda t: t[n] * array, a.public(array))
        case "shift":
            program.add(f"t{n} - {c}", lambda t: t[n] - c, a.shifted(-c))
        case "negate":
            program.add(f"-t{n}", lambda t: -t[n], a.view(-a.value))
        case "sum":
            axis = draw(st.sampled_from([None, *range(a.value.ndim)]))
            if a.value.ndim:
                program.add(f"np.sum(t{n}, {axis})", lambda t: np.sum(t[n], axis), a.sum(axis))
        case "power":
            k = draw(st.integers(2, 5))
            program.add(f"t{n} ** {k}", lambda t: t[n] ** k, a.power(k))
        case "polynomial":
            if a.peak <= 4.0:
                found = a.power(1).public(0.75).add(a.power(3).public(c))
                found = Bounded(found.value, found.error + 4 * a.unit, a.unit)
                program.add(
                    f"0.75 t{n} + {c} t{n}^3", lambda t: polynomial(t[n], (0.0, 0.75, 0.0, c), limit=8.0), found
                )
        case "relu":
            program.add(f"relu(t{n})", lambda t: relu(t[n]), a.monotone(np.maximum(a.value, 0.0)))
        case "absolute":
            program.add(f"|t{n}|", lambda t: absolute(t[n]), a.monotone(np.abs(a.value)))
        case "maximum":
            program.add(
                f"maximum(t{n}, t{m})", lambda t: maximum(t[n], t[m]), a.monotone(np.maximum(a.value, b.value), b)
            )
        case "minimum":
            program.add(
                f"minimum(t{n}, t{m})", lambda t: minimum(t[n], t[m]), a.monotone(np.minimum(a.value, b.value), b)
            )
        case "limit":
            program.add(f"np.minimum(t{n}, {c})", lambda t: np.minimum(t[n], c), a.monotone(np.minimum(a.value, c)))
        case "clip":
            found = a.monotone(np.clip(a.value, c - 1, c + 1))
            program.add(f"clip(t{n}, {c} ± 1)", lambda t: clip(t[n], c - 1, c + 1), found)
        case "where":
            k = draw(st.sampled_from(alike))
            found = a.chosen(b.value > c, b.sure(c), values[k])
            program.add(f"where(t{m} > {c}, t{n}, t{k})", lambda t: where(t[m] > c, t[n], t[k]), found)
        case "compare":
            zero, one = (Bounded(np.full(a.value.shape, x), 0.0, a.unit) for x in (0.0, 1.0))
            program.add(f"t{n} <= {c}", lambda t: t[n] <= c, one.chosen(a.value <= c, a.sure(c), zero))
        case "flip":
            program.add(f"flip(t{n})", lambda t: np.flip(t[n]), a.view(np.flip(a.value)))
        case "reshape":
            program.add(f"ravel(t{n})", lambda t: t[n].ravel(), a.view(a.value.ravel()))
        case "concatenate":
            if a.value.ndim and a.value.size < 64:
                found = Bounded(np.concatenate([a.value, b.value]), max(a.error, b.error), a.unit)
                program.add(f"concatenate([t{n}, t{m}])", lambda t: concatenate([t[n], t[m]]), found)
        case "matmul":
            if a.value.ndim >= 2:
                x = Bounded(a.value.swapaxes(-1, -2), a.error, a.unit)
                program.add(f"t{n}ᵀ @ t{m}", lambda t: np.swapaxes(t[n], -1, -2) @ t[m], x.matmul(b))


def run(program: Program) -> None:
    if not program.secure:
        return
    note("\n".join([f"f = {program.fraction_bits}", *(f"t{n} = {x.tolist()}" for n, x in enumerate(program.inputs)),
                    *program.text]))  # fmt: skip
    REFUSED[0] += 1
    try:
        arrays = {f"x{n}": array for n, array in enumerate(program.inputs)}
        results = simulate(program.job(), arrays, 0).results
    except (JobError, ProtocolError, OverflowError):
        if EVERY_GRAPH_MUST_PLAN:
            raise
        REFUSED[1] += 1
        return
    for n, value in enumerate(program.values):
        if n >= len(program.inputs):
            got = results[0][f"t{n}"]
            assert np.array_equal(got, results[1][f"t{n}"])
            assert got.shape == value.value.shape
            off = float(np.abs(got - value.value).max(initial=0.0))
            allowed = value.error + value.unit
            assert off <= allowed, (
                f"t{n} is off by {off / value.unit:.1f} units, {allowed / value.unit:.1f} are promised"
            )


def test_random_programs_compute_what_float64_does(pytestconfig: pytest.Config) -> None:
    count = pytestconfig.getoption("--programs")
    check = settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)(
        given(programs())(run)
    )
    REFUSED[:] = [0, 0]
    check()
    made, refused = REFUSED
    print(f"{made} programs, {refused} refused")
    assert made >= count // 2
    assert refused <= made // 5
