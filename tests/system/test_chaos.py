"""Chaos: random processes of a running session are killed, and started again with the same command.

`pytest tests/system/test_chaos.py --kills 300` makes a longer run of it.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterable

import numpy as np
import pytest
from services import SECONDS

from party.loading import load_job
from party.local import Trio
from protocol.tracing import trace

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]
A_KILL = 800  # iterations in which it happens, or more of them than it takes
VICTIMS = [
    ("alice",),
    ("bob",),
    ("dealer",),
    ("alice", "bob"),
    ("bob", "dealer"),
    ("alice", "bob", "dealer"),
]


def twin(iterations: int) -> dict[str, np.ndarray]:
    job = load_job("seed")
    inputs = {name: np.asarray(declared.default, float) for name, declared in job.inputs.items()}
    return trace(job, {name: array.shape for name, array in inputs.items()}).graph.run_clear(
        inputs, iterations
    )


def start(trio: Trio, role: str, iterations: int) -> None:
    options = [
        "--json",
        "--iterations",
        str(iterations),
        "--checkpoint-every",
        "100ms",
        "--timeout",
        "5s",
        "--wait",
        "60s",
    ]
    trio.start(role, [] if role == "dealer" else [*options, "--state", str(trio.folder / role)])


def test_killed_at_random_the_run_reaches_the_same_weights(request, capsys):
    kills = request.config.getoption("kills")
    iterations = A_KILL * kills
    seed = request.config.getoption("chaos_seed") or random.SystemRandom().randrange(1 << 32)
    chooser = random.Random(seed)
    recoveries: list[float] = []
    with Trio("chaos") as trio:
        for role in ("dealer", "alice", "bob"):
            start(trio, role, iterations)
        done = 0
        while done < kills:
            reached = running(trio)
            time.sleep(chooser.uniform(0.0, 0.6))
            victims = chooser.choice(VICTIMS)
            if any(trio.children[role].process.poll() is not None for role in ("alice", "bob")):
                break  # finished before the last kill: the assertion below says so
            for role in victims:
                trio.children[role].process.kill()
            for role in victims:
                trio.children[role].process.wait()
                start(trio, role, iterations)
            begin = time.monotonic()
            running(trio, after=reached)
            recoveries.append(time.monotonic() - begin)
            done += len(victims)
        trio.wait(240)
        reports = [
            json.loads(trio.children[role].output.strip().splitlines()[-1])
            for role in ("alice", "bob")
        ]
        said = {role: trio.children[role].errors for role in ("alice", "bob")}
        for text in said.values():
            assert "Traceback" not in text
    assert done >= kills, f"the job ended after {done} kills (chaos seed {seed})"
    for name, value in twin(iterations).items():
        for report in reports:
            error = np.abs(np.asarray(report["results"][name]) - value).max()
            assert error <= 1e-3, f"{name} is off by {error:.2g} (chaos seed {seed})"
    with capsys.disabled():
        print(
            f"\nchaos: survived {done} kills; {recomputed(said.values())} steps computed again; "
            f"recovery {np.median(recoveries):.1f} s median, {max(recoveries):.1f} s at most"
        )


def recomputed(texts: Iterable[str]) -> int:
    """Steps that a surviving party did again: where it was when the others died, less where both
    went on from."""
    pattern = re.compile(r"\(at step (\d+) of .*?going on from step (\d+) of", re.DOTALL)
    return sum(
        max(0, int(at) - int(start)) for text in texts for at, start in pattern.findall(text)
    )


def epochs(trio: Trio) -> int:
    """How many attempts both parties have begun, by what they say."""
    return sum(
        trio.children[role].errors.count(words)
        for role in ("alice", "bob")
        for words in ("going on from", "plan ")
    )


def running(trio: Trio, after: int = -1, seconds: float = SECONDS) -> int:
    """Wait until both parties are in an attempt that began after `after`."""
    deadline = time.monotonic() + seconds
    while (found := epochs(trio)) <= after or found < 2:
        over = all(trio.children[role].process.poll() is not None for role in ("alice", "bob"))
        if over:
            return found
        assert time.monotonic() < deadline, "\n".join(
            child.errors for child in trio.children.values()
        )
        time.sleep(0.02)
    return found
