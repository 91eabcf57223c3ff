"""Lowering by small graphs: what is opened in which round, once for all its uses, and with the same
code for both parties."""

from __future__ import annotations

import re
from typing import Any

import pytest

from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.joins import Joins
from protocol.lowering import Lowering
from protocol.ops.truncation import Rescale
from protocol.program import PhaseCode
from protocol.sizing import Numerics
from protocol.solver import size
from protocol.tracing import trace

SHAPE = (4, 4)


def lowered(finish: Any, step: Any = None, setup: Any = None, party: int = 0) -> Lowering:
    """A job of three 4 × 4 tensors in ± 4, at 16 fraction bits; w is alice's, and what a step may
    change."""

    class Made(Job):
        fraction_bits = 16
        x = Input("bob", SHAPE, -4, 4)
        y = Input("bob", SHAPE, -4, 4)
        w = Input("alice", SHAPE, -4, 4)

        def setup(self, v: Any) -> None:
            if setup:
                setup(v)

        def step(self, v: Any) -> None:
            if step:
                step(v)

        def finish(self, v: Any) -> None:
            finish(v)

    traced = trace(Made(), dict.fromkeys("xyw", SHAPE), 3)
    return Lowering(size(traced.graph, Numerics(16), Rescale), party)


def masked(code: PhaseCode) -> list[list[str]]:
    """What is opened under a mask, by round."""
    rounds = [
        [opening.name.split("#")[0] for opening in stage.openings if opening.mask]
        for stage in code.stages
    ]
    return [each for each in rounds if each]


def phases(made: Lowering) -> dict[str, list[list[str]]]:
    return {phase.name: found for phase, code in made.phases.items() if (found := masked(code))}


def test_a_comparison_takes_the_rounds_that_its_size_allows():
    assert [Joins(100, 10).rounds(n) for n in (0, 1, 10, 11, 100, 101)] == [5, 2, 2, 3, 3, 5]
    assert [Joins().rounds(n) for n in (0, 1)] == [5, 5]
    assert str(Joins()) == "by bits alone"
    assert str(Joins(1000)) == "in three rounds up to 1,000 elements"
    assert str(Joins(1000, 10)) == "in two rounds up to 10 elements and in three rounds up to 1,000"
    assert str(Joins(10, 10)) == "in two rounds up to 10 elements"


def test_what_does_not_wait_for_another_travels_in_one_round():
    """A product is opened once more, where it is revealed or multiplied: to be truncated."""
    assert phases(lowered(lambda v: v.reveal(out=v.x * v.y))) == {
        "SETUP": [["input", "input"], ["multiply"]]
    }
    chained = lowered(lambda v: v.reveal(out=(v.x @ v.y) @ v.w))
    assert phases(chained) == {"SETUP": [["input", "input", "input"], ["matmul"], ["matmul"]]}
    beside = lowered(lambda v: v.reveal(a=v.x @ v.y, b=v.y @ v.w))
    assert phases(beside) == {"SETUP": [["input", "input", "input"], ["matmul", "matmul"]]}


@pytest.mark.parametrize(
    "body",
    [
        lambda v: v.x * v.y + v.x @ v.y,
        lambda v: v.x.T @ v.y + v.x @ v.y,
        lambda v: v.x[::-1] * v.y + v.x[1:2] * v.y,
        lambda v: (v.x * v.y) @ v.w * 0.5 + v.x * v.w,
    ],
)
def test_a_tensor_is_opened_once_for_all_its_uses_and_views(body):
    made = lowered(lambda v: v.reveal(out=body(v)))
    registers = [
        o.share
        for code in made.phases.values()
        for stage in code.stages
        for o in stage.openings
        if o.mask
    ]
    assert len(registers) == len(set(registers))
    assert (
        sum(
            name == "input"
            for code in made.phases.values()
            for each in masked(code)
            for name in each
        )
        <= 3
    )


def test_what_is_only_added_is_not_opened_and_what_nobody_reveals_is_not_computed():
    made = lowered(lambda v: v.reveal(out=v.x + 2 * v.y - v.w))
    assert phases(made) == {} and not any(code.correlations for code in made.phases.values())
    alone, beside = (
        lowered(lambda v: v.reveal(out=v.x * v.y)),
        lowered(lambda v: (v.x @ v.w, v.reveal(out=v.x * v.y))[1]),
    )
    assert phases(alone) == phases(beside)
    assert set(beside.inputs) == {"x", "y"}


def test_both_parties_have_the_same_rounds_masks_and_correlations():
    def step(v: Any) -> None:
        v.w = v.w - 0.25 * (v.x.T @ (v.x @ v.w - v.y))

    alice, bob = (lowered(lambda v: v.reveal(w=v.w), step, party=party) for party in (0, 1))
    for phase in Phase:
        one, other = alice.phases[phase], bob.phases[phase]
        assert (one.masks, one.mask_registers, one.correlations) == (
            other.masks,
            other.mask_registers,
            other.correlations,
        )
        assert [stage.openings for stage in one.stages] == [
            stage.openings for stage in other.stages
        ]
        assert (one.carries, one.dealt_registers) == (other.carries, other.dealt_registers)


def test_what_no_step_changes_is_computed_before_the_steps():
    def step(v: Any) -> None:
        v.w = 0.5 * v.w + v.x @ v.y

    made = lowered(lambda v: v.reveal(w=v.w), step)
    assert phases(made)["SETUP"][0] == ["input", "input"]
    assert "matmul" not in [name for each in phases(made).get("STEP", []) for name in each]
    (carried,) = made.phases[Phase.STEP].carries
    (begun,) = made.phases[Phase.SETUP].carries
    # the register of w, given its next value when the step is over
    assert carried[0] == begun[0] != carried[1]


def test_reveals_are_the_last_message_of_their_phase_and_no_mask_hides_them():
    made = lowered(lambda v: v.reveal(sum=v.x + v.y, product=(v.x @ v.y) @ v.w))
    last = [stage.openings for stage in made.phases[Phase.FINISH].stages if stage.openings][-1]
    assert {opening.name for opening in last} == {"sum", "product"} == set(made.reveals)
    assert all(opening.mask is None and opening.learners == (0, 1) for opening in last)


def test_every_opening_and_every_dealt_tensor_says_what_it_is_for():
    made = lowered(lambda v: v.reveal(out=(v.x @ v.y) * v.w))
    for code in made.phases.values():
        targets = [opening.target for stage in code.stages for opening in stage.openings]
        assert {*targets, *code.dealt_registers} <= made.causes.keys()
    names = {
        made.causes[register].op.name
        for code in made.phases.values()
        for register in code.dealt_registers
    }
    assert (
        names <= {"matmul", "multiply", "truncate", "rounding"} and {"matmul", "multiply"} <= names
    )


def test_assumptions_become_warnings_once():
    def finish(v: Any) -> None:
        v.reveal(a=v.x @ v.y @ v.w @ v.x @ v.y @ v.w @ v.x @ v.y)

    made = lowered(finish)
    assert len(made.warnings) > 1 and len(set(made.warnings)) == len(made.warnings)
    assert all(
        re.match(r"matmul of shape \(4, 4\) \(\S+, .*proven.*\) is assumed to stay within ±", text)
        for text in made.warnings[1:]
    )
    before = list(made.warnings)
    made.warn(before[0])
    assert made.warnings == before
