"""Settings of a program: option beats environment variable beats configuration file beats default.

A program declares its settings as a table of `Setting`; `add_options` tells argparse about them and `resolve`
looks each of them up in the four places. Wherever a value comes from, it is text that the setting's parser
reads, so one sentence rejects it everywhere and names the place; `Config.origin` keeps the place for errors
that are only found later.

A file is TOML; its keys are the long option names (dashes or underscores). What stands in the section
[alice], [bob] or [dealer] of the process that reads it beats the top level. A parser is a function from text
to value that raises ConfigError with the end of a sentence.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigError

SECTIONS = ("alice", "bob", "dealer")
OTHER_VARIABLES = {"MPC_CONFIG", "MPC_KERNELS", "MPC_HOME", "MPC_PYTHON", "MPC_VENV", "MPC_FUZZ_SEED"}  # no settings


@dataclass(frozen=True)
class Setting:
    """One setting. A `default` that is a str is parsed like any other value.

    `many`: may be given repeatedly; its value is a tuple. In the environment: separated by blanks, quoted as
    in a shell; in a file: a list, or a table whose entries k = "v" stand for "k=v".
    `flag`: --name and --no-name; elsewhere yes or no.
    `bare`: its values are the words of the command line that belong to no option; goes with `many`.
    """

    name: str  # with underscores
    help: str
    parse: Callable[[str], Any] = str
    default: Any = None
    many: bool = False
    flag: bool = False
    bare: bool = False
    metavar: str | None = None

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return f"MPC_{self.name.upper()}"

    def read(self, given: str | Iterable[str], where: str) -> Any:
        """The value of the text(s); ConfigError naming `where` it was given."""
        parse = yes_or_no if self.flag else self.parse
        try:
            return parse(given) if isinstance(given, str) else tuple(parse(text) for text in given)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def fallback(self) -> Any:
        """The default's value."""
        if isinstance(self.default, str):
            return self.read(self.default, f"default of {self.option}")
        if self.default is None and (self.many or self.flag):
            return () if self.many else False
        return self.default


@dataclass(frozen=True, repr=False)
class Config:
    """The settings as attributes, and where each came from."""

    _values: Mapping[str, Any]
    _origins: Mapping[str, str]
    reread: Callable[[], Config]
    """The same options once more, with what the file says now."""

    def __getattr__(self, name: str) -> Any:
        values: Mapping[str, Any] = object.__getattribute__(self, "_values")
        if name not in values:
            raise AttributeError(f"there is no setting {name!r}")
        return values[name]

    def origin(self, name: str) -> str:
        """ "option", "environment MPC_PEER", "file x.toml" or "default"."""
        return self._origins[name]

    def but(self, **values: Any) -> Config:
        """The same with other values of some settings."""
        return replace(self, _values={**self._values, **values})

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {value!r}  # {self._origins[name]}" for name, value in self._values.items())


def add_options(parser: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """Declare the settings, and --config, as options; `resolve` parses what they are given."""
    group = parser.add_argument_group("settings", "option beats environment variable beats --config file")
    group.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="TOML file of settings [MPC_CONFIG]")
    for setting in settings:
        shown = "" if setting.default is None or setting.many else f", default {setting.default}"
        kind: dict[str, Any] = {"action": "append" if setting.many else "store", "metavar": setting.metavar}
        if setting.flag:
            kind = {"action": argparse.BooleanOptionalAction}
        if setting.bare:
            group.add_argument(
                setting.name, nargs="*", metavar=setting.metavar, default=argparse.SUPPRESS, help=setting.help
            )
            continue
        text = f"{setting.help} [{setting.variable}{shown}]".replace("%", "%%")
        group.add_argument(setting.option, dest=setting.name, default=argparse.SUPPRESS, help=text, **kind)


def resolve(
    settings: Iterable[Setting],
    options: argparse.Namespace,
    section: str | None = None,
    environment: Mapping[str, str] = os.environ,
    others: Iterable[str] = (),
) -> Config:
    """Every setting's value and origin.

    `section` is the file's section to read; None: the one that the setting `role` names. `others` are names
    of settings that only other commands have, and that may stand in a file shared with them.
    """
    table = {setting.name: setting for setting in settings}
    given: Mapping[str, Any] = vars(options)
    file = given.get("config") or environment.get("MPC_CONFIG")
    content = _load(file) if file else {}
    sections = {name: content.pop(name) for name in SECTIONS if isinstance(content.get(name), dict)}
    from_file = _keys(content, {*table, *others}, f"file {file}")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def look_up(name: str) -> Any:
        setting, texts = table[name], environment.get(table[name].variable)
        if name in given:
            value = given[name]
            origin, value = (
                "option",
                value if setting.flag else setting.read(value, f"option {setting.option}"),
            )
        elif texts:  # empty is as good as unset
            origin = f"environment {setting.variable}"
            value = setting.read(_split(texts, origin) if setting.many else texts, origin)
        elif name in from_file:
            origin = f"file {file}"
            value = _from_file(setting, from_file[name], f"{origin}, key {name.replace('_', '-')}")
        else:
            origin, value = "default", setting.fallback()
        origins[name], values[name] = origin, value
        return value

    if section is None and "role" in table:
        section = look_up("role")
    if section in sections:
        from_file |= _keys(sections[section], {*table, *others}, f"file {file}, section [{section}]")
    for name in table:
        look_up(name)
    again = partial(resolve, table.values(), options, section, environment, others)
    return Config(MappingProxyType(values), MappingProxyType(origins), again)


