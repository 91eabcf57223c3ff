"""What a person or a service manager sees while a party runs: who is awaited, what will be revealed, how far
it is, that it is alive. Lines on standard error, a bar where that is a terminal, notifications where wanted.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from protocol.channel import Connection, Waiting
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.log import Lines, Log
from protocol.notify import Notifier
from protocol.plan import Plan

from .bars import Bar, TerminalBar
from .intake import Supply
from .runner import Runner
from .view import View

FIRST, LEAST, MOST = (1, 2), 5, 300  # seconds at which a state that lasts is said: 1, 2, 5, 10, 20, 40, … and every 300
REPEATED = ("lost", "note")  # events that come again for as long as their cause is not mended


class Attempt(NamedTuple):
    runner: Runner
    intake: Supply
    peer: Connection


class Watching(View):
    """Lines for a log, and a live bar where there is something to draw it on."""

    def __init__(self, role: str, log: Log, bar: Bar | None = None) -> None:
        self._role, self._log, self._bar = role, log, bar
        self._drawing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._said: dict[str, int] = {}  # of a wait, by whom it is for: when it was said last
        self._again: dict[
            str, tuple[float, float]
        ] = {}  # of a repeated event: when it may be said next, after what pause
        self._epoch: int | None = None
        self._now: Attempt | None = None
        self._awaited: tuple[str, int] = ("", 0)  # who was waited for last, after how many rounds
        self._waits = 0
        log.where = lambda: (self._epoch, None if self._now is None else self._now.runner.progress.step)

    # ── what a run tells ──────────────────────────────────────────────────────────────────────────

    def note(self, text: str, event: str = "note") -> None:
        """Say it; what comes again and again, but for its numbers, at once and then ever more rarely."""
        if event in REPEATED:
            key, now = re.sub(r"\d+", "", text), time.monotonic()
            due, pause = self._again.get(key, (now, LEAST))
            if now < due:
                return
            self._again[key] = now + pause, min(2 * pause, MOST)
        self._log(text, event)

    def begins(self, epoch: int) -> None:
        self._epoch, self._now, self._awaited = epoch, None, ("", 0)

    def waiting(self, state: Waiting) -> None:
        """At 1, 2, 5 seconds and then ever more rarely: who is awaited, and for how long so far."""
        if self._now is None or not self._now.intake.stock or not state.peer.startswith("dealer"):
            self._awaited = (state.peer, self._rounds)
            self._waits += 1
        due = _due(int(state.seconds))
        if due and self._said.get(state.peer) != due:
            self._said[state.peer] = due
            self.note(f"waiting for {state.peer}, {int(state.seconds)} s", "waiting")
        if self._bar is not None and self._bar.early:
            self._draw(self._bar)

    def planned(self, plan: Plan) -> None:
        sent = plan.bytes_sent(ROLES.index(self._role))
        self.note(
            f"plan {plan.digest[:12]}: {plan.rounds:,} rounds, {sent:,} bytes to send, "
            f"{plan.dealt_bytes:,} bytes dealt to bob",
            "planned",
        )
        for line in plan.reveals:
            self.note(f"this run reveals {line}", "reveals")
        if plan.kept:
            self.note(f"kept: {plan.keeps}", "kept")
        if plan.traced.choice:
            self.note(f"fraction bits, chosen: {plan.traced.choice}")
        for text in [*plan.traced.assumptions, *plan.lowering.warnings]:
            self.note(f"note: {text}")

    def revealed(self, step: int, found: Mapping[str, Any]) -> None:
        if found:
            said = ", ".join(f"{name} {flat(value)}" for name, value in found.items())
            self._log(f"after step {step:,}: {said}", "checked")

    def running(self, runner: Runner, intake: Supply, peer: Connection, dealer: Connection | None) -> None:
        self._now = Attempt(runner, intake, peer)
        if self._bar is not None:
            self._draw(self._bar)

    def ended(self) -> None:
        """Whatever happened, the bar is taken down."""
        for task in self._tasks:
            task.cancel()
        if self._bar is not None and self._drawing:
            self._bar.show(**self._drawn())
            self._bar.close()
            self._drawing = False

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        """Do it beside the run; if it fails, the run goes on, and says so."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._log(f"what is shown here stopped: {type(error).__name__}: {error}", "display failed", "warning")

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        self._tasks.append(task)

    @property
    def _rounds(self) -> int:
        return 0 if self._now is None else self._now.runner.progress.rounds

    def _status(self) -> str:
        awaited, rounds = self._awaited
        if awaited and rounds == self._rounds:
            return f"waiting for {awaited}"
        if self._now is None:
            return "agreeing with the others"
        progress = self._now.runner.progress
        return f"step {progress.step} of {progress.steps}, epoch {self._epoch}"

    def _draw(self, bar: Bar) -> None:
        """From now on, show how far it is."""

        async def draw() -> None:
            while True:
                bar.show(**self._drawn())
                await asyncio.sleep(bar.interval)

        if not self._drawing:
            self._drawing = True
            self._beside(draw())

    def _drawn(self) -> dict[str, Any]:
        """The bar's figures."""
        if (now := self._now) is None:
            return {"total": 1, "completed": 0, "detail": self._status()}
        progress, counters = now.runner.progress, now.peer.counters
        moved = (counters.bytes_sent + counters.bytes_received) / 1e6
        stock = "keystream" if self._role == "alice" else f"{now.intake.stock:,} steps in stock"
        return {
            "total": max(progress.steps, 1),
            "completed": progress.steps if progress.phase == Phase.FINISH else progress.step,
            "detail": f"{progress.rounds:,} rounds, {moved:.1f} MB, {stock}",
        }


