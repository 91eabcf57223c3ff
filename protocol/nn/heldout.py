"""Which rows are kept from training, by an agreed choice: the same at both parties, and in a training's every reading."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JobError
from ..ops import Secret, take
from ..prg import agreed, keystream


def training_rows(rows: int, part: float, seed: int) -> NDArray[np.intp]:
    """Those of so many rows that a training learns from, in order; the others, a `part` of them, are held out. JobError for a wrong part."""
    if not 0.0 <= part < 1.0:
        raise JobError(f"held_out = {part!r}: from 0 up to 1 (0.2: a fifth)")
    order = np.argsort(keystream(agreed(seed, "held out"), 0, 1, rows)[0], kind="stable")
    return np.sort(order[round(part * rows) :])


def divided(mine: NDArray[np.intp], *tensors: Secret) -> tuple[list[Any], list[Any]]:
    """The rows `mine` of each tensor, and all the others; no round."""
    rest = np.setdiff1d(np.arange(tensors[0].shape[0]), mine)
    if not len(rest):
        return list(tensors), []
    return [take(each, mine, axis=0) for each in tensors], [take(each, rest, axis=0) for each in tensors]
