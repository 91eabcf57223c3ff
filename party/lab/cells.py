"""What a job takes over each link of a grid: measured with three processes, beside what its plan
predicts.

A cell is a round-trip time and a bandwidth; the links to the dealer are shaped like the one between
the parties unless said otherwise. Each cell runs as many iterations as are predicted to fit the
time it is given, and its figures are per iteration. The prediction is calibrated once, by a short
run over a fast link and by timing the dealer's work here.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol.channel import LinkShape
from protocol.cost import Pace
from protocol.dealing import Deal
from protocol.graph import Phase
from protocol.plan import Plan
from protocol.predict import PredictedTime, calibrated, predict
from protocol.prg import fresh_seed
from protocol.wording import span

from ..local import Trio

# where the processes' own work weighs, and what goes on beside the rounds is hidden
QUICK = LinkShape(rtt=0.010)
QUICK_SECONDS = 1.5
LEAST, MOST = 2, 100_000  # iterations of a cell
# a cell this much slower than predicted is run again: other programs only ever slow it down
SLOW, RUNS = (
    0.1,
    3,
)


@dataclass(frozen=True)
class PlannedJob:
    """A job as the parties are told of it, and its plan; the results are revealed to nobody."""

    job: str
    plan: Plan
    arguments: tuple[str, ...] = ()  # of both parties
    # what else each party is told: of its files
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def sized(self, iterations: int) -> Plan:
        """The plan for another number of iterations, as far as its cost is concerned."""
        return self.plan.sized(iterations)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One cell of the grid, measured. Times are in seconds; `computed` and the two waits are Bob's,
    to whom the dealer's stream goes."""

    link: LinkShape
    dealer: LinkShape
    iterations: int
    seconds: float  # online phase, of the slower party
    per_iteration: float
    computed: float
    waited_for_peer: float
    waited_for_material: float
    predicted_seconds: float
    predicted_per_iteration: float
    runs: int = 1  # of which this is the fastest

    @property
    def error(self) -> float:
        """Of the predicted time of an iteration, as a part of the measured one."""
        return self.predicted_per_iteration / self.per_iteration - 1

    def row(self) -> dict[str, Any]:
        """A row of the table: values by column."""
        return {
            "rtt_ms": _round(1e3 * self.link.rtt),
            "bandwidth_mbit": _round(self.link.bandwidth / 1e6) or None,
            "dealer_rtt_ms": _round(1e3 * self.dealer.rtt),
            "dealer_bandwidth_mbit": _round(self.dealer.bandwidth / 1e6) or None,
            "iterations": self.iterations,
            "seconds": _round(self.seconds),
            "iteration_ms": _round(1e3 * self.per_iteration),
            "predicted_seconds": _round(self.predicted_seconds),
            "predicted_iteration_ms": _round(1e3 * self.predicted_per_iteration),
            "prediction_error": _round(self.error),
            "computed": _round(self.computed),
            "waited_for_peer": _round(self.waited_for_peer),
            "waited_for_material": _round(self.waited_for_material),
            "runs": self.runs,
        }


def fitting(
    order: PlannedJob, link: LinkShape, dealer: LinkShape, pace: Pace, seconds: float, most: int
) -> int:
    """How many iterations are predicted to take `seconds`: at least 2, at most `most`."""
    count, probe = LEAST, max(LEAST, min(most, 32))
    for _ in range(3):  # the stream to Bob makes the first iterations slower than the others
        each = predict(order.sized(probe), link, dealer, pace).step_seconds / probe
        count = probe = max(LEAST, min(most, MOST, int(seconds / max(each, 1e-6))))
    return count


def calibrate(order: PlannedJob) -> Pace:
    """The pace of this machine at this job."""
    count = fitting(order, QUICK, QUICK, Pace(), QUICK_SECONDS, MOST)
    reports = run(order, count, QUICK, QUICK, 60.0)
    taken = sum(report["step_seconds"] for report in reports.values()) / 2
    return calibrated(order.sized(count), taken, QUICK, QUICK, _dealing_pace(order.plan))


