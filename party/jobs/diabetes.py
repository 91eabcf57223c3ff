"""Progression of diabetes after a year from ten measurements, 442 patients: least squares on rows of two hospitals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from protocol.estimators import LeastSquares
from protocol.graph import Array
from protocol.jobs import Input, Variables
from protocol.ops import Secret, concatenate

from .shipped import shipped

HALF = 221


def _rows(part: slice, column: str) -> Any:
    return shipped("diabetes", lambda found: np.atleast_2d(found[column].T).T[part], scaled=False)


class Diabetes(LeastSquares):
    """Each hospital has half of the patients, in the units that they were measured in. Both learn the coefficients."""

    x_alice = Input("alice", ("m", 10), -512, 512, default=_rows(slice(HALF), "data"))
    y_alice = Input("alice", ("m", 1), -512, 512, default=_rows(slice(HALF), "target"))
    x_bob = Input("bob", ("n", 10), -512, 512, default=_rows(slice(HALF, None), "data"))
    y_bob = Input("bob", ("n", 1), -512, 512, default=_rows(slice(HALF, None), "target"))
    tolerances = {"max_abs_error": 1e-2}

    def rows(self, v: Variables) -> tuple[Secret, Secret]:
        return concatenate([v.x_alice, v.x_bob]), concatenate([v.y_alice, v.y_bob])

    def scores(self, results: Mapping[str, Array], inputs: Mapping[str, Array]) -> dict[str, float]:
        """How far the coefficients are from those of NumPy's least squares."""
        x, y = (np.concatenate([inputs[f"{name}_{role}"] for role in ("alice", "bob")]) for name in "xy")
        best, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)
        return {"max_abs_error": float(np.abs(results["coef"] - best[:-1]).max())}
