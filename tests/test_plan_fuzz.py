"""Plans from strangers: whatever arrives is a sound plan or a ProtocolError, and nothing is
allocated to find out."""

from __future__ import annotations

import copy
import time
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import contract_codec
from protocol.contract import Dealing
from protocol.cost import LAN, Network
from protocol.dealing import Deal
from protocol.errors import ProtocolError
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.ops import concatenate, conv2d, relu, sigmoid, softmax, take
from protocol.plan import make_plan
from protocol.tracing import trace
from protocol.validate import Limits

LIMITS = Limits(memory=64 << 20, work=1 << 30, parts=1 << 10, message=32 << 20)


class Everything(Job):
    """At least one correlation of every kind, and every view."""

    x = Input("bob", shape=(6, 3), low=-1, high=1)
    y = Input("bob", shape=(6, 1), low=0, high=1)
    w = Input("alice", shape=(3, 1), low=-8, high=8)
    a = Input("alice", shape=(4, 3), low=-2, high=2)

    def step(self, v):
        out = sigmoid(v.x @ v.w)
        v.w += v.x.T @ ((v.y - out) * out * (1 - out))
        v.a = relu(v.a) * 0.5 + v.x.minibatch(4) * v.a - v.x.minibatch(4, shuffle=5) * v.a

    def finish(self, v):
        flat = concatenate([v.a[::-2], v.a[1:3]]).reshape(12)
        picture, kernels = v.x.reshape(1, 1, 6, 3), v.a.reshape(3, 1, 2, 2)
        seen = conv2d(picture, kernels, stride=2, padding=1)
        v.reveal(taken=take(v.a, [0, 2, 2, 1], 0) @ v.w)
        v.reveal(
            seen=seen,
            w=v.w,
            gated=(v.a > 0.25) * v.a,
            cube=flat * flat * flat,
            total=(v.a @ v.w).sum(),
            t=v.a.T @ v.a,
        )


class Gated(Job):
    """What joins in numbers where a round is worth much."""

    w = Input("alice", shape=(4, 3), low=-2, high=2)

    def step(self, v):
        v.w = relu(v.w) * 0.5

    def finish(self, v):
        v.reveal(w=v.w)


def dealing_of(job: Job, network: Network = LAN) -> Dealing:
    shapes = {name: each.shape for name, each in job.inputs.items()}
    return make_plan(trace(job, shapes, 50, network), 0, (0, 1)).dealing


GOOD = dealing_of(Everything())
TREE = msgpack.unpackb(contract_codec.pack(GOOD))
HOSTILE = [
    -1,
    0,
    1,
    2,
    7,
    63,
    64,
    65,
    127,
    129,
    255,
    1 << 16,
    1 << 31,
    1 << 40,
    (1 << 47) + 1,
    -(1 << 40),
    1 << 62,
]


def read(tree: Any) -> Dealing | None:
    try:
        return contract_codec.unpack(
            tree if isinstance(tree, bytes) else msgpack.packb(tree), LIMITS
        )
    except ProtocolError as error:
        text = str(error)
        assert text.isprintable() and len(text) < 600
        return None


