"""Hundreds of runs of one job are planned once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from protocol import simulate as simulation
from protocol.plan import Plan
from protocol.tracing import trace


@pytest.fixture(scope="module", autouse=True)
def planned_once() -> Iterator[None]:
    """Hundreds of runs of one job: its plan is made, and read by the dealer, once; everything else
    is fresh."""
    plans: dict[Any, list[Plan]] = {}
    planned = simulation.make_plans

    def known(traced: Any, learners: tuple[int, ...], guard: bool) -> list[Plan]:
        job, shapes, iterations, network = traced
        key = (job, tuple(shapes.items()), iterations, network, learners, guard)
        if key not in plans:
            plans[key] = planned(trace(job, shapes, iterations, network), learners, guard)
        return plans[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "trace", lambda *told: told)
        patch.setattr(simulation, "make_plans", known)
        patch.setattr(simulation, "pack", lambda dealing: dealing)
        patch.setattr(simulation, "unpack", lambda dealing: dealing)
        yield
