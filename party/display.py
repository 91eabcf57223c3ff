"""What a person or a service manager sees while a party runs: who is awaited, what will be
revealed, how far it is, that it is alive. Lines on standard error, a bar where that is a terminal,
notifications where wanted.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from protocol.channel import Connection, Waiting
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.log import Lines, Log
from protocol.notify import Notifier
from protocol.plan import Plan
from protocol.wording import counted, size, span

from .bars import Bar, Line, TerminalBar, curves
from .intake import Supply
from .runner import Runner
from .seen import Seen

# seconds at which a state that lasts is said: 1, 2, 5, 10, 20, 40, … and every 300
FIRST, LEAST, MOST = (1, 2), 5, 300
REPEATED = ("lost", "note")  # events that come again for as long as their cause is not mended


class Watching(Seen):
    """Lines for a log, and a live bar where there is something to draw it on."""

    def __init__(self, role: str, log: Log, bar: Bar | None = None) -> None:
        super().__init__()
        self._role, self._log, self._bar = role, log, bar
        self._drawing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._said: dict[str, int] = {}  # of a wait, by whom it is for: when it was said last
        # of a repeated event: when it may be said next, after what pause
        self._again: dict[str, tuple[float, float]] = {}
        log.where = lambda: (self.attempt, None if (now := self.progress) is None else now.step)

    # ── what a run tells ──────────────────────────────────────────────────────────────────────────

    def note(self, text: str, event: str = "note") -> None:
        """Say it; what comes again and again, but for its numbers, at once and then ever more
        rarely."""
        if event in REPEATED:
            key, now = re.sub(r"\d+", "", text), time.monotonic()
            due, pause = self._again.get(key, (now, LEAST))
            if now < due:
                return
            self._again[key] = now + pause, min(2 * pause, MOST)
        self._log(text, event)

    def waiting(self, state: Waiting) -> None:
        """At 1, 2, 5 seconds and then ever more rarely: who is awaited, and for how long so far."""
        super().waiting(state)
        due = _due(int(state.seconds))
        if due and self._said.get(state.peer) != due:
            self._said[state.peer] = due
            self.note(f"waiting for {state.peer}, {int(state.seconds)} s", "waiting")
        if self._bar is not None and self._bar.early:
            self._draw(self._bar)

    def planned(self, plan: Plan) -> None:
        super().planned(plan)
        sent = plan.bytes_sent(ROLES.index(self._role))
        self.note(
            f"plan {plan.digest[:12]}: {counted(plan.rounds, 'round')},"
            f" {counted(sent, 'byte')} to send, {plan.dealt_bytes:,} bytes dealt to bob",
            "planned",
        )
        for line in plan.reveals:
            self.note(f"this run reveals {line}", "reveals")
        if plan.kept:
            self.note(f"kept: {plan.keeps}", "kept")
        self.note(f"fraction bits: {plan.traced.choice}")
        for text in plan.notes:
            self.note(f"note: {text}")

    def revealed(self, step: int, found: Mapping[str, Any], beyond: tuple[str, ...]) -> None:
        super().revealed(step, found, beyond)
        if found:
            said = ", ".join(f"{name} {flat(value)}" for name, value in found.items())
            self._log(f"after step {step:,}: {said}", "checked")

    def running(
        self, runner: Runner, intake: Supply, peer: Connection, dealer: Connection | None
    ) -> None:
        super().running(runner, intake, peer, dealer)
        if self._bar is not None:
            self._draw(self._bar)

    def ended(self) -> None:
        """Whatever happened, the bar is taken down."""
        for task in self._tasks:
            task.cancel()
        if self._bar is not None and self._drawing:
            self._bar.show(*self._drawn())
            self._bar.close()
            self._drawing = False

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        """Do it beside the run; if it fails, the run goes on, and says so."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._log(
                    f"what is shown here stopped: {type(error).__name__}: {error}",
                    "display failed",
                    "warning",
                )

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        self._tasks.append(task)

    def _draw(self, bar: Bar) -> None:
        """From now on, show how far it is."""

        async def draw() -> None:
            while True:
                bar.show(*self._drawn())
                await asyncio.sleep(bar.interval)

        if not self._drawing:
            self._drawing = True
            self._beside(draw())

    def _drawn(self) -> tuple[int, int, list[Line]]:
        """What the bar shows: how far it is, how fast, the two links, what was revealed last."""
        if (progress := self.progress) is None:
            return 0, 1, [self.status]
        counts, pace = self.counts, self.pace()
        left = self.left(pace)
        moved = counts.bytes_sent + counts.bytes_received
        # each of a length that 80 columns hold
        done = [
            "epoch {} of {}".format(*epoch) if (epoch := self.training_epoch) else "",
            f"about {span(max(1, round(left)))} left" if left is not None and progress.step else "",
            f"{counted(counts.rounds, 'round')}, {size(moved)}",
            f"attempt {counts.attempts}" if counts.attempts > 1 else "",
        ]
        rate = [
            f"{pace.rounds:,.0f} rounds/s, {size(pace.bytes)}/s" if pace.rounds else "",
            "keystream" if self._role == "alice" else f"{counted(self.stock, 'step')} in stock",
        ]
        lines: list[Line] = [
            *(", ".join(filter(None, figures)) for figures in (done, rate)),
            ", ".join(f"{link.whom} {link.state}" for link in self.links),
        ]
        if self.awaited or not self.going:
            lines.append(self.status)
        lines += curves({name: values for name, (_, values) in self.curves.items()})
        if not progress.steps:  # all there is to do are the rounds before and after
            return progress.rounds, 0 if self.plan is None else self.plan.rounds, lines
        over = progress.phase == Phase.FINISH
        return progress.steps if over else progress.step, progress.steps, lines