def places(tree: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    found = [path]
    for number, each in enumerate(tree if isinstance(tree, list) else ()):
        found += places(each, (*path, number))
    return found


def changed(tree: Any, path: tuple[int, ...], value: Any) -> Any:
    if not path:
        return value
    tree = copy.copy(tree)
    tree[path[0]] = changed(tree[path[0]], path[1:], value)
    return tree


PLACES = places(TREE)


def at(path: tuple[int, ...], tree: Any = TREE) -> Any:
    for number in path:
        tree = tree[number]
    return tree


NUMBERS = [path for path in PLACES if type(at(path)) is int]
LISTS = [path for path in PLACES if type(at(path)) is list and path]


def safe_to_deal(dealing: Dealing) -> None:
    """What was accepted can be made: one step of each phase, the last one too, without any
    error."""
    deal = Deal(dealing, bytes(32), bytes(32))
    for phase in Phase:
        if (count := dealing.count(phase)) and dealing.phases[phase].dealt_words:
            words = deal.corrections(phase, count - 1, 1)
            assert words.nbytes <= LIMITS.message


def test_the_good_plan_is_good():
    assert read(TREE) == GOOD
    safe_to_deal(GOOD)
    kinds = {spec.kind for own in GOOD.phases for spec in own.correlations}
    assert {"product", "digits", "join", "bit", "gate"} <= kinds


def test_hostile_numbers_in_comparisons_that_join_in_numbers():
    far = dealing_of(Gated(), Network(rtt=1.0))
    tree = msgpack.unpackb(contract_codec.pack(far))
    assert read(tree) == far
    safe_to_deal(far)
    specs = [
        path
        for path in places(tree)
        if isinstance(at(path, tree), list) and at(path, tree)[:1] == ["totals"]
    ]
    numbers = [
        (*specs[0], *path)
        for path in places(at(specs[0], tree))
        if type(at((*specs[0], *path), tree)) is int
    ]
    assert len(numbers) > 20
    for path in numbers:
        for value in HOSTILE:
            if (dealing := read(changed(tree, path, value))) is not None:
                safe_to_deal(dealing)


def test_every_number_replaced_by_hostile_ones(pytestconfig):
    """Systematically: each number of the plan by a third of a list, in turn, or by all with
    --hostile. Accepted plans are dealt."""
    accepted = refused = 0
    begin = time.process_time()
    every = 1 if pytestconfig.getoption("--hostile") else 3
    for number, path in enumerate(NUMBERS):
        for value in HOSTILE[number % every :: every]:
            if value == at(path):
                continue
            dealing = read(changed(TREE, path, value))
            refused += dealing is None
            if dealing is not None:
                accepted += 1
                if accepted % 10 == 0:
                    safe_to_deal(dealing)
    assert refused > 5 * accepted and refused > 1000, (accepted, refused)
    assert time.process_time() - begin < 60 / every


class Functions(Job):
    """A softmax by the maximum: one correlation of every kind that functions take."""

    x = Input("bob", shape=(2, 3), low=-60, high=60)

    def step(self, v):
        v.p = softmax(v.x)

    setup = step

    def finish(self, v):
        v.reveal(p=v.p)


@pytest.mark.parametrize("kind", ["waves", "exponentials", "conjunctions"])
def test_every_number_of_what_a_function_takes_replaced_by_hostile_ones(kind):
    tree = msgpack.unpackb(contract_codec.pack(dealing_of(Functions())))
    spec = next(
        path
        for path in places(tree)
        if type(at(path, tree)) is list and at(path, tree)[:1] == [kind]
    )
    numbers = [
        path for path in places(tree) if path[: len(spec)] == spec and type(at(path, tree)) is int
    ]
    refused = 0
    for path in numbers:
        for value in HOSTILE:
            dealing = read(changed(tree, path, value))
            refused += dealing is None
            if dealing is not None:
                safe_to_deal(dealing)
    assert refused > 5 * len(numbers)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(NUMBERS), st.sampled_from(HOSTILE) | st.integers(-3, 70)),
        min_size=1,
        max_size=4,
    )
)
def test_several_numbers_changed(changes):
    tree = TREE
    for path, value in changes:
        tree = changed(tree, path, value)
    if (dealing := read(tree)) is not None:
        safe_to_deal(dealing)


@settings(max_examples=800, deadline=None)
@given(st.sampled_from(LISTS), st.sampled_from(LISTS))
def test_parts_exchanged(one, other):
    if (dealing := read(changed(TREE, one, at(other)))) is not None:
        safe_to_deal(dealing)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=800, deadline=None)
@given(st.sampled_from(PLACES), PLAIN)
def test_anything_anywhere(path, value):
    if (dealing := read(changed(TREE, path, value))) is not None:
        safe_to_deal(dealing)


@settings(max_examples=800, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data):
    assert read(data) is None


