"""`python -m dealer precompute`: a job's material on disk, one sealed file for each party, so that no dealer is needed online.

The dealer works from a plan, which is shapes and nothing else: the file that `python -m party plan --save` wrote. With --job that command is
run first, in a process of its own: user code never enters this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from protocol.config import Config
from protocol.contract import Dealing
from protocol.errors import ConfigError, UsageError
from protocol.keyring import other_key, own_key
from protocol.log import configure
from protocol.material import Extent
from protocol.planfile import load_plan
from protocol.schedule import Phase

from ..store import names, precompute

SECONDS = 5.0  # between two lines about how far it is


def run(config: Config) -> int:
    log, _ = configure("dealer", config.log_format, config.quiet, config.session)
    if config.out is None:
        raise ConfigError("say where the material goes: --out DIR")
    keys = own_key("dealer", config.key, (), False)
    owners = {
        role: other_key(role, line, config.key is None)
        for role, line in (("alice", config.alice_key), ("bob", config.bob_key))
    }
    found = {role: key for role, key in owners.items() if key is not None}
    if keys is None or len(found) < 2:
        raise ConfigError(
            "material is sealed for the parties' keys: give --alice-key and --bob-key, the lines that their keygen printed"
        )
    dealing = _dealing(config)
    largest = max(dealing.step_bytes(phase) for phase in Phase)
    if largest > config.max_step_memory:
        raise ConfigError(
            f"one step of the plan needs {largest >> 20} MiB here, and {config.max_step_memory >> 20} MiB are allowed; "
            "use smaller tensors or minibatches, or raise --max-step-memory"
        )
    extent = Extent.of(dealing, config.spare)
    begun = said = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SECONDS:
            said = time.monotonic()
            log(f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB written", "progress")

    material = precompute(
        dealing,
        extent,
        config.session,
        config.out,
        keys,
        found,
        workers=config.workers,
        valid=config.valid,
        progress=progress,
    )
    log(
        f"material {material[:8]} for session {config.session}: {dealing.steps:,} steps and {extent.steps - dealing.steps:,} spare, "
        f"made in {time.monotonic() - begun:.1f} s",
        "precomputed",
    )
    for path in names(config.out, config.session).values():
        print(f"{path}  {path.stat().st_size:,} bytes")
    sys.stdout.flush()
    return 0


def _dealing(config: Config) -> Dealing:
    of_job = {name: getattr(config, name) for name in ("iterations", "param", "shape", "data")}
    if config.plan is not None:
        given = [name for name, value in {"job": config.job, **of_job}.items() if value not in (None, ())]
        if given:
            raise ConfigError(
                f"--plan and --{given[0]} are two ways to say the same: a plan file has its job and numbers in it"
            )
        return load_plan(config.plan)
    if config.job is None:
        raise ConfigError(
            "say what the material is for: --plan FILE (from `python -m party plan --save`) or --job NAME|FILE.py"
        )
    with tempfile.TemporaryDirectory(prefix="mpc-plan-") as folder:
        file = Path(folder) / "job.plan"
        command = [sys.executable, "-m", "party", "plan", "--job", config.job, "--json", "--save", str(file)]
        for name, value in of_job.items():
            for text in value if isinstance(value, tuple) else () if value is None else (str(value),):
                command += [f"--{name}", text]
        outside = {
            name: value for name, value in os.environ.items() if not name.startswith("MPC_")
        }  # every option is given
        made = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=outside
        )
        if made.returncode:
            lines = made.stderr.strip().splitlines()
            raise UsageError((lines[-1] if lines else "the plan could not be made").removeprefix("party: "))
        return load_plan(file)
