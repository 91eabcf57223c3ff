"""The adjoint of a view: what the gradient by the result of a view is, as a gradient by its
operand.

Where a view neither repeats entries nor lets them overlap, its adjoint is a chain of views again,
so that a gradient is opened at its own size, however many zeros a view has put around it. Only
overlapping windows take a sum, of one chain for each place in the window. Where a `Broadcast` or a
`Take` repeats entries, the caller sums over them, as it knows the shape.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import structural, views
from ..errors import JobError
from ..views import Shape, View

Chain = tuple[View, ...]


def adjoint(view: View, shape: Shape) -> list[Chain]:
    """Chains of views, whose results on a gradient by `view`'s result are to be added. shape: that
    of the operand of `view`."""
    match view:
        case views.Reshape():
            return [(structural.reshape(view.shape, shape),)]
        case views.Transpose(axes=axes):
            return [
                (structural.transpose(view.shape, tuple(int(axis) for axis in np.argsort(axes))),)
            ]
        case views.Broadcast():
            return [()]
        case views.Pad(widths=widths):
            return [(structural.index(view.shape, _places(widths, shape)),)]
        case views.Index():
            return [_of_index(view, shape)]
        case views.Windows():
            apart = all(length <= step for length, step in zip(view.size, view.stride, strict=True))
            return [_of_windows(view, shape)] if apart else list(_of_overlapping(view, shape))
        case views.Take():
            return [_of_take(view, shape)]
        case views.Rows():
            raise JobError(
                f"there is no gradient through minibatch() (rows of a tensor of shape {shape}):"
                " draw minibatches of data, and differentiate by variables that are used whole"
            )
    raise JobError(f"there is no gradient through the view {type(view).__name__}")


def _places(widths: tuple[tuple[int, int, int], ...], shape: Shape) -> tuple[slice, ...]:
    """The places that the entries of a tensor of `shape` have after a padding."""
    return tuple(
        slice(before, before + max(0, length + (length - 1) * between), between + 1)
        for length, (before, between, _) in zip(shape, widths, strict=True)
    )


def _of_index(view: views.Index, shape: Shape) -> Chain:
    """Each entry at its place in the operand, zeros elsewhere."""
    kept: list[int] = []
    widths: list[tuple[int, int, int]] = []
    flips: list[slice] = []
    axis = 0
    for item in view.items:
        if item is None:
            continue
        length, axis = shape[axis], axis + 1
        if isinstance(item, int):
            found = range(item, item + 1)
        else:
            start, stop, step = item
            found = range(length)[slice(start, None if stop < 0 else stop, step)]
        kept.append(len(found))
        flips.append(slice(None, None, -1 if found.step < 0 else None))
        if found:
            least, most = min(found[0], found[-1]), max(found[0], found[-1])
            widths.append((least, abs(found.step) - 1 if len(found) > 1 else 0, length - 1 - most))
        else:
            widths.append((0, 0, length))
    chain: list[View] = [structural.reshape(view.shape, tuple(kept))]
    if any(flip.step for flip in flips):
        chain.append(structural.index(tuple(kept), tuple(flips)))
    return (*chain, *_padded(tuple(kept), tuple(widths)))


def _of_take(view: views.Take, shape: Shape) -> Chain:
    """Each entry at its place in the operand, zeros elsewhere. Where places are taken several
    times, as several tensors along a new first axis."""
    axis, length = view.axis, shape[view.axis]
    zero = len(view.places)  # where a zero is put behind the entries
    rows: list[list[int]] = [[zero] * length]
    seen = [0] * length
    for entry, place in enumerate(view.places):
        if seen[place] == len(rows):
            rows.append([zero] * length)
        rows[seen[place]][place] = entry
        seen[place] += 1
    chain: list[View] = [
        structural.pad(view.shape, tuple((0, 0, int(n == axis)) for n in range(len(shape))))
    ]
    chain.append(structural.take(chain[-1].shape, axis, [entry for row in rows for entry in row]))
    if len(rows) > 1:
        chain.append(structural.reshape(chain[-1].shape, (*shape[:axis], len(rows), *shape[axis:])))
        others = [n for n in range(len(shape) + 1) if n != axis]
        chain.append(structural.transpose(chain[-1].shape, (axis, *others)))
    return tuple(chain)


def _of_windows(view: views.Windows, shape: Shape) -> Chain:
    """Windows that do not overlap: put beside each other, with zeros between them."""
    count = len(view.size)
    lead = len(shape) - count
    gaps = tuple((0, 0, step - length) for length, step in zip(view.size, view.stride, strict=True))
    chain = [*_padded(view.shape, ((0, 0, 0),) * (lead + count) + gaps)]
    spread = chain[-1].shape if chain else view.shape
    order = (*range(lead), *(axis for n in range(count) for axis in (lead + n, lead + count + n)))
    chain.append(structural.transpose(spread, order))
    tiled = (
        *shape[:lead],
        *(places * step for places, step in zip(view.shape[lead:], view.stride, strict=False)),
    )
    chain.append(structural.reshape(chain[-1].shape, tiled))
    if any(have > want for have, want in zip(tiled, shape, strict=True)):
        chain.append(
            structural.index(
                tiled,
                tuple(slice(min(have, want)) for have, want in zip(tiled, shape, strict=True)),
            )
        )
    rest = tuple((0, 0, want - have) for have, want in zip(chain[-1].shape, shape, strict=True))
    return (*chain, *_padded(chain[-1].shape, rest))


def _of_overlapping(view: views.Windows, shape: Shape) -> Iterator[Chain]:
    """One chain for each place in the window: the pixels that all windows have there."""
    count = len(view.size)
    lead = len(shape) - count
    for at in np.ndindex(*view.size):
        part = structural.index(view.shape, (Ellipsis, *at))
        widths = tuple(
            (start, step - 1, length - 1 - start - (places - 1) * step)
            for start, step, length, places in zip(
                at, view.stride, shape[lead:], part.shape[lead:], strict=True
            )
        )
        yield (part, *_padded(part.shape, ((0, 0, 0),) * lead + widths))


def _padded(shape: Shape, widths: tuple[tuple[int, int, int], ...]) -> Chain:
    return (structural.pad(shape, widths),) if any(any(width) for width in widths) else ()