def test_bombs_cost_nothing():
    """Sizes that would be petabytes, ten thousand views, a deep nest, a wide one: refused without
    the memory."""
    field = [[1 << 40, 1 << 40], 1, False]
    mask = [1, 0, 1, 64, 0, 1, [3, 1], []]
    empty = [[], []]
    broadcast = [["Broadcast", [1 << 20, 1 << 20]]]
    bombs = [
        [contract_codec.VERSION, 5, 0, [[[field], []], empty, empty, empty]],
        [contract_codec.VERSION, 5, 0, [empty, [[[[3, 1], 1, False]] * 100_000, []], empty, empty]],
        [
            contract_codec.VERSION,
            5,
            0,
            [
                empty,
                [[[[3, 1], 1, False]], [["product", "mul", mask[:7] + [broadcast], mask, 1]]],
                empty,
                empty,
            ],
        ],
        [
            contract_codec.VERSION,
            5,
            0,
            [
                empty,
                [
                    [[[3, 1], 1, False]],
                    [
                        [
                            "product",
                            "mul",
                            mask[:6] + [[3, 1], [["Reshape", [3, 1]]] * 9_999],
                            mask,
                            1,
                        ]
                    ],
                ],
                empty,
                empty,
            ],
        ],
        [
            contract_codec.VERSION,
            1 << 39,
            0,
            [empty, [[[[1 << 22, 1], 8, False]], []], empty, empty],
        ],
        [
            contract_codec.VERSION,
            5,
            0,
            [
                empty,
                [[[[1], 1, False]], [["powers", [1, 0, 1, 64, 0, 1, [1], []], 0, 1 << 40, 8]]],
                empty,
                empty,
            ],
        ],
        [contract_codec.VERSION, 5, 0, [empty, [[[[0, 1 << 40], 1, False]], []], empty, empty]],
    ]
    nested: Any = []
    for _ in range(500):
        nested = [nested]
    for bomb in (*bombs, nested, [contract_codec.VERSION, 5, 0, [nested, empty, empty, empty]]):
        data = msgpack.packb(bomb)
        tracemalloc.start()
        begin = time.process_time()
        assert read(data) is None, str(bomb)[:100]
        assert time.process_time() - begin < 3
        assert tracemalloc.get_traced_memory()[1] < 1 << 20 or len(data) > 100_000
        tracemalloc.stop()
    assert read(b"\xdd\xff\xff\xff\xff" + bytes(100)) is None


def test_work_is_bounded():
    """Two operands that fit, and a product that would take a minute."""
    masks = [[[512, 512], 1, False], [[512, 512], 1, False]]
    operands = [[1, n, 1, 64, 0, 1, [512, 512], []] for n in (0, 1)]
    tree = [
        contract_codec.VERSION,
        1,
        0,
        [[[], []], [masks, [["product", "matmul", *operands, 1]]], [[], []], [[], []]],
    ]
    data = msgpack.packb(tree)
    assert read(tree) is not None
    with pytest.raises(ProtocolError, match="multiplications"):
        contract_codec.unpack(data, Limits(memory=1 << 30, work=1 << 26))
    with pytest.raises(ProtocolError, match="--max-step-memory"):
        contract_codec.unpack(data, Limits(memory=1 << 22))


def test_little_made_much_is_made_in_small_chunks():
    """A scalar a step, broadcast to a million and multiplied down to one again: the operands set
    the chunk's size."""
    mask = [1, 0, 1, 64, 0, 1]
    row, column = (
        [*mask, [1, 100_000], [["Broadcast", [1, 100_000]]]],
        [*mask, [100_000, 1], [["Broadcast", [100_000, 1]]]],
    )
    tree = [
        contract_codec.VERSION,
        1000,
        0,
        [
            [[], []],
            [[[[1, 1], 1, False]], [["product", "matmul", row, column, 1]]],
            [[], []],
            [[], []],
        ],
    ]
    dealing = contract_codec.unpack(msgpack.packb(tree), LIMITS)
    assert dealing.phases[Phase.STEP].steps_per_chunk <= 2
    words = Deal(dealing, bytes(32), bytes(32)).corrections(Phase.STEP, 0, 1)
    assert words.shape == (1, 1) and words.dtype == np.uint64
