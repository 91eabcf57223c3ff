"""Messages to frames and back. Pure; the only place that knows what the bytes look like.

The first frame is one msgpack array:

    [version, kind, link, seq, ack, to, session, attempt, number, body, parts]

`link` names the pair of process instances that talk (0 before they have agreed on one), `seq` and
`ack` belong to reliable.py. `to` and `session` say for whom the message is: the role of the
receiver, and its session. Each of `parts` is one buffer: the bytes themselves when small, so that a
small message is a single frame, or the length of one further frame, taken in order, so that large
buffers are never copied here.

Rules: whatever bytes arrive, `decode` returns a message or raises `ProtocolError` with one
    sentence, and never allocates more than a small multiple of what arrived. Nothing that was
    received is quoted in an error except numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from ..errors import ProtocolError, UsageError
from .messages import (
    KIND_OF,
    MAX_NUMBER,
    MAX_SESSION,
    PROTOCOL_VERSION,
    RULES,
    Buffer,
    Kind,
    Message,
)

# all small buffers of one message together; measured, see tests/channel/bench.py
INLINE_BYTES = 16 << 10
MAX_DEPTH = 16
_LEAVES = frozenset((type(None), bool, int, float, str, bytes))
_INNER = 4096  # elements of one array or map inside a header

_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack
_MAX_BODY = {kind: rule.max_body for kind, rule in RULES.items()}
_BUFFERS = {kind: rule.buffers for kind, rule in RULES.items()}


class GluedError(ProtocolError):
    """A message has more frames than it announces: another whole message follows it.

    A network attacker can join two messages of an honest peer so, although every frame is
    encrypted: the flag that more frames follow is outside of what CURVE protects (libzmq 4.3.5),
    and one changed bit sets it.
    """


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """The largest message that is accepted. Sizes in bytes."""

    header: int = 8 << 20  # the first frame: body and small buffers
    frame: int = 256 << 20
    total: int = 1 << 30
    buffers: int = 1024


DEFAULT_LIMITS = MessageLimits()


def encode(message: Message, seq: int, ack: int, link: int = 0, to: str = "") -> list[Buffer]:
    """The frames of `message` for a peer of role `to`. The first is `bytes`; further ones are the
    caller's own buffers."""
    kind = message.kind
    body = message.body
    frames: list[Buffer] = [b""]
    parts: list[Buffer | int] = []
    if message.buffers:
        if not _BUFFERS[kind]:
            raise UsageError(f"a {kind.name} message carries no buffers")
        room = INLINE_BYTES
        for buffer in message.buffers:
            size = len(buffer) if type(buffer) is bytes else _nbytes(buffer)
            if size <= room:
                room -= size
                parts.append(buffer)
            else:
                parts.append(size)
                frames.append(buffer)
    if body is not None:
        _check_own_body(kind, body)
    frames[0] = _pack(
        (
            PROTOCOL_VERSION,
            kind,
            link,
            seq,
            ack,
            to,
            message.session,
            message.attempt,
            message.number,
            body,
            parts,
        )
    )
    return frames


def decode(
    frames: Sequence[Buffer], limits: MessageLimits = DEFAULT_LIMITS, own: str = ""
) -> tuple[Message, int, int, int]:
    """(message, seq, ack, link) of the frames of one message to this process, of role `own`.
    ProtocolError for anything else."""
    if not frames:
        raise ProtocolError("a message without a single frame arrived")
    first = frames[0]
    if len(first) > limits.header:
        raise ProtocolError(f"a header of {len(first)} bytes arrived; the limit is {limits.header}")
    try:
        version, code, link, seq, ack, to, session, attempt, number, body, parts = msgpack.unpackb(
            first, max_array_len=_INNER, max_map_len=_INNER, ext_hook=_no_extension
        )
    except ProtocolError:
        raise
    except (
        Exception
    ) as error:  # msgpack has a dozen: all mean the same, and its texts quote what arrived
        raise _unreadable(first) from error
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise _version(version)
    kind = KIND_OF.get(code) if type(code) is int else None
    if kind is None:
        raise ProtocolError("a message of an unknown kind arrived")
    if to != own and not (kind is Kind.WHO and to == ""):  # asked of one whose name is not known
        raise ProtocolError(f"a {kind.name} message arrived that is not for {own or 'nobody'}")
    if not (
        type(link) is int
        and type(seq) is int
        and type(ack) is int
        and type(attempt) is int
        and type(number) is int
        and 0 <= link <= MAX_NUMBER
        and 0 <= seq <= MAX_NUMBER
        and 0 <= ack <= MAX_NUMBER
        and 0 <= attempt <= MAX_NUMBER
        and 0 <= number <= MAX_NUMBER
    ):
        raise ProtocolError(
            f"a {kind.name} message arrived whose numbers are not whole numbers in range"
        )
    if type(session) is not str or len(session) > MAX_SESSION or type(parts) is not list:
        raise ProtocolError(f"a {kind.name} message arrived with a malformed header")
    if body is not None:
        _check_body(kind, body, len(first))
    if not parts:
        if len(frames) != 1:
            raise GluedError(
                f"a {kind.name} message arrived with {len(frames) - 1} frames it does not announce"
            )
        return Message(kind, session, attempt, number, body), seq, ack, link
    if not _BUFFERS[kind]:
        raise ProtocolError(f"a {kind.name} message arrived with buffers")
    if len(parts) == 1 and type(parts[0]) is bytes and len(frames) == 1:
        return Message(kind, session, attempt, number, body, (parts[0],)), seq, ack, link
    return (
        Message(kind, session, attempt, number, body, _buffers(kind, parts, frames, limits)),
        seq,
        ack,
        link,
    )


