"""A plan's cost by operation, by round and by kind: the parts are the whole, and each is named as
the job says it."""

from __future__ import annotations

import pytest
from plan_jobs import line

from party import plan
from protocol.breakdown import GUARD, kinds, parts, rounds
from protocol.cost import Network
from protocol.graph import Phase
from protocol.jobs import Input
from protocol.nn import SGD, CrossEntropy, Dense, ReLU, Sequential, Training, accuracy


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
    assert step["sigmoid (4, 1)"].rounds == (2,) and step["sigmoid (4, 1)"].where == line(
        "seed", "sigmoid("
    )
    assert not step["matmul (3, 1)"].rounds and step["matmul (3, 1)"].dealt
    (guard,) = parts(found, Phase.CHECK)
    assert (guard.name, guard.where) == (GUARD, "")
    finish = {part.name: part for part in parts(found, Phase.FINISH)}
    assert finish["w (3, 1)"].dealt and {part.where for part in finish.values()} == {
        "",
        line("seed", "v.reveal("),
    }
    assert rounds(found, Phase.FINISH)[-1].reveals[:2] == ("weights", "predictions")


class Pictures(Training):
    x = Input("bob", shape=(40, 6), low=0, high=1)
    y = Input("bob", shape=(40, 3), low=0, high=1)
    model = Sequential(Dense(6, 5), ReLU(), Dense(5, 3), owner="joint")
    loss, optimiser = CrossEntropy(limit=24), SGD(lr=0.1, momentum=0.9)
    batch, held_out, precision = 16, 0.2, 0.02
    metrics = {"hits": accuracy}


def test_what_a_layer_says_is_known_by_its_name_in_both_directions():
    found = plan(Pictures).plan
    step = {(part.name, part.where) for part in parts(found, Phase.STEP)}
    assert {
        ("add (16, 5)", "model.0, Dense"),
        ("choice (16, 5)", "model.1, ReLU"),
        ("matmul (16, 5)", "model.2, Dense"),  # of the gradient
        ("exp (16, 3)", "CrossEntropy"),
    } <= step
    assert {"hits", "model.0, Dense"} <= {part.where for part in parts(found, Phase.CHECK)}


def test_each_number_of_fraction_bits_is_costed_as_it_would_be_run():
    planned = plan(Pictures, network=Network(rtt=0.04))
    own, ways = planned.plan, planned.plan.precisions
    bits = [each.traced.numerics.fraction_bits for each, _ in ways]
    assert len(bits) > 1 and bits == sorted(bits, reverse=True)
    for each, error in ways:
        alone = plan(
            type("Stated", (Pictures,), {"fraction_bits": each.traced.numerics.fraction_bits}),
            network=Network(rtt=0.04),
        ).plan
        assert (each.rounds, each.dealt_bytes) == (alone.rounds, alone.dealt_bytes) and error > 0
        assert planned.prediction(each) == planned.prediction(alone)
    assert any(each is own for each, _ in ways)
    assert own.comparisons[0] is own
