"""Scales and widths as a function of the graph, and equal nodes found by what they are."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from work import calls

from protocol.errors import JobError
from protocol.graph import Graph
from protocol.jobs import Input, Job
from protocol.nodes import Op, Source
from protocol.ops import Secret
from protocol.ops.public import AddPublic, MatMulPublic, MultiplyPublic
from protocol.ops.truncation import Rescale
from protocol.plan import make_plan
from protocol.sizing import Numerics, Sizes
from protocol.solver import size
from protocol.tracing import Traced, trace


def traced(step, finish, shape=(8, 8), **attributes) -> Traced:
    body = {
        "x": Input("alice", shape, -4, 4),
        "y": Input("bob", shape, -4, 4),
        "step": step,
        "finish": finish,
    }
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


def test_what_is_proven_within_the_integer_bits_is_not_assumed():
    sizes = size(
        traced(nothing, lambda self, v: v.reveal(out=v.x * v.y @ v.x)).graph, Numerics(), Rescale
    )
    assert sizes.assumed == {}


def test_beyond_the_integer_bits_the_likely_range_is_assumed_where_it_is_less():
    def finish(self, v):
        a = v.x
        for _ in range(4):
            a = a @ v.y
        v.reveal(out=a)

    job = traced(nothing, finish, (400, 400))  # a second limb would be megabytes
    sizes = size(job.graph, Numerics(), Rescale)
    limits = [sizes.limit(node) for node in sizes.assumed]
    assert 8191 < min(limits) < max(limits) < 1e-3 * job.graph.revealed["out"].peak
    assert all(limit < node.peak for node, limit in sizes.assumed.items())
    wider = size(job.graph, Numerics(margin=256.0), Rescale)
    assert max(wider.assumed.values()) > 3 * max(limits)
    texts = make_plan(job, 0, (0, 1)).lowering.warnings
    said = re.escape(f"proven ±2.62e+13) is assumed to stay within ±{max(limits):.3g}")
    assert any(
        re.fullmatch(rf"matmul of shape \(400, 400\) \(test_sizing.py:\d+, {said}", text)
        for text in texts
    )


def test_likely_values_follow_means_and_deviations():
    """Against a sample of independent entries, to a tenth."""
    rng = np.random.default_rng(3)
    inputs = {"x": rng.uniform(0, 1, (60, 200)), "y": rng.uniform(-2, 2, (200, 60))}

    def finish(self, v):
        picture = v.x @ v.y
        v.reveal(
            product=picture,
            total=v.x.sum(axis=1),
            square=v.x * v.x,
            shifted=v.y + 3.0,
            scaled=0.5 * v.y,
            public=v.x @ np.ones((200, 2)),
            gated=(picture >= 0.0) * picture,
        )

    body = {
        "x": Input("alice", (60, 200), 0, 1),
        "y": Input("bob", (200, 60), -2, 2),
        "step": nothing,
        "finish": finish,
    }
    job = trace(
        type("Likely", (Job,), body)(), {name: each.shape for name, each in inputs.items()}, 0
    )
    values = job.graph.run_clear(inputs, 0)
    for name, node in job.graph.revealed.items():
        actual = float(np.sqrt((values[name] ** 2).mean()))
        assert 0.85 * actual <= node.likely.rms <= (1.5 if name == "gated" else 1.1) * actual, name


def test_an_operation_without_a_protocol_cannot_be_sized():
    class Meant(Op):
        def shape(self, *shapes):
            return shapes[0]

    x = secret()
    x._graph.revealed["out"] = x._graph.apply(Meant(), x._node)
    with pytest.raises(TypeError, match="not Sized"):
        size(x._graph, Numerics(), Rescale)


def test_what_fits_nothing_is_refused_in_one_sentence_with_the_smallest_change_that_would_do():
    def finish(self, v):
        v.reveal(out=v.x @ v.y)

    vast = {
        name: Input(owner, (80, 80), -(2.0**30), 2.0**30)
        for name, owner in (("x", "alice"), ("y", "bob"))
    }
    with pytest.raises(
        JobError,
        match=(
            r"matmul of shape \(80, 80\) \(test_sizing.py:\d+\) needs 150 bits and the ring has"
            r" 128.* take 29 fraction bits"
        ),
    ):
        make_plan(
            traced(nothing, finish, (80, 80), fraction_bits=40, integer_bits=40, **vast), 0, (0, 1)
        )
    make_plan(
        traced(nothing, finish, (80, 80), fraction_bits=29, integer_bits=40, **vast), 0, (0, 1)
    )


@np.errstate(all="raise")
def test_a_scale_may_grow_beyond_what_a_float_holds_before_it_is_cut():
    x = secret()
    sizes = Sizes(x._graph, Numerics(), {x._node: 1020})
    for node in ((x + 1160.0)._node, (x + 0.1)._node):
        assert node.op.scale(sizes, node) == 1020


# ── equal nodes ───────────────────────────────────────────────────────────────────────────────────


def test_equal_operations_on_equal_operands_are_one_node():
    x = secret((3, 3))
    c = np.arange(9.0).reshape(3, 3)
    pairs = [
        (x + 1.0, x + 1.0),
        (x * c, x * c.copy()),
        (x @ c, x @ c),
        (c @ x, c @ x),
        (x < 0.5, x < 0.5),
        (x.T, x.T),
        (x * x, x * x),
        (x[0], x[0]),
        (x + 0.0, x - 0.0),
    ]
    for a, b in pairs:
        assert a._node is b._node


def test_different_constants_are_different_nodes():
    x = secret((3, 3))
    c = np.arange(9.0).reshape(3, 3)
    made = [
        x + 1.0,
        x + np.ones((1, 1)),
        x * 1.0,
        x * c,
        x * (c + 1e-9),
        x * c.T,
        x @ c,
        c @ x,
        x * x,
        x * x.T,
    ]
    assert len({each._node for each in made}) == len(made)


@pytest.mark.parametrize("kind", [AddPublic, MultiplyPublic, lambda c: MatMulPublic(c, left=True)])
def test_operations_with_a_public_array_are_known_by_its_digest(kind):
    a, b, other = (kind(np.array([[1.0, 2.0]]) + shift) for shift in (0.0, 0.0, 1e-12))
    assert a == b != other
    assert hash(a) == hash(b)


def test_tracing_takes_work_in_proportion_to_the_operations():
    def work(count: int) -> int:
        def traced() -> None:
            y = secret()
            for n in range(count):
                y = y + y * float(n)

        return calls(traced)

    # 10 in proportion, 100 if every node looked at all others
    assert work(4000) < 20 * work(400)


# ---- what sizes are made of ----------------------------------------------------------------------


def node(low: float, high: float, shape=(4,)):
    graph = Graph()
    return graph.add(Source("x", shape, 0), interval=(low, high))


@pytest.mark.parametrize(
    ("peak", "bits"),
    [(0.0, 3), (0.4, 2), (0.5, 3), (0.99, 3), (1.0, 4), (1.5, 4), (2.0, 5), (1023.0, 13)],
)
def test_integer_bits_are_those_of_the_range_its_sign_and_two_more(peak, bits):
    found = node(-peak, peak)
    assert Sizes(Graph(), Numerics()).integer_bits(found) == bits


def test_the_limit_is_the_range_as_long_as_the_integer_bits_hold_it():
    usual = 2.0**13
    sizes = Sizes(Graph(), Numerics(integer_bits=16, margin=4.0))
    assert sizes.limit(node(-100.0, 7.0)) == 100.0
    assert sizes.limit(node(-100.0, 7.0)) == 100.0  # of another node that is equal
    wide = node(-1e9, 1e9)  # uniform, with a deviation of 5.8e8
    assert sizes.limit(wide) == 1e9
    assert sizes.limit(wide) == sizes.limits[wide] == 1e9
    assert sizes.limit(node(-math.inf, math.inf)) == pytest.approx(usual)


def test_room_is_the_scale_and_the_integer_bits_less_one_that_would_take_a_limb():
    sizes, one = Sizes(Graph(), Numerics()), node(-1.0, 1.0)
    for scale, bits in ((20, 24), (59, 63), (60, 64), (61, 64), (62, 66), (124, 128), (125, 128)):
        sizes.scales[one] = scale
        assert sizes.room(one) == bits
    full = node(-1023.99, 1023.99)  # all but reached, so that the spare bit is needed
    sizes.scales[full] = 65 - sizes.integer_bits(full)
    assert sizes.room(full) == 65


def test_a_product_reads_operands_at_the_jobs_fraction_bits_and_never_finer():
    sizes, x = Sizes(Graph(), Numerics(20)), node(-1.0, 1.0)
    for scale, shift in ((0, 0), (12, 0), (20, 0), (33, 13), (60, 40)):
        sizes.scales[x] = scale
        assert (sizes.operand_shift(x), sizes.operand_scale(x)) == (shift, scale - shift)


def test_what_is_opened_is_what_a_node_is_a_view_of():
    x = secret((4, 6))
    sizes, base = Sizes(x._graph, Numerics()), x._node
    assert sizes.base(base) == (base, ())
    found, views = sizes.base(x.T.reshape(3, 8)._node)
    assert found is base and len(views) == 2
    assert sizes.base(x[1:3]._node)[0] is base  # of the setup, where it is opened whole


@pytest.mark.parametrize(
    "values",
    [
        {"fraction_bits": 3},
        {"fraction_bits": 41},
        {"fraction_bits": 16.0},
        {"integer_bits": 3},
        {"integer_bits": 41},
        {"integer_bits": True},
        {"margin": 3.9},
        {"margin": 2.0**21},
    ],
)
def test_numerics_that_cannot_be_are_refused(values):
    with pytest.raises(JobError, match=next(iter(values))):
        Numerics(**values)
