"""784-128-128-10 on pictures of 28 × 28: MNIST's, where the user gives its files, and a synthetic
stand-in of the same shape otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protocol.estimators import MLPClassifier
from protocol.jobs import Parameter
from protocol.labels import Labels
from protocol.tables import MinMax, Table

from .samples import classes, pictures

ROWS = 1024
_PICTURES = pictures(ROWS, 784)


class Mnist(MLPClassifier):
    """One epoch, in batches of 128. Grey values are 0 to 255, as in the files: --table
    x=train-images-idx3-ubyte.gz, and y= the labels."""

    x = Table("bob", columns=784, steps=[MinMax(low=0, high=255)])
    y = Labels("bob", classes=10)
    features, classes = 784, 10
    hidden_layer_sizes = "128,128"
    batch_size, max_iter = 128, 1
    weights = "alice"
    tolerances = {"accuracy": 0.01}
    stand_in = Parameter("synthetic pictures, not MNIST")

    def files(self, folder: Path) -> dict[str, Path]:
        """The synthetic pictures and their labels, written there."""
        paths = {"x": folder / "synthetic-pictures.npy", "y": folder / "synthetic-labels.npy"}
        np.save(paths["x"], np.rint(255 * np.asarray(_PICTURES)))
        np.save(paths["y"], np.asarray(classes(_PICTURES, 10)).argmax(axis=1))
        return paths
