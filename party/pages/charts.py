"""Pictures for a page: tables with bars in them, the messages of a protocol on a time line, curves
over even axes.

Colours come from the page's style, so that a picture is light or dark as the page is. Every picture
says in words what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from protocol.wording import span

from .markup import Content, tag

WIDTH = 960.0
LETTER = 8  # of a name, about
BRIEF = 24  # letters that are not broken into lines
LEFT = 64.0
LANES = (34.0, 150.0)  # y of alice's and of bob's lane


# ---- tables --------------------------------------------------------------------------------------


def bar(*parts: tuple[str, float], whole: float, title: str = "") -> Element:
    """Coloured lengths beside each other, as parts of `whole`; the numbers are in the cells beside
    it."""
    spans = (
        tag("span", class_=colour, style=f"width:{100 * value / whole:.4g}%")
        for colour, value in parts
        if value and whole
    )
    return tag("div", *spans, class_="bar", title=title or None, aria_hidden="true")


def key(*entries: tuple[str, Content]) -> Element:
    """A legend: a colour's class and a text for each entry."""
    return tag(
        "ul",
        *(tag("li", tag("i", class_=colour, aria_hidden="true"), text) for colour, text in entries),
        class_="key",
    )


def table(
    label: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Content]],
    numbers: str,
    taken: int = -1,
) -> Element:
    """`numbers`: a letter for each column: "t" for text, "n" for numbers, "b" for bars. Row `taken`
    is the one that is taken, and says so."""
    kinds = [
        {"n": "number", "b": "wide"}.get(kind) or _text(column)
        for kind, *column in zip(numbers, *rows, strict=True)
    ]
    head = (
        tag("th", text, scope="col", class_=kind)
        for text, kind in zip(headings, kinds, strict=True)
    )
    body = []
    for number, row in enumerate(rows):
        first, *others = zip(row, kinds, strict=True)
        name: tuple[Content, ...] = (first[0],)
        if number == taken:
            name += (tag("span", " taken", class_="small quiet"),)
        cells = (tag("td", cell, class_=kind) for cell, kind in others)
        body.append(
            tag(
                "tr",
                tag("th", *name, scope="row", class_=first[1]),
                *cells,
                class_="taken" if number == taken else None,
            )
        )
    whole = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body))
    return tag("div", whole, class_="scroll", role="region", aria_label=label, tabindex="0")


def _text(column: Sequence[Content]) -> str:
    """How a column of text stands in a narrow window: in lines of a readable width."""
    texts = ("".join(each.itertext()) if isinstance(each, Element) else each for each in column)
    return "brief" if all(len(each or "") <= BRIEF for each in texts) else "words"


def folded(
    label: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Content]],
    numbers: str,
    longest: int = 12,
) -> list[Element]:
    """A table, and the end of a long one folded away."""
    found = [table(label, headings, rows[:longest], numbers)]
    if rows[longest:]:
        rest = table(f"{label}, the rest", headings, rows[longest:], numbers)
        found.append(tag("details", tag("summary", f"{len(rows) - longest:,} more"), rest))
    return found


# ---- the time line -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crossing:
    """One round: both send at `start`, `sending` seconds long, and both have all of it at `end`."""

    start: float
    sending: float
    end: float


