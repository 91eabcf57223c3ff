"""What is planned or measured as a page: one file that loads nothing, says in words what it shows,
and is light or dark as its reader is."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from plan_jobs import line
from rich.console import Console

from party import plan
from party.lab.cells import Measurement
from party.pages.charts import WIDTH, Curve, curves, even
from party.pages.lab import lab_page
from party.pages.markup import page, tag, write
from party.pages.plan import ABOUT, _about, plan_page, save
from party.planned import ELSEWHERE, USUAL
from protocol.channel import LinkShape
from protocol.channel.shaping import PROFILES
from protocol.correlations import KINDS
from protocol.cost import Network
from protocol.errors import ConfigError
from protocol.predict import predict
from protocol.wording import span

VOID = {"meta", "br", "img", "link", "input", "hr"}
CHROMIUM = shutil.which("chromium")


class Reader(HTMLParser):
    """The elements of a page, with what a browser would load or run for them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, "elements are left open"

    def handle_starttag(self, name, attributes):
        self.seen.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.text += data if self.open and self.open[-1] != "style" else ""

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.seen if found == name]


@pytest.fixture(scope="module")
def found():
    return plan("seed", link="rtt=40ms,bandwidth=100mbit")


@pytest.fixture(scope="module")
def text(found):
    return plan_page(found)


def test_a_page_needs_nothing_else(text):
    read = Reader(text)
    assert not read.all("script") and not read.all("link") and not read.all("img")
    assert not [
        key
        for _, attributes in read.seen
        for key in attributes
        if key in ("src", "href") or key.startswith("on")
    ]
    assert "url(" not in text and "@import" not in text
    assert read.all("html") == [{"lang": "en"}] and "default-src 'none'" in text


def test_it_says_what_the_plan_says(found, text):
    read = Reader(text)
    for number in (found.rounds, found.bytes_sent["alice"], found.plan.dealt_bytes):
        assert f"{number:,}" in read.text
    for sentence in [
        *found.reveals,
        *found.plan.notes,
        *(str(way.lowering.joins) for way in found.plan.comparisons),
    ]:
        assert sentence in read.text
    assert (
        span(found.predicted.seconds) in read.text
        and line("seed", "sigmoid(") in read.text
        and found.plan.digest in read.text
    )


@pytest.mark.parametrize("network", [Network(0.04, 100e6, 100e6), Network()], ids=["far", "lan"])
def test_one_plan_over_one_link_takes_one_time_wherever_it_is_said(network):
    """In the figures, on the curve, among the ways that there were, and in the terminal."""
    link = LinkShape(0.04, 0.0, 100e6)
    found = plan("mlp", iterations=5000, network=network).over(link)
    (one, read), said = (found.predicted.seconds, Reader(plan_page(found))), found.text
    assert one > 1000 and f"Predicted: {span(one)} online" in said
    ways = [*found.plan.comparisons, *(way for way, _ in found.plan.precisions)]
    taken = [way for way in ways if way is found.plan]
    assert len(taken) == 1 + bool(found.plan.precisions)
    assert read.text.count(span(one)) >= 2 + len(taken)
    for way in ways:
        assert span(predict(way, link, link).seconds) in read.text
    for text in (read.text, said):
        assert not re.search(r"\de[+-]?\d+ ?(s|ms)\b", text)
    chosen = f"What is taken was chosen for {found.plan.traced.network}."
    elsewhere = network == Network()
    assert chosen in read.text and (ELSEWHERE in read.text) == (ELSEWHERE in said) == elsewhere
    assert (USUAL in read.text) == (USUAL in said) == elsewhere


