"""Every class of operation: its gradient's rule against central differences of what it means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import numbers

from protocol import structural, views
from protocol.errors import JobError
from protocol.graph import Graph
from protocol.lowering import Secure
from protocol.nodes import Op, Source
from protocol.ops import (
    Secret,
    gradient,
)
from protocol.ops.coarse import Coarse
from protocol.ops.comparison import Compare, Mux
from protocol.ops.constants import Constant
from protocol.ops.ended import Ended
from protocol.ops.exponential import Exp
from protocol.ops.linear import Add, Negate
from protocol.ops.maxima import Top
from protocol.ops.periodic import SIGMOID, SIGMOID_DERIVATIVE, Fourier
from protocol.ops.polynomials import Poly
from protocol.ops.products import MatMul, Multiply
from protocol.ops.public import AddPublic, MatMulPublic, MultiplyPublic
from protocol.ops.selection import Settled
from protocol.ops.stepwise import AddStepwise, Keep, MultiplyStepwise
from protocol.ops.stored import Stored
from protocol.ops.structure import Concatenate, Structure
from protocol.ops.sums import CumSum, Sum
from protocol.ops.truncation import Rescale

FEW = settings(max_examples=15, deadline=None)
Shape = tuple[int, ...]
DIMS = st.integers(1, 4)
SHAPES = st.lists(DIMS, min_size=1, max_size=3).map(tuple)


def public(shape: Shape, seed: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape)


@st.composite
def broadcasting(draw: Any) -> tuple[Shape, Shape]:
    """Two shapes that broadcast, either way."""
    full = draw(SHAPES)
    part = tuple(draw(st.sampled_from([1, length])) for length in full)[
        draw(st.integers(0, len(full))) :
    ]
    return (full, part) if draw(st.booleans()) else (part, full)


@st.composite
def keys(draw: Any) -> tuple[Shape, views.View]:
    shape = draw(SHAPES)
    ends = st.one_of(st.none(), st.integers(-4, 4))
    steps = st.sampled_from([None, 1, 2, 3, -1, -2])
    items: list[Any] = []
    for length in shape:
        item = draw(
            st.one_of(st.integers(-length, length - 1), st.builds(slice, ends, ends, steps))
        )
        items += [item, *draw(st.sampled_from([[], [None]]))]
    return shape, structural.index(shape, tuple(items))


@st.composite
def windows(draw: Any) -> tuple[Shape, views.View]:
    size = draw(st.tuples(DIMS, DIMS))
    shape = (*draw(SHAPES)[:1], *(draw(st.integers(length, 7)) for length in size))
    return shape, structural.windows(shape, size, draw(st.tuples(DIMS, DIMS)))


@st.composite
def padded(draw: Any) -> tuple[Shape, views.View]:
    shape = draw(SHAPES)
    return shape, structural.pad(
        shape, tuple(draw(st.tuples(*[st.integers(0, 2)] * 3)) for _ in shape)
    )


@st.composite
def taken(draw: Any) -> tuple[Shape, views.View]:
    shape = draw(SHAPES)
    axis = draw(st.integers(0, len(shape) - 1))
    places = draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), max_size=5))
    return shape, structural.take(shape, axis, places)


def structures() -> Any:
    def transposed(shape: Shape) -> Any:
        return st.permutations(range(len(shape))).map(
            lambda axes: (shape, structural.transpose(shape, tuple(axes)))
        )

    return st.one_of(
        SHAPES.flatmap(transposed),
        SHAPES.map(lambda shape: (shape, structural.reshape(shape, (-1,)))),
        broadcasting().map(lambda two: (two[1], views.Broadcast(np.broadcast_shapes(*two)))),
        keys(),
        windows(),
        padded(),
        taken(),
    )


@st.composite
def matrices(draw: Any) -> tuple[Shape, Shape]:
    """Shapes of a matrix product, both with further axes that broadcast."""
    (a, b), (n, k, m) = draw(broadcasting()), draw(st.tuples(DIMS, DIMS, DIMS))
    return (*a[:2], n, k), (*b[:2], k, m) if len(a) == len(b) else (k, m)


@st.composite
def sums(draw: Any) -> tuple[Op, Shape]:
    shape = draw(SHAPES)
    return Sum(
        tuple(sorted(draw(st.sets(st.integers(0, len(shape) - 1))))), draw(st.booleans())
    ), shape


@st.composite
def parts(draw: Any) -> tuple[Op, ...]:
    shape, axis = draw(SHAPES), draw(st.integers(0, 2))
    axis %= len(shape)
    lengths = draw(st.lists(DIMS, min_size=1, max_size=3))
    return (Concatenate(axis), *((*shape[:axis], length, *shape[axis + 1 :]) for length in lengths))


# An operation and the shapes of its operands, for every class.
CASES: dict[type[Op], Any] = {
    Add: st.tuples(st.booleans(), broadcasting()).map(lambda case: (Add(case[0]), *case[1])),
    Negate: SHAPES.map(lambda shape: (Negate(), shape)),
    AddPublic: broadcasting().map(lambda two: (AddPublic(public(two[0])), two[1])),
    MultiplyPublic: st.one_of(
        broadcasting().map(lambda two: (MultiplyPublic(public(two[0])), two[1])),
        broadcasting().map(lambda two: (MultiplyPublic(np.full(two[0], -0.3)), two[1])),
    ),
    AddStepwise: broadcasting().map(lambda two: (AddStepwise(public((2, *two[0]))), two[1])),
    MultiplyStepwise: broadcasting().map(
        lambda two: (MultiplyStepwise(public((2, *two[0]))), two[1])
    ),
    Keep: SHAPES.map(lambda shape: (Keep(7, 1 << 63), shape)),
    MatMulPublic: st.one_of(
        st.tuples(DIMS, SHAPES).map(
            lambda case: (MatMulPublic(public((case[1][-1], case[0])), False), (2, *case[1]))
        ),
        matrices().map(lambda two: (MatMulPublic(public(two[1]), False), two[0])),
        matrices().map(lambda two: (MatMulPublic(public(two[0]), True), two[1])),
        st.tuples(DIMS, DIMS, SHAPES).map(
            lambda case: (
                MatMulPublic(public((case[0], case[1])), True),
                (*case[2][:-1], case[1], case[2][-1]),
            )
        ),
    ),
    Sum: sums(),
    CumSum: sums().map(lambda case: (CumSum((case[0].axes or (0,))[-1]), case[1])),
    Concatenate: parts(),
    Structure: structures().map(lambda case: (Structure(case[1]), case[0])),
    Multiply: broadcasting().map(lambda two: (Multiply(), *two)),
    MatMul: matrices().map(lambda two: (MatMul(), *two)),
    Compare: st.tuples(SHAPES, st.booleans()).map(
        lambda case: (Compare(0.3, negated=case[1]), case[0])
    ),
    Mux: SHAPES.map(lambda shape: (Mux(), shape, shape)),
    Poly: st.one_of(
        st.tuples(SHAPES, st.integers(1, 6), st.sampled_from([None, 16])).map(
            lambda case: (
                Poly(tuple(public((case[1] + 1,)).tolist()), 4.0, argument_bits=case[2]),
                case[0],
            )
        ),
        st.tuples(SHAPES, st.integers(3, 5)).map(
            lambda case: (Poly((0.0,) * case[1] + (1.0,)), case[0])
        ),
    ),
    Exp: SHAPES.map(lambda shape: (Exp(), shape)),
    Fourier: st.tuples(SHAPES, st.sampled_from([SIGMOID, SIGMOID_DERIVATIVE])).map(
        lambda case: (case[1], case[0])
    ),
}
NO_GRADIENT = {
    Constant: "it has no operands",
    Coarse: "a reveal makes it, of what is revealed",
    Stored: "it has no operands",
    Ended: "a plan adds it, for the guard, after gradients have been traced",
    Top: "it says where a maximum stands, which does not change",
    Rescale: "sizing inserts it, after gradients have been traced",
    Settled: "it is put behind what is selected from when the whole job has been traced",
}


def operations(kind: type[Op] = Secure) -> set[type[Op]]:
    """Every concrete operation of the project: the classes that say what they compute, or how."""
    subclasses = [each for each in kind.__subclasses__() if each.__module__.startswith("protocol.")]
    own = {
        each
        for each in subclasses
        if each.clear is not Op.clear and vars(each).keys() & {"clear", "emit"}
    }
    return own.union(*map(operations, subclasses))


def test_every_operation_has_a_rule_that_is_tested_or_a_reason_to_have_none():
    assert operations() == CASES.keys() | NO_GRADIENT.keys()


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
@given(st.data())
@FEW
def test_a_rule_equals_central_differences(kind, data):
    """By each operand, for a loss Σ weights · op(operands): with public cotangents, and with the
    secret ones of a product."""
    op, *shapes = data.draw(CASES[kind])
    arrays = [np.asarray(numbers(shape, seed, 2.0) + 0.01) for seed, shape in enumerate(shapes)]
    graph = Graph()
    leaves = [
        Secret(graph, graph.add(Source(f"x{n}", shape, 0), interval=(-4, 4)))
        for n, shape in enumerate(shapes)
    ]
    operands = [leaf >= 0.0 if kind is Mux and n == 0 else leaf for n, leaf in enumerate(leaves)]
    out = operands[0]._apply(op, *operands[1:])
    weights = public(out.shape, 5)
    chosen = leaves[1:] if kind is Mux else leaves
    losses = {
        "public": (out * weights).sum(),
        "ones": out.sum() / 3,
        "secret": (out * (out * weights)).sum(),
    }
    for name, loss in losses.items():
        if kind is Compare:
            with pytest.raises(JobError, match="only through comparisons"):
                gradient(loss, chosen)
            continue
        found = gradient(loss, chosen)
        graph.revealed = {"loss": loss._node} | {f"g{n}": g._node for n, g in enumerate(found)}
        got = graph.run_clear(dict(zip(("x0", "x1", "x2"), arrays, strict=False)), 0)
        for n, leaf in enumerate(chosen):
            index = 1 if kind is Mux else n
            expected = differences(graph, arrays, index)
            assert got[f"g{n}"].shape == leaf.shape
            np.testing.assert_allclose(got[f"g{n}"], expected, rtol=1e-5, atol=1e-5, err_msg=name)


def differences(
    graph: Graph, arrays: list[np.ndarray], index: int, step: float = 2.0**-14
) -> np.ndarray:
    """∂ of the revealed loss by the input `index`, entry by entry."""
    found = np.zeros(arrays[index].shape)
    for place in np.ndindex(found.shape):
        values = []
        for sign in (1, -1):
            moved = [array.copy() for array in arrays]
            moved[index][place] += sign * step
            values.append(
                float(np.sum(graph.run_clear({f"x{n}": a for n, a in enumerate(moved)}, 0)["loss"]))
            )
        found[place] = (values[0] - values[1]) / (2 * step)
    return found
