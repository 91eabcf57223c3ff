"""The table in words: a page, and lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from .facts import FAR, Facts

_FAR = f"{FAR.rtt * 1e3:.0f} ms"
INTRODUCTION = f"""# Operations

Made by `python -m party operations --markdown`, of plans and runs of each operation; a test holds
it against the code. Every row is an example: operands of the shape that it names, with entries in
that range, anew in each step, at 20 fraction bits. Elsewhere `python -m party plan` says what a
job costs.

- *Rounds* are those of a local network, and, where they differ, of a link with a round trip of
  {_FAR}: comparisons take fewer there, by more that is dealt. An operand that another operation
  has opened is not opened again, so two operations of one tensor take less than their sum.
- *Sent* is what one party sends to the other, and *dealt* what the dealer sends to Bob, in bytes
  for an entry of the first operand.
- *Error* is how far a result may be from the true function, as promised, y being the result, and
  as it was seen in a run. A unit in the last place is 9.5e-7. Both are of operands that the
  fraction bits hold exactly, multiples of that unit: what rounding an operand to them adds, more
  the steeper the function is there, is in the figure by which a job's plan says results are off.
- *Gradient* says whether `gradient()` goes through it.
"""
HEADS = (
    "operation",
    "what it is",
    "example",
    "rounds",
    "sent",
    "dealt",
    "error, at most",
    "seen",
    "gradient",
)


def cells(row: Facts) -> tuple[str, ...]:
    """One row of the table, a text for each of HEADS; bytes for an entry of the first operand."""
    entries = math.prod(int(length) for length in row.shape.split(",")[0].split("×"))
    return (
        f"`{row.name}`",
        row.meaning,
        f"{row.shape} in {row.range}",
        str(row.rounds) if row.rounds == row.rounds_far else f"{row.rounds}; {row.rounds_far}",
        _number(row.sent / entries),
        _number(row.dealt / entries),
        promised(row),
        "" if math.isnan(row.error) else f"{row.error:.1e}" if row.error else "0",
        "yes" if row.derivative else "no",
    )


def lines(row: Facts) -> str:
    """One row for a terminal."""
    name, meaning, example, rounds, sent, dealt, most, seen, derivative = cells(row)
    return (
        f"  {name.strip('`')}\n    {meaning}\n    {example}: rounds {rounds}; for an entry {sent} B"
        f" sent, {dealt} B dealt;\n    error at most {most}, seen {seen}; gradient: {derivative}\n"
    )


def promised(row: Facts) -> str:
    """The promised error as a formula in y, the result."""
    parts = [f"{row.most_error:.1e}"] * bool(row.most_error) + [
        f"{row.most_relative:.1e}·y"
    ] * bool(row.most_relative)
    return " + ".join(parts) or "0"


def markdown(kinds: Mapping[str, Sequence[Facts]]) -> str:
    """The page of operations, by kind."""
    parts = [INTRODUCTION]
    for kind, rows in kinds.items():
        parts += [f"## {kind}\n", _table([HEADS, *(cells(row) for row in rows)])]
    return "\n".join(parts)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    rows = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([lines[0], _line(["-" * width for width in widths], widths), *lines[1:], ""])


def _line(row: Iterable[str], widths: Sequence[int]) -> str:
    return (
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
