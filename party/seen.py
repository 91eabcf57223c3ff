"""What there is to see of a run, for whoever shows it: counts over all its attempts, how fast it
goes, its links, what was revealed.

`Seen` keeps it up to date; the terminal, the page and the metrics read it. Nothing secret is in it
but what was revealed to this party.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

from protocol.channel import Connection, Counters, Waiting
from protocol.graph import Array, Phase
from protocol.nn.training import Training
from protocol.plan import Plan
from protocol.web.measures import Rate

from .intake import Supply
from .runner import Progress, Runner
from .view import RunView

EVENTS = 200  # that are remembered


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of one attempt, or of several added up. Bytes are payload, as a plan counts them;
    times are in seconds."""

    attempts: int = 0
    steps: int = 0  # that were done, those again that a crash made do again
    rounds: int = 0
    bytes_sent: int = 0  # to the peer
    bytes_received: int = 0
    material_bytes: int = 0  # that arrived
    waits_for_material: int = 0
    waited_for_material: float = 0.0
    waited_for_peer: float = 0.0
    setup: float = 0.0
    step: float = 0.0
    check: float = 0.0
    finish: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            **{
                each.name: getattr(self, each.name) + getattr(other, each.name)
                for each in fields(Counts)
            }
        )


class LinkStatus(NamedTuple):
    """One of the two links, as it is now."""

    whom: str
    state: str  # connected, interrupted, closed
    counters: Counters


class Rates(NamedTuple):
    """Per second, over the last few seconds."""

    steps: float = 0.0
    rounds: float = 0.0
    bytes: float = 0.0  # both directions


@dataclass
class _Attempt:
    runner: Runner
    intake: Supply
    peer: Connection

    def __post_init__(self) -> None:
        counters = self.peer.counters
        self._start, self._before = (
            self.runner.progress.step,
            (counters.bytes_sent, counters.bytes_received),
        )

    @property
    def counts(self) -> Counts:
        progress, counters, intake = self.runner.progress, self.peer.counters, self.intake
        return Counts(
            attempts=1,
            steps=progress.step - self._start,
            rounds=progress.rounds,
            bytes_sent=counters.bytes_sent - self._before[0],
            bytes_received=counters.bytes_received - self._before[1],
            material_bytes=intake.bytes_received,
            waits_for_material=intake.waits,
            waited_for_material=intake.waited,
            waited_for_peer=progress.waited_for_peer,
            **{phase.name.lower(): spent for phase, spent in progress.spent.items()},
        )