def _buffers(
    kind: Kind, parts: list[Any], frames: Sequence[Buffer], limits: MessageLimits
) -> tuple[Buffer, ...]:
    if len(parts) > limits.buffers:
        raise ProtocolError(
            f"a {kind.name} message of {len(parts)} buffers arrived; the limit is {limits.buffers}"
        )
    found: list[Buffer] = []
    used = 1
    total = 0
    for part in parts:
        if type(part) is bytes:
            found.append(part)
            total += len(part)
        elif type(part) is int:
            if used >= len(frames):
                raise ProtocolError(
                    f"a {kind.name} message arrived with fewer frames than it announces"
                )
            frame = frames[used]
            used += 1
            if _nbytes(frame) != part:
                raise ProtocolError(
                    f"a {kind.name} message arrived with a frame of a length it does not announce"
                )
            if part > limits.frame:
                raise ProtocolError(f"a frame of {part} bytes arrived; the limit is {limits.frame}")
            total += part
            found.append(frame)
        else:
            raise ProtocolError(f"a {kind.name} message arrived with a malformed list of buffers")
    if used != len(frames):
        raise GluedError(
            f"a {kind.name} message arrived with {len(frames) - used} frames it does not announce"
        )
    if total > limits.total:
        raise ProtocolError(
            f"a {kind.name} message of {total} bytes arrived; the limit is {limits.total}"
        )
    return tuple(found)


def payload_bytes(message: Message) -> int:
    """Bytes in the buffers of a message."""
    size = 0
    for buffer in message.buffers:
        size += len(buffer) if type(buffer) is bytes else _nbytes(buffer)
    return size


def _nbytes(buffer: Buffer) -> int:
    return buffer.nbytes if type(buffer) is memoryview else len(buffer)


def _check_body(kind: Kind, body: object, size: int) -> None:
    limit = _MAX_BODY[kind]
    if type(body) is not dict:
        raise ProtocolError(f"a {kind.name} message arrived whose body is not a map")
    if size > limit + INLINE_BYTES + 256 and len(_pack(body)) > limit:
        raise ProtocolError(
            f"a {kind.name} message arrived whose body is larger than {limit} bytes"
        )
    if not limit:
        raise ProtocolError(f"a {kind.name} message arrived with a body")
    _check_value(kind, body, 0)


def _check_value(kind: Kind, value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ProtocolError(f"a {kind.name} message arrived nested deeper than {MAX_DEPTH} levels")
    if type(value) is dict:
        for key, inner in value.items():
            if type(key) is not str:
                raise ProtocolError(
                    f"a {kind.name} message arrived with a key that is not a string"
                )
            if type(inner) not in _LEAVES:
                _check_value(kind, inner, depth + 1)
    elif type(value) is list:
        for inner in value:
            if type(inner) not in _LEAVES:
                _check_value(kind, inner, depth + 1)
    else:  # a timestamp, which msgpack makes without asking
        raise ProtocolError(f"a {kind.name} message arrived with a value that is not plain data")


def _check_own_body(kind: Kind, body: object) -> None:
    try:
        size = len(_pack(body))
    except Exception as error:
        raise UsageError(f"the body of a {kind.name} message is not plain data: {error}") from error
    if size > _MAX_BODY[kind]:
        raise UsageError(
            f"the body of a {kind.name} message is {size} bytes; the limit is {_MAX_BODY[kind]}"
        )


def _no_extension(code: int, data: bytes) -> object:
    raise ProtocolError(
        "a message arrived with a msgpack extension, which this protocol does not use"
    )


def _version(version: object) -> ProtocolError:
    if type(version) is int:
        return ProtocolError(
            f"the other side speaks protocol version {version} and this one version"
            f" {PROTOCOL_VERSION}: install the same release on both"
        )
    return ProtocolError("a message arrived that is not of this protocol")


def _unreadable(first: Buffer) -> ProtocolError:
    """A header of another version may have another length, but its first element is the version for
    ever."""
    if (
        len(first) >= 2
        and 0x90 <= first[0] <= 0x9F
        and first[1] < 0x80
        and first[1] != PROTOCOL_VERSION
    ):
        return _version(int(first[1]))
    return ProtocolError("a message arrived that cannot be decoded")
