"""`python -m party`: one of the two parties, and what belongs to it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from protocol import __version__
from protocol.config import Setting, add_options, resolve
from protocol.processes import guarded

from . import settings as tables

EPILOG = """\
On one machine:   python -m dealer & python -m party --role bob & python -m party --role alice
Its cost, before: python -m party plan --job seed --rtt 40ms --bandwidth 100mbit
"""

COMMANDS: dict[str, tuple[str, Sequence[Setting]]] = {
    "run": ("take part in a session (the default): --role alice or --role bob", tables.RUN),
    "plan": ("what a job will cost, before anything runs", tables.PLAN),
    "keygen": ("make this party's key pair, and print its public key", tables.KEYGEN),
    "demo": ("all three processes on this machine, and a check against the plaintext twin", tables.DEMO),
}


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(
        prog="python -m party",
        description="Train or evaluate a model on data that its owner will not show: alice brings the model, bob the data, "
        "a dealer on a third host the randomness.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action="version", version=__version__)
    commands = main.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (text, table) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_options(command, table)
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] not in COMMANDS and words[0] not in ("-h", "--help", "--version")):
        words = ["run", *words]
    return guarded("party", lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    settings = resolve(COMMANDS[options.command][1], options, others=tables.EVERYTHING)
    code: int = importlib.import_module(f"party.commands.{options.command}").run(settings)
    return code


if __name__ == "__main__":
    sys.exit(main())
