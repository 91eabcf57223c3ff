"""A program of several commands, declared as a table; every way it can be misused ends in one
sentence and exit code 2."""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from . import __version__
from .config import add_options, check_variables, resolve
from .errors import ConfigError
from .processes import guarded, keep_secrets, raise_limits
from .settings import Config


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


@dataclass(frozen=True)
class Command:
    """`module` has run(settings) -> int, whose argument is of the class `settings`; it is imported
    only when the command is given."""

    help: str
    settings: type[Config]
    module: str


@dataclass(frozen=True)
class Program:
    """`default` is the command that options alone are given to; `section` the part of a
    configuration file to read.

    `elsewhere` names the settings that only other programs have, which may share the environment
    with this one.
    """

    name: str
    description: str
    commands: Mapping[str, Command]
    default: str
    section: str | None = None
    epilog: str = ""
    elsewhere: Collection[str] = ()

    @property
    def names(self) -> set[str]:
        """Of every setting of every command."""
        return {name for each in self.commands.values() for name in each.settings.declared}

    def parser(self) -> argparse.ArgumentParser:
        """An argparse parser with a subcommand for each command, whose settings are its options."""
        main = _Parser(
            prog=f"python -m {self.name}",
            description=self.description,
            epilog=self.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        main.add_argument("--version", action="version", version=__version__)
        commands = main.add_subparsers(dest="command", metavar="COMMAND", required=True)
        for name, command in self.commands.items():
            text = f"{command.help[0].upper()}{command.help[1:]}."
            add_options(
                commands.add_parser(name, help=command.help, description=text), command.settings
            )
        return main

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the command that `arguments` (default: those of the process) name, or the default
        one; its exit code. Every MpcError ends in its sentence on standard error."""
        words = list(sys.argv[1:] if arguments is None else arguments)
        if not words or (
            words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")
        ):
            words = [self.default, *words]
        if arguments is None:
            keep_secrets()
            raise_limits()
            atexit.register(gc.freeze)  # so that Python's end does not search for cycles: 0.2 s
        return guarded(self.name, lambda: self._run(words))

    def _run(self, words: Sequence[str]) -> int:
        options, rest = self.parser().parse_known_args(words)
        if rest:  # argparse would name the help of the whole program, not this command's
            raise ConfigError(
                f"unrecognized arguments: {' '.join(rest)}; see python -m {self.name}"
                f" {options.command} --help"
            )
        command = self.commands[options.command]
        check_variables(self.names | set(self.elsewhere))
        settings = resolve(command.settings, options, self.section, others=self.names)
        code: int = importlib.import_module(command.module).run(settings)
        return code
