"""What a person sees while a party runs: who is awaited, what will be revealed, how far it is. Standard error only."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from protocol.channel import Connection, Waiting
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.plan import Plan

from .intake import Intake
from .runner import Runner
from .session import View


class Terminal(View):
    """Lines for a log, and a live bar where standard error is a terminal."""

    def __init__(self, role: str, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._role, self._quiet = role, quiet
        self._said: dict[str, int] = {}
        self._bar: Progress | None = None
        self._follower: asyncio.Task[None] | None = None

    def note(self, text: str) -> None:
        if not self._quiet:
            self._console.print(f"{self._role}: {text}", markup=False)

    def waiting(self, state: Waiting) -> None:
        """At 1, 2, 5 and then every 5 seconds: who is awaited, and for how long so far."""
        seconds = int(state.seconds)
        due = seconds if seconds in (1, 2) else seconds // 5 * 5
        if due and self._said.get(state.peer) != due:
            self._said[state.peer] = due
            self.note(f"waiting for {state.peer}, {seconds} s")

    def planned(self, plan: Plan) -> None:
        self.note(
            f"plan {plan.digest[:12]}: {plan.rounds:,} rounds, {plan.bytes_sent(ROLES.index(self._role)):,} bytes to send, "
            f"{plan.dealt_bytes:,} bytes dealt to bob"
        )
        for line in plan.outline:
            if " reveals " in line:
                self.note(f"this run {line.split(' ', 3)[3]}")
        for text in [*plan.traced.assumptions, *plan.lowering.warnings]:
            self.note(f"note: {text}")

    def running(self, runner: Runner, intake: Intake, peer: Connection) -> None:
        if sys.stderr.isatty() and not self._quiet:
            self._follower = asyncio.create_task(self._follow(runner, intake, peer))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Around a run: whatever happens, the bar is taken down."""
        try:
            yield
        finally:
            if self._follower is not None:
                self._follower.cancel()
            if self._bar is not None:
                self._bar.stop()

    async def _follow(self, runner: Runner, intake: Intake, peer: Connection) -> None:
        progress = runner.progress
        columns = (
            TextColumn(f"{self._role} {{task.completed:,.0f}} of {{task.total:,.0f}}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(compact=True),
        )
        self._bar = Progress(*columns, console=self._console, transient=False, refresh_per_second=5)
        task = self._bar.add_task("", total=max(progress.steps, 1), detail="")
        self._bar.start()
        while True:
            sent = peer.counters.bytes_sent + peer.counters.bytes_received
            stock = "keystream" if self._role == "alice" else f"{intake.stock:,} steps in stock"
            detail = f"{progress.rounds:,} rounds, {sent / 1e6:.1f} MB, {stock}"
            done = progress.steps if progress.phase == Phase.FINISH else progress.step
            self._bar.update(task, completed=done, detail=detail)
            await asyncio.sleep(0.2)
