"""Parsers of settings: from text to a value, or ConfigError with the end of a sentence. Quantities
have units."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .errors import ConfigError


def yes_or_no(text: str) -> bool:
    """ "yes", "no" and their like (1, true, on; 0, false, off) to a bool."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ConfigError(f"{text!r} is neither yes nor no")


def choice(*words: str) -> Callable[[str], str]:
    """A parser that takes one of `words` as it is."""

    def parse(text: str) -> str:
        if text not in words:
            raise ConfigError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return parse


def whole(low: int = 0, high: int = 2**40) -> Callable[[str], int]:
    """A whole number in [low, high]."""

    def parse(text: str) -> int:
        if (
            not re.fullmatch(r"[+-]?\d{1,18}", text.strip(), re.ASCII)
            or not low <= int(text) <= high
        ):
            raise ConfigError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def positive(parse: Callable[[str], float]) -> Callable[[str], float]:
    """The same parser, without zero."""

    def parse_positive(text: str) -> float:
        value = parse(text)
        if not value > 0:
            raise ConfigError(f"{text!r} must be more than zero")
        return value

    return parse_positive


def fraction(text: str) -> float:
    """A share of a whole, 0 or more: "10%" or "0.1". More than the whole is written in percent."""
    number, percent = (text.strip()[:-1], 100.0) if text.strip().endswith("%") else (text, 1.0)
    if not re.fullmatch(r"\d{1,6}(\.\d{0,6})?", number.strip(), re.ASCII):
        raise ConfigError(f"{text!r} is not a fraction; write it like 10% or 0.1")
    if percent == 1.0 and float(number) > 1.0:
        raise ConfigError(
            f"{text!r} is more than the whole; write {number.strip()}% if that is meant"
        )
    return float(number) / percent


_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})? *([a-zµ/]*)", re.ASCII)


def _quantity(
    what: str, units: Mapping[str, float], example: str, found: str
) -> Callable[[str], float]:
    """A parser of numbers ≥ 0 with a unit, in upper or lower case; only 0 needs none. what: what is
    parsed, and an example of it, for errors. found: in which unit it is returned."""

    def parse(text: str) -> float:
        match = _QUANTITY.fullmatch(text.strip().lower())
        value = float(match[1] + (match[2] or "")) if match else 0.0
        if match and not match[3] and value:
            raise ConfigError(f"{text!r} is a {what} without a unit; write it like {example}")
        if not match or (match[3] and match[3] not in units):
            raise ConfigError(f"{text!r} is not a {what}; write it like {example}")
        value *= units.get(match[3], 1.0)
        if not math.isfinite(value):
            raise ConfigError(f"{text!r} is not a {what}: it is too large")
        return value

    parse.__doc__ = f"A {what} with a unit, as {example}, in {found}."
    return parse


_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BITS = {
    f"{p}{unit}": 1000**n for n, p in enumerate(["", *"kmgt"]) for unit in ("bit", "bit/s", "bps")
}
_BYTES = {f"{p}b": 1000**n for n, p in enumerate(["", *"kmgt"])}
_BYTES |= {f"{p}ib": 1024**n for n, p in enumerate("kmgt", 1)}

duration = _quantity("duration", _SECONDS, "40ms, 30s, 2m or 1h", "seconds")
bandwidth = _quantity("bandwidth", _BITS, "100mbit or 1gbit", "bits per second")
_size = _quantity("size", _BYTES, "64MiB or 1GB", "bytes")


def size(text: str) -> int:
    """A size with a unit, as 64MiB or 1GB, in whole bytes."""
    return int(_size(text))


@dataclass(frozen=True)
class Address:
    """tcp://host:port; an IPv6 host is kept without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return (
            f"tcp://[{self.host}]:{self.port}"
            if ":" in self.host
            else f"tcp://{self.host}:{self.port}"
        )


def address(text: str) -> Address:
    """Where somebody listens."""
    found = listen_address(text)
    if found.host == "*" or not found.port:
        raise ConfigError(
            f"{text!r} is nowhere to connect to; name the host and a port from 1 to 65535"
        )
    return found


def listen_address(text: str) -> Address:
    """Where to listen: host * is every interface, port 0 any free port."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port that is none, or brackets that do not match
        raise ConfigError(
            f"{text!r} is not an address: its port must be a number up to 65535"
        ) from None
    rest = parts.path or parts.query or parts.fragment or parts.username
    if parts.scheme != "tcp" or rest or port is None or not re.fullmatch(r"\*|[\w.:%-]+", host):
        raise ConfigError(f"{text!r} is not an address; write it like tcp://host:port")
    return Address(host, port)


def session_name(text: str) -> str:
    """The name of a session: 1 to 64 characters that file names may have."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ConfigError(
            f"{text!r} is not a session name: 1 to 64 of the characters A-Z a-z 0-9 . _ -"
        )
    return text


def file_path(text: str) -> Path:
    """A path, which need not exist."""
    if not text or "\0" in text:
        raise ConfigError(f"{text!r} is not a file name")
    return Path(text)
