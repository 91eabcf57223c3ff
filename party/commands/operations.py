"""`python -m party operations`: every operation, its range, its error, what it costs and whether it
has a gradient."""

from __future__ import annotations

import json

from protocol.errors import ConfigError

from ..command_settings import OperationsSettings
from ..reference import CATALOGUE, facts, markdown
from ..reference.layout import lines


def run(settings: OperationsSettings) -> int:
    """Run the operations whose names have one of the words, all without words, and print the table
    of what they cost: text, JSON lines or --markdown. Exit code 0."""
    words = [word.lower() for word in settings.operations]
    chosen = {
        kind: [
            entry
            for entry in entries
            if not words or any(word in entry.name.lower() for word in words)
        ]
        for kind, entries in CATALOGUE.items()
    }
    if not any(chosen.values()):
        raise ConfigError(
            f"no operation has {' or '.join(words)} in its name; python -m party operations lists"
            " them all"
        )
    if settings.markdown and settings.json:
        raise ConfigError("--markdown and --json are two forms of one table; choose one")
    if settings.markdown:
        print(
            markdown(
                {
                    kind: [facts(entry) for entry in entries]
                    for kind, entries in chosen.items()
                    if entries
                }
            ),
            end="",
        )
        return 0
    for kind, entries in chosen.items():
        if entries and not settings.json:
            print(f"{kind}\n")
        for row in map(facts, entries):
            print(
                (
                    json.dumps({"kind": kind} | row.as_data(), ensure_ascii=False)
                    if settings.json
                    else lines(row)
                ),
                flush=True,
            )
    return 0
