"""What the dealer's page shows (`--page`): sessions, links, workers, and the shapes that are dealt,
which is all that it knows."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from protocol.contract import Dealing, PhaseDealing
from protocol.graph import Phase
from protocol.log import LOGGER
from protocol.web.measures import Rate

from .service import Service
from .session import Session

EVENTS = 200  # that are remembered
MOST = 20  # sessions whose shapes are shown


class Events(logging.Handler):
    """The last lines of the log: the time, in seconds since 1970, and a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[tuple[float, str]] = deque(maxlen=EVENTS)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.created, record.getMessage()))


def parts(service: Service) -> Callable[[], Mapping[str, Any]]:
    """A function that returns the parts of the dealer's page as they are when it is called. From
    now on, lines of the log are remembered for it."""
    events, rates = Events(), {role: Rate() for role in ("alice", "bob")}
    known: WeakKeyDictionary[Session, tuple[Dealing, dict[str, list[str]]]] = WeakKeyDictionary()
    LOGGER.addHandler(events)

    def links(sessions: list[Session]) -> dict[str, Any]:
        found = []
        for role, rate in rates.items():
            there = [session.links[role] for session in sessions if role in session.links]
            moved = sum(link.counters.wire_bytes for link in there)
            state = (
                "connected"
                if any(link.connected for link in there)
                else "interrupted"
                if there
                else "nobody here"
            )
            found.append(
                {
                    "ends": ["dealer", role],
                    "state": state,
                    "bytes": moved,
                    "rate": max(0.0, rate.of(moved)[0]),
                }
            )
        return {"own": "dealer", "links": found}

    def shapes(session: Session) -> dict[str, list[str]]:
        dealing = session.dealing
        if dealing is None:
            return {}
        if session not in known or known[session][0] is not dealing:
            known[session] = dealing, _shapes(dealing)
        return known[session][1]

    def read() -> Mapping[str, Any]:
        sessions, tally, workers = service.sessions, service.tally, service.workers
        stock = service.stock
        return {
            "about": {"role": "dealer", "title": f"dealer at {service.settings.listen}"},
            "now": {"status": f"sessions that are open: {len(sessions)}"},
            "links": links(sessions),
            "sessions": [_session(session) for session in sessions],
            "shapes": {session.name: shapes(session) for session in sessions[:MOST]},
            "events": [*events.lines],
            "figures": [
                ("material sent", tally.bytes, "B"),
                ("chunks", tally.chunks, ""),
                ("held ahead", stock.ahead, "B"),
                ("memory declared", stock.needed(), "B"),
                ("memory allowed", stock.memory, "B"),
                (
                    "workers at work" if workers.here else "chunks ordered from the cluster",
                    workers.busy,
                    "",
                ),
                ("workers", workers.threads, ""),
                ("tasks waiting", workers.queue, ""),
                ("work done", workers.seconds, "s"),
                ("turned away", tally.refused, ""),
            ],
        }

    return read


def _session(session: Session) -> dict[str, Any]:
    dealing = session.dealing
    return {
        "name": session.name,
        "parties": sorted(session.links),
        "sent": session.sent,
        "steps": session.steps,
        "ahead": session.ahead,
        "step_bytes": 0 if dealing is None else 8 * dealing.phases[Phase.STEP].dealt_words,
    }


def _shapes(dealing: Dealing) -> dict[str, list[str]]:
    return {
        phase.name.lower(): _lines(own) for phase, own in zip(Phase, dealing.phases, strict=True)
    }


def _lines(own: PhaseDealing) -> list[str]:
    """Each kind of correlation with the shapes of what is dealt, and how often."""
    found = Counter(
        f"{spec.kind}: {', '.join(str(field.full_shape) for field in spec.fields)}"
        for spec in own.correlations
    )
    return [line if times == 1 else f"{line}, {times} times" for line, times in found.items()]
