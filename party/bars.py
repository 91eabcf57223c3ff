"""A bar that shows how far a run is, and lines below it: on a terminal, in a notebook, or
nowhere."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

_HEIGHTS = "▁▂▃▄▅▆▇█"
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")  # of curves, in order
_NAME = 32  # characters of a curve's name that are shown
_MOST = 8  # curves


Line = str | Text  # a string is of less weight than the bar


class Bar(Protocol):
    """What `show` is given every `interval` seconds; `early`: also while others are waited for."""

    interval: float
    early: bool

    def show(self, completed: int, total: int, lines: Sequence[Line]) -> None:
        """Draw how many of `total` steps are completed, and `lines` below."""

    def close(self) -> None:
        """Draw no more; what is there stays."""


class _Page(Progress):
    """The bar, and the lines."""

    lines: Sequence[Line] = ()

    def __init__(self, role: str, console: Console) -> None:
        columns = (
            TextColumn(f"{role} {{task.completed:,.0f}} of {{task.total:,.0f}}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
        )
        super().__init__(*columns, console=console, transient=False, refresh_per_second=5)
        self.task = self.add_task("", total=None)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for line in self.lines:
            text = Text(line, style="dim") if isinstance(line, str) else line
            yield Text("  ", no_wrap=True, overflow="ellipsis").append_text(text)

    def put(self, completed: int, total: int, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.update(self.task, completed=completed, total=total)


class TerminalBar:
    """On a terminal, below the lines that `console` prints."""

    interval, early = 0.2, False

    def __init__(self, role: str, console: Console) -> None:
        self._page = _Page(role, console)

    def show(self, completed: int, total: int, lines: Sequence[Line]) -> None:
        """Draw the bar and its lines; the first time, take the lowest lines of the terminal."""
        self._page.put(completed, total, lines)
        self._page.start()  # which does nothing from the second time on

    def close(self) -> None:
        """Give the terminal's lines back; the last state of the bar stays above."""
        self._page.stop()


class NotebookBar:
    """In the output of a notebook's cell, which it replaces each time."""

    interval, early = 0.5, True

    def __init__(self, role: str) -> None:
        self._page = _Page(role, Console(file=io.StringIO(), force_jupyter=False))
        self._handle: Any = None

    def show(self, completed: int, total: int, lines: Sequence[Line]) -> None:
        """Replace what the cell shows."""
        self._page.put(completed, total, lines)
        page = Table.grid()
        for row in self._page.get_renderables():
            page.add_row(row)
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


def curves(found: Mapping[str, Sequence[float]]) -> list[Line]:
    """A line for each: its name, the last number, and the course of all, in the colour of the
    name. A long name loses its middle; of many, the first are shown."""
    shown = [(_short(name), f"{found[name][-1]:.5g}", found[name]) for name in [*found][:_MOST]]
    long, wide = (max((len(each[n]) for each in shown), default=0) for n in (0, 1))
    lines: list[Line] = [
        Text.assemble(
            (name.ljust(long), colour), (f" {last:<{wide}} ", "dim"), (curve(values), colour)
        )
        for (name, last, values), colour in zip(shown, cycle(_COLOURS), strict=False)
    ]
    return lines + ([f"and {len(found) - _MOST} more"] if len(found) > _MOST else [])


def _short(name: str) -> str:
    half = (_NAME - 1) // 2
    return name if len(name) <= _NAME else f"{name[:half]}…{name[-half:]}"


def curve(values: Sequence[float], most: int = 16) -> str:
    """The course of some numbers in one character each, the lowest at the bottom; of many, every so
    many-th and the last."""
    thinned = (
        [values[-1 - round(n * (len(values) - 1) / (most - 1))] for n in range(most)][::-1]
        if len(values) > most
        else values
    )
    known = [value for value in thinned if abs(value) < float("inf")]
    low, high = min(known, default=0.0), max(known, default=0.0)
    step = (high - low) / (len(_HEIGHTS) - 1) or 1.0
    return "".join(
        _HEIGHTS[round((value - low) / step)] if value in known else "?" for value in thinned
    )
