"""Real data that scikit-learn ships, for jobs that show what comes out: read when somebody asks for
it, and never from a network."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from protocol.errors import DataError
from protocol.extras import needed
from protocol.graph import Array

from .samples import Sample


def bunch(name: str, **options: Any) -> Any:
    """What sklearn.datasets.load_NAME(**options) gives."""
    with needed("the data of this job, which comes with scikit-learn,", "demo", DataError):
        datasets = importlib.import_module("sklearn.datasets")
    return getattr(datasets, f"load_{name}")(**options)


def shipped(name: str, take: Callable[[Any], Array]) -> Sample:
    """What `take` makes of the data set sklearn.datasets.load_NAME, loaded when it is first
    used."""
    return Sample(lambda _: take(bunch(name)))


def write(path: Path, columns: Mapping[str, Any]) -> Path:
    """A .csv file of these columns, below a header."""
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(columns)
        table.writerows(zip(*columns.values(), strict=True))
    return path
