"""What this machine does with each workload, between three real processes, beside float64 on the
same work: measured and printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from rich.console import Console

from protocol.wording import counted, size, span

from . import dealer
from .measuring import measure
from .products import COUNT, PEAKS, products
from .workloads import WORKLOADS


class TableRow(Protocol):
    """What a table of the benchmark shows in one line."""

    def as_data(self) -> dict[str, Any]:
        """All fields, for a line of JSON."""


R = TypeVar("R", bound=TableRow)


@dataclass(frozen=True)
class TableFormat:
    """A table: its title, and a heading with its cell for every column. The first is as wide as
    `first` characters."""

    title: str
    columns: Sequence[tuple[str, Callable[[Any], str]]]
    first: int = 28

    def line(self, cells: Sequence[str]) -> str:
        """One row; wide enough for what is met, so that each can be printed as soon as it is
        there."""
        others = zip(cells[1:], self.columns[1:], strict=True)
        return "  ".join(
            [
                cells[0].ljust(self.first),
                *(cell.rjust(max(len(head), 9)) for cell, (head, _) in others),
            ]
        )


ONLINE = TableFormat(
    "Online: one repeat with its material at hand; free: the dealer at work on the same machine",
    (
        ("workload", lambda r: r.name),
        ("n", lambda r: f"{r.n:,}"),
        ("median", lambda r: span(r.seconds_median)),
        ("least", lambda r: span(r.seconds_min)),
        ("repeats", lambda r: str(r.repeats)),
        ("rounds", lambda r: f"{r.rounds:,}"),
        ("sent", lambda r: size(r.bytes_sent)),
        ("dealt", lambda r: size(r.dealt_bytes)),
        ("dealer", lambda r: span(r.dealer_seconds)),
        ("free", lambda r: span(r.free_seconds)),
        ("waits", lambda r: str(r.waits_for_material)),
        ("cpu", lambda r: span(r.cpu_seconds)),
        ("rss", lambda r: f"{r.peak_rss_mb:.0f} MB"),
        ("exchange", lambda r: span(r.rtt_us / 1e6)),
        ("float64", lambda r: span(r.reference_seconds)),
        ("ratio", lambda r: f"{r.ratio:.1f}"),
    ),
)
DEALER = TableFormat(
    "Dealer: material of each kind, nothing else running",
    (
        ("kind", lambda r: r.name.removeprefix("dealer: ")),
        ("1 worker", lambda r: f"{size(r.bytes_per_second[0])}/s"),
        ("2 workers", lambda r: f"{size(r.bytes_per_second[1])}/s"),
        ("elements, 1 worker", lambda r: f"{r.per_second[0]:,.0f}/s"),
        ("2 workers", lambda r: f"{r.per_second[1]:,.0f}/s"),
    ),
)
PRODUCTS = TableFormat(
    "Products at f = 16: error against float64",
    (
        ("products", lambda r: r.name),
        ("inputs", lambda r: f"{r.n:,} in ±{r.peak:,.0f}"),
        ("largest error", lambda r: f"{r.max_error:.2g}"),
        ("off by > 1%", lambda r: str(r.wrong)),
    ),
)


def suite(names: Sequence[str], scale: float, size: int | None, as_json: bool) -> int:
    """Measure and print; 1 if a product came out wrong."""
    report = _Report(as_json)
    cores = counted(os.cpu_count() or 1, "core")
    report.say(f"{cores}, load {os.getloadavg()[0]:.1f} before the first workload")
    for name in names:
        if name in WORKLOADS:
            report.say(f"{name} …")
            report.row(ONLINE, measure(WORKLOADS[name].resized(scale, size)))
    if "dealer" in names:
        for kind in dealer.KINDS:
            report.row(DEALER, dealer.throughput(kind, 0.5 * min(scale, 1.0)))
    wrong = 0
    if "products" in names:
        for peak in PEAKS:
            wrong += report.row(
                PRODUCTS, products(peak, max(1000, round(COUNT * min(scale, 1.0))))
            ).wrong
    report.say(f"load {os.getloadavg()[0]:.1f} after the last")
    sys.stdout.flush()
    return 1 if wrong else 0


class _Report:
    """Lines of JSON or of tables, each as soon as it is there; progress on standard error."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._begun: TableFormat | None = None
        self._progress = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self._progress.print(f"bench: {text}", markup=False)

    def row(self, layout: TableFormat, row: R) -> R:
        if self._json:
            print(json.dumps(row.as_data()), flush=True)
            return row
        if layout is not self._begun:
            self._begun = layout
            print(f"\n{layout.title}\n{layout.line([heading for heading, _ in layout.columns])}")
        print(layout.line([cell(row) for _, cell in layout.columns]), flush=True)
        return row
