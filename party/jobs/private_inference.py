"""Classes of handwritten digits: Alice trains a network with scikit-learn and exports it as ONNX,
Bob alone has the pictures to classify.

What each would do with `python -m party import` and files of their own is done here in a folder,
from data that scikit-learn ships.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from protocol.errors import DataError
from protocol.extras import needed
from protocol.graph import Array
from protocol.networks import write

from ..data import save_results

NAME = "private-inference"
EVERY = 5  # of so many pictures one is Bob's, and the network has not seen it


@dataclass(frozen=True)
class DemoCase:
    """The job, what both bring to it, and by what its results are judged."""

    job: Path
    data: tuple[str, ...]
    labels: Array = field(repr=False)  # what the pictures show,
    exported: Array = field(repr=False)  # and what onnxruntime takes them for
    tolerances: Mapping[str, float] = field(
        default_factory=lambda: {"accuracy": 0.005, "as onnxruntime": 0.005}
    )

    def measure(
        self, results: Mapping[str, Array], inputs: Mapping[str, Array]
    ) -> dict[str, float]:
        """Parts of the pictures: of which the class is right, and is the one that onnxruntime
        gives."""
        found = results["label"]
        return {
            "accuracy": float(np.mean(found == self.labels)),
            "as onnxruntime": float(np.mean(found == self.exported)),
        }


def prepare(folder: Path) -> DemoCase:
    """Train, export and import the network, and write what each party brings; DataError if a
    library is missing."""
    with needed("this demo, which trains a model and exports it,", "inference", DataError):
        datasets, networks, skl2onnx, onnxruntime = map(
            importlib.import_module,
            ("sklearn.datasets", "sklearn.neural_network", "skl2onnx", "onnxruntime"),
        )
    from ..formats.onnx.importing import import_model
    from ..formats.onnx.reading import read_model

    x, y = datasets.load_digits(return_X_y=True)
    x, bobs = x / 16, np.arange(len(x)) % EVERY == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = networks.MLPClassifier((64, 32), max_iter=60, random_state=0).fit(
            x[~bobs], y[~bobs]
        )
        text = skl2onnx.to_onnx(
            model, x[:1].astype(np.float32), options={"zipmap": False}
        ).SerializeToString()
    path, rows = folder / "digits.onnx", x[bobs]
    path.write_bytes(text)
    imported = import_model(read_model(path), rows={"X": x[~bobs]}, outputs=["label"])
    job, weights, pictures = (
        folder / f"{NAME}.json",
        folder / "weights.npz",
        folder / "pictures.npy",
    )
    write(job, imported.network)
    save_results(weights, {f"model.{name}": value for name, value in imported.weights.items()})
    np.save(pictures, rows)
    exported: Any = onnxruntime.InferenceSession(text).run(
        ["label"], {"X": rows.astype(np.float32)}
    )[0]
    return DemoCase(job, (str(weights), f"X={pictures}"), y[bobs], exported)
