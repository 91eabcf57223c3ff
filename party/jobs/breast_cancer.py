"""Malignant or benign, from thirty measurements of a cell's nucleus, 569 patients: a clinic has
twenty of them, a laboratory ten.

Each has patients that the other has not, and its own order of them: rows are matched by the
patients' numbers, privately.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocol.estimators import LogisticRegression
from protocol.graph import Array
from protocol.labels import Labels
from protocol.tables import Clip, Standardise, Table

from .shipped import bunch, write

MEASURES = (
    *("radius", "texture", "perimeter", "area", "smoothness"),
    *("compactness", "concavity", "concave points", "symmetry", "fractal dimension"),
)
ALICE = [*(f"mean {each}" for each in MEASURES), *(f"{each} error" for each in MEASURES)]
BOB = [f"worst {each}" for each in MEASURES]
CLASSES = ["malignant", "benign"]


class BreastCancer(LogisticRegression):
    """Columns of both; bob has the diagnoses too, and learns the scores of the patients held out.
    Both learn the accuracy.

    Which patients are held out is drawn anew in each run, and one of them may be more deviations
    from the others than a column may hold.
    """

    x = Table(alice=ALICE, bob=BOB, key="patient", steps=[Standardise(), Clip(low=-16, high=16)])
    y = Labels("bob", "diagnosis", classes=CLASSES, one_hot=False)
    held_out = 0.25
    weights = "none"
    scores = "bob"
    tolerances = {"accuracy": 0.005, "auc": 0.005}

    def files(self, folder: Path) -> dict[str, Path]:
        """The table of each party, written there."""
        found, random = bunch("breast_cancer"), np.random.default_rng(1)
        names, paths = list(found.feature_names), {}
        for role, own, last in (("alice", ALICE, []), ("bob", BOB, ["diagnosis"])):
            rows = random.permutation(len(found.data))[15:]
            columns: dict[str, object] = {"patient": [f"P{row:04d}" for row in rows]}
            columns |= {name: found.data[rows, names.index(name)] for name in own}
            columns |= {name: [CLASSES[each] for each in found.target[rows]] for name in last}
            paths[role] = write(folder / f"{role}.csv", columns)
        return paths

    def measure(
        self, results: Mapping[str, Array], inputs: Mapping[str, Array]
    ) -> dict[str, float]:
        """Of the patients held out, by bob's scores."""
        y = np.delete(inputs["y"][:, 0], self.training_rows(len(inputs["y"]))) > 0.5
        z = results["scores"][:, 0]
        above = z[y][:, None] - z[~y][None]
        return {
            "accuracy": float(((z >= 0.0) == y).mean()),
            "auc": float(((above > 0.0) + 0.5 * (above == 0.0)).mean()),
        }
