"""Where the settings of a command are looked up: option beats environment variable beats
configuration file beats default.

A program's commands have classes of settings (`settings.Config`); `add_options` tells argparse
about them and `resolve` looks each of them up in the four places. `Config.origin` keeps the place
for errors that are only found later.

A file is TOML; its keys are the long option names (dashes or underscores). What stands in the
section [alice], [bob] or [dealer] of the process that reads it beats the top level.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from .errors import ConfigError
from .settings import Config, Setting

C = TypeVar("C", bound=Config)
_APART = (
    "the parties' key dealer and the section [dealer] cannot stand in one file: the dealer has a"
    " file of its own"
)
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


def add_options(parser: argparse.ArgumentParser, kind: type[Config]) -> None:
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
    for setting in kind.declared.values():
        setting.add_to(group)


def resolve(
    kind: type[C],
    options: argparse.Namespace,
    section: str | None = None,
    environment: Mapping[str, str] = os.environ,
    others: Iterable[str] = (),
) -> C:
    """Every setting's value and origin.

    `section` is the file's section to read; None: the one that the setting `role` names. `others`
    are names of settings that only other commands have, and that may stand in a file shared with
    them.
    """
    known = {*kind.declared, *others}
    given: Mapping[str, Any] = vars(options)
    file = given.get("config") or environment.get("MPC_CONFIG")
    content = _load(file) if file else {}
    sections = {name: content.pop(name) for name in SECTIONS if isinstance(content.get(name), dict)}
    from_file = _keys(content, known, f"file {file}")

    def look_up(setting: Setting[object]) -> tuple[object, str]:
        if setting.name in given:
            return setting.of_option(given[setting.name]), "option"
        if text := environment.get(setting.variable):  # empty is as good as unset
            origin = f"environment {setting.variable}"
            return setting.of_variable(text, origin), origin
        if setting.name in from_file:
            origin, key = f"file {file}", setting.name.replace("_", "-")
            return setting.of_file(from_file[setting.name], f"{origin}, key {key}"), origin
        return setting.fallback(), "default"

    if section is None and "role" in kind.declared:
        section = cast(str | None, look_up(kind.declared["role"])[0])
    if section in sections:
        from_file |= _keys(sections[section], known, f"file {file}, section [{section}]")
    found = {name: look_up(setting) for name, setting in kind.declared.items()}
    return kind(
        MappingProxyType({name: value for name, (value, _) in found.items()}),
        MappingProxyType({name: origin for name, (_, origin) in found.items()}),
        partial(resolve, kind, options, section, environment, others),
    )


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
        text = Path(file).read_text("utf-8-sig") + "\n"
        return tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"file {file} cannot be read: {error.strerror}; check --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"file {file} cannot be read: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:  # which says at which line
        top, section, _ = text.partition("\n[dealer]")
        both = section and re.search(r"^dealer *=", top.partition("\n[")[0], re.MULTILINE)
        said = f"; {_APART}" if both else ""
        raise ConfigError(f"file {file} is not valid TOML: {error}{said}") from None


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
