"""The dealer's copy of a plan: any bytes are a contract that can be dealt, or a ProtocolError."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from party.jobs.seed import Seed
from party.jobs.xor import Xor
from protocol import contract_codec
from protocol.contract import Dealing
from protocol.errors import ConfigError, ProtocolError
from protocol.graph import Phase
from protocol.jobs import Job
from protocol.plan import make_plan
from protocol.planfile import load_plan, save_plan
from protocol.schedule import PhaseSchedule
from protocol.tracing import trace


def dealing_of(job: Job) -> Dealing:
    shapes = {name: np.shape(each.default) for name, each in job.inputs.items()}
    return make_plan(trace(job, shapes, 1000), 0, (0, 1)).dealing


GOOD = dealing_of(Seed())
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from(
        ["product", "truncate", "powers", "monomials", "contraction", "Transpose", "Rows", "mul"]
    ),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=20,
)


def unpacked(data: bytes) -> Dealing | None:
    """The dealing, or None if it was refused the documented way. Nothing else may happen."""
    try:
        dealing = contract_codec.unpack(data)
    except ProtocolError as error:
        assert len(str(error)) < 1000
        return None
    assert contract_codec.unpack(contract_codec.pack(dealing)) == dealing
    for phase in Phase:
        assert dealing.step_bytes(phase) >= 0
    return dealing


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(data):
    assert unpacked(data) is None


@settings(max_examples=500, deadline=None)
@given(PLAIN)
def test_plain_data_of_any_kind_is_refused(data):
    assert unpacked(msgpack.packb(data)) is None
    assert unpacked(msgpack.packb([1, 5, data])) is None
    unpacked(msgpack.packb([1, 5, [[[], []], [[], data], [[], []]]]))
    unpacked(msgpack.packb([1, 5, [[[], []], [[], [data]], [[], []]]]))


def places(value: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    found = [path]
    for n, each in enumerate(value if isinstance(value, list) else []):
        found += places(each, (*path, n))
    return found


TREE = msgpack.unpackb(contract_codec.pack(GOOD))
PLACES = places(TREE)


def replaced(value: Any, path: tuple[int, ...], new: Any) -> Any:
    if not path:
        return new
    return [replaced(each, path[1:], new) if n == path[0] else each for n, each in enumerate(value)]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(PLACES),
    PLAIN | st.sampled_from([[], [[]], 0, -1, 2, 3, 65, 1 << 40, [1 << 40] * 3]),
)
def test_a_plan_with_one_thing_changed_is_refused_or_whole(path, new):
    unpacked(msgpack.packb(replaced(TREE, path, new)))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(contract_codec.pack(GOOD)) - 1), st.integers(0, 255))
def test_a_plan_with_one_byte_changed_is_refused_or_whole(place, byte):
    data = contract_codec.pack(GOOD)
    unpacked(data[:place] + bytes([byte]) + data[place + 1 :])
    assert unpacked(data[:place]) is None
    assert unpacked(data + bytes([byte])) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("masks", "limbs"), 0),
        (("masks", "limbs"), -1),
        (("masks", "limbs"), 1 << 40),
        (("masks", "shape"), (-1, 3)),
        (("operand", "index"), 99),
        (("operand", "index"), -1),
        (("operand", "phase"), 2),
        (("operand", "phase"), 7),
        (("operand", "source_limbs"), 3),
        (("operand", "limbs"), 0),
        (("operand", "bits"), 0),
        (("operand", "bits"), 1000),
        (("operand", "shift"), -1),
        (("operand", "shift"), 128),
        (("operand", "shape"), (7, 7)),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_before_anything_is_dealt(path, value):
    """The dealer serves several sessions: a plan of the right form that no computation could have
    is a ProtocolError too, not an exception from the middle of a batch."""
    setup, step, check, finish = dealing_of(Xor()).phases
    (number, product) = next((n, s) for n, s in enumerate(step.correlations) if s.kind == "product")
    if path[0] == "masks":
        mask = dataclasses.replace(step.masks[0], **{path[1]: value})
        step = dataclasses.replace(step, masks=(mask, *step.masks[1:]))
    else:
        broken = dataclasses.replace(product, b=dataclasses.replace(product.b, **{path[1]: value}))
        changed = (*step.correlations[:number], broken, *step.correlations[number + 1 :])
        step = dataclasses.replace(step, correlations=changed)
    assert (
        unpacked(contract_codec.pack(Dealing((setup, step, check, finish), PhaseSchedule(10))))
        is None
    )


def test_a_plan_file_is_whole_or_refused(tmp_path):
    path = tmp_path / "job.plan"
    save_plan(path, GOOD)
    assert load_plan(path) == GOOD
    raw = bytearray(path.read_bytes())
    for at in (3, 20, 60, len(raw) - 1):
        raw[at] ^= 4
        path.write_bytes(raw)
        with pytest.raises(ConfigError):
            load_plan(path)
        raw[at] ^= 4
    path.write_bytes(raw[:-1])
    with pytest.raises(ConfigError, match="is damaged"):
        load_plan(path)
