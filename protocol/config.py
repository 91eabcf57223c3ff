"""Settings of a program: option beats environment variable beats configuration file beats default.

A program declares its settings as a table of `Setting`; `add_options` tells argparse about them and
`resolve` looks each of them up in the four places. Wherever a value comes from, it is text that the
setting's parser reads, so one sentence rejects it everywhere and names the place; `Config.origin`
keeps the place for errors that are only found later.

A file is TOML; its keys are the long option names (dashes or underscores). What stands in the
section [alice], [bob] or [dealer] of the process that reads it beats the top level. A parser is a
function from text to value that raises ConfigError with the end of a sentence.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import ConfigError
from .parsers import yes_or_no

SECTIONS = ("alice", "bob", "dealer")
# no settings
OTHER_VARIABLES = {
    "MPC_CONFIG",
    "MPC_KERNELS",
    "MPC_HOME",
    "MPC_PYTHON",
    "MPC_VENV",
    "MPC_FUZZ_SEED",
}


@dataclass(frozen=True)
class Setting:
    """One setting. A `default` that is a str is parsed like any other value.

    `many`: may be given repeatedly; its value is a tuple. In the environment: separated by blanks,
        quoted as in a shell; in a file: a list, or a table whose entries k = "v" stand for "k=v".
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
        return "\n".join(
            f"{name} = {value!r}  # {self._origins[name]}" for name, value in self._values.items()
        )


def add_options(parser: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """Declare the settings, and --config, as options; `resolve` parses what they are given."""
    group = parser.add_argument_group(
        "settings", "option beats environment variable beats --config file"
    )
    group.add_argument(
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="TOML file of settings [MPC_CONFIG]",
    )
    for setting in settings:
        shown = "" if setting.default is None or setting.many else f", default {setting.default}"
        kind: dict[str, Any] = {
            "action": "append" if setting.many else "store",
            "metavar": setting.metavar,
        }
        if setting.flag:
            kind = {"action": argparse.BooleanOptionalAction}
        if setting.bare:
            group.add_argument(
                setting.name,
                nargs="*",
                metavar=setting.metavar,
                default=argparse.SUPPRESS,
                help=setting.help,
            )
            continue
        text = f"{setting.help} [{setting.variable}{shown}]".replace("%", "%%")
        group.add_argument(
            setting.option, dest=setting.name, default=argparse.SUPPRESS, help=text, **kind
        )


def resolve(
    settings: Iterable[Setting],
    options: argparse.Namespace,
    section: str | None = None,
    environment: Mapping[str, str] = os.environ,
    others: Iterable[str] = (),
) -> Config:
    """Every setting's value and origin.

    `section` is the file's section to read; None: the one that the setting `role` names. `others`
    are names of settings that only other commands have, and that may stand in a file shared with
    them.
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
        from_file |= _keys(
            sections[section], {*table, *others}, f"file {file}, section [{section}]"
        )
    for name in table:
        look_up(name)
    again = partial(resolve, table.values(), options, section, environment, others)
    return Config(MappingProxyType(values), MappingProxyType(origins), again)


def check_variables(known: Iterable[str], environment: Mapping[str, str] = os.environ) -> None:
    """ConfigError for a variable MPC_… that means nothing. `known` are the names of all settings of
    all programs."""
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
            raise ConfigError(
                f"{where}: {key!r} is there twice, with dashes and with underscores; keep one"
            )
        found[name] = value
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """The middle of a sentence about an unknown word: a known one that looks like it, if any
    does."""
    words = list(known)
    alike = [each for each in words if each[:1].casefold() == word[:1].casefold()]
    near = difflib.get_close_matches(word, words, 1, 0.7)  # of less, "age" looks like "target"
    near = near or difflib.get_close_matches(word, alike, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _split(texts: str, where: str) -> list[str]:
    try:
        return shlex.split(texts)
    except ValueError:
        raise ConfigError(f"{where}: a quotation mark is not closed") from None


def _from_file(setting: Setting, value: Any, where: str) -> Any:
    if not setting.many:
        return setting.read(
            _text(value, where, numbers=setting.flag or setting.parse is not str), where
        )
    if isinstance(value, dict):
        texts = [f"{key}={_text(item, where, numbers=True)}" for key, item in value.items()]
        return setting.read(texts, where)
    return setting.read(
        [_text(item, where) for item in (value if isinstance(value, list) else [value])], where
    )


def _text(value: Any, where: str, numbers: bool = False) -> str:
    """A TOML value as its parser reads it; numbers, true and false where they make sense."""
    if isinstance(value, str):
        return value
    if numbers and isinstance(value, (int, float)):
        return str(value).lower()
    raise ConfigError(f"{where}: text is expected here, not {_KINDS.get(type(value), 'a date')}")


_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