@pytest.mark.parametrize("rate", [100e6, 1e9])
def test_other_links_are_between_the_parties_and_every_row_shows_the_dealers(rate):
    """What is dealt takes most of this run, so that a dealer's link that was slowed down without a
    word would make every other link look slow."""
    link, dealer = LinkShape(0.04, 0.0, 100e6), LinkShape(0.04, 0.0, rate)
    found = plan("mlp", iterations=100, network=Network(0.04, 100e6, 1e9)).over(link, dealer)
    kept, rows = rate == 1e9, dict[str, list[str]]()
    page = ElementTree.fromstring(
        next(text for text in re.findall("<table>.*?</table>", plan_page(found)) if "ocean" in text)
    )
    for row in page.iter("tr"):
        name, *cells = ("".join(each.itertext()) for each in row)
        rows[name] = cells
    assert rows.keys() == {"Link", *PROFILES} - {"none"}
    for name, (own, third, takes) in rows.items():
        if name != "Link":
            shape = PROFILES[name]
            to_dealer = dealer if kept else shape
            assert (own, third) == (f"{shape}", f"{to_dealer}")
            assert takes == span(predict(found.plan, shape, to_dealer).seconds)
    faster = predict(found.plan, PROFILES["continent"], dealer).seconds
    assert not kept or faster < found.predicted.seconds
    dot = f"stays {dealer}" if kept else "is like theirs"
    assert f"The dealer's link {dot}" in Reader(plan_page(found)).text


@pytest.mark.parametrize("iterations", [100, 10_000])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_digit_is_lost_on_a_narrow_terminal(width, iterations):
    found, page = plan("mlp", iterations=iterations), io.StringIO()
    found.show(Console(file=page, width=width, force_terminal=True, color_system=None))
    read = re.sub(r"\s+", " ", page.getvalue())
    assert "…" not in read and "..." not in read
    assert ("alice sends 6,422,528 bytes" not in read) == (width >= 100)  # a table, or sentences
    for number in (found.rounds, *found.bytes_sent.values(), found.plan.dealt_bytes):
        assert f"{number:,}" in read


def test_every_kind_of_correlation_has_words_of_its_own():
    words = [_about(kind) for kind in KINDS.values()]
    assert len({*words}) == len(words) == len(KINDS) > 10 and all(words)
    assert {*ABOUT} <= {*KINDS}
    text = Reader(plan_page(plan("mlp", iterations=3))).text
    assert ABOUT["digits"] in text and ABOUT["truncate"] in text


def test_it_is_read_without_eyes_and_without_a_mouse(text):
    read = Reader(text)
    pictures = read.all("svg")
    assert len(pictures) == 5 and all(
        each["role"] == "img" and each["aria-label"] for each in pictures
    )
    assert all(
        each["tabindex"] == "0" and each["aria-label"]
        for each in read.all("div")
        if each.get("role") == "region"
    )
    assert all(each["scope"] in ("col", "row") for each in read.all("th"))
    assert len(read.all("summary")) == len(read.all("details")) >= 4


@pytest.mark.parametrize(
    ("job", "more"), [("seed", {"iterations": 0}), ("single", {}), ("logreg", {"guard": False})]
)
def test_jobs_without_steps_or_without_comparisons_have_a_page(job, more):
    assert f"What a run of {job} costs" in Reader(plan_page(plan(job, **more))).text


def test_the_laboratory_has_a_page_too():
    cell = {
        "bandwidth_mbit": 100.0,
        "iterations": 7,
        "runs": 2,
        "predicted_iteration_ms": 21.0,
        "prediction_error": 0.05,
    }
    cell |= {"computed": 1.0, "waited_for_peer": 2.0, "waited_for_material": 1.0}
    cells = [cell | {"rtt_ms": rtt, "iteration_ms": rtt + 1} for rtt in (0.0, 20.0, 80.0)]
    cells.append(cells[1] | {"bandwidth_mbit": None})
    found = {
        "job": "seed",
        "cells": cells,
        "per_iteration": {"rounds": 2, "bytes_sent": [128, 128], "dealt_bytes": 6400},
    }
    found |= {
        "machine": {"system": "Linux", "cores": 2, "python": "3.11"},
        "command": "python -m party lab",
    }
    read = Reader(
        lab_page(found | {"scaling": "each cell runs a while", "repetition": "the fastest counts"})
    )
    for words in (
        "20 ms, 100 Mbit/s",
        "20 ms, no limit",
        "latency alone",
        "50%",
        "+5.0%",
        "81 ms",
        "6,400 B",
    ):
        assert words in read.text
    assert not read.all("script") and len(read.all("svg")) == 1
    # both axes are even, so that what stands half-way on a line is half-way between its ends
    (floor,) = (each for each in read.all("polyline") if len(_points(each)) == 2)
    measured = _points(next(each for each in read.all("polyline") if len(_points(each)) == 3))
    (left, low), (right, high) = _points(floor)  # (0, 0) and (80 ms, 2 rounds of 40 ms)
    for (x, y), rtt in zip(measured, (0.0, 20.0, 80.0), strict=True):
        assert x == pytest.approx(left + (right - left) * rtt / 80, abs=0.02)
        assert y == pytest.approx(low + (high - low) * (rtt + 1) / 80, abs=0.02)