class Terminal(Watching):
    """What a command shows: all that, and the news for a service manager."""

    def __init__(self, role: str, log: Log, lines: Lines, quiet: bool = False) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        drawing = sys.stderr.isatty() and not quiet and not lines.json
        super().__init__(role, log, TerminalBar(role, console) if drawing else None)
        lines.write = lambda line: console.print(line, markup=False)
        self.for_programs = lines.json
        self._notifier = Notifier()
        self._seen: tuple[int | None, int, int] = (None, 0, 0)

    def linked(self) -> None:
        """Both links are open: from here on a service manager counts this party as started."""
        if not self._tasks:
            self._notifier.tell("READY=1")
            self._beside(self._notifier.attend(self._alive, self._status))

    async def _alive(self) -> bool:
        """Has a round been done, or somebody else been waited for, since the last look?"""
        seen = (self._epoch, self._rounds, self._waits)
        moved, self._seen = seen != self._seen, seen
        return moved

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Around a run: whatever happens, the bar is taken down."""
        try:
            yield
        finally:
            self.ended()


def shown(values: Any, digits: int = 8, most: int = 1000) -> str:
    """An array for a person to read: small numbers are not shown as 0, and what is left out of long ones is said."""
    array = np.asarray(values)
    sizes = np.abs(array[np.isfinite(array) & (array != 0)])
    fixed = not sizes.size or bool(sizes.min() >= 10.0 ** (3 - digits))  # else in scientific notation
    with np.printoptions(precision=digits, suppress=fixed, threshold=most):
        text = str(array)
    left_out = f" (shortened: it has {array.size:,} values; --out FILE keeps them all)" if array.size > most else ""
    return text + left_out


def flat(value: Any) -> str:
    """A small array in a line, or the shape of one that is none."""
    array = np.asarray(value)
    return f"of shape {array.shape}" if array.size > 8 else " ".join(f"{each:.5g}" for each in array.flat)


def _due(seconds: int) -> int:
    """The last moment, up to now, at which a state that has lasted for so many whole seconds is said; 0: none yet."""
    if seconds < LEAST:
        return max((each for each in FIRST if each <= seconds), default=0)
    if seconds >= MOST:
        return seconds // MOST * MOST
    return LEAST << (seconds // LEAST).bit_length() - 1
