"""`python -m dealer`: deals correlated randomness to any number of sessions, and learns nothing but shapes."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from protocol import __version__
from protocol.config import Setting, add_options, resolve
from protocol.processes import guarded

from . import settings as tables

COMMANDS: dict[str, tuple[str, Sequence[Setting], str]] = {
    "serve": ("deal to any number of sessions (the default)", tables.SERVE, "dealer.commands.serve"),
    "keygen": ("make the dealer's key pair, and print its public key", tables.KEYGEN, "dealer.commands.keygen"),
}
"""Name → (help, settings, module whose run(settings) returns an exit code)."""


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(
        prog="python -m dealer",
        description="Precompute correlated randomness and stream it to the two parties of each session. "
        "The dealer sees plans (shapes), never a share of anybody's data.",
    )
    main.add_argument("--version", action="version", version=__version__)
    commands = main.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (text, table, _) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_options(command, table)
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] not in COMMANDS and words[0] not in ("-h", "--help", "--version")):
        words = ["serve", *words]
    return guarded("dealer", lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    _, table, module = COMMANDS[options.command]
    others = frozenset(setting.name for _, each, _ in COMMANDS.values() for setting in each)
    code: int = importlib.import_module(module).run(resolve(table, options, "dealer", others=others))
    return code


if __name__ == "__main__":
    sys.exit(main())
