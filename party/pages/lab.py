"""What the laboratory measured as a page: time against distance, where Bob's time goes, and
predicted beside measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from protocol.wording import counted, size, span

from .charts import Curve, bar, curves, even, key, table
from .markup import Content, page, tag, write

CellData = Mapping[str, Any]
PORTIONS = (("kind-1", "computed", "computing"), ("kind-2", "waited_for_peer", "waiting for alice"),
          ("kind-3", "waited_for_material", "waiting for the dealer"))  # fmt: skip


def save(found: Mapping[str, Any], path: Path) -> None:
    """Write the page of what was found; ConfigError where that fails."""
    write(path, lab_page(found), "--html")


def lab_page(found: Mapping[str, Any]) -> str:
    """One HTML file that needs nothing else. `found`: as the laboratory's JSON has it."""
    title, cells = f"What latency costs {found['job']}", found["cells"]
    each, machine = found["per_iteration"], found["machine"]
    return page(
        title,
        tag("h1", title),
        tag(
            "p",
            f"An iteration takes {counted(each['rounds'], 'round')}, in which a party sends"
            f" {size(max(each['bytes_sent']))}, and {size(each['dealt_bytes'])} that are dealt."
            f" Measured between three processes over {counted(len(cells), 'link')}.",
            class_="quiet",
        ),
        *_times(cells, each["rounds"]),
        *_shares(cells),
        *_predictions(cells),
        tag("h2", "How it was measured"),
        tag("ul", *(tag("li", f"{found[text]}.") for text in ("scaling", "repetition"))),
        tag(
            "p",
            f"{machine['system']}, {counted(machine['cores'], 'core')},"
            f" Python {machine['python']}.",
            class_="small quiet",
        ),
        tag("p", tag("code", found["command"]), class_="small quiet"),
    )


def _times(cells: Sequence[CellData], rounds: int) -> list[Content]:
    """The axes are even: between two cells time grows evenly with distance, so the lines that join
    them are what would be measured there."""
    values = [cell["iteration_ms"] for cell in cells]
    far = max(cell["rtt_ms"] for cell in cells)
    lines = [
        Curve(rate, [(cell["rtt_ms"], cell["iteration_ms"]) for cell in own], marked=True)
        for rate, own in _by_rate(cells).items()
    ]
    said = (
        f"Milliseconds per iteration, from {min(values):g} to {max(values):g}, against round-trip"
        f" times up to {far:g} ms."
    )
    words, high = said, max(values)
    if far:
        lines.append(Curve("latency alone", [(0.0, 0.0), (far, rounds * far / 2)]))
        words = f"Latency alone: {counted(rounds, 'round')} of half a round trip each."
        high = max(high, rounds * far / 2)
    picture = curves(
        lines, even("round-trip time, ms", 0.0, far), even("ms per iteration", 0.0, high), said
    )
    return [tag("h2", "Time per iteration"), tag("figure", picture, tag("figcaption", words))]


def _shares(cells: Sequence[CellData]) -> list[Content]:
    rows: list[tuple[Content, ...]] = []
    for cell in cells:
        whole = sum(cell[name] for _, name, _ in PORTIONS) or 1.0
        parts = [(colour, cell[name]) for colour, name, _ in PORTIONS]
        percents = (f"{cell[name] / whole:.0%}" for _, name, _ in PORTIONS)
        rows.append((_link(cell), *percents, bar(*parts, whole=whole)))
    headings = ("Link", *(words for _, _, words in PORTIONS), "")
    return [
        tag("h2", "Where Bob's time goes"),
        key(*((colour, words) for colour, _, words in PORTIONS)),
        table("Where Bob's time goes", headings, rows, "tnnnb"),
    ]


def _predictions(cells: Sequence[CellData]) -> list[Content]:
    most = max(max(cell["iteration_ms"], cell["predicted_iteration_ms"]) for cell in cells)
    rows = [
        (
            _link(cell),
            f"{cell['iterations']:,}",
            f"{cell['runs']}",
            span(cell["iteration_ms"] / 1e3),
            span(cell["predicted_iteration_ms"] / 1e3),
            f"{cell['prediction_error']:+.1%}",
            _pair(cell, most),
        )
        for cell in cells
    ]
    return [
        tag("h2", "Predicted and measured"),
        tag(
            "p",
            "The plan predicts a run from its exact counts and one short run that shows how fast"
            " these processes are.",
        ),
        key(("bob", "measured"), ("wait", "predicted")),
        table(
            "Predicted and measured",
            ("Link", "iterations", "runs", "measured", "predicted", "off by", ""),
            rows,
            "tnnnnnb",
        ),
    ]


def _pair(cell: CellData, most: float) -> Element:
    bars = (("bob", cell["iteration_ms"]), ("wait", cell["predicted_iteration_ms"]))
    return tag("div", *(bar(each, whole=most) for each in bars), class_="pair")


def _by_rate(cells: Sequence[CellData]) -> dict[str, list[CellData]]:
    """The cells of every bandwidth, each by round-trip time."""
    found: dict[str, list[CellData]] = {}
    for cell in sorted(cells, key=lambda cell: cell["rtt_ms"]):
        found.setdefault(_rate(cell), []).append(cell)
    return found


def _rate(cell: CellData) -> str:
    rate = cell["bandwidth_mbit"]
    return f"{rate:g} Mbit/s" if rate else "no limit"


def _link(cell: CellData) -> str:
    return f"{cell['rtt_ms']:g} ms, {_rate(cell)}"
