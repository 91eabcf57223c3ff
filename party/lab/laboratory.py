"""What latency and bandwidth cost a job, measured here, as tables and pictures."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import platform
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from protocol.channel import LinkShape, parse_shape
from protocol.config import resolve
from protocol.cost import Pace
from protocol.errors import ConfigError
from protocol.extras import needed
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.places import usable
from protocol.wording import counted, span

from ..command_settings import LabSettings
from ..given import given
from ..loading import load_job, parameters
from ..pages.lab import save as save_page
from ..planned import planned
from .cells import RUNS, SLOW, Measurement, PlannedJob, survey

SMALL = {
    "job": "seed",
    "rtt": "0,10,40,100ms",
    "bandwidth": "10mbit,100mbit",
    "seconds_per_cell": "3s",
}


def small(folder: Path | None, as_json: bool, quiet: bool) -> int:
    """The lab of the demo: eight cells, a minute and a half."""
    out = Path(tempfile.gettempdir()) / "mpc-lab" if folder is None else folder
    return laboratory(
        resolve(
            LabSettings,
            argparse.Namespace(**SMALL, out=str(out), json=as_json, quiet=quiet),
            environment={},
        )
    )


def laboratory(settings: LabSettings) -> int:
    """Measure every cell of the grid, write what was found, and say where. Returns the exit
    code."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    order = order_of(settings)
    links = grid(settings)
    if not usable(settings.out):
        raise ConfigError(f"the folder {settings.out} cannot be made or written to; check --out")
    if settings.html is not None and not usable(settings.html.parent):
        raise ConfigError(
            f"the folder {settings.html.parent} cannot be made or written to; check --html"
        )

    def tell(text: str) -> None:
        if not settings.quiet:
            console.print(f"lab: {text}", markup=False)

    with Patience(tell) as told:
        return _survey(settings, order, links, told)


def _survey(
    settings: LabSettings,
    order: PlannedJob,
    links: list[tuple[LinkShape, LinkShape]],
    told: Callable[[str], None],
) -> int:
    most = order.plan.dealing.steps
    each = f"about {settings.seconds_per_cell:g} s"
    draw = drawing(told)
    told(f"job {settings.job}, {counted(len(links), 'cell')} of {each}")
    pace, cells = survey(order, links, settings.seconds_per_cell, most, told)
    found = as_data(order, cells, pace, settings.seconds_per_cell)
    written = write(settings.out, found)
    if settings.html is not None:
        save_page(found, settings.html)
        written.append(settings.html)
    if draw is not None:
        written += draw(settings.out, found["job"], cells, order.plan.costs[Phase.STEP].rounds)
    if settings.json:
        print(json.dumps(found))
    else:
        print("\n".join(str(path) for path in written))
    sys.stdout.flush()
    return 0


def drawing(told: Callable[[str], None]) -> Callable[..., list[Path]] | None:
    """What draws the pictures; None, and what to install, where there is nothing to draw with."""
    try:
        with needed("the lab, for pictures,", "lab"):
            from .pictures import draw
    except ConfigError as error:
        told(f"tables without pictures: {error}")
        return None
    return draw


class Patience:
    """Says what is told it, and when nothing was for `LONGEST` seconds that the same goes on."""

    LONGEST = 8.0

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._ended = tell, threading.Event()
        self._last, self._at = "", time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __call__(self, text: str) -> None:
        self._tell(text)
        self._last, self._at = text, time.monotonic()

    def __enter__(self) -> Patience:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        said = self._at
        while not self._ended.wait(0.25):
            now = time.monotonic()
            if now - max(said, self._at) >= self.LONGEST:
                said = now
                self._tell(f"still at work, {span(round(now - self._at))} after: {self._last}")


def order_of(settings: LabSettings) -> PlannedJob:
    """The job to measure and its plan, from the command's settings; ConfigError if an iteration has
    no rounds."""
    job = load_job(settings.job, parameters(settings.param))
    files = given(settings)
    plan = planned(job, settings.job, files, {}, iterations=settings.iterations, reveal="none").plan
    if not plan.costs[Phase.STEP].rounds:
        raise ConfigError(
            f"an iteration of {settings.job} has no rounds, so there is nothing to measure"
        )
    arguments = tuple(part for text in settings.param for part in ("--param", text))
    return PlannedJob(
        settings.job,
        plan,
        arguments,
        {role: files.of(job, role).arguments() for role in ROLES},
    )


def grid(settings: LabSettings) -> list[tuple[LinkShape, LinkShape]]:
    """(link, dealer's link) of every cell, bandwidth by bandwidth."""
    links = [
        LinkShape(rtt=rtt, bandwidth=rate)
        for rate in dict.fromkeys(settings.bandwidth)
        for rtt in sorted(set(settings.rtt))
    ]
    fixed = parse_shape(settings.dealer_link) if settings.dealer_link else None
    return [(link, fixed or link) for link in links]


def as_data(
    order: PlannedJob, cells: Sequence[Measurement], pace: Pace, seconds: float
) -> dict[str, Any]:
    """Everything that was found out, and how, as plain data."""
    cost = order.plan.costs[Phase.STEP]
    return {
        "job": Path(order.job).stem,
        "command": shlex.join(["python", "-m", "party", *sys.argv[1:]]),
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "scaling": (
            f"each cell runs as many of the job's {counted(order.plan.dealing.steps, 'iteration')}"
            f" as are predicted to take {seconds:g} s, at least 2; the time per iteration is that"
            " of all iterations over their number, the wait for the first material included"
        ),
        "repetition": (
            f"a cell over {SLOW:.0%} slower than predicted was run again, up to {RUNS} times, and"
            " the fastest counts, because other programs on the machine only ever slow it down;"
            ' "runs" says how often each was run'
        ),
        "shares": "seconds of bob's online phase: computed, waited_for_peer, waited_for_material",
        "per_iteration": {
            "rounds": cost.rounds,
            "bytes_sent": list(cost.sent),
            "dealt_bytes": cost.dealt,
        },
        "pace": dataclasses.asdict(pace),
        "cells": [cell.row() for cell in cells],
    }


def write(folder: Path, found: dict[str, Any]) -> list[Path]:
    """As CSV, one line a cell, and as JSON."""
    table, data = folder / f"lab-{found['job']}.csv", folder / f"lab-{found['job']}.json"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found["cells"][0]))
        writer.writeheader()
        writer.writerows(found["cells"])
    data.write_text(json.dumps(found, indent=1) + "\n")
    return [table, data]
