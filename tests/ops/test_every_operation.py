"""Every operation, by the table of them: right on whatever shapes and values, differentiated,
documented with what it costs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.test_rules import operations

from party.__main__ import main
from party.reference import CATALOGUE, Entry, Facts, facts
from party.reference.entry import UNIT, Argument
from party.reference.facts import differentiable, error, first, traced
from party.reference.layout import HEADS, cells, markdown
from protocol import ops
from protocol.nodes import Op
from protocol.ops.coarse import Coarse
from protocol.ops.constants import Constant
from protocol.ops.ended import Ended
from protocol.ops.gradient import gradient
from protocol.ops.selection import Settled
from protocol.ops.spelling import OFFERED, SENTENCES
from protocol.ops.stored import Stored
from protocol.ops.truncation import Rescale

PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "operations.md"
ENTRIES = [entry for entries in CATALOGUE.values() for entry in entries]
# a plan, a reveal or a kept model makes them
NOT_OPERATIONS = {Constant, Coarse, Ended, Settled, Stored, Rescale}
NOT_OF_SECRETS = {"Secret", "Stepwise", "differentiated", "gradient", "one_hot"}
SEEN = HEADS.index("seen")
every = pytest.mark.parametrize(
    "entry", ENTRIES, ids=[f"{n}-{entry.name.split('(')[0]}" for n, entry in enumerate(ENTRIES)]
)


@cache
def rows() -> dict[str, list[Facts]]:
    return {
        kind: [facts(entry, measured=False) for entry in entries]
        for kind, entries in CATALOGUE.items()
    }


def without_what_was_seen(page: str) -> list[str]:
    lines = [line.split(" | ") if line.startswith("|") else [line] for line in page.splitlines()]
    return [
        " ".join(" | ".join(line[:SEEN] + line[SEEN + 1 :]).split())
        for line in lines
        if set("".join(line)) - set("|- ")
    ]


def test_the_page_is_what_the_code_says():
    """If not: python -m party operations --markdown > deploy/docs/operations.md"""
    assert without_what_was_seen(PAGE.read_text()) == without_what_was_seen(markdown(rows()))


def test_what_the_page_has_seen_is_within_what_is_promised():
    lines = [
        line.strip("| ").split(" | ")
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `")
    ]
    for entry, line in zip(ENTRIES, lines, strict=True):
        assert float(line[SEEN]) <= entry.error + entry.relative * 1024.0, entry.name


def test_nothing_is_missing():
    """Every function that jobs may call, every one of NumPy's, and every class of operation, is in
    an example."""
    shown = {
        function.__name__
        for entry in ENTRIES
        for function in (entry.of, entry.secure)
        if function is not None
    }
    assert set(ops.__all__) - NOT_OF_SECRETS - shown == set()
    named = {match[1] for entry in ENTRIES if (match := re.match(r"(\w+)\(", entry.name))}
    assert named - set(ops.__all__) == set()  # all of the table is there to be imported
    calls = " ".join(entry.name for entry in ENTRIES)
    operators = {
        "add",
        "subtract",
        "multiply",
        "negative",
        "positive",
        "power",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "equal",
        "not_equal",
        "divide",
        "exp",
        "shape",
        "ndim",
        "size",
        "zeros_like",
        "ones_like",
    }
    for function, ours in OFFERED.items():
        assert (
            function in SENTENCES or function.__name__ in operators or f"{ours.__name__}(" in calls
        ), function
    made: set[type[Op]] = set()
    for entry in ENTRIES:
        operands, out = traced(entry)
        if differentiable(entry):
            gradient((out * 0.5).sum(), operands)
        made |= {type(node.op) for node in out._graph.nodes}
    assert operations() - NOT_OPERATIONS - made == set()


def test_every_row_says_what_it_is():
    for entry, row in zip(
        ENTRIES, (row for found in rows().values() for row in found), strict=True
    ):
        assert 0 < len(entry.meaning) < 110, entry.name
        assert len(cells(row)) == len(HEADS)


def test_the_command_prints_rows_of_the_page(capsys):
    assert main(["operations", "softplus", "--json"]) == 0
    row, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["rounds"], row["sent"], row["dealt"], row["derivative"]) == (1, 8000, 256_000, True)
    assert 0.0 < row["error"] <= row["most_error"]
    assert main(["operations", "softplus"]) == 0
    assert "rounds 1; for an entry 8 B sent, 256 B dealt" in capsys.readouterr().out
    assert main(["operations", "sotfplus"]) == 2
    assert "no operation has sotfplus in its name" in capsys.readouterr().err


@st.composite
def shaped(draw: Any, entry: Entry) -> tuple[Argument, ...]:
    """Operands of other shapes, where the example allows for them."""
    sizes = {each.shape for each in entry.operands}
    if sizes == {(1000,)}:
        full = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
        cut = draw(st.integers(0, len(full)))
        shapes = [full, tuple(draw(st.sampled_from([1, n])) for n in full[cut:])]
    elif sizes <= {(10, 100), (100, 10)}:
        shapes = [(2 * draw(st.integers(1, 3)), draw(st.integers(4, 12)))] * 2
    elif sizes == {(1, 4, 16, 16)}:
        shapes = [tuple(k * draw(st.integers(1, 3)) for k in (1, 1, 2, 2))]
    else:
        return entry.operands
    if not draw(st.booleans()):
        shapes.reverse()
    return tuple(
        replace(each, shape=shapes[n % len(shapes)]) for n, each in enumerate(entry.operands)
    )


def values(operand: Argument, random: np.random.Generator) -> np.ndarray:
    """Anywhere in the range, at its ends, near zero, and again and again the same."""
    if operand.among:
        return random.choice(operand.among, operand.shape)
    low, high = operand.interval
    special = np.clip([low, high, 0.0, UNIT, -UNIT, (low + high) / 2, 1.0], low, high)
    chosen = np.where(random.random(operand.shape) < 0.3, random.choice(special, operand.shape),
                      random.uniform(low, high, operand.shape))  # fmt: skip
    return np.clip(np.rint(chosen / UNIT) * UNIT, low, high)


@every
@settings(max_examples=2, deadline=None)
@given(st.data())
def test_it_is_numpys_within_what_is_promised(entry, data):
    """On shares, in the rounds and bytes of the plan; the gradient's rule against central
    differences of the true function."""
    entry = replace(entry, operands=data.draw(shaped(entry)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    inputs = {f"x{n}": values(each, random) for n, each in enumerate(entry.operands)}
    off, kept = error(entry, inputs)
    assert kept, f"off by {off}, promised {entry.error} + {entry.relative} of the result"


def small(operand: Argument) -> Argument:
    """Of fewer entries, for the same example."""
    shape = {(1000,): (5,), (10, 100): (2, 4), (100, 10): (2, 5), (1, 4, 16, 16): (1, 4, 4, 4)}
    return replace(operand, shape=shape.get(operand.shape, operand.shape))


@every
def test_its_gradient_is_that_of_the_true_function(entry):
    entry = replace(entry, operands=tuple(map(small, entry.operands)))
    if not differentiable(entry):
        return  # so the table says
    operands, out = traced(entry)
    random = np.random.default_rng(3)
    weights = random.uniform(-1, 1, out.shape)
    loss = (out * weights).sum()
    found = gradient(loss, operands)
    out._graph.revealed = {"loss": loss._node} | {
        f"g{n}": each._node for n, each in enumerate(found)
    }
    arrays = [inside(each, random) for each in entry.operands]
    twin = out._graph.run_clear({f"x{n}": array for n, array in enumerate(arrays)}, 1)

    def true(arrays: list[np.ndarray]) -> float:
        if entry.clear is None:
            return float(
                out._graph.run_clear({f"x{n}": array for n, array in enumerate(arrays)}, 1)["loss"]
            )
        return float((first(entry.clear(*arrays)) * weights).sum())

    for n, array in enumerate(arrays):
        for place in list(np.ndindex(array.shape))[:: max(1, array.size // 16)]:
            ends = []
            for sign in (1.0, -1.0):
                moved = [each.copy() for each in arrays]
                moved[n][place] += sign * 1e-5
                ends.append(true(moved))
            slope = (ends[0] - ends[1]) / 2e-5
            assert abs(twin[f"g{n}"][place] - slope) <= entry.slope * (
                1.0 + abs(slope)
            ) * math.sqrt(out.size), place


def inside(operand: Argument, random: np.random.Generator) -> np.ndarray:
    """Away from the ends, where a function may end too."""
    low, high = operand.interval
    return random.uniform(low + 0.01 * (high - low), high - 0.01 * (high - low), operand.shape)
