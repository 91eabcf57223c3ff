"""Connections between processes: over ZeroMQ with keys, or in memory for tests; optionally over a
slower link.

Listener(...).accept() → Connection    connect(...) → Connection    memory.pair(...) → two of them
"""

from __future__ import annotations

from .connection import Connection
from .dialler import connect
from .keys import Allow, KeyPair, PublicKey
from .listener import Listener
from .shaping import PROFILES, LinkShape, parse_shape
from .terms import Counters, Options, Transport, Waiting

__all__ = [
    "PROFILES",
    "Allow",
    "Connection",
    "Counters",
    "KeyPair",
    "LinkShape",
    "Listener",
    "Options",
    "PublicKey",
    "Transport",
    "Waiting",
    "connect",
    "parse_shape",
]