def check_variables(known: Iterable[str], environment: Mapping[str, str] = os.environ) -> None:
    """ConfigError for a variable MPC_… that means nothing. `known` are the names of all settings of all programs."""
    variables = {f"MPC_{name.upper()}" for name in known} | OTHER_VARIABLES
    for name, value in environment.items():
        if name.startswith("MPC_") and value and name not in variables:
            hint = nearest(name, variables) or "; unset it"
            raise ConfigError(f"environment: {name} is no setting of these programs{hint}")


def _load(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text("utf-8-sig") + "\n")
    except OSError as error:
        raise ConfigError(f"file {file} cannot be read: {error.strerror}; check --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"file {file} cannot be read: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:  # which says at which line
        raise ConfigError(f"file {file} is not valid TOML: {error}") from None


def _keys(given: Mapping[str, Any], known: set[str], where: str) -> dict[str, Any]:
    """The entries by the names of settings; ConfigError for keys that are none."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in known:
            words = sorted(each.replace("_", "-") for each in known)
            hint = nearest(key, words) or f"; there are: {', '.join(words)}"
            raise ConfigError(f"{where}: unknown key {key!r}{hint}")
        if name in found:
            raise ConfigError(f"{where}: {key!r} is there twice, with dashes and with underscores; keep one")
        found[name] = value
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """The middle of a sentence about an unknown word: a known one that looks like it, if any does."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _split(texts: str, where: str) -> list[str]:
    try:
        return shlex.split(texts)
    except ValueError:
        raise ConfigError(f"{where}: a quotation mark is not closed") from None


def _from_file(setting: Setting, value: Any, where: str) -> Any:
    if not setting.many:
        return setting.read(_text(value, where, numbers=setting.flag or setting.parse is not str), where)
    if isinstance(value, dict):
        texts = [f"{key}={_text(item, where, numbers=True)}" for key, item in value.items()]
        return setting.read(texts, where)
    return setting.read([_text(item, where) for item in (value if isinstance(value, list) else [value])], where)


def _text(value: Any, where: str, numbers: bool = False) -> str:
    """A TOML value as its parser reads it; numbers, true and false where they make sense."""
    if isinstance(value, str):
        return value
    if numbers and isinstance(value, (int, float)):
        return str(value).lower()
    raise ConfigError(f"{where}: text is expected here, not {_KINDS.get(type(value), 'a date')}")


_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}


# ---- parsers ---------------------------------------------------------------------------------------------


def yes_or_no(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ConfigError(f"{text!r} is neither yes nor no")


def choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ConfigError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return parse


def whole(low: int = 0, high: int = 2**40) -> Callable[[str], int]:
    """A whole number in [low, high]."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text.strip(), re.ASCII) or not low <= int(text) <= high:
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
        raise ConfigError(f"{text!r} is more than the whole; write {number.strip()}% if that is meant")
    return float(number) / percent


_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})? *([a-zµ/]*)", re.ASCII)


def _quantity(what: str, units: Mapping[str, float], example: str) -> Callable[[str], float]:
    """A number ≥ 0 and a unit in any case; only 0 needs no unit."""

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

    return parse


_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BITS = {f"{p}{unit}": 1000**n for n, p in enumerate(["", *"kmgt"]) for unit in ("bit", "bit/s", "bps")}
_BYTES = {f"{p}b": 1000**n for n, p in enumerate(["", *"kmgt"])}
_BYTES |= {f"{p}ib": 1024**n for n, p in enumerate("kmgt", 1)}

duration = _quantity("duration", _SECONDS, "40ms, 30s, 2m or 1h")
"""Seconds."""

bandwidth = _quantity("bandwidth", _BITS, "100mbit or 1gbit")
"""Bits per second."""

_size = _quantity("size", _BYTES, "64MiB or 1GB")


def size(text: str) -> int:
    """Bytes."""
    return int(_size(text))


@dataclass(frozen=True)
class Address:
    """tcp://host:port; an IPv6 host is kept without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"


def address(text: str) -> Address:
    """Where somebody listens."""
    found = listen_address(text)
    if found.host == "*" or not found.port:
        raise ConfigError(f"{text!r} is nowhere to connect to; name the host and a port from 1 to 65535")
    return found


def listen_address(text: str) -> Address:
    """Where to listen: host * is every interface, port 0 any free port."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port that is none, or brackets that do not match
        raise ConfigError(f"{text!r} is not an address: its port must be a number up to 65535") from None
    rest = parts.path or parts.query or parts.fragment or parts.username
    if parts.scheme != "tcp" or rest or port is None or not re.fullmatch(r"\*|[\w.:%-]+", host):
        raise ConfigError(f"{text!r} is not an address; write it like tcp://host:port")
    return Address(host, port)


def session_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ConfigError(f"{text!r} is not a session name: 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return text


def file_path(text: str) -> Path:
    if not text or "\0" in text:
        raise ConfigError(f"{text!r} is not a file name")
    return Path(text)
