"""What a party's page shows (`--page`): its own run as `Seen` has it, the plan, and what was
revealed to this party."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from protocol.breakdown import rounds
from protocol.graph import Phase
from protocol.plan import Plan
from protocol.web.measures import Rate

from .links import PEER
from .seen import Seen

MOST = 400  # points of a curve
DOING = {
    Phase.SETUP: "opening what stays the same in all steps",
    Phase.STEP: "computing steps",
    Phase.CHECK: "computing a check",
    Phase.FINISH: "computing what is revealed at the end",
}
PHASES = {
    Phase.SETUP: "before",
    Phase.STEP: "each step",
    Phase.CHECK: "each check",
    Phase.FINISH: "after",
}


def parts(role: str, session: str, job: str, seen: Seen) -> Callable[[], Mapping[str, Any]]:
    """A function that gives the parts of the page as they stand."""
    planned: list[dict[str, Any]] = []
    rates = {whom: Rate() for whom in (PEER[role], "dealer")}

    def links() -> dict[str, Any]:
        found = []
        for link in seen.links:
            # over all attempts
            moved = sum(each.wire_bytes for each in seen.counters[link.whom])
            found.append(
                {
                    "ends": [role, link.whom],
                    "state": link.state,
                    "bytes": moved,
                    "rate": rates[link.whom].of(moved)[0],
                }
            )
        return {"own": role, "links": found}

    def read() -> Mapping[str, Any]:
        counts = seen.counts
        found: dict[str, Any] = {
            "about": {"role": role, "title": f"{role}: {job}, session {session}"},
            "now": _now(PEER[role], seen),
            "links": links(),
            "curves": {name: _thinned(*curve) for name, curve in seen.curves.items()},
            "events": [*seen.events],
            "figures": [
                ("rounds", counts.rounds, ""),
                ("sent in rounds", counts.bytes_sent, "B"),
                ("received in rounds", counts.bytes_received, "B"),
                ("material that arrived", counts.material_bytes, "B"),
                ("steps of it in stock", seen.stock, ""),
                ("waits for material", counts.waits_for_material, ""),
                ("attempts", counts.attempts, ""),
                ("checks", seen.checks, ""),
            ],
        }
        if seen.plan is not None and not planned:
            planned.append(_plan(seen.plan))
        return found | ({"plan": planned[0]} if planned else {})

    return read


def _now(peer: str, seen: Seen) -> dict[str, Any]:
    counts, progress, pace = seen.counts, seen.progress, seen.pace()
    step, steps = (0, 0) if progress is None else (progress.step, progress.steps)
    return {
        "status": seen.status
        if progress is None or seen.awaited or not seen.going
        else DOING[progress.phase],
        "peer": peer,
        "step": step,
        "steps": steps,
        "epoch": seen.training_epoch,
        "pace": pace._asdict(),
        "left": seen.left(pace),
        "online": counts.setup + counts.step + counts.check + counts.finish,
        "waited": {"peer": counts.waited_for_peer, "material": counts.waited_for_material},
        "by_round": seen.by_round,
    }


def _plan(plan: Plan) -> dict[str, Any]:
    phases = [
        {
            "name": PHASES[phase],
            "times": plan.dealing.count(phase),
            "rounds": cost.rounds,
            "sent": cost.sent,
            "dealt": cost.dealt,
        }
        for phase, cost in zip(Phase, plan.costs, strict=True)
    ]
    each = [
        {"opens": round.opens or round.reveals, "sent": round.sent}
        for round in rounds(plan, Phase.STEP)
    ]
    return {"phases": phases, "rounds": each, "reveals": plan.reveals}


def _thinned(steps: list[int], values: list[float]) -> dict[str, list[Any]]:
    """No more points than can be seen; what is no number is null."""
    every = -(-len(steps) // MOST)
    chosen = [*range(len(steps) - 1, -1, -every)][::-1]
    return {
        "steps": [steps[n] for n in chosen],
        "values": [values[n] if math.isfinite(values[n]) else None for n in chosen],
    }
