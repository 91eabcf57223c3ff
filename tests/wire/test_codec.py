"""What arrives is a message or a ProtocolError, never anything else."""

from __future__ import annotations

from contextlib import suppress

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ProtocolError, UsageError
from protocol.wire.codec import INLINE_BYTES, MAX_DEPTH, MessageLimits, decode, encode
from protocol.wire.messages import PROTOCOL_VERSION, RULES, Kind, Message, kinds_between

SMALL = MessageLimits(header=1 << 16, frame=1 << 16, total=1 << 17, buffers=8)

numbers = st.integers(0, 2**63 - 1)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def header(**changes: object) -> list[object]:
    fields: dict[str, object] = {
        "version": PROTOCOL_VERSION,
        "kind": int(Kind.ROUND),
        "link": 7,
        "seq": 1,
        "ack": 0,
        "to": "",
        "session": "s",
        "attempt": 1,
        "number": 2,
        "body": None,
        "parts": [],
    }
    return list((fields | changes).values())


def rejected(frames: list[bytes], limits: MessageLimits = SMALL) -> str:
    with pytest.raises(ProtocolError) as caught:
        decode(frames, limits)
    text = str(caught.value)
    assert text and "\n" not in text and len(text) < 200
    return text


@given(
    kind=st.sampled_from([kind for kind, rule in RULES.items() if rule.buffers]),
    session=st.text(max_size=16),
    attempt=numbers,
    number=numbers,
    body=st.none() | st.dictionaries(st.text(), plain, max_size=4),
    buffers=st.lists(st.binary(max_size=300) | st.just(bytes(INLINE_BYTES)), max_size=4),
    seq=numbers,
    ack=numbers,
    link=numbers,
)
@settings(max_examples=300, deadline=None)
def test_what_was_sent_is_what_arrives(
    kind, session, attempt, number, body, buffers, seq, ack, link
):
    message = Message(kind, session, attempt, number, body, tuple(buffers))
    frames = [bytes(frame) for frame in encode(message, seq, ack, link)]
    assert decode(frames) == (message, seq, ack, link)


def test_small_buffers_share_the_frame_and_large_ones_are_not_copied():
    large = bytearray(INLINE_BYTES + 1)
    frames = encode(Message(Kind.ROUND, "s", 1, 1, None, (b"tiny", large)), 1, 0)
    assert len(frames) == 2
    assert frames[1] is large
    assert (
        len(encode(Message(Kind.ROUND, "s", 1, 1, None, (b"x" * 100,)), 1, 0, 2**32 - 1)[0]) < 135
    )


def test_a_view_of_wide_elements_is_measured_in_bytes():
    view = memoryview(bytearray(8 * 4000)).cast("Q")
    frames = encode(Message(Kind.ROUND, buffers=(view,)), 1, 0)
    message, *_ = decode([frames[0], bytes(frames[1])])
    assert bytes(message.buffers[0]) == view.tobytes()
    small = memoryview(bytearray(8 * 4)).cast("Q")
    assert decode(encode(Message(Kind.ROUND, buffers=(small,)), 1, 0))[0].buffers == (bytes(32),)


