"""A plan's cost by operation, by round and by kind: the parts are the whole, and each is named as
the job says it."""

from __future__ import annotations

import pytest
from plan_jobs import line

from party import plan
from protocol.breakdown import GUARD, kinds, parts, rounds
from protocol.graph import Phase


@pytest.mark.parametrize("job", ["seed", "logreg", "cnn", "diabetes"])
def test_the_parts_of_a_phase_add_up_to_its_cost(job):
    found = plan(job, iterations=20).plan
    for phase in Phase:
        cost, own, each = found.costs[phase], parts(found, phase), rounds(found, phase)
        for listed in (own, each):
            assert tuple(sum(one.sent[party] for one in listed) for party in (0, 1)) == cost.sent
        assert (
            sum(part.dealt for part in own)
            == cost.dealt
            == sum(kind.dealt for kind in kinds(found, phase))
        )
        assert len(each) == cost.rounds == len({n for part in own for n in part.rounds})


def test_an_operation_is_named_as_the_job_says_it():
    found = plan("seed").plan
    step = {part.name: part for part in parts(found, Phase.STEP)}
    assert step["sigmoid (4, 1)"].rounds == (2,) and step["sigmoid (4, 1)"].line == line(
        "seed", "sigmoid("
    )
    assert not step["matmul (3, 1)"].rounds and step["matmul (3, 1)"].dealt
    (guard,) = parts(found, Phase.CHECK)
    assert (guard.name, guard.line) == (GUARD, "")
    finish = {part.name: part for part in parts(found, Phase.FINISH)}
    assert finish["w (3, 1)"].dealt and {part.line for part in finish.values()} == {
        "",
        line("seed", "v.reveal("),
    }
    assert rounds(found, Phase.FINISH)[-1].reveals[:2] == ("weights", "predictions")
