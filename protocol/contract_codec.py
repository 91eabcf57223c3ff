"""Contracts as bytes: nested lists, dataclass fields in order, tuples as lists, correlations and
views tagged by name.

Reading is driven by the type annotations of the classes themselves, so that nothing is built but
what they say; whether it is sound is asked of `validate.py` before anybody sees it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgpack

from .contract import Dealing, PhaseDealing
from .correlations import KINDS, Correlation
from .errors import ProtocolError
from .schedule import Phase, Schedule
from .validate import Limits, check
from .views import VIEWS, View

VERSION = 3


def pack(dealing: Dealing) -> bytes:
    packed: bytes = msgpack.packb(
        [VERSION, dealing.steps, dealing.schedule.every, [_pack(phase) for phase in dealing.phases]]
    )
    return packed


def digest(dealing: Dealing) -> str:
    """What two contracts are compared by: 32 hexadecimal digits."""
    return hashlib.blake2b(pack(dealing), digest_size=16).hexdigest()


def unpack(data: bytes, limits: Limits | None = None) -> Dealing:
    """The contract in `data`, checked field by field, sound, and within `limits`; ProtocolError for
    anything else."""
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
        setup, step, between, finish = [_unpack(PhaseDealing, phase) for phase in phases]
    except Exception as error:  # msgpack and Python have a dozen, and theirs may quote what arrived
        why = f" ({error})" if type(error) is ValueError else ""
        raise ProtocolError(
            f"a plan could not be read{why}; are both sides of the same version?"
        ) from None
    dealing = Dealing((setup, step, between, finish), Schedule(steps, every))
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
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def _unpack(kind: Any, data: Any) -> Any:
    """The inverse, driven by the type annotations; ValueError where the data does not fit them."""
    if kind is Correlation or kind is View:
        table: Mapping[str, type] = KINDS if kind is Correlation else VIEWS
        if (
            not isinstance(data, list)
            or not data
            or not isinstance(data[0], str)
            or data[0] not in table
        ):
            raise ValueError("a kind that is not known here")
        kind, data = table[data[0]], data[1:]
    elif hasattr(kind, "kind"):
        data = data[1:] if data[0] == kind.kind else None
    made: Any = kind
    if dataclasses.is_dataclass(kind):
        hints = _hints(made)
        if not isinstance(data, list) or len(data) != len(hints):
            raise ValueError(f"{made.__name__} has {len(hints)} parts")
        return made(
            **{
                name: _unpack(hint, item)
                for (name, hint), item in zip(hints.items(), data, strict=True)
            }
        )
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = data if isinstance(data, list) else []
        if not isinstance(data, list) or (args[-1] is not Ellipsis and len(args) != len(items)):
            raise ValueError("a list was expected")
        kinds = [args[0]] * len(items) if args[-1] is Ellipsis else list(args)
        return tuple(_unpack(each, item) for each, item in zip(kinds, items, strict=True))
    if args:  # a union
        if data is None and NoneType in args:
            return None
        fitting = [
            a
            for a in args
            if (get_origin(a) is tuple) == isinstance(data, list) and a is not NoneType
        ]
        if not fitting:
            raise ValueError("another type was expected")
        return _unpack(fitting[0], data)
    if type(data) is not kind or (kind is int and not -(1 << 48) <= data < 1 << 48):
        raise ValueError(f"{kind.__name__} expected")
    return data