class Seen(RunView):
    """What there is to see of one party's run, kept up to date."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.attempt: int | None = None  # the number of the attempt at the run
        # of what checks revealed, if it is one number: steps, values
        self.curves: dict[str, tuple[list[int], list[float]]] = {}
        self.checks = 0
        # what checks found out of range, a phrase each, where that is accepted
        self.beyond: tuple[str, ...] = ()
        # when, in seconds since 1970, and a sentence
        self.events: deque[tuple[float, str]] = deque(maxlen=EVENTS)
        # of all links so far, by who is at the other end
        self.counters: dict[str, list[Counters]] = {}
        self.waits = 0  # how often somebody who is needed was waited for, a second each
        self.going = False  # whether an attempt's rounds have begun, and none after it
        self._now: _Attempt | None = None  # that attempt, or the last one
        self._links: tuple[Connection, ...] = ()
        self._earlier = Counts()
        self._awaited: tuple[str, int] = ("", 0)  # who was waited for last, after how many rounds
        self._rate = Rate()

    # ---- what a run tells ------------------------------------------------------------------------

    def note(self, text: str, event: str = "note") -> None:
        self._remember(text)

    def begins(self, attempt: int, *links: Connection) -> None:
        self._earlier, self.going = self.counts, False
        self.attempt, self._awaited = attempt, ("", 0)
        self._linked(*links)

    def waiting(self, state: Waiting) -> None:
        self._awaited = (state.peer, self.rounds)
        self.waits += 1

    def planned(self, plan: Plan) -> None:
        self.plan = plan

    def revealed(self, step: int, found: Mapping[str, Array], beyond: tuple[str, ...]) -> None:
        """A check after `step` steps revealed `found`; single numbers go on a curve, by name."""
        self.checks, self.beyond = self.checks + 1, beyond
        self._remember(f"a check after step {step:,} revealed {', '.join(found) or 'nothing'}")
        for name, value in found.items():
            if value.size == 1:
                steps, values = self.curves.setdefault(name, ([], []))
                # of an attempt that was given up behind its last checkpoint
                while steps and steps[-1] >= step:
                    del steps[-1], values[-1]
                steps.append(step)
                values.append(float(value.reshape(())))

    def running(
        self, runner: Runner, intake: Supply, peer: Connection, dealer: Connection | None
    ) -> None:
        """An attempt's rounds begin, over these links."""
        self._now, self.going = _Attempt(runner, intake, peer), True
        self._rate = Rate()
        self._linked(*filter(None, (peer, dealer)))
        self._remember(
            f"the rounds of attempt {self.attempt} begin before step {runner.progress.step + 1:,}"
        )

    def _linked(self, *links: Connection) -> None:
        self._links = links
        for link in links:
            known = self.counters.setdefault(link.role, [])
            if not any(link.counters is each for each in known):
                known.append(link.counters)

    def _remember(self, text: str) -> None:
        self.events.append((time.time(), text))

    # ---- what is to be seen ----------------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """Counts over all attempts so far."""
        return self._earlier + self._now.counts if self._now and self.going else self._earlier

    @property
    def progress(self) -> Progress | None:
        """Progress of the attempt that is going on, or of the last one until another begins; None
        before the first."""
        return None if self._now is None else self._now.runner.progress

    @property
    def rounds(self) -> int:
        """Rounds done in this attempt."""
        return self._now.runner.progress.rounds if self._now and self.going else 0

    @property
    def stock(self) -> int:
        """Steps for which material is here, beyond the chunk in use."""
        return self._now.intake.stock if self._now and self.going else 0

    @property
    def stock_bytes(self) -> int:
        """Bytes of material that are here."""
        return self._now.intake.stock_bytes if self._now and self.going else 0

    @property
    def links(self) -> list[LinkStatus]:
        """The link to the peer, and that to the dealer if there is one."""
        return [LinkStatus(each.role, _state(each), each.counters) for each in self._links]

    @property
    def training_epoch(self) -> tuple[int, int] | None:
        """Which epoch of a training this is, from 1, and of how many; None of other jobs."""
        job, progress = None if self.plan is None else self.plan.traced.job, self.progress
        if not isinstance(job, Training) or progress is None or not progress.steps:
            return None
        each = max(1, progress.steps // job.epochs)
        return min(progress.step // each + 1, job.epochs), job.epochs

    @property
    def awaited(self) -> str:
        """Who is waited for; "" if nobody is."""
        awaited, rounds = self._awaited
        return awaited if rounds == self.rounds else ""

    @property
    def status(self) -> str:
        """In a line: what the run is at, or who is waited for."""
        if self.awaited:
            return f"waiting for {self.awaited}"
        if (progress := self.progress) is None or not self.going:
            return "agreeing with the others"
        return f"step {progress.step} of {progress.steps}, attempt {self.attempt}"

    def pace(self) -> Rates:
        """How fast it goes. To be asked regularly."""
        counts = self.counts
        return Rates(
            *self._rate.of(counts.steps, counts.rounds, counts.bytes_sent + counts.bytes_received)
        )

    def left(self, pace: Rates) -> float | None:
        """Seconds that the remaining steps take at this pace; None where nobody knows, as while
        somebody is waited for."""
        progress = self.progress
        if progress is None or not self.going or self.awaited or not pace.steps:
            return None
        return (progress.steps - progress.step) / pace.steps or None

    @property
    def by_round(self) -> list[float]:
        """Seconds that a step of this attempt spent in each of its rounds, on average; [] before
        the first is done."""
        progress = self.progress
        done = 0 if self._now is None else self._now.counts.steps
        return (
            [spent / done for spent in progress.by_round[Phase.STEP]]
            if progress is not None and done
            else []
        )


def _state(connection: Connection) -> str:
    if connection.failure is not None:
        return "closed"
    return "connected" if connection.connected else "interrupted"
