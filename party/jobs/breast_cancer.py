"""Malignant or benign, from thirty measurements of a cell's nucleus, 569 patients: a clinic has twenty of them, a laboratory the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocol.estimators import LogisticRegression
from protocol.graph import Array
from protocol.tables import Labels, Standardise, Table

from .shipped import bunch, write

MEASURES = (
    *("radius", "texture", "perimeter", "area", "smoothness"),
    *("compactness", "concavity", "concave points", "symmetry", "fractal dimension"),
)
ALICE = [*(f"mean {each}" for each in MEASURES), *(f"{each} error" for each in MEASURES)]
BOB = [f"worst {each}" for each in MEASURES]
CLASSES = ["malignant", "benign"]


class BreastCancer(LogisticRegression):
    """Columns of both, in the same order of patients; bob has the diagnoses, and learns the scores of patients held out."""

    x = Table(alice=ALICE, bob=BOB, match="order", rows=569, steps=[Standardise()])
    y = Labels("bob", "diagnosis", classes=CLASSES, one_hot=False, rows=569)
    held_out = 0.25
    weights = "none"
    scores = "bob"
    tolerances = {"accuracy": 0.005, "auc": 0.005}

    def files(self, folder: Path) -> dict[str, Path]:
        """The table of each party, written there."""
        found = bunch("breast_cancer")
        columns: dict[str, object] = {
            name: found.data[:, list(found.feature_names).index(name)] for name in (*ALICE, *BOB)
        }
        columns["diagnosis"] = [CLASSES[each] for each in found.target]
        own = {"alice": ALICE, "bob": [*BOB, "diagnosis"]}
        return {
            role: write(folder / f"{role}.csv", {name: columns[name] for name in names}) for role, names in own.items()
        }

    def measure(self, results: Mapping[str, Array], inputs: Mapping[str, Array]) -> dict[str, float]:
        """Of the patients held out, by bob's scores."""
        y = np.delete(inputs["y"][:, 0], self.training_rows(len(inputs["y"]))) > 0.5
        z = results["scores"][:, 0]
        above = z[y][:, None] - z[~y][None]
        return {
            "accuracy": float(((z >= 0.0) == y).mean()),
            "auc": float(((above > 0.0) + 0.5 * (above == 0.0)).mean()),
        }