def measure(
    order: PlannedJob, link: LinkShape, dealer: LinkShape, pace: Pace, seconds: float, most: int
) -> Measurement:
    """One cell, of as many iterations as take about `seconds`, at most `most`; MpcError in one
    sentence if it fails."""
    count = fitting(order, link, dealer, pace, seconds, most)
    predicted = predict(order.sized(count), link, dealer, pace)
    cells: list[Measurement] = []
    while len(cells) < RUNS:
        reports = run(order, count, link, dealer, 60 + 5 * predicted.seconds)
        cells.append(_cell(link, dealer, count, reports, predicted))
        if cells[-1].error > -SLOW:
            break
    return dataclasses.replace(min(cells, key=lambda cell: cell.per_iteration), runs=len(cells))


def _cell(
    link: LinkShape,
    dealer: LinkShape,
    count: int,
    reports: dict[str, dict[str, Any]],
    predicted: PredictedTime,
) -> Measurement:
    bob = reports["bob"]
    return Measurement(
        link=link,
        dealer=dealer,
        iterations=count,
        seconds=max(report["seconds"] for report in reports.values()),
        per_iteration=sum(report["step_seconds"] for report in reports.values()) / 2 / count,
        computed=bob["computed"],
        waited_for_peer=bob["waited_for_peer"],
        waited_for_material=bob["waited_for_material"],
        predicted_seconds=predicted.seconds,
        predicted_per_iteration=predicted.step_seconds / count,
    )


def survey(
    order: PlannedJob,
    links: Sequence[tuple[LinkShape, LinkShape]],
    seconds: float,
    most: int,
    told: Callable[[str], None] = lambda text: None,
) -> tuple[Pace, list[Measurement]]:
    """Every (link, dealer's link) of the grid, in order."""
    told("calibrating")
    pace = calibrate(order)
    cells = []
    for number, (link, dealer) in enumerate(links, 1):
        cell = measure(order, link, dealer, pace, seconds, most)
        over = "no latency or limit" if link.free else link
        told(
            f"{number} of {len(links)}: {over}: {span(cell.per_iteration)} an iteration "
            f"({cell.iterations:,} of them), predicted {span(cell.predicted_per_iteration)} "
            f"({cell.error:+.0%})"
        )
        cells.append(cell)
    return pace, cells


def run(
    order: PlannedJob, iterations: int, link: LinkShape, dealer: LinkShape, patience: float
) -> dict[str, dict[str, Any]]:
    """The reports of both parties, by role, after one run of three processes over these links;
    MpcError if one fails, or they take more than `patience` seconds."""
    options = ["--job", order.job, "--iterations", str(iterations), *order.arguments]
    options += [
        "--reveal",
        "none",
        "--json",
        "--quiet",
        "--wait",
        "60s",
        "--link",
        str(link),
        "--dealer-link",
        str(dealer),
    ]
    with Trio("lab") as trio:
        trio.start("dealer", ["--quiet", "--link", str(dealer)])
        for role in ("bob", "alice"):
            trio.start(role, [*options, *order.files.get(role, ())])
        trio.wait(patience)
        return trio.reports()


def _dealing_pace(plan: Plan) -> float:
    """Seconds that a dealer on this machine needs for a dealt byte."""
    own = plan.dealing.phases[Phase.STEP]
    if not own.dealt_words:
        return 0.0
    count = min(own.steps_per_chunk, max(1, plan.dealing.steps))
    deal, times = Deal(plan.dealing, fresh_seed(), fresh_seed()), []
    for _ in range(4):
        begin = time.perf_counter()
        deal.corrections(Phase.STEP, 0, count)
        times.append(time.perf_counter() - begin)
    return min(times) / (8 * own.dealt_words * count)


def _round(value: float) -> float:
    """Five digits are more than a measurement of time has."""
    return float(f"{value:.5g}")
