"""The commands of `python -m dealer` and their settings."""

from __future__ import annotations

from protocol.commandline import Command, Program

from . import settings as tables

PROGRAM = Program(
    "dealer",
    "Precompute correlated randomness and stream it to the two parties of each session.\n"
    "The dealer sees plans (shapes), never a share of anybody's data.",
    {
        "serve": Command(
            "deal to any number of sessions (the default)", tables.SERVE, "dealer.commands.serve"
        ),
        "precompute": Command(
            "make a job's material ahead, a file for each party",
            tables.PRECOMPUTE,
            "dealer.commands.precompute",
        ),
        "measure": Command(
            "how much of a plan's material the workers make in a second",
            tables.MEASURE,
            "dealer.commands.measure",
        ),
        "keygen": Command(
            "make the dealer's key pair, and print its public key",
            tables.KEYGEN,
            "dealer.commands.keygen",
        ),
    },
    default="serve",
    section="dealer",
    elsewhere=tables.OF_THE_PARTIES.split(),
)
