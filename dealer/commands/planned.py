"""The plan that a command works from, which is shapes and nothing else: the file that `python -m
party plan --save` wrote. With --job that command is run first, in a process of its own: user code
never enters this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from protocol.contract import Dealing
from protocol.errors import ConfigError, UsageError
from protocol.planfile import load_plan

from ..settings import MaterialSettings


def planned(settings: MaterialSettings) -> Dealing:
    """The plan of --plan, or of --job and what belongs to it; ConfigError or UsageError if there is
    none."""
    of_job = {
        "iterations": settings.iterations,
        "param": settings.param,
        "shape": settings.shape,
        "data": settings.data,
    }
    if settings.plan is not None:
        given = [
            name
            for name, value in {"job": settings.job, **of_job}.items()
            if value not in (None, ())
        ]
        if given:
            raise ConfigError(
                f"--plan and --{given[0]} are two ways to say the same: a plan file has its job and"
                " numbers in it"
            )
        return load_plan(settings.plan)
    if settings.job is None:
        raise ConfigError(
            "say what the material is for: --plan FILE (from `python -m party plan --save`) or"
            " --job NAME|FILE.py"
        )
    with tempfile.TemporaryDirectory(prefix="mpc-plan-") as folder:
        file = Path(folder) / "job.plan"
        command = [
            sys.executable,
            "-m",
            "party",
            "plan",
            "--job",
            settings.job,
            "--json",
            "--save",
            str(file),
        ]
        for name, value in of_job.items():
            for text in (
                value if isinstance(value, tuple) else () if value is None else (str(value),)
            ):
                command += [f"--{name}", text]
        # every option is given
        outside = {name: value for name, value in os.environ.items() if not name.startswith("MPC_")}
        made = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=outside,
        )
        if made.returncode:
            lines = made.stderr.strip().splitlines()
            raise UsageError(
                (lines[-1] if lines else "the plan could not be made").removeprefix("party: ")
            )
        return load_plan(file)