class Terminal(Watching):
    """What a command shows: all that, and the news for a service manager."""

    def __init__(self, role: str, log: Log, lines: Lines, quiet: bool = False) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        drawing = sys.stderr.isatty() and not quiet and not lines.json
        super().__init__(role, log, TerminalBar(role, console) if drawing else None)
        lines.write = lambda line: console.print(line, markup=False)
        self.for_programs = lines.json
        self._notifier = Notifier()
        self._last: tuple[int | None, int, int] = (None, 0, 0)

    def linked(self) -> None:
        """Both links are open: from here on a service manager counts this party as started."""
        if not self._tasks:
            self._notifier.tell("READY=1")
            self._beside(self._notifier.attend(self._alive, lambda: self.status))

    async def _alive(self) -> bool:
        """Has a round been done, or somebody else been waited for, since the last look?"""
        now = (self.attempt, self.rounds, self.waits)
        moved, self._last = now != self._last, now
        return moved

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Around a run: whatever happens, the bar is taken down."""
        try:
            yield
        finally:
            self.ended()


def shown(values: Any, digits: int = 8, most: int = 1000) -> str:
    """An array for a person to read: small numbers are not shown as 0, and what is left out of long
    ones is said."""
    array = np.asarray(values)
    if array.dtype.kind == "U":  # names of classes
        return str(array) if array.size <= most else f"{array}{_shortened(array)}"
    sizes = np.abs(array[np.isfinite(array) & (array != 0)])
    # else in scientific notation
    fixed = not sizes.size or bool(sizes.min() >= 10.0 ** (3 - digits))
    with np.printoptions(precision=digits, suppress=fixed, threshold=most):
        text = str(array)
    return text + (_shortened(array) if array.size > most else "")


def _shortened(array: NDArray[Any]) -> str:
    return f" (shortened: it has {array.size:,} values; --out FILE keeps them all)"


def flat(value: Any) -> str:
    """A small array in a line, or the shape of one that is none."""
    array = np.asarray(value)
    return (
        f"of shape {array.shape}"
        if array.size > 8
        else " ".join(f"{each:.5g}" for each in array.flat)
    )


def _due(seconds: int) -> int:
    """The last moment, up to now, at which a state that has lasted for so many whole seconds is
    said; 0: none yet."""
    if seconds < LEAST:
        return max((each for each in FIRST if each <= seconds), default=0)
    if seconds >= MOST:
        return seconds // MOST * MOST
    return LEAST << (seconds // LEAST).bit_length() - 1
