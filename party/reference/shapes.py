"""Views, what joins tensors, and rows: no round, and nothing sent or dealt."""

from __future__ import annotations

import numpy as np

from protocol import ops
from protocol.ops.arrays import broadcast_to, hstack, moveaxis, ravel, reshape, transpose, vstack
from protocol.ops.stepwise import schedule

from .entry import UNIT, Argument, Entry

ROWS = Argument((10, 100))
PICTURES = Argument((1, 4, 16, 16))
SEQUENCES = Argument((1, 4, 250))


def averaged(x: np.ndarray) -> np.ndarray:
    """The mean of each square of 2 × 2, of pictures (n, channels, height, width)."""
    n, c, h, w = x.shape
    return np.asarray(x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5)))


def _view(secure: object, clear: object, says: str = "", **more: object) -> Entry:
    return Entry(secure=secure, clear=clear, says=says, **({"operands": (ROWS,)} | more))  # type: ignore[arg-type]


PLACES = np.array([3, 0, 3, -1])
SHAPES: dict[str, tuple[Entry, ...]] = {
    "Shapes": (
        _view(
            lambda x: x[1:, ::-2],
            lambda x: x[1:, ::-2],
            "entries by indices, slices, None and ..., and by public arrays",
            call="x[key]",
        ),
        _view(lambda x: ops.take(x, PLACES, 1), lambda x: np.take(x, PLACES, 1), of=ops.take),
        _view(transpose, np.transpose, "the axes in another order; x.T too"),
        _view(
            lambda x: reshape(x, (2, -1)),
            lambda x: x.reshape(2, -1),
            "the same entries in another shape",
            of=reshape,
        ),
        _view(ravel, np.ravel, "all entries in one row"),
        _view(ops.atleast_2d, np.atleast_2d),
        _view(
            lambda x: broadcast_to(x, (3, *x.shape)),
            lambda x: np.broadcast_to(x, (3, *x.shape)),
            "repeated along new axes",
            of=broadcast_to,
        ),
        _view(lambda x: ops.expand_dims(x, 1), lambda x: x[:, None], of=ops.expand_dims),
        _view(
            ops.squeeze, np.squeeze, "without axes of length 1", operands=(Argument((10, 1, 100)),)
        ),
        _view(
            lambda x: ops.swapaxes(x, 0, 1), lambda x: x.T, "two axes exchanged", of=ops.swapaxes
        ),
        _view(lambda x: moveaxis(x, 0, 1), lambda x: x.T, "an axis at another place", of=moveaxis),
        _view(ops.flip, np.flip, "backwards along axes, all of them by default"),
        _view(lambda x: ops.roll(x, 3, 1), lambda x: np.roll(x, 3, 1), of=ops.roll),
        _view(lambda x: ops.repeat(x, 2, 0), lambda x: np.repeat(x, 2, 0), of=ops.repeat),
        _view(lambda x: ops.tile(x, 2), lambda x: np.tile(x, 2), of=ops.tile),
        _view(lambda x: ops.pad(x, 1), lambda x: np.pad(x, 1), of=ops.pad),
        _view(lambda x: ops.split(x, 2), lambda x: np.split(x, 2), of=ops.split),
        _view(
            lambda x: ops.array_split(x, 3),
            lambda x: np.array_split(x, 3),
            "as split, into parts that need not be equal",
            of=ops.array_split,
        ),
        _view(
            lambda x, y: ops.concatenate([x, y]),
            lambda x, y: np.concatenate([x, y]),
            "one behind the other along an axis",
            of=ops.concatenate,
            operands=(ROWS, ROWS),
        ),
        _view(
            lambda x, y: ops.stack([x, y]),
            lambda x, y: np.stack([x, y]),
            "side by side along a new axis",
            of=ops.stack,
            operands=(ROWS, ROWS),
        ),
        _view(
            lambda x, y: hstack([x, y]),
            lambda x, y: np.hstack([x, y]),
            "columns side by side",
            of=hstack,
            operands=(ROWS, ROWS),
        ),
        _view(
            lambda x, y: vstack([x, y]),
            lambda x, y: np.vstack([x, y]),
            "rows one below the other",
            of=vstack,
            operands=(ROWS, ROWS),
        ),
        _view(ops.diff, np.diff),
        _view(ops.diagonal, np.diagonal),
        _view(ops.trace, np.trace, error=0.0),
        _view(ops.tril, np.tril, error=0.0),
        _view(ops.triu, np.triu, error=0.0),
        _view(
            lambda x: ops.avg_pool1d(x, 2),
            lambda x: x.reshape(*x.shape[:2], -1, 2).mean(axis=-1),
            of=ops.avg_pool1d,
            operands=(SEQUENCES,),
            error=2 * UNIT,
        ),
        _view(
            lambda x: ops.avg_pool2d(x, 2),
            averaged,
            of=ops.avg_pool2d,
            operands=(PICTURES,),
            error=2 * UNIT,
        ),
        _view(
            ops.global_avg_pool2d,
            lambda x: x.mean(axis=(2, 3)),
            "the mean of every channel of pictures",
            operands=(PICTURES,),
            error=4 * UNIT,
        ),
    ),
    "Rows, and what is another in each step": (
        Entry(
            call="x.minibatch(size, shuffle=None)",
            secure=lambda x: x.minibatch(2, shuffle=7),
            operands=(ROWS,),
            says=(
                "the rows of the step, in another agreed order in each epoch where a seed is given"
            ),
        ),
        Entry(
            secure=lambda x: ops.dropout(x, 0.25, seed=7),
            of=ops.dropout,
            operands=(ROWS,),
            error=16 * UNIT,
            says="every entry 0 with probability p, else x / (1 − p); both know which",
        ),
        Entry(
            call="x * v.schedule(rate)",
            secure=lambda x: x * schedule(x._graph, lambda step: 0.5 ** (step + 1)),
            operands=(ROWS,),
            error=4 * UNIT,
            says="the product with a public number, or array, that is another in each step",
        ),
        Entry(
            call="x + v.schedule(rate)",
            secure=lambda x: x + schedule(x._graph, lambda step: 0.5 ** (step + 1)),
            operands=(ROWS,),
            says="the sum with one",
        ),
    ),
}
