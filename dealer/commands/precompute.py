"""`python -m dealer precompute`: a job's material on disk, one sealed file for each party, so that
no dealer is needed online."""

from __future__ import annotations

import sys
import time

from protocol.errors import ConfigError
from protocol.keyring import other_key, own_key
from protocol.log import configure
from protocol.schedule import Phase
from protocol.sealed_material import Extent
from protocol.wording import counted, span

from ..settings import PrecomputeSettings
from ..store import names, precompute
from .planned import planned

SECONDS = 5.0  # between two lines about how far it is


def run(settings: PrecomputeSettings) -> int:
    log, _ = configure("dealer", settings.log_format, settings.quiet, settings.session)
    if settings.out is None:
        raise ConfigError("say where the material goes: --out DIR")
    keys = own_key("dealer", settings.key, (), False)
    owners = {
        role: other_key(role, line, settings.key is None)
        for role, line in (("alice", settings.alice_key), ("bob", settings.bob_key))
    }
    found = {role: key for role, key in owners.items() if key is not None}
    if keys is None or len(found) < 2:
        raise ConfigError(
            "material is sealed for the parties' keys: give --alice-key and --bob-key, the lines"
            " that their keygen printed"
        )
    dealing = planned(settings)
    largest = max(dealing.step_bytes(phase) for phase in Phase)
    if largest > settings.max_step_memory:
        raise ConfigError(
            f"one step of the plan needs {largest >> 20} MiB here, and"
            f" {settings.max_step_memory >> 20} MiB are allowed; use smaller tensors or"
            " minibatches, or raise --max-step-memory"
        )
    extent = Extent.of(dealing, settings.spare)
    begun = said = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SECONDS:
            said = time.monotonic()
            log(f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB written", "progress")

    material = precompute(
        dealing,
        extent,
        settings.session,
        settings.out,
        keys,
        found,
        workers=settings.workers,
        valid=settings.valid,
        progress=progress,
    )
    log(
        f"material {material[:8]} for session {settings.session}: {counted(dealing.steps, 'step')}"
        f" and {extent.steps - dealing.steps:,} spare, made in {span(time.monotonic() - begun)}",
        "precomputed",
    )
    for path in names(settings.out, settings.session).values():
        print(f"{path}  {path.stat().st_size:,} bytes")
    sys.stdout.flush()
    return 0
