"""The laboratory's pictures, for colour, grey and black and white alike. The only file that needs
matplotlib.

time       milliseconds per iteration against round-trip time, one curve per bandwidth
shares     what Bob's time went into, one bar per cell
predicted  predicted against measured, one point per cell
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from protocol.wording import counted

from .cells import Measurement

STYLES = (("o", "-", 11.0), ("s", "--", 7.0), ("^", "-.", 4.5), ("D", ":", 3.5), ("v", "-", 3.0))
PORTIONS = (
    ("computing", "0.25", ""),
    ("waiting for the peer", "white", "///"),
    ("waiting for the dealer", "0.75", "..."),
)
RESOLUTION = 110  # dots per inch of the PNG
NEAR = 0.15  # what a prediction should stay within


def draw(folder: Path, job: str, cells: Sequence[Measurement], rounds: int) -> list[Path]:
    """Every picture as PNG and SVG; the files written."""
    written = []
    for name, figure in (
        ("time", times(job, cells, rounds)),
        ("shares", portions(job, cells)),
        ("predicted", predictions(job, cells)),
    ):
        for kind in ("png", "svg"):
            path = folder / f"lab-{job}-{name}.{kind}"
            figure.savefig(path, dpi=RESOLUTION)
            written.append(path)
    return written


def times(job: str, cells: Sequence[Measurement], rounds: int) -> Figure:
    """Milliseconds of an iteration over milliseconds of round trip, a line for each bandwidth,
    beside the least there is: `rounds` messages on their way, half a round trip each."""
    figure, axes = _sheet(f"{job}: what latency costs", 6.8, 4.6)
    rtts = sorted({1e3 * cell.link.rtt for cell in cells})
    for (rate, own), (marker, line, size) in zip(_by_rate(cells), _styles(cells), strict=True):
        near, far = (1e3 * own[n].link.rtt for n in (0, -1))
        there = [1e3 * cell.link.rtt for cell in own]
        # between cells time grows evenly with distance, which on these axes is no straight line
        line_at = np.union1d(there, np.linspace(near, far, 200))
        axes.plot(
            line_at,
            np.interp(line_at, there, [1e3 * cell.per_iteration for cell in own]),
            line,
            color="black",
            markevery=np.searchsorted(line_at, there).tolist(),
            marker=marker,
            markersize=size,
            markerfacecolor="white",
            markeredgewidth=1.3,
            linewidth=1.2,
            label=rate,
        )
    smallest = min((rtt for rtt in rtts if rtt), default=1.0)
    floor = [rtt for rtt in rtts if rtt]
    if len(floor) > 1:
        bound = [rounds * rtt / 2 for rtt in floor]
        label = f"{counted(rounds, 'round')} of half a round trip"
        # above the grid
        axes.plot(
            floor, bound, color="0.65", linewidth=6, solid_capstyle="butt", zorder=1.8, label=label
        )
    if len(rtts) > 1:
        axes.set_xscale("symlog", linthresh=smallest, linscale=0.4)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(rtts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _plain(axes, "y")
    axes.set_xlim(-0.06 * smallest if rtts[0] == 0 else 0.9 * rtts[0], 1.12 * rtts[-1] or 1)
    axes.set_xlabel("round-trip time, ms" + (", logarithmic" if len(rtts) > 1 else ""))
    axes.set_ylabel("time per iteration, ms, logarithmic")
    axes.grid(True, which="major", color="0.85", linewidth=0.6)
    axes.legend(title="bandwidth", frameon=False, handlelength=3.5)
    return figure


def portions(job: str, cells: Sequence[Measurement]) -> Figure:
    """Of Bob's seconds in each cell, in percent: computing, waiting for Alice, waiting for the
    dealer."""
    ordered = sorted(cells, key=lambda cell: (cell.link.rtt, cell.link.bandwidth or float("inf")))
    figure, axes = _sheet(f"{job}: where Bob's time goes", max(6.0, 0.42 * len(ordered) + 2.2), 4.8)
    places, groups, at = [], dict[float, list[float]](), 0.0
    for previous, cell in zip([None, *ordered], ordered, strict=False):
        at += 1.0 if previous is None or previous.link.rtt == cell.link.rtt else 1.7
        places.append(at)
        groups.setdefault(cell.link.rtt, []).append(at)
    bottom = [0.0] * len(ordered)
    values = [(cell.computed, cell.waited_for_peer, cell.waited_for_material) for cell in ordered]
    for index, (label, colour, hatch) in enumerate(PORTIONS):
        heights = [100 * parts[index] / (sum(parts) or 1.0) for parts in values]
        axes.bar(
            places,
            heights,
            0.82,
            bottom,
            color=colour,
            hatch=hatch,
            edgecolor="black",
            linewidth=0.8,
            label=label,
        )
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_xticks(places, [_rate(cell) for cell in ordered], rotation=90, fontsize=8)
    axes.tick_params(axis="x", length=0)
    for rtt, where in groups.items():
        middle = sum(where) / len(where)
        axes.text(middle, 101, f"{1e3 * rtt:g} ms", ha="center", va="bottom")
    axes.set_xlabel("bandwidth; above the bars: round-trip time")
    axes.set_ylabel("share of the online phase, %")
    axes.set_ylim(0, 100)
    figure.legend(
        loc="outside lower center",
        ncols=3,
        frameon=False,
        handlelength=2.2,
        handleheight=1.4,
        columnspacing=1.2,
    )
    return figure


def predictions(job: str, cells: Sequence[Measurement]) -> Figure:
    """The plan's seconds of an iteration beside the measured ones, a point a cell, and the band
    within which they should agree."""
    figure, axes = _sheet(f"{job}: predicted by the plan, and measured", 5.6, 5.2)
    points = [
        1e3 * value
        for cell in cells
        for value in (cell.per_iteration, cell.predicted_per_iteration)
    ]
    ends = (min(points) / 1.5, max(points) * 1.5)
    low, high = ([end * (1 + sign * NEAR) for end in ends] for sign in (-1, 1))
    axes.fill_between(ends, low, high, color="0.88", linewidth=0, label=f"within {NEAR:.0%}")
    axes.plot(ends, ends, color="0.4", linewidth=0.9, label="equal")
    for (rate, own), (marker, _, size) in zip(_by_rate(cells), _styles(cells), strict=True):
        axes.plot(
            [1e3 * cell.per_iteration for cell in own],
            [1e3 * cell.predicted_per_iteration for cell in own],
            marker,
            color="black",
            markersize=size,
            markerfacecolor="none",
            markeredgewidth=1.3,
            label=rate,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    _plain(axes, "x")
    _plain(axes, "y")
    axes.set_xlabel("measured time per iteration, ms")
    axes.set_ylabel("predicted time per iteration, ms")
    axes.legend(frameon=False, loc="upper left")
    return figure


def _sheet(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure((width, height), layout="constrained")
    figure.suptitle(title, fontsize=12)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _plain(axes: Axes, which: str) -> None:
    """Numbers as one reads them: 0.5, 20, 300, instead of powers of ten."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _by_rate(cells: Sequence[Measurement]) -> list[tuple[str, list[Measurement]]]:
    """The cells of every bandwidth, the lowest first, each by round-trip time."""
    found: dict[str, list[Measurement]] = {}
    for cell in sorted(
        cells, key=lambda cell: (cell.link.bandwidth or float("inf"), cell.link.rtt)
    ):
        found.setdefault(_rate(cell), []).append(cell)
    return list(found.items())


def _styles(cells: Sequence[Measurement]) -> list[tuple[str, str, float]]:
    return [STYLES[n % len(STYLES)] for n in range(len(_by_rate(cells)))]


def _rate(cell: Measurement) -> str:
    rate = cell.link.bandwidth
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if rate >= size:
            return f"{rate / size:g} {unit}"
    return "no limit"
