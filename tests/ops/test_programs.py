"""Random programs in the simulator against float64: each that fits has a plan, and all that have
one keep their bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from ops.bounds import Bounded
from ops.programs import Program, programs

from protocol.errors import JobError
from protocol.plan import make_plans
from protocol.simulate import execute
from protocol.tracing import trace

COUNTS = {"made": 0, "refused": 0}


def run(program: Program) -> None:
    if not program.finish:
        return
    note(str(program))
    COUNTS["made"] += 1
    arrays = program.arrays
    shapes = {name: array.shape for name, array in arrays.items()}
    try:
        traced = trace(program.job(), shapes, program.steps)
        plans = make_plans(traced, (0, 1))
    except JobError as error:
        assert program.refused(str(error)), f"a program is refused that has a plan: {error}"
        COUNTS["refused"] += 1
        return
    states, tensors = program.expected(plans[0].traced.numerics.fraction_bits)
    simulation = execute(plans, arrays)
    assert simulation.rounds == plans[0].rounds
    assert simulation.bytes_sent == [plans[0].bytes_sent(party) for party in (0, 1)]
    parties = {None: (0, 1), "alice": (0,), "bob": (1,)}[program.to]
    for party in (0, 1):
        results, history = simulation.results[party], simulation.history[party]
        assert bool(results) == bool(party in parties)
        for n in range(len(tensors)) if party in parties else ():
            _same(f"t{n}", results[f"t{n}"], tensors[n])
        for n in program.updates if party in parties and program.steps else ():
            assert len(history[f"x{n}"]) == program.steps
            for step, state in enumerate(states):
                _same(f"t{n} after {step + 1} steps", history[f"x{n}"][step], state[n])
    if len(parties) == 2:
        assert all(
            np.array_equal(mine, simulation.results[1][name])
            for name, mine in simulation.results[0].items()
        )


def _same(name: str, got: np.ndarray, value: Bounded) -> None:
    assert got.shape == value.value.shape, name
    off = float(np.abs(got - value.value).max(initial=0.0))
    allowed = value.error + value.unit
    assert off <= allowed, (
        f"{name} is off by {off / value.unit:.1f} units, {allowed / value.unit:.1f} are promised"
    )


def test_random_programs_compute_what_float64_does(pytestconfig: pytest.Config) -> None:
    count = pytestconfig.getoption("--programs")
    check = settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )(given(programs())(run))
    COUNTS.update(made=0, refused=0)
    check()
    print(
        f"{COUNTS['made']} programs, of which {COUNTS['refused']} have no plan, and one operation"
        " that does not fit"
    )
    assert COUNTS["made"] >= count // 2
    assert COUNTS["refused"] <= COUNTS["made"] // 20
