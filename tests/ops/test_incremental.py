"""Products that are carried on: fewer openings, the same numbers, and only where the identity
holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import protocol.tracing
from party.inputs import default_tensor
from party.loading import load_job
from protocol.dealing import Deal, alice_material, bob_material
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.machine import Machine
from protocol.nodes import Carry
from protocol.ops import sigmoid
from protocol.plan import make_plan
from protocol.prg import fresh_seed
from protocol.ring import ring
from protocol.simulate import simulate
from protocol.tracing import trace

F = 20
SHAPES = {"x": (5, 3), "y": (5, 2), "w": (3, 2)}

X = Input("bob", (5, 3), -1, 1, default=np.random.default_rng(1).uniform(-1, 1, (5, 3)))
Y = Input("bob", (5, 2), 0, 1, default=np.random.default_rng(2).uniform(0, 1, (5, 2)))
W = Input("alice", (3, 2), -16, 16, default=np.random.default_rng(3).uniform(-1, 1, (3, 2)))


def job_of(step, **attributes) -> Job:
    def finish(self, v):
        v.reveal(w=v.w, z=v.x @ v.w)

    body = {"x": X, "y": Y, "w": W, "step": step, "finish": finish, "fraction_bits": F} | attributes
    return type("Linear", (Job,), body)()


def plus(self, v):
    v.w = v.w + v.x.T @ (v.y - sigmoid(v.x @ v.w, "fourier"))


def reversed_sum(self, v):
    v.w = v.x.T @ (v.y - sigmoid(v.x @ v.w)) + v.w


def minus_with_a_rate(self, v):
    v.w -= 0.125 * (v.x.T @ (sigmoid(v.x @ v.w) - v.y))


def two_products(self, v):
    v.w += 0.0625 * (v.x.T @ (v.y - v.x @ v.w + 0.5 * (v.x[::-1] @ v.w)))


def another_matrix(self, v):
    inner = sigmoid(v.x[1:] @ v.w) - v.y[1:] + 0.5 * (v.x[:4] @ v.w)
    v.w -= 0.25 * (v.x[:4].T @ inner)


STEPS = [plus, reversed_sum, minus_with_a_rate, two_products, another_matrix]


def inputs_of(job: Job) -> dict[str, np.ndarray]:
    return {name: default_tensor(name, declared) for name, declared in job.inputs.items()}


def plan_of(job: Job):
    return make_plan(
        trace(job, {name: each.shape for name, each in inputs_of(job).items()}, 4), 0, (0, 1)
    )


def opens_weights(job: Job) -> bool:
    """In its steps."""
    lines = [
        line
        for line in plan_of(job).outline
        if line.startswith("step") and "opens variable" in line
    ]
    return any("(3, 2)" in line for line in lines)


@pytest.mark.parametrize("step", STEPS)
def test_the_weights_are_not_opened_and_the_numbers_are_the_same(step, monkeypatch):
    job, steps = job_of(step), 50
    inputs = inputs_of(job)
    carried = simulate(job, inputs, steps, guard=False)
    assert not opens_weights(job)
    rewritten = trace(job, {name: each.shape for name, each in inputs.items()}, steps).graph
    monkeypatch.setattr(protocol.tracing, "carry_products", lambda graph, numerics: graph)
    plain = trace(job, {name: each.shape for name, each in inputs.items()}, steps).graph
    assert opens_weights(job)
    made_again = simulate(job, inputs, steps, guard=False)
    assert carried.rounds == made_again.rounds - steps + 1  # one in each step, for one more before
    expected = plain.run_clear(inputs, steps)
    for name, value in rewritten.run_clear(inputs, steps).items():
        assert np.abs(value - expected[name]).max() < 1e-9
        assert np.abs(carried.results[0][name] - expected[name]).max() < 1e-4
        assert np.abs(made_again.results[0][name] - expected[name]).max() < 1e-4


def test_no_error_accumulates_between_a_product_and_its_factor():
    """The shares of z and w put together after every step: z − x @ w, modulo what is known of both,
    is always the same."""
    job = job_of(minus_with_a_rate)
    inputs = inputs_of(job)
    plans = [make_plan(trace(job, SHAPES, 40), party, (0, 1)) for party in (0, 1)]
    lowering = plans[0].lowering
    carries = [
        node
        for node in lowering.sizes.graph.nodes
        if isinstance(node.op, Carry) and node.phase == Phase.STEP
    ]
    (of_w,) = (lowering.share(node) for node in carries if node.op.label == "w")
    (of_z,) = (lowering.share(node) for node in carries if node.op.label != "w")
    assert of_z.scale == of_w.scale + F
    x = np.vectorize(lambda value: round(value * 2**F), otypes=[object])(inputs["x"])

    def difference(machines):
        z, w = (
            sum(
                ring(share.limbs).decode(machine.registers[share.register], share.bits)
                for machine in machines
            )
            for share in (of_z, of_w)
        )
        return ((z - x @ w) % 2 ** min(of_w.bits, of_z.bits)).tolist()

    assert len({str(each) for each in run(plans, inputs, 40, difference)}) == 1


def run(plans, inputs, steps, look) -> list[Any]:
    """What `look` sees of both machines after each step."""
    seen = []
    machines, dealing = [Machine(plan, party) for party, plan in enumerate(plans)], plans[0].dealing
    seeds = fresh_seed(), fresh_seed()
    deal = Deal(dealing, *seeds)
    for machine in machines:
        machine.load(inputs)
    for phase, count in ((Phase.SETUP, 1), (Phase.STEP, steps)):
        corrections = deal.corrections(phase, 0, count)
        rows = (
            alice_material(dealing, seeds[0], phase, 0, count),
            bob_material(dealing, seeds[1], phase, 0, count, corrections),
        )
        for step in range(count):
            for machine, fields in zip(machines, rows, strict=True):
                machine.begin(phase, step, [field[step] for field in fields])
            for number in range(machines[0].rounds(phase)):
                sent = [machine.send(number).copy() for machine in machines]
                for machine, words in zip(machines, reversed(sent), strict=True):
                    machine.receive(number, words)
            for machine in machines:
                machine.end()
            if phase == Phase.STEP:
                seen.append(look(machines))
    return seen


@pytest.mark.parametrize(
    "step",
    [
        # opened anyway
        lambda self, v: setattr(v, "w", v.w + v.x.T @ (v.y - v.x @ v.w) @ (v.w.T @ v.w)),
        lambda self, v: setattr(v, "w", v.x.T @ (v.y - v.x @ v.w) - v.w),  # another sign
        lambda self, v: setattr(v, "w", 0.5 * v.w + v.x.T @ (v.y - v.x @ v.w)),  # decays
        lambda self, v: setattr(
            v, "w", v.w + v.x.minibatch(2).T @ (v.y.minibatch(2) - v.x.minibatch(2) @ v.w)
        ),
    ],
)
def test_other_steps_are_left_alone(step):
    graph = trace(
        job_of(step), {name: each.shape for name, each in inputs_of(job_of(step)).items()}, 4
    ).graph
    assert list(graph.updated) == ["w"]


def test_large_tensors_are_left_alone():
    many = 65  # rows, so that x @ x.T has more than 4,096 elements
    job = job_of(
        plus,
        x=Input("bob", (many, 3), -1, 1, default=np.zeros((many, 3))),
        y=Input("bob", (many, 2), 0, 1, default=np.zeros((many, 2))),
    )
    assert list(
        trace(job, {name: each.shape for name, each in inputs_of(job).items()}, 4).graph.updated
    ) == ["w"]


def test_the_seed_job_takes_two_rounds():
    assert plan_of(load_job("seed")).costs[Phase.STEP].rounds == 2
