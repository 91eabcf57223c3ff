"""A bar that shows how far a run is: on a terminal, in a notebook, or nowhere."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Bar(Protocol):
    """`show` takes total, completed and detail, every `interval` seconds; `early`: also while others are waited for."""

    interval: float
    early: bool

    def show(self, **figures: Any) -> None: ...

    def close(self) -> None: ...


class TerminalBar:
    """On a terminal, below the lines that `console` prints."""

    interval, early = 0.2, False

    def __init__(self, role: str, console: Console) -> None:
        self._progress = Progress(*_columns(role), console=console, transient=False, refresh_per_second=5)
        self._task = self._progress.add_task("", total=None, detail="")

    def show(self, **figures: Any) -> None:
        self._progress.update(self._task, **figures)
        self._progress.start()  # which does nothing from the second time on

    def close(self) -> None:
        self._progress.stop()


class NotebookBar:
    """In the output of a notebook's cell, which it replaces each time."""

    interval, early = 0.5, True

    def __init__(self, role: str) -> None:
        self._progress = Progress(*_columns(role), console=Console(file=io.StringIO(), force_jupyter=False))
        self._task = self._progress.add_task("", total=None, detail="")
        self._handle: Any = None

    def show(self, **figures: Any) -> None:
        self._progress.update(self._task, **figures)
        page = self._progress.make_tasks_table(self._progress.tasks)
        if self._handle is None:
            self._handle = importlib.import_module("IPython.display").display(page, display_id=True)
        else:
            self._handle.update(page)

    def close(self) -> None:
        """What was shown last stays."""


def own_bar(role: str) -> Bar | None:
    """The bar of a run that somebody started from Python; None where nobody would see it."""
    console = Console(stderr=True, highlight=False)
    if console.is_jupyter:
        return NotebookBar(role)
    return TerminalBar(role, console) if sys.stderr.isatty() else None


def _columns(role: str) -> tuple[Any, ...]:
    return (
        TextColumn(f"{role} {{task.completed:,.0f}} of {{task.total:,.0f}}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(compact=True),
    )
