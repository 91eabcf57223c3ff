"""Views: structural maps that commute with masking.

If ε = x + r then view(ε) = view(x) + view(r), so a transposed, sliced or reshaped secret needs no
opening of its own: the parties apply the view to ε, the dealer applies it to r.

Arrays of ring words have up to three groups of axes: (batch, *shape, limbs). The batch axis is
there when the dealer works on many steps at once; the limb axis where a ring element takes more
than one 64-bit word.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kernels import bits
from .prg import agreed, keystream
from .ring import WORD, ring

Shape = tuple[int, ...]
Steps = NDArray[np.int64]
SEEDS = 1 << 48  # agreed seeds are below
MOST_STEPS = 1 << 40  # of all runs that go on from each other


@dataclass(frozen=True)
class View:
    """One structural map of tensors. `shape`: the shape of its result, without batch and limbs."""

    shape: Shape

    def fits(self, shape: Shape) -> bool:
        """Whether this map can be applied to a tensor of `shape`.

        A plan that arrived from another process is checked with it; `apply` relies on the answer.
        """
        raise NotImplementedError

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        """The map's result for an array of ring words.

        words: (batch, *shape of the operand, limbs). steps: the numbers of the steps that the batch
        axis runs over, of which the array has one entry each, or a single one for all; None for one
        step, without a batch axis. tail: how many limb axes there are, 0 or 1.
        """
        raise NotImplementedError

    @property
    def varies(self) -> bool:
        """Whether the result depends on the number of the step: then `apply` needs `steps`."""
        return False


@dataclass(frozen=True)
class Reshape(View):
    """The same entries in C order, in another shape."""

    def fits(self, shape: Shape) -> bool:
        return math.prod(self.shape) == math.prod(shape)

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        head = words.shape[: 0 if steps is None else 1]
        return words.reshape(head + self.shape + words.shape[words.ndim - tail :])


@dataclass(frozen=True)
class Transpose(View):
    """Axis n of the result is axis axes[n] of the tensor, as in numpy.transpose."""

    axes: Shape

    def fits(self, shape: Shape) -> bool:
        return sorted(self.axes) == list(range(len(shape))) and self.shape == tuple(
            shape[axis] for axis in self.axes
        )

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        batch = 0 if steps is None else 1
        order = [
            *range(batch),
            *(batch + axis for axis in self.axes),
            *range(words.ndim - tail, words.ndim),
        ]
        return words.transpose(order)


@dataclass(frozen=True)
class Broadcast(View):
    """As numpy.broadcast_to: axes of length 1, and new ones in front, are repeated."""

    def fits(self, shape: Shape) -> bool:
        lead = len(self.shape) - len(shape)
        return lead >= 0 and all(
            own in (1, into) for own, into in zip(shape, self.shape[lead:], strict=True)
        )

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        batch = 0 if steps is None else 1
        own = words.shape[batch : words.ndim - tail]
        head, limbs = words.shape[:batch], words.shape[words.ndim - tail :]
        padded = words.reshape(head + (1,) * (len(self.shape) - len(own)) + own + limbs)
        return np.broadcast_to(padded, head + self.shape + limbs)


@dataclass(frozen=True)
class Index(View):
    """Basic indexing; `items` holds integers, (start, stop, step) triples and None (a new axis),
    one per position."""

    items: tuple[int | tuple[int, int, int] | None, ...]

    def fits(self, shape: Shape) -> bool:
        found: list[int] = []
        axis = 0
        for item in self.items:
            if item is None:
                found.append(1)
                continue
            if axis == len(shape):
                return False
            length, axis = shape[axis], axis + 1
            if isinstance(item, int):
                if not 0 <= item < length:
                    return False
                continue
            start, _, step = item
            if step == 0 or start < 0:
                return False
            found.append(len(range(*own_key(item).indices(length))))
        return self.shape == (*found, *shape[axis:])

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        batch = 0 if steps is None else 1
        return words[(slice(None),) * batch + tuple(own_key(item) for item in self.items)]


@dataclass(frozen=True)
class Pad(View):
    """Zeros before, between and after the entries, by axis. A zero is masked by a zero, so this
    commutes too."""

    widths: tuple[tuple[int, int, int], ...]

    def fits(self, shape: Shape) -> bool:
        if (
            len(self.widths) != len(shape)
            or min((n for width in self.widths for n in width), default=0) < 0
        ):
            return False
        return self.shape == padded(shape, self.widths)

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        batch = 0 if steps is None else 1
        out = np.zeros(
            words.shape[:batch] + self.shape + words.shape[words.ndim - tail :], words.dtype
        )
        entries = words.shape[batch : words.ndim - tail]
        places = (
            slice(before, before + max(0, n + (n - 1) * between), between + 1)
            for n, (before, between, _) in zip(entries, self.widths, strict=True)
        )
        out[(slice(None),) * batch + tuple(places)] = words
        return out


@dataclass(frozen=True)
class Windows(View):
    """Every window of the last axes: (…, h, w) → (…, places down, places across, *size), `stride`
    apart."""

    size: Shape
    stride: Shape

    def fits(self, shape: Shape) -> bool:
        count = len(self.size)
        if not 1 <= count == len(self.stride) <= len(shape) or min((*self.size, *self.stride)) < 1:
            return False
        places = window_places(shape[-count:], self.size, self.stride)
        return min(places) >= 1 and self.shape == (*shape[:-count], *places, *self.size)

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        axes = tuple(range(words.ndim - tail - len(self.size), words.ndim - tail))
        # the windows' axes behind the limbs
        found = np.lib.stride_tricks.sliding_window_view(words, self.size, axes)
        found = found[
            (slice(None),) * axes[0] + tuple(slice(None, None, step) for step in self.stride)
        ]
        return np.moveaxis(found, axes[-1] + 1, -1) if tail else found


@dataclass(frozen=True)
class Rows(View):
    """The minibatch of a step: shape[0] consecutive rows, beginning at row step · shape[0] modulo
    `total`.

    total: rows of the whole tensor, which are one epoch. seed: public and agreed; with it the rows
    of every epoch stand in a fresh order, which is drawn from it; None keeps the file's order.
    begun: steps of earlier runs that this run continues; they are counted in.
    """

    total: int
    seed: int | None = None
    begun: int = 0

    def fits(self, shape: Shape) -> bool:
        if (
            self.seed is not None and not 0 <= self.seed < SEEDS
        ) or not 0 <= self.begun < MOST_STEPS:
            return False
        return (
            bool(shape and self.shape)
            and 1 <= self.total == shape[0]
            and self.shape[1:] == shape[1:]
        )

    @property
    def varies(self) -> bool:
        return True

    def rows(self, step: int) -> NDArray[np.int64]:
        """The numbers of the step's rows in the whole tensor, in the minibatch's order."""
        size, total, step = self.shape[0], self.total, self.begun + step
        places = step * size % total + np.arange(size)  # from the epoch's beginning on
        if self.seed is None:
            return places % total
        first, rows = step * size // total, places.copy()
        for epoch in range(int(places[-1]) // total + 1 if size else 0):
            here = places // total == epoch
            rows[here] = _order(self.seed, total, first + epoch)[places[here] % total]
        return rows

    def at(self, words: NDArray[Any], step: int) -> NDArray[Any]:
        """The rows of one step; `words` has no batch axis. A view of it, where no row is moved."""
        start = (self.begun + step) * self.shape[0] % self.total
        if self.seed is None and start + self.shape[0] <= self.total:
            return words[start : start + self.shape[0]]
        return words[self.rows(step)]

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        if steps is None:
            raise TypeError("Rows needs the step: use at()")
        chosen = np.stack([self.rows(int(step)) for step in steps])
        batch = np.zeros((1, 1), np.int64) if len(words) == 1 else np.arange(len(steps))[:, None]
        return words[batch, chosen]


@lru_cache(maxsize=4)
def _order(seed: int, total: int, epoch: int) -> NDArray[np.int64]:
    """An order of `total` rows: that of as many words of a keystream, which nobody has to keep
    secret."""
    order = np.argsort(keystream(agreed(seed, "rows", total, epoch), 0, 1, total)[0], kind="stable")
    order.flags.writeable = False
    return order


@dataclass(frozen=True)
class Take(View):
    """The entries at public places along an axis, in any order, however often."""

    axis: int
    places: tuple[int, ...]

    def fits(self, shape: Shape) -> bool:
        if not 0 <= self.axis < len(shape) or self.shape != self._taken(shape):
            return False
        return min(self.places, default=0) >= 0 and max(self.places, default=-1) < shape[self.axis]

    def _taken(self, shape: Shape) -> Shape:
        return (*shape[: self.axis], len(self.places), *shape[self.axis + 1 :])

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        return np.take(words, _array(self.places), self.axis + (steps is not None))


@dataclass(frozen=True)
class Differences(View):
    """x_i − x_j of all i < j along the first axis: (k, …) → (k·(k − 1)/2, …).

    A difference of openings is one of masks too. What it is modulo 2^bits its low bits say; those
    above mean nothing.
    """

    def fits(self, shape: Shape) -> bool:
        return (
            bool(shape)
            and shape[0] > 1
            and self.shape == (shape[0] * (shape[0] - 1) // 2, *shape[1:])
        )

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        batch = 0 if steps is None else 1
        out = np.empty(
            (*words.shape[:batch], self.shape[0], *words.shape[batch + 1 :]), words.dtype
        )
        rows, found = np.moveaxis(words, batch, 0), np.moveaxis(out, batch, 0)
        at, subtract = 0, ring(words.shape[-1]).sub if tail else np.subtract
        for i in range(len(rows) - 1):
            more = len(rows) - 1 - i
            found[at : at + more] = subtract(rows[i], rows[i + 1 :])
            at += more
        return out


@lru_cache(maxsize=64)
def _array(places: tuple[int, ...]) -> NDArray[np.int64]:
    return np.array(places, np.int64)


@dataclass(frozen=True)
class Unpack(View):
    """Packed bits, 64 to a word (`kernels/bits.py`), as a tensor of 0 and 1."""

    def fits(self, shape: Shape) -> bool:
        return -(-math.prod(self.shape) // WORD) == math.prod(shape)

    def apply(self, words: NDArray[Any], steps: Steps | None, tail: int) -> NDArray[Any]:
        head = words.shape[: 0 if steps is None else 1]
        return bits.unpack_words(
            words.reshape(*head, -(-math.prod(self.shape) // 64)), math.prod(self.shape)
        ).reshape(head + self.shape)


# What a plan may name; another view is refused.
VIEWS: dict[str, type[View]] = {
    cls.__name__: cls
    for cls in (Reshape, Transpose, Broadcast, Index, Pad, Windows, Rows, Take, Unpack, Differences)
}


def own_key(item: int | tuple[int, int, int] | None) -> Any:
    """One position of `Index.items` as NumPy's basic indexing takes it; a stop below 0 stands for
    the axis's end."""
    if not isinstance(item, tuple):
        return item
    start, stop, step = item
    return slice(start, None if stop < 0 else stop, step)


def padded(shape: Shape, widths: tuple[tuple[int, int, int], ...]) -> Shape:
    """The shape after `Pad`: widths are (zeros before, between entries, after), by axis."""
    return tuple(
        before + max(0, n + (n - 1) * between) + after
        for n, (before, between, after) in zip(shape, widths, strict=False)
    )


def window_places(shape: Shape, size: Shape, stride: Shape) -> Shape:
    """How many windows of `size` fit along each axis when their beginnings are `stride` apart."""
    return tuple(
        (n - k) // max(step, 1) + 1 for n, k, step in zip(shape, size, stride, strict=False)
    )