def time_line(crossings: Sequence[Crossing], end: float, dealing: float, said: str) -> Element:
    """Messages between two lanes, seconds from left to right; under them how long the dealer needs
    for the same."""
    right = WIDTH - 14
    height = LANES[1] + (92 if dealing else 56)

    def x(seconds: float) -> float:
        return LEFT + seconds / end * (right - LEFT)

    drawn: list[Element] = [tag("title", said)]
    for name, y in zip(("alice", "bob"), LANES, strict=True):
        drawn.append(tag("text", name, x=0, y=y + 5, class_="strong"))
        drawn.append(tag("line", x1=LEFT, x2=right, y1=y, y2=y, class_="lane"))
    written = 0.0
    for number, each in enumerate(crossings, 1):
        for colour, (near, away) in (("from-alice", LANES), ("from-bob", LANES[::-1])):
            sent, come = each.start + each.sending, each.end - each.sending
            corners = ((each.start, near), (sent, near), (each.end, away), (come, away))
            points = " ".join(f"{x(at):.2f},{y:g}" for at, y in corners)
            drawn.append(tag("polygon", points=points, class_=f"band {colour}"))
        middle = (x(each.start) + x(each.end)) / 2
        if middle - written > 20:  # numbers do not run into each other
            drawn.append(tag("text", f"{number}", x=middle, y=LANES[0] - 14, text_anchor="middle"))
            written = middle
    if dealing:
        y, long = LANES[1] + 26, x(min(dealing, end)) - LEFT
        drawn.append(tag("text", "dealer", x=0, y=y + 13, class_="strong"))
        drawn.append(
            tag("rect", x=LEFT, y=y, width=max(1.5, long), height=18, rx=3, class_="from-dealer")
        )
        inside = long > 200
        words = f"{span(dealing)}{', longer than the rounds' if dealing > end else ''}"
        at = LEFT + 10 if inside else LEFT + long + 8
        drawn.append(tag("text", words, x=at, y=y + 13.5, class_="inside" if inside else None))
    drawn += _scale(x, ticks(0.0, end, 8), height - 22, span)
    return tag("svg", *drawn, viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", aria_label=said)


# ---- curves --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """Points with a name at the last: joined by a line, marked, or both."""

    name: str
    points: Sequence[tuple[float, float]]
    joined: bool = True
    marked: bool = False


@dataclass(frozen=True)
class Axis:
    """`place` maps a value to 0 … 1; `marks` are the values that are written."""

    name: str
    place: Callable[[float], float]
    marks: Sequence[float]
    write: Callable[[float], str]


def even(name: str, low: float, high: float, write: Callable[[float], str] = "{:g}".format) -> Axis:
    """An axis on which equal differences are equal lengths."""
    far = high - low or 1.0
    return Axis(name, lambda value: (value - low) / far, ticks(low, high, 8), write)


def curves(
    lines: Sequence[Curve],
    across: Axis,
    up: Axis,
    said: str,
    dot: tuple[float, float, str] | None = None,
) -> Element:
    """Lines over two axes, each with its name behind it in its colour; `dot` is one point with
    words beside it."""
    room = max(120, *(20 + LETTER * len(line.name) for line in lines))
    bottom, top, right = 300.0, 26.0, WIDTH - min(room, WIDTH / 2)

    def x(value: float) -> float:
        return LEFT + across.place(value) * (right - LEFT)

    def y(value: float) -> float:
        return bottom - up.place(value) * (bottom - top)

    drawn: list[Element] = [tag("title", said), tag("text", up.name, x=0, y=12)]
    for value in up.marks:
        drawn.append(tag("line", x1=LEFT, x2=right, y1=y(value), y2=y(value), class_="axis"))
        drawn.append(tag("text", up.write(value), x=LEFT - 8, y=y(value) + 4, text_anchor="end"))
    drawn += _scale(x, across.marks, bottom, across.write)
    drawn.append(tag("text", across.name, x=right, y=bottom + 40, text_anchor="end"))
    above = -math.inf
    for number, line in enumerate(sorted(lines, key=lambda line: -line.points[-1][1])):
        kind = f"kind-{number % 4 + 1}"
        if line.joined:
            points = " ".join(f"{x(a):.2f},{y(b):.2f}" for a, b in line.points)
            drawn.append(tag("polyline", points=points, class_=f"curve {kind}"))
        drawn += [
            tag("circle", cx=x(a), cy=y(b), r=4, class_=f"point {kind}")
            for a, b in line.points
            if line.marked
        ]
        end_x, end_y = x(line.points[-1][0]), y(line.points[-1][1])
        above = max(end_y + 4, above + 16)  # names do not cover each other
        drawn.append(tag("text", line.name, x=end_x + 10, y=above, class_=f"name {kind}"))
    if dot is not None:
        drawn.append(tag("circle", cx=x(dot[0]), cy=y(dot[1]), r=5, class_="mark"))
        below = y(dot[1]) + (18 if y(dot[1]) < bottom - 24 else -10)
        drawn.append(tag("text", dot[2], x=x(dot[0]) + 10, y=below, class_="strong"))
    return tag("svg", *drawn, viewBox=f"0 0 {WIDTH:g} {bottom + 50:g}", role="img", aria_label=said)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers in [low, high], at most `most` + 1 of them."""
    rough = (high - low) / most or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(
        factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9)
    )
    return [
        n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _scale(
    x: Callable[[float], float], marks: Sequence[float], y: float, write: Callable[[float], str]
) -> Iterator[Element]:
    yield tag("line", x1=x(marks[0]), x2=x(marks[-1]), y1=y, y2=y, class_="axis")
    for value in marks:
        yield tag("line", x1=x(value), x2=x(value), y1=y, y2=y + 5, class_="axis")
        yield tag("text", write(value), x=x(value), y=y + 19, text_anchor="middle")
