"""Files that check themselves: a line that says what they are, a digest over everything, then plain
data.

A file is complete or does not exist (`files.durable`), readable by its owner alone; what was cut
off or altered is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from protocol.files import durable
from protocol.ring import Words

_DIGEST = 32


class Damaged(Exception):
    """Why a file is not one that was written here; the end of a sentence that begins with its
    name."""


def write(path: Path, magic: bytes, body: Mapping[str, Any]) -> None:
    """Write plain data durably, in place of what is there; any OSError is the caller's to put into
    words."""
    data = msgpack.packb(body)
    with durable(path) as file:
        file.write(magic + hashlib.blake2b(data, digest_size=_DIGEST).digest() + data)


def read(path: Path, magic: bytes) -> Any:
    """What `write` was given; `Damaged` of any other file, and OSError."""
    raw = path.read_bytes()
    if raw[: len(magic)] != magic:
        raise Damaged("is a file of another kind")
    start = len(magic) + _DIGEST
    if raw[len(magic) : start] != hashlib.blake2b(raw[start:], digest_size=_DIGEST).digest():
        raise Damaged("was cut off or altered")
    return msgpack.unpackb(raw[start:])


def packed(arrays: list[Words]) -> list[Any]:
    """Arrays of ring words as plain data: bytes and shape of each."""
    return [[words.tobytes(), list(words.shape)] for words in arrays]


def unpacked(raw: list[Any]) -> list[Words]:
    """The arrays that `packed` was given, writable."""
    return [np.frombuffer(data, np.uint64).reshape(shape).copy() for data, shape in raw]
