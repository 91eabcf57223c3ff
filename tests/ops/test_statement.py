"""What a job says of a tensor's values holds for those who read it there, and for nobody else."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.nodes import Carry
from protocol.ops import polynomial, within
from protocol.ops.statement import Within
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import Traced, trace


class Both(Job):
    """A product that one reader takes to be small, and another does not."""

    x = Input("bob", (4,), -8, 8)
    y = Input("alice", (4,), -8, 8)

    def step(self, v):
        pass

    def finish(self, v):
        z = v.x * v.y
        v.reveal(small=within(z, -1, 1) * v.x, all=z * v.y, tested=z > 20.0)


class One(Both):
    def finish(self, v):
        v.reveal(small=within(v.x * v.y, -1, 1) + v.x)


def traced(job: Job) -> Traced:
    return trace(job, dict.fromkeys(job.inputs, (4,)))


def test_other_readers_of_a_tensor_are_not_told_what_within_says():
    graph = traced(Both()).graph
    assert graph.revealed["small"].interval == (-8.0, 8.0)
    assert graph.revealed["all"].interval == (-512.0, 512.0)
    x, y = np.array([0.5, 6.0, -8.0, 3.0]), np.array([0.25, 7.0, 8.0, 0.125])
    run = simulate(Both(), {"x": x, "y": y}, 0, guard=False, accept_out_of_range=True)
    assert np.abs(run.results[0]["all"] - x * y * y).max() < 2.0**-18
    assert np.array_equal(run.results[0]["tested"], x * y > 20.0)


def test_where_nobody_else_reads_it_the_tensor_itself_is_narrower():
    graph = traced(One()).graph
    assert not any(isinstance(node.op, Within) for node in graph.nodes)
    (z,) = graph.revealed["small"].inputs[:1]
    assert z.interval == z.declared == (-1.0, 1.0)
    assert any("assumed to stay in [-1, 1]" in text for text in traced(One()).assumptions)


@pytest.mark.parametrize("job", [Both(), One()])
def test_the_guard_counts_what_leaves_the_range_that_was_stated(job):
    plan = make_plan(traced(job), 0, (0, 1))
    assert any(guard.interval == (-1.0, 1.0) for guards in plan.guards.values() for guard in guards)


def test_a_product_that_is_carried_on_has_the_line_of_the_job():
    class Seed(Job):
        x = Input("bob", (4, 3), -1, 1)
        w = Input("alice", (3, 1), -1, 1)

        def step(self, v):
            v.w = v.w + v.x.T @ (1 - v.x @ v.w) * 0.125

        def finish(self, v):
            v.reveal(w=v.w)

    graph = trace(Seed(), {"x": (4, 3), "w": (3, 1)}).graph
    assert any("multiplied" in label for label in graph.updated)
    for node in graph.nodes:
        if node.phase != Phase.FINISH and not isinstance(node.op, Carry):
            assert node.origin.line.startswith("test_statement.py"), node


@pytest.mark.parametrize(
    "body, text",
    [
        (
            lambda x: polynomial(x, ("a", 1)),
            "coefficient 0 of a polynomial is one public number, not str",
        ),
        (lambda x: polynomial(x, 3), "polynomial takes a list of public numbers"),
        (
            lambda x: polynomial(x, (1, [2, 3])),
            "coefficient 1 of a polynomial is one public number",
        ),
        (lambda x: polynomial(x, (1, 2), limit="a"), "polynomial's limit is one public number"),
        (lambda x: x.median(), "a secret tensor has no median; it has"),
    ],
)
def test_what_is_not_offered_ends_in_a_sentence(body, text):
    class Wrong(One):
        def finish(self, v):
            v.reveal(out=body(v.x))

    with pytest.raises(JobError, match=text):
        traced(Wrong())
