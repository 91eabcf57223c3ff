"""The commands of `python -m party` and their settings."""

from __future__ import annotations

from protocol.commandline import Command, Program

from . import command_settings as tables

OF_THE_DEALER = (
    "alice_key allow bob_key listen max_memory max_plan_size max_sessions max_step_memory max_stock"
    " plan valid weight workers"
)
"""Settings that only the dealer has: its variables may stand in the same environment."""

PROGRAM = Program(
    "party",
    "Train or evaluate a model on data that its owner will not show: alice brings the model, bob"
    " the data,\na dealer on a third host the randomness.",
    {
        "run": Command(
            "take part in a session (the default): --role alice or --role bob",
            tables.RunSettings,
            "party.commands.run",
        ),
        "predict": Command(
            "what a model that was kept says of new rows, together with the other party",
            tables.PredictSettings,
            "party.commands.predict",
        ),
        "rotate": Command(
            "make fresh shares of a model that was kept, together with the other party",
            tables.RotateSettings,
            "party.commands.rotate",
        ),
        "plan": Command(
            "what a job will cost, before anything runs", tables.PlanSettings, "party.commands.plan"
        ),
        "operations": Command(
            "every operation: its range, error, rounds, bytes, gradient",
            tables.OperationsSettings,
            "party.commands.operations",
        ),
        "init": Command(
            "a job's TOML file, from options and a few questions",
            tables.InitSettings,
            "party.commands.init",
        ),
        "keygen": Command(
            "make this party's key pair, and print its public key",
            tables.KeygenSettings,
            "party.commands.keygen",
        ),
        "doctor": Command(
            "check keys, files and links before a run, and say how to mend them",
            tables.RunSettings,
            "party.commands.doctor",
        ),
        "import": Command(
            "an ONNX model as a network for both parties, and weights that stay with their owner",
            tables.ImportSettings,
            "party.commands.import_model",
        ),
        "export": Command(
            "a model whose weights were revealed, as an ONNX file",
            tables.ExportSettings,
            "party.commands.export",
        ),
        "lab": Command(
            "what latency and bandwidth cost a job: measured, predicted and drawn",
            tables.LabSettings,
            "party.commands.lab",
        ),
        "demo": Command(
            "all three processes on this machine, and a check against the plaintext twin",
            tables.DemoSettings,
            "party.commands.demo",
        ),
        "notebooks": Command(
            "notebooks to read and run: bob's and alice's, the protocols explained, a network",
            tables.NotebooksSettings,
            "party.commands.notebooks",
        ),
        "bench": Command(
            "seconds, bytes and errors of every workload on this machine",
            tables.BenchSettings,
            "party.commands.bench",
        ),
    },
    default="run",
    epilog=(
        "On one machine:   python -m dealer & python -m party --role bob & python -m party --role"
        " alice\nIts cost, before: python -m party plan --job seed --rtt 40ms --bandwidth 100mbit"
    ),
    elsewhere=OF_THE_DEALER.split(),
)