@given(st.lists(st.binary(max_size=200), max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_bytes_at_all(frames):
    with suppress(ProtocolError):
        decode(frames, SMALL)


@given(st.lists(plain, min_size=9, max_size=13), st.lists(st.binary(max_size=50), max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_array(fields, rest):
    for start in ([], [PROTOCOL_VERSION], [PROTOCOL_VERSION, 21]):
        try:
            decode([msgpack.packb((start + fields)[:11]), *rest], SMALL)
        except ProtocolError:
            pass
        except OverflowError:  # packb's, for integers beyond 64 bits
            return


@pytest.mark.parametrize("to", ["alice", "bob", "dealer", ""])
def test_a_message_is_read_by_the_one_it_is_for(to):
    frames = encode(Message(Kind.SEED, "s", 1, 0, None, (b"seed",)), 1, 0, 7, to)
    for own in ("alice", "bob", "dealer"):
        if own == to:
            assert decode(frames, SMALL, own)[0].buffers == (b"seed",)
        else:
            with pytest.raises(
                ProtocolError, match=f"a SEED message arrived that is not for {own}"
            ):
                decode(frames, SMALL, own)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_field_replaced(data):
    fields = header(parts=[b"abc", 3])
    index = data.draw(st.integers(0, 10))
    fields[index] = data.draw(plain)
    try:
        packed = msgpack.packb(fields)
    except OverflowError:
        return
    frames = [packed, data.draw(st.binary(max_size=4))]
    with suppress(ProtocolError):
        decode(frames, SMALL)


@given(st.integers(0, 400), st.integers(0, 255), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_real_message_damaged(position, value, cut):
    frame = encode(
        Message(Kind.PLAN, "session", 1, 2, {"a": [1, {"b": b"c"}]}, (b"x" * 100,)), 3, 4, 5
    )[0]
    damaged = bytearray(frame)
    position %= len(damaged)
    if cut:
        del damaged[position:]
    else:
        damaged[position] = value
    with suppress(ProtocolError):
        decode([bytes(damaged)], SMALL)


def test_another_version_is_named():
    assert "version 3" in rejected([msgpack.packb(header(version=3))])
    assert f"version {PROTOCOL_VERSION}" in rejected([msgpack.packb(header(version=1))])
    assert "version 3" in rejected([msgpack.packb([3, "another", "shape"])])


@pytest.mark.parametrize(
    ("changes", "rest", "word"),
    [
        ({"version": True}, [], "not of this protocol"),
        ({"version": "1"}, [], "not of this protocol"),
        ({"kind": 99}, [], "unknown kind"),
        ({"kind": "ROUND"}, [], "unknown kind"),
        ({"kind": [21]}, [], "unknown kind"),
        ({"seq": -1}, [], "numbers"),
        ({"seq": True}, [], "numbers"),
        ({"ack": 2**63}, [], "numbers"),
        ({"attempt": 1.0}, [], "numbers"),
        ({"number": None}, [], "numbers"),
        ({"session": b"s"}, [], "malformed"),
        ({"session": "s" * 65}, [], "malformed"),
        ({"parts": {}}, [], "malformed"),
        ({"body": []}, [], "not a map"),
        ({"body": {1: 2}}, [], "cannot be decoded"),
        ({"kind": int(Kind.ACK), "body": {}}, [], "with a body"),
        ({"kind": int(Kind.ACK), "parts": [b""]}, [], "with buffers"),
        ({"parts": [4]}, [], "fewer frames"),
        ({"parts": [4]}, [b"123"], "length"),
        ({"parts": [-1]}, [b""], "length"),
        ({"parts": [3]}, [b"123", b"4"], "does not announce"),
        ({"parts": []}, [b"1"], "does not announce"),
        ({"parts": ["abc"]}, [], "malformed list"),
        ({"parts": [True]}, [b"1"], "malformed list"),
        ({"parts": [b"1"] * 9}, [], "9 buffers"),
        ({"parts": [1 << 16, 1 << 16, 1]}, [bytes(1 << 16), bytes(1 << 16), b"1"], "limit"),
        ({"parts": [(1 << 16) + 1]}, [bytes((1 << 16) + 1)], "limit"),
        ({"body": {"x": msgpack.ExtType(5, b"1")}}, [], "extension"),
        ({"body": {"x": msgpack.Timestamp(1)}}, [], ""),
        ({"body": {"x": "y" * (1 << 16)}}, [], "limit"),
    ],
)
def test_each_malformation_has_its_sentence(changes, rest, word):
    assert word in rejected([msgpack.packb(header(**changes)), *rest])


def test_depth_and_width_are_bounded():
    deep: object = 1
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    assert "nested" in rejected([msgpack.packb(header(body={"x": deep}))])
    rejected([b"\x91" * 5000])
    rejected([b"\xdd\xff\xff\xff\xff" * 2000])
    rejected([])


def test_local_mistakes_are_usage_errors():
    with pytest.raises(UsageError):
        encode(Message(Kind.CREDIT, buffers=(b"x",)), 1, 0)
    with pytest.raises(UsageError):
        encode(Message(Kind.HELLO, body={"x": object()}), 1, 0)
    with pytest.raises(UsageError):
        encode(Message(Kind.HELLO, body={"x": "y" * (1 << 17)}), 1, 0)


def test_the_dealer_is_sent_nothing_that_depends_on_data():
    for party in ("alice", "bob"):
        told = {kind for kind in kinds_between(party, "dealer") if RULES[kind].numbered}
        assert Kind.ROUND not in told
        assert Kind.CHUNK not in told
        assert {kind for kind in told if RULES[kind].buffers} == {Kind.PLAN}
    assert Kind.ROUND not in kinds_between("dealer", "alice")


def test_a_message_never_shows_its_contents():
    assert "616263" not in repr(Message(Kind.ROUND, buffers=(b"abc",))) and "abc" not in repr(
        Message(Kind.ROUND, body={"x": "abc"}, buffers=(b"abc",))
    )
