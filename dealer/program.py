"""The commands of `python -m dealer` and their settings."""

from __future__ import annotations

from protocol.commandline import Command, Program

from . import settings as tables

OF_THE_PARTIES = (
    "accept_out_of_range alice any_batch bandwidth bob both calibrate checkpoint_every classes"
    " dealer dealer_bandwidth dealer_key dealer_link estimator fresh groups guard header held_out"
    " html keep label markdown match material measure model new_keys operations output peak peer"
    " peer_key plain predict range reveal role rtt save scale seconds_per_cell simulate size state"
    " steps table target threads wait weights workloads yes"
)
"""Settings that only the parties have: their variables may stand in the same environment."""

PROGRAM = Program(
    "dealer",
    "Precompute correlated randomness and stream it to the two parties of each session.\n"
    "The dealer sees plans (shapes), never a share of anybody's data.",
    {
        "serve": Command(
            "deal to any number of sessions (the default)",
            tables.ServeSettings,
            "dealer.commands.serve",
        ),
        "precompute": Command(
            "make a job's material ahead, a file for each party",
            tables.PrecomputeSettings,
            "dealer.commands.precompute",
        ),
        "measure": Command(
            "how much of a plan's material the workers make in a second",
            tables.MeasureSettings,
            "dealer.commands.measure",
        ),
        "keygen": Command(
            "make the dealer's key pair, and print its public key",
            tables.KeygenSettings,
            "dealer.commands.keygen",
        ),
    },
    default="serve",
    section="dealer",
    elsewhere=OF_THE_PARTIES.split(),
)
