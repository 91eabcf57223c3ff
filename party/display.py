"""What a person or a service manager sees while a party runs: who is awaited, what will be revealed, how far
it is, that it is alive. Lines on standard error, a bar where that is a terminal, notifications where wanted.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from protocol.channel import Connection, Waiting
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.log import Log
from protocol.notify import Notifier
from protocol.plan import Plan

from .bench.stopwatch import Stopwatch
from .intake import Supply
from .runner import Runner
from .session import View


class Attempt(NamedTuple):
    runner: Runner
    intake: Supply
    peer: Connection


class Terminal(View):
    """Lines for a log, a live bar where standard error is a terminal, and the news for a service manager."""

    def __init__(self, role: str, log: Log, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._role, self._log = role, log
        self._drawing = sys.stderr.isatty() and not quiet and not log.json
        self._notifier = Notifier()
        self._tasks: list[asyncio.Task[None]] = []
        self._bar: Progress | None = None
        self._said: dict[str, int] = {}
        self._epoch: int | None = None
        self._now: Attempt | None = None
        self.watch: Stopwatch | None = None
        self._awaited: tuple[str, int] = ("", 0)  # who was waited for last, after how many rounds
        self._waits = 0
        self._seen: tuple[int | None, int, int] = (None, 0, 0)
        self.for_programs = log.json
        log.write = lambda line: self._console.print(line, markup=False)
        log.where = lambda: (self._epoch, None if self._now is None else self._now.runner.progress.step)

    # ── what a run tells ──────────────────────────────────────────────────────────────────────────

    def note(self, text: str, event: str = "note") -> None:
        self._log(text, event)

    def linked(self) -> None:
        """Both links are open: from here on a service manager counts this party as started."""
        if not self._tasks:
            self._notifier.tell("READY=1")
            self._tasks.append(asyncio.create_task(self._notifier.attend(self._alive, self._status)))

    def begins(self, epoch: int) -> None:
        self._epoch, self._now, self._awaited = epoch, None, ("", 0)

    def waiting(self, state: Waiting) -> None:
        """At 1, 2, 5 and then every 5 seconds: who is awaited, and for how long so far."""
        if self._now is None or not self._now.intake.stock or not state.peer.startswith("dealer"):
            self._awaited = (state.peer, self._rounds)
            self._waits += 1
        seconds = int(state.seconds)
        due = seconds if seconds in (1, 2) else seconds // 5 * 5
        if due and self._said.get(state.peer) != due:
            self._said[state.peer] = due
            self.note(f"waiting for {state.peer}, {seconds} s", "waiting")

    def planned(self, plan: Plan) -> None:
        sent = plan.bytes_sent(ROLES.index(self._role))
        self.note(
            f"plan {plan.digest[:12]}: {plan.rounds:,} rounds, {sent:,} bytes to send, "
            f"{plan.dealt_bytes:,} bytes dealt to bob",
            "planned",
        )
        for line in plan.reveals:
            self.note(f"this run reveals {line}", "reveals")
        for text in [*plan.traced.assumptions, *plan.lowering.warnings]:
            self.note(f"note: {text}")

    def running(self, runner: Runner, intake: Supply, peer: Connection) -> None:
        self._now = Attempt(runner, intake, peer)
        if self.watch is not None:
            self.watch.attend(runner, intake)
        if self._drawing and self._bar is None:
            self._tasks.append(asyncio.create_task(self._draw()))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Around a run: whatever happens, the bar is taken down."""
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            if self._bar is not None:
                self._bar.stop()

    # ── for a service manager ─────────────────────────────────────────────────────────────────────

    @property
    def _rounds(self) -> int:
        return 0 if self._now is None else self._now.runner.progress.rounds

    async def _alive(self) -> bool:
        """Has a round been done, or somebody else been waited for, since the last look?"""
        seen = (self._epoch, self._rounds, self._waits)
        moved, self._seen = seen != self._seen, seen
        return moved

    def _status(self) -> str:
        awaited, rounds = self._awaited
        if awaited and rounds == self._rounds:
            return f"waiting for {awaited}"
        if self._now is None:
            return "agreeing with the others"
        progress = self._now.runner.progress
        return f"step {progress.step} of {progress.steps}, epoch {self._epoch}"

    # ── for a person ──────────────────────────────────────────────────────────────────────────────

    async def _draw(self) -> None:
        columns = (
            TextColumn(f"{self._role} {{task.completed:,.0f}} of {{task.total:,.0f}}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(compact=True),
        )
        self._bar = Progress(*columns, console=self._console, transient=False, refresh_per_second=5)
        task = self._bar.add_task("", total=None, detail="")
        self._bar.start()
        while True:
            if self._now is not None:
                (_, intake, peer), progress = self._now, self._now.runner.progress
                sent = peer.counters.bytes_sent + peer.counters.bytes_received
                stock = "keystream" if self._role == "alice" else f"{intake.stock:,} steps in stock"
                detail = f"{progress.rounds:,} rounds, {sent / 1e6:.1f} MB, {stock}"
                done = progress.steps if progress.phase == Phase.FINISH else progress.step
                self._bar.update(task, total=max(progress.steps, 1), completed=done, detail=detail)
            await asyncio.sleep(0.2)