def test_the_laboratorys_picture_joins_cells_by_what_would_be_measured_between_them():
    pytest.importorskip("matplotlib")
    from party.lab.pictures import times

    nothing = dict.fromkeys(
        ("computed", "waited_for_peer", "waited_for_material", "predicted_seconds"), 0.0
    )
    cells = [
        Measurement(
            link=LinkShape(rtt),
            dealer=LinkShape(),
            iterations=1,
            seconds=1.0,
            per_iteration=rtt + 1e-3,
            predicted_per_iteration=1.0,
            **nothing,
        )
        for rtt in (0.0, 0.02, 0.08)
    ]
    (axes,) = times("job", cells, 2).axes
    x, y = (np.asarray(each, float) for each in axes.lines[0].get_data())
    assert x.size > 100 and np.abs(y - (x + 1)).max() < 1e-9
    assert [x[at] for at in axes.lines[0].get_markevery()] == pytest.approx([0, 20, 80])
    assert axes.get_yscale() == "log" and "logarithmic" in axes.get_ylabel()


def _points(line: dict[str, str | None]) -> list[tuple[float, ...]]:
    return [tuple(map(float, each.split(","))) for each in (line["points"] or "").split()]


def test_a_curve_has_its_name_behind_it_in_its_colour_however_long():
    axis = even("", 0.0, 1.0)
    lines = [Curve("short", [(0.0, 0.0), (1.0, 1.0)]), Curve("l" * 40, [(0.0, 0.0), (1.0, 0.5)])]
    drawn = curves(lines, axis, axis, "two", (0.5, 0.01, "1 s")).iter()
    found = [(each.get("class", ""), each) for each in drawn]
    for kind, of in zip(("kind-1", "kind-2"), lines, strict=True):
        (own,) = (each for classes, each in found if classes == f"curve {kind}")
        (name,) = (each for classes, each in found if classes == f"name {kind}")
        assert name.text == of.name and own.get("points")
        assert float(name.get("x", 0)) + 7 * len(of.name) < WIDTH
    (dot,) = (each for classes, each in found if classes == "strong")
    assert float(dot.get("y", 0)) < 300, "it does not stand on the axis"


def test_what_a_job_is_called_does_not_become_markup():
    read = Reader(page("<script>&", tag("p", "<b>", tag("i", "x"), "</p>", title='"<')))
    assert not read.all("b") and not read.all("script") and "<script>&<b>x</p>" in read.text
    assert read.all("p") == [{"title": '"<'}]


def test_a_page_that_cannot_be_written_is_refused_in_a_sentence(found, tmp_path):
    save(found, tmp_path / "plan.html")
    assert (tmp_path / "plan.html").read_text().startswith("<!doctype html>")
    with pytest.raises(ConfigError, match=r"cannot be written to .*nowhere.*check --html"):
        write(tmp_path / "nowhere" / "plan.html", "", "--html")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize(("preference", "paper"), [("1", (255, 255, 255)), ("0", (17, 21, 27))])
def test_a_browser_shows_it_light_or_dark_and_complains_of_nothing(
    text, tmp_path, preference, paper
):
    from PIL import Image

    (tmp_path / "plan.html").write_text(text)
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--log-level=1",
    ]
    options += [
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--blink-settings=preferredColorScheme={preference}",
    ]
    options += [
        "--window-size=600,900",
        f"--screenshot={tmp_path / 'page.png'}",
        (tmp_path / "plan.html").as_uri(),
    ]
    ran = subprocess.run(
        [CHROMIUM, *options], capture_output=True, text=True, check=True, timeout=120
    )
    assert "CONSOLE" not in ran.stderr, ran.stderr
    colours = Image.open(tmp_path / "page.png").convert("RGB").getcolors(1 << 20)
    assert max(colours)[1] == paper and len(colours) > 20
