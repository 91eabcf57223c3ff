"""The rounds in the table of `deploy/docs/jobs.md` are those of the table of operations, which is
held against the code, and of plans."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from party.reference.entry import Argument, Entry
from party.reference.facts import cost
from protocol import ops

PAGES = Path(__file__).parents[1] / "deploy" / "docs"
COMPARED = (
    4  # rounds of a comparison, which the examples of what is done with its outcome begin with
)


def rows(page: str) -> list[list[str]]:
    """The cells of all tables of a page, without their heads."""
    lines = [line for line in (PAGES / page).read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [
        row
        for row in cells
        if (row[-1] not in ("rounds", "gradient") and not set(row[0]) <= {"-"}) or not row[0]
    ]


def numbers(cell: str) -> set[int]:
    """Of '1, none; 3', '4 or 5' and '10 to 12; 5'."""
    found = {int(number) for number in re.findall(r"\d+", cell)} | (
        {0} if "none" in cell else set()
    )
    for low, high in re.findall(r"(\d+) to (\d+)", cell):
        found |= set(range(int(low), int(high)))
    return found


KNOWN: dict[str, set[int]] = {}
for cells in rows("operations.md"):
    KNOWN.setdefault(re.match(r"`([^`(]*)", cells[0])[1], set()).add(int(cells[3].split(";")[0]))
ROWS = [
    (re.findall(r"`(\w[\w.]*)", what), said)
    for _, what, said in rows("jobs.md")
    if re.fullmatch(r"[^a-z]*(none|\d.*)", said)
]
NAMED = [
    (name, said) for names, said in ROWS for name in names if name in KNOWN and name != "within"
]


def test_the_rows_are_found():
    assert len(ROWS) >= 16 and len(NAMED) >= 60


@pytest.mark.parametrize(("name", "said"), NAMED, ids=[name for name, _ in NAMED])
def test_an_operation_takes_the_rounds_that_its_row_says(name, said):
    begun = COMPARED if name.startswith("logical_") or name in ("any", "all") else 0
    assert said == "none of their own" or {each - begun for each in KNOWN[name]} & numbers(said)


def planned(function, *shapes, peak=8.0):
    """Rounds in a local network, of operands in ± peak, or in [1, peak] where it is a pair."""
    low, high = peak if isinstance(peak, tuple) else (-peak, peak)
    return cost(
        Entry(secure=function, operands=tuple(Argument(shape, low, high) for shape in shapes))
    ).rounds


def row(words: str) -> str:
    (said,) = [said for _, what, said in rows("jobs.md") if words in what]
    return said


def test_rounds_of_sizes_and_ranges():
    def largest(n):
        return planned(lambda x: np.max(x, axis=1), (10, n))

    assert row("of up to 10 entries") == f"{largest(2)}; {largest(10)}; {largest(16)}"
    pooled = planned(lambda x: ops.max_pool2d(x, 2, initial=0), (1, 1, 8, 8))
    assert row("of up to 100 or 256") == f"{largest(17)} to {largest(256)}; {pooled}"
    assert largest(17) < largest(100) <= largest(256)
    assert (
        row("far apart") == f"{planned(ops.softmax, (10, 10), peak=60.0)};"
        f" {planned(ops.softmax, (10, 100), peak=60.0)}"
    )
    inverse = {
        planned(function, (8,), peak=(1.0, 10.0))
        for function in (ops.reciprocal, ops.sqrt, ops.log)
    }
    divided = planned(lambda x, y: x / y, (8,), (8,), peak=(1.0, 10.0))
    assert row("within a factor of 10") == f"{inverse.pop()}; {divided} for `/`" and not inverse
    # log2 n
    assert [planned(lambda x: np.prod(x, axis=1), (3, n), peak=2.0) for n in (2, 4, 8, 9)] == [
        1,
        2,
        3,
        4,
    ]
    assert numbers(row("`softplus`")) == {
        planned(ops.softplus, (8,)),
        planned(ops.softplus, (8,), peak=1000.0),
    }
