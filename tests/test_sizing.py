"""Scales and widths as a function of the graph, and equal nodes found by what they are."""

from __future__ import annotations

import time

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.graph import Graph, Op, Source
from protocol.jobs import Input, Job, Traced, trace
from protocol.ops import Secret
from protocol.ops.linear import AddPublic, MatMulPublic, MultiplyPublic
from protocol.ops.truncation import Rescale
from protocol.plan import make_plan
from protocol.sizing import Numerics, size


def traced(step, finish, shape=(8, 8), **attributes) -> Traced:
    body = {"x": Input("alice", shape, -4, 4), "y": Input("bob", shape, -4, 4), "step": step, "finish": finish}
    return trace(type("Sized", (Job,), body | attributes)(), {"x": shape, "y": shape}, 3)


def nothing(self, v):
    pass


def deep(self, v):
    v.reveal(out=v.x * v.y * v.x * 0.3)


def secret(shape=(3,)) -> Secret:
    graph = Graph()
    return Secret(graph, graph.add(Source("x", shape, 0), interval=(-1.0, 1.0)))


def test_sizing_leaves_the_graph_as_it_was():
    job = traced(nothing, deep)
    before = [(node.op, node.inputs, node.shape, node.order) for node in job.graph.nodes]
    sizes = size(job.graph, Numerics(), Rescale)
    assert [(node.op, node.inputs, node.shape, node.order) for node in job.graph.nodes] == before
    assert any(isinstance(node.op, Rescale) for node in sizes.graph.nodes)
    assert not set(job.graph.nodes) & set(sizes.graph.nodes)
    assert make_plan(job, 0, (0, 1)).digest == make_plan(job, 1, (0, 1)).digest


def test_every_node_that_is_needed_has_a_scale_and_fits_the_ring():
    sizes = size(traced(nothing, deep).graph, Numerics(), Rescale)
    assert set(sizes.needs) <= set(sizes.scales) == set(sizes.graph.nodes)
    for node in sizes.graph.revealed.values():
        assert sizes.scales[node] <= 20
        assert sizes.needs[node] >= sizes.room(node)


def test_the_truncation_is_the_callers_choice():
    class Marked(Rescale):
        name = "marked"

    sizes = size(traced(nothing, deep).graph, Numerics(), Marked)
    assert any(node.op.name == "marked" for node in sizes.graph.nodes)


def test_what_nothing_revealed_depends_on_is_neither_sized_nor_carried():
    """A carried variable that only feeds itself costs nothing: no state, no opening, no round."""

    def step(self, v):
        v.y = v.y * v.y * 0.1

    job = traced(step, lambda self, v: v.reveal(x=v.x))
    sizes = size(job.graph, Numerics(), Rescale)
    assert sizes.carried_needs == {}
    plan = make_plan(job, 0, (0, 1))
    assert plan.costs[1].rounds == 0
    assert plan.lowering.phases[1].carries == []
    assert plan.dealing.phases[1].dealt == []


def test_a_value_that_may_leave_its_room_is_named_where_it_is_read():
    def finish(self, v):
        v.reveal(out=v.x * v.x)

    wide = traced(nothing, finish, integer_bits=8, x=Input("alice", (8, 8), -(2.0**20), 2.0**20), fraction_bits=8)
    warnings = size(wide.graph, wide.job.numerics, Rescale).warnings
    assert any("multiply: its values may reach ±1.1e+12, more than ±64" in text for text in warnings)


def test_an_operation_without_a_protocol_cannot_be_sized():
    class Meant(Op):
        def shape(self, *shapes):
            return shapes[0]

    x = secret()
    x._graph.revealed["out"] = x._graph.apply(Meant(), x._node)
    with pytest.raises(TypeError, match="not Sized"):
        size(x._graph, Numerics(), Rescale)


def test_too_few_bits_are_refused_in_one_sentence():
    def finish(self, v):
        v.reveal(out=v.x @ v.y)

    with pytest.raises(JobError, match="use fewer fraction bits"):
        make_plan(traced(nothing, finish, (80, 80), fraction_bits=40), 0, (0, 1))


# ── equal nodes ───────────────────────────────────────────────────────────────────────────────────


def test_equal_operations_on_equal_operands_are_one_node():
    x = secret((3, 3))
    c = np.arange(9.0).reshape(3, 3)
    pairs = [
        (x + 1.0, x + 1.0), (x * c, x * c.copy()), (x @ c, x @ c), (c @ x, c @ x), (x < 0.5, x < 0.5),
        (x.T, x.T), (x * x, x * x), (x[0], x[0]), (x + 0.0, x - 0.0),
    ]  # fmt: skip
    for a, b in pairs:
        assert a._node is b._node


def test_different_constants_are_different_nodes():
    x = secret((3, 3))
    c = np.arange(9.0).reshape(3, 3)
    made = [x + 1.0, x + np.ones((1, 1)), x * 1.0, x * c, x * (c + 1e-9), x * c.T, x @ c, c @ x, x * x, x * x.T]
    assert len({each._node for each in made}) == len(made)


@pytest.mark.parametrize("kind", [AddPublic, MultiplyPublic, lambda c: MatMulPublic(c, left=True)])
def test_operations_with_a_public_array_are_known_by_its_digest(kind):
    a, b, other = (kind(np.array([[1.0, 2.0]]) + shift) for shift in (0.0, 0.0, 1e-12))
    assert a == b != other
    assert hash(a) == hash(b)


def test_tracing_takes_time_in_proportion_to_the_operations():
    def seconds(count: int) -> float:
        begun, y = time.process_time(), secret()
        for n in range(count):
            y = y + y * float(n)
        return time.process_time() - begun

    seconds(200)
    assert seconds(4000) < 80 * seconds(400)  # 10 in proportion, 100 if every node looked at all others
