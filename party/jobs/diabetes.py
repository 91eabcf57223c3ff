"""Progression of diabetes after a year from ten measurements, 442 patients: least squares on rows
of two hospitals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocol.estimators import LinearRegression
from protocol.graph import Array
from protocol.tables import Table

from .shipped import bunch, write

COLUMNS = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
ROWS = {"alice": 221, "bob": 221}


class Diabetes(LinearRegression):
    """Each hospital has half of the patients, in the units that they were measured in. Both learn
    the coefficients."""

    x = Table(columns=COLUMNS, rows=ROWS, low=-512, high=512)
    y = Table(columns=["progression"], rows=ROWS, low=-512, high=512)
    tolerances = {"max_abs_error": 1e-6}

    def files(self, folder: Path) -> dict[str, Path]:
        """The table of each party, written there."""
        found = bunch("diabetes", scaled=False)
        columns = dict(zip([*COLUMNS, "progression"], [*found.data.T, found.target], strict=True))
        halves = {"alice": slice(ROWS["alice"]), "bob": slice(ROWS["alice"], None)}
        return {
            role: write(
                folder / f"{role}.csv", {name: each[half] for name, each in columns.items()}
            )
            for role, half in halves.items()
        }

    def measure(
        self, results: Mapping[str, Array], inputs: Mapping[str, Array]
    ) -> dict[str, float]:
        """How far the coefficients are from those of NumPy's least squares."""
        x, y = (np.concatenate([inputs[f"{name}.{role}"] for role in ROWS]) for name in "xy")
        best, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)
        return {"max_abs_error": float(np.abs(results["coef"] - best[:-1]).max())}
