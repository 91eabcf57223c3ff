"""Contracts as bytes: nested lists, dataclass fields in order, tuples as lists, correlations and
views tagged by name.

Reading is driven by the type annotations of the classes themselves, so that nothing is built but
what they say; whether it is sound is asked of `validate.py` before anybody sees it. msgspec would
do the same for classes of its own, `Struct`; it takes no union of dataclasses, nor one as a list.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgpack

from .contract import Dealing, PhaseDealing
from .correlations import KINDS, Correlation
from .errors import ProtocolError
from .schedule import Phase, PhaseSchedule
from .validate import Limits, check
from .views import VIEWS, View

VERSION = 3

ItemReader = Callable[[Any], Any]


def pack(dealing: Dealing) -> bytes:
    """The contract as bytes, which `unpack` reads; equal contracts give equal bytes."""
    packed: bytes = msgpack.packb(
        [VERSION, dealing.steps, dealing.schedule.every, [_pack(phase) for phase in dealing.phases]]
    )
    return packed


def digest(dealing: Dealing) -> str:
    """What two contracts are compared by: 32 hexadecimal digits."""
    return hashlib.blake2b(pack(dealing), digest_size=16).hexdigest()


def unpack(data: bytes, limits: Limits | None = None) -> Dealing:
    """The contract in the bytes that `pack` made, checked field by field, sound, and within
    `limits`; ProtocolError for any other bytes."""
    limits = limits or Limits()
    try:
        version, steps, every, phases = msgpack.unpackb(data, strict_map_key=True)
        if type(version) is not int or version != VERSION:
            raise ValueError("another version")
        if (
            type(steps) is not int
            or not 0 <= steps < 1 << 40
            or type(phases) is not list
            or len(phases) != len(Phase)
        ):
            raise ValueError("a malformed header")
        if type(every) is not int or not 0 <= every <= steps:
            raise ValueError("checks that are further apart than there are steps")
        if sum(len(part) for phase in phases for part in phase) > limits.parts:
            raise ValueError("more masks and correlations than are allowed")
        setup, step, between, finish = map(_reader(PhaseDealing), phases)
    except Exception as error:  # msgpack and Python have a dozen, and theirs may quote what arrived
        why = f" ({error})" if type(error) is ValueError else ""
        raise ProtocolError(
            f"a plan could not be read{why}; are both sides of the same version?"
        ) from None
    dealing = Dealing((setup, step, between, finish), PhaseSchedule(steps, every))
    check(dealing, limits)
    return dealing


def _pack(value: Any) -> Any:
    if isinstance(value, View):
        return [
            type(value).__name__,
            *(_pack(getattr(value, f.name)) for f in dataclasses.fields(value)),
        ]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = [_pack(getattr(value, f.name)) for f in dataclasses.fields(value)]
        return [value.kind, *body] if hasattr(value, "kind") else body
    return [_pack(item) for item in value] if isinstance(value, tuple) else value


@cache
def _reader(kind: Any) -> ItemReader:
    """The inverse, driven by the type annotation `kind`: what makes a value of plain data;
    ValueError where that does not fit."""
    if kind is Correlation or kind is View:
        return partial(_tagged, KINDS if kind is Correlation else VIEWS)
    if dataclasses.is_dataclass(kind):
        return partial(_record, kind, getattr(kind, "kind", None))
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple and args[-1] is Ellipsis:
        return partial(_several, args[0])
    if origin is tuple:
        return partial(_tuple, args)
    return partial(_either, args) if args else partial(_plain, kind)


@cache
def _fields(kind: Any) -> tuple[ItemReader, ...]:
    hints = get_type_hints(kind)
    return tuple(_reader(hints[f.name]) for f in dataclasses.fields(kind))


def _tagged(table: Mapping[str, type], data: Any) -> Any:
    if type(data) is not list or not data or type(data[0]) is not str or data[0] not in table:
        raise ValueError("a kind that is not known here")
    return _record(table[data[0]], data[0], data)


def _record(kind: Any, tag: str | None, data: Any) -> Any:
    """A dataclass, its `tag` before its fields where it has one."""
    readers = _fields(kind)
    skip = tag is not None
    if type(data) is not list or len(data) != len(readers) + skip or (skip and data[0] != tag):
        raise ValueError(f"{kind.__name__} has {len(readers)} parts")
    return kind(*map(_read, readers, data[1:] if skip else data))


def _several(kind: Any, data: Any) -> Any:
    if type(data) is not list:
        raise ValueError("a list was expected")
    return tuple(map(_reader(kind), data))


def _tuple(kinds: tuple[Any, ...], data: Any) -> Any:
    if type(data) is not list or len(data) != len(kinds):
        raise ValueError("a list was expected")
    return tuple(map(_read, map(_reader, kinds), data))


def _either(kinds: tuple[Any, ...], data: Any) -> Any:
    """The first of a union that has the data's form: nothing, a list, or neither."""
    if data is None and NoneType in kinds:
        return None
    for kind in kinds:
        if kind is not NoneType and (get_origin(kind) is tuple) == (type(data) is list):
            return _reader(kind)(data)
    raise ValueError("another type was expected")


def _plain(kind: Any, data: Any) -> Any:
    if type(data) is not kind or (kind is int and not -(1 << 48) <= data < 1 << 48):
        raise ValueError(f"{kind.__name__} expected")
    return data


def _read(reader: ItemReader, data: Any) -> Any:
    return reader(data)
