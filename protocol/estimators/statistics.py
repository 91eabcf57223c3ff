"""Means, variances, covariances and correlations of secret columns, whole or by group: the rows and
all that is not asked for stay secret.

`measures` names what is revealed, and nothing else is: of a correlation no variance, of a mean by
group no count. Of fewer rows than `minimum` nothing is told: a table with fewer is refused, and a
group with fewer is suppressed on shares, by a comparison of its secret count, so that nobody learns
how many fewer. A suppressed group has 0 for every measure, and 0 in `shown`.

With groups there are no measures of the whole table: those of all groups but one would tell that
one's. Whoever reveals both, in two runs, or the same groups with a few rows more, tells what lies
between. The number of rows of the table is known to both.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import ClassVar

from ..errors import JobError
from ..jobs import Input, Job, Parameter, Variables
from ..limits import FEW, FEWEST
from ..ops import Secret, divide
from ..ops.inverses import SMALLEST, cut_off
from ..ops.tensor import bounded
from ..sizing import Numerics
from ..tables import Table
from ..wording import counted
from .solve import COARSEST, FINEST, diagonal


class _Aggregates(Job):
    """What both kinds share."""

    x: ClassVar[Input | Table] = Input("bob", ("n", "k"))
    iterations: ClassVar[int] = 0
    fraction_bits = 28
    measures = Parameter("mean")
    minimum = Parameter(FEW, FEWEST)
    known: ClassVar[Sequence[str]] = ()

    @property
    def numerics(self) -> Numerics:
        """Ranges are proven here: none is guessed from what is likely of numbers about zero."""
        return replace(super().numerics, margin=float(1 << 20))

    def step(self, v: Variables) -> None:
        """There is none."""

    def chosen(self, x: Secret) -> list[str]:
        """The measures that are asked for; JobError where they are none, or x has too few rows or
        too large numbers for any."""
        found = [each.strip() for each in self.measures.split(",")]
        for each in found:
            if each not in self.known:
                raise JobError(
                    f"measures = {self.measures!r}: {each!r} is none; there are"
                    f" {', '.join(self.known)}, as in 'mean,var'"
                )
        if x.shape[0] < self.minimum:
            raise JobError(
                f"x has {counted(x.shape[0], 'row')}, and nothing is told of fewer than minimum ="
                f" {self.minimum}: bring more rows, or let both parties agree on minimum ="
                f" {x.shape[0]}"
            )
        if _peak(x) > COARSEST:
            raise JobError(
                f"columns are declared up to ±{_peak(x):g}, and {COARSEST:g} is the most; scale"
                " them"
            )
        return found


class Statistics(_Aggregates):
    """Of all rows: mean, var, std (k), cov and corr (k, k). ddof: what the divisors of squares are
    less than the rows by, as in NumPy.

    A column of a deviation below 1/1024 is taken to be constant: its std and its correlations are
    0. An owner whose column varies by less is told so before the run.
    """

    known = ("mean", "var", "std", "cov", "corr")
    ddof = Parameter(0)

    def finest(self, name: str, rows: int) -> float:
        asked = {each.strip() for each in self.measures.split(",")}
        return FINEST if name == "x" and asked & {"std", "corr"} else 0.0

    def promise(self, told: Collection[str] = ()) -> str:
        asked = {each.strip() for each in self.measures.split(",")}
        if self.fraction_bits < Statistics.fraction_bits or not asked & {"std", "corr"}:
            return ""
        return (
            "std, as a part of itself, and corr are off by at most 2e-4 for columns with a"
            " deviation of 0.05 or more, and by 2e-3 down to 1/1024"
        )

    def finish(self, v: Variables) -> None:
        x, chosen = v.x, self.chosen(v.x)
        n, peak = x.shape[0], _peak(x)
        if type(self.ddof) is not int or not 0 <= self.ddof < n:
            raise JobError(
                f"ddof = {self.ddof!r} is a whole number from 0 to {n - 1}, the rows of x less one"
            )
        mean = x.mean(axis=0, keepdims=True)
        away = x - mean  # squared, it loses nothing to what the squares of x and the mean share
        found = {"mean": mean.reshape(-1)}
        if "cov" in chosen or "corr" in chosen:
            covariances = bounded(away.T @ away / n, -(peak**2), peak**2)
            squares = bounded(diagonal(covariances), 0.0, peak**2)
            found["cov"] = covariances * (n / (n - self.ddof))
        else:
            squares = bounded((away * away).mean(axis=0), 0.0, peak**2)
        found["var"] = squares * (n / (n - self.ddof))
        if "std" in chosen or "corr" in chosen:
            root = cut_off("rsqrt", squares, FINEST**2)
            found["std"] = bounded(squares * root, 0.0, peak) * (n / (n - self.ddof)) ** 0.5
        if "corr" in chosen:
            half = bounded(covariances * root.reshape(-1, 1), -peak, peak)
            found["corr"] = bounded(half * root.reshape(1, -1), -1.0, 1.0)
        v.reveal({name: found[name] for name in chosen})


class GroupStatistics(_Aggregates):
    """By group: count (g), mean and var (g, k). `groups` (n, g) says by a 1 in which group a row
    is; one with only zeros is in none. Means are off by up to 1e-5 of what they are from the mean
    of all rows, variances by up to 2e-5 of themselves, or by 3e-8 where that is more.
    """

    groups: ClassVar[Input | Table] = Input("bob", ("n", "g"), 0, 1)
    known = ("count", "mean", "var")

    def promise(self, told: Collection[str] = ()) -> str:
        if self.fraction_bits < GroupStatistics.fraction_bits or self.measures.strip() == "count":
            return ""
        return (
            "means are off by at most 1e-5 of what they are from the mean of all rows, or 3e-8, and"
            " variances by 2e-5 of themselves, or 3e-8"
        )

    def finish(self, v: Variables) -> None:
        x, chosen = v.x, self.chosen(v.x)
        n, peak = x.shape[0], _peak(x)
        if v.groups.shape[0] != n:
            has = counted(v.groups.shape[0], "row")
            raise JobError(f"groups has {has} and x {n}; both need the same")
        least = (self.minimum - 0.5) / n
        if least < SMALLEST and chosen != ["count"]:
            raise JobError(
                f"minimum = {self.minimum}: of {n:,} rows means are told of groups of"
                f" {math.ceil(n * SMALLEST + 0.5)} or more, so that they are exact enough"
            )
        part = bounded(v.groups.mean(axis=0), 0.0, 1.0)
        shown = part >= least
        found = {"count": part * n}
        if chosen != ["count"]:
            rows = bounded(part * shown + (1.0 - shown), least, 1.0).reshape(-1, 1)
            # from the mean of all, of which a quotient then loses nothing
            centre = x.mean(axis=0, keepdims=True)
            away = x - centre
            sums = bounded(v.groups.T @ away, -n * peak, n * peak)
            found["mean"] = bounded(divide(sums / n, rows) + centre, -peak, peak)
            if "var" in chosen:
                # count · Σ x² − (Σ x)² is exact to the last place, and a quotient of it to a part
                counts = bounded(v.groups.sum(axis=0), 0.0, n).reshape(-1, 1)
                squares = bounded(v.groups.T @ (away * away), 0.0, n * peak**2)
                spread = bounded(counts * squares - sums * sums, 0.0, (n * peak) ** 2)
                spread = bounded(divide(spread / n, rows), 0.0, n * peak**2)
                found["var"] = bounded(divide(spread / n, rows), 0.0, peak**2)
        v.reveal(shown=shown)
        v.reveal(
            {
                name: shown.reshape((-1,) + (1,) * (found[name].ndim - 1)) * found[name]
                for name in chosen
            }
        )


def _peak(x: Secret) -> float:
    return max(abs(end) for end in x._node.interval)
