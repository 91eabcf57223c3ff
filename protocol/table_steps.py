"""The steps of a table with rows of both parties: which each party does alone, and which is done on
shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import JobError
from .preparation import Fill, MinMax, Names, Standardise, Step, is_pattern, ranges, touched
from .together import WIDE, Shared


def check_steps(steps: Sequence[Step], known: Sequence[Names | None], horizontal: bool) -> None:
    """JobError for a step to a column that there is not; or, in a table with rows of both parties,
    for one that would learn something else from the rows of each.

    known: the names of each party's columns, where the job says them.
    """
    there = None if None in known else {name for each in known for name in each or ()}
    made: set[str] = set()
    for step in steps:
        if there is not None:
            for name in step.columns:
                if not is_pattern(name) and name not in there | made:
                    raise JobError(
                        f"{step.called} is done to a column {name} that the table does not have"
                    )
            made |= {each for name in there | made for each in step.made(name) or ()}
        filled = isinstance(step, Fill) and step is steps[-2:][0] and step.how == "mean"
        filled = filled and isinstance(steps[-1], Standardise)
        if (
            horizontal
            and step.learns
            and not filled
            and not (isinstance(step, Shared) and step is steps[-1])
        ):
            raise JobError(
                f"{step.called} would learn something else from the rows of each party: in a"
                " table with rows of both, declare the numbers, MinMax(low=0, high=9),"
                " Fill(how='constant'), OneHot(categories=[…]); Standardise() or MinMax() may"
                " come last, and Fill() before such a Standardise()"
            )


def divided(
    steps: Sequence[Step], known: Names | None, shaped: bool
) -> tuple[tuple[Step, ...], Names, Names]:
    """Of a table with rows of both: (the steps that each party does alone, the columns that the
    last step is then done to on shares, those of them that are filled with a mean of the rows of
    both).

    known: the names of the columns, where the job says them. shaped: whether rows have a shape.
    """
    if not steps or not isinstance(steps[-1], Shared) or not steps[-1].learns:
        return tuple(steps), (), ()
    *before, last = steps
    fill = before.pop() if before and before[-1].learns else None
    reached = {} if known is None else ranges(known, before, -np.inf, np.inf)
    made = reached.keys() - {*(known or ())}
    columns = touched(last, before, list(reached), made)
    if not columns or not all(np.isfinite(reached[name]).all() for name in columns):
        raise JobError(
            f"{last.called} over rows of both parties is done on shares, so the names and the"
            " ranges of its columns must be known: name the columns, and declare MinMax(low=…,"
            " high=…) or Clip(low=…, high=…) before it"
        )
    spread = [
        MinMax(name, low=reached[name][0], high=reached[name][1], onto=(-WIDE, WIDE))
        for name in columns
    ]
    if fill is None:
        return (*before, *spread), tuple(columns), ()
    filled: Names = tuple(touched(fill, before, list(reached), made))
    if not filled or not {*filled} <= {*columns} or shaped:
        raise JobError(
            f"{fill.called} fills columns that {last.called} is then done to, in a table"
            " without a shape: name these, or none"
        )
    own = (*before, *spread, Fill(filled, how="constant", indicator=True))
    return own, tuple(columns), filled
