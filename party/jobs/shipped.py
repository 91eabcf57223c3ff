"""Real data that scikit-learn ships, for jobs that show what comes out: read when somebody asks for it, and never from a network."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from protocol.errors import DataError
from protocol.graph import Array

from .samples import Sample


def shipped(name: str, take: Callable[[Any], Array], **options: Any) -> Sample:
    """What `take` makes of the data set that sklearn.datasets.load_NAME(**options) gives."""

    def load(_: Any) -> Array:
        try:
            datasets = importlib.import_module("sklearn.datasets")
        except ImportError:
            raise DataError(
                "the data of this job comes with scikit-learn, which is not installed: pip install 'mpc-playground[demo]'"
            ) from None
        return take(getattr(datasets, f"load_{name}")(**options))

    return Sample(load)
