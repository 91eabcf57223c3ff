"""Products of uint64 matrices modulo 2^64.

Large ones follow Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008):
a block of `a` is packed to stay in the second-level cache, a panel of `b` to stay in the first, and
`tile` multiplies them without leaving the registers. Small and narrow ones are not worth packing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ._jit import InMatrix, InStack, OutMatrix, OutStack, entry, kernel
from ._tile import A_STEP, B_STEP, COLUMNS, FUSED, ROWS, tile
from .layout import U64, batch_shape, canonical, stack

SMALL = 4096  # products: below this, packing costs more than it saves
FEW_ROWS, FEW_COLUMNS = 6, 12  # as many, or fewer, would leave too much of a tile empty
WORTH_THREADS = 1 << 21  # products: about 0.2 ms of work

DEPTH = 128  # a panel of `b` is 24 KiB, half a first-level cache
BLOCK_ROWS = 1024  # a block of `a` is 1.5 MiB at most, most of a second-level cache

_LOW12 = np.uint64(0xFFF)
_S16, _S32, _S52 = np.uint64(16), np.uint64(32), np.uint64(52)


@kernel
def _pair_a(x: np.uint64, y: np.uint64) -> np.uint64:
    """The low and high 12 bits of two neighbours of `a`, as four 16-bit fields."""
    return (x & _LOW12) | (x >> _S52) << _S16 | ((y & _LOW12) | (y >> _S52) << _S16) << _S32


@kernel
def _pair_b(x: np.uint64, y: np.uint64) -> np.uint64:
    """The same of `b`, high before low, so that fields meet crosswise."""
    return (x >> _S52) | (x & _LOW12) << _S16 | ((y >> _S52) | (y & _LOW12) << _S16) << _S32


@kernel
def _pack_a(a: U64, row: int, rows: int, start: int, depth: int, block: U64) -> None:
    """ROWS rows to a panel; those beyond `rows` are zero."""
    zero = np.uint64(0)
    for i in range(0, rows, ROWS):
        for r in range(i, i + ROWS, 2):
            base = i // ROWS * depth * A_STEP + r - i
            pairs = base + ROWS - (r - i) // 2
            for p in range(depth):
                x = a[row + r, start + p] if r < rows else zero
                y = a[row + r + 1, start + p] if r + 1 < rows else zero
                block[base + p * A_STEP] = x
                block[base + p * A_STEP + 1] = y
                if FUSED:
                    block[pairs + p * A_STEP] = _pair_a(x, y)


@kernel
def _pack_b(b: U64, start: int, depth: int, column: int, columns: int, panel: U64) -> None:
    """COLUMNS columns to the panel; those beyond `columns` are zero."""
    for p in range(depth):
        base = p * B_STEP
        if columns == COLUMNS:
            for j in range(COLUMNS):
                panel[base + j] = b[start + p, column + j]
        else:
            for j in range(COLUMNS):
                panel[base + j] = b[start + p, column + j] if j < columns else np.uint64(0)
        if FUSED:
            for j in range(COLUMNS // 2):
                panel[base + COLUMNS + j] = _pair_b(panel[base + 2 * j], panel[base + 2 * j + 1])


@kernel
def _buffer(words: int) -> U64:
    """Scratch space that begins on a cache line, so that no vector of a panel straddles two."""
    raw = np.empty(words + 8, np.uint64)
    return raw[-raw.ctypes.data // 8 % 8 :]


@kernel
def _tiled(a: U64, b: U64, out: U64) -> None:
    """For matrices worth packing."""
    m, k = a.shape
    n = b.shape[1]
    depth = min(k, DEPTH)
    block = _buffer((min(m, BLOCK_ROWS) + ROWS - 1) // ROWS * A_STEP * depth)
    panel = _buffer(B_STEP * depth)
    corner = _buffer(ROWS * COLUMNS)
    for row in range(0, m, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, m - row)
        for start in range(0, k, DEPTH):
            depth = min(DEPTH, k - start)
            _pack_a(a, row, rows, start, depth, block)
            for column in range(0, n, COLUMNS):
                columns = min(COLUMNS, n - column)
                _pack_b(b, start, depth, column, columns, panel)
                for i in range(0, rows, ROWS):
                    strip = i // ROWS * depth * A_STEP
                    if rows - i >= ROWS and columns == COLUMNS:
                        tile(block, strip, panel, depth, out, (row + i) * n + column, n)
                        continue
                    corner[:] = 0
                    tile(block, strip, panel, depth, corner, 0, COLUMNS)
                    for r in range(min(ROWS, rows - i)):
                        for j in range(columns):
                            out[row + i + r, column + j] += corner[r * COLUMNS + j]


@kernel
def _by_rows(a: U64, b: U64, out: U64) -> None:
    for i in range(out.shape[0]):
        for p in range(a.shape[1]):
            for j in range(out.shape[1]):
                out[i, j] += a[i, p] * b[p, j]


@kernel
def _by_dots(a: U64, b: U64, out: U64) -> None:
    columns = b.T.copy()
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = np.uint64(0)
            for p in range(a.shape[1]):
                total += a[i, p] * columns[j, p]
            out[i, j] += total


@kernel
def _product(a: U64, b: U64, out: U64) -> None:
    """out += (m, k) @ (k, n)."""
    m, n = out.shape
    if m > 1 and n <= FEW_COLUMNS:
        _by_dots(a, b, out)
    elif m <= FEW_ROWS or m * n * a.shape[1] <= SMALL:
        _by_rows(a, b, out)
    else:
        _tiled(a, b, out)


@entry(1, 1)
def _one(a: InMatrix, b: InMatrix, out: OutMatrix) -> None:
    _product(a, b, out)


@entry(1, 1)
def _many(a: InStack, b: InStack, out: OutStack) -> None:
    """out (batch, m, n) += (batch or 1, m, k) @ (batch or 1, k, n)."""
    for s in range(out.shape[0]):
        _product(a[s if a.shape[0] > 1 else 0], b[s if b.shape[0] > 1 else 0], out[s])


_threads = 1
_pool: ThreadPoolExecutor | None = None


def set_threads(n: int) -> None:
    """Let each large product use `n` threads: 1 at the start, since two parties often share a
    machine."""
    global _threads, _pool
    if n < 1:
        raise ValueError(f"cannot compute with {n} threads")
    if _pool is not None:
        _pool.shutdown()
    _threads, _pool = n, ThreadPoolExecutor(n - 1, "matmul") if n > 1 else None


def _split_rows(pool: ThreadPoolExecutor, a: U64, b: U64, out: U64) -> None:
    """`_one` by horizontal slices; kernels hold no GIL, so plain threads are enough."""
    height = -(-len(a) // (_threads * ROWS)) * ROWS
    slices = [slice(i, i + height) for i in range(0, len(a), height)]
    others = [pool.submit(_one[1], a[rows], b, out[rows]) for rows in slices[1:]]
    _one[1](a[slices[0]], b, out[slices[0]])
    for other in others:
        other.result()


def matmul(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., m, k) @ (..., k, n) -> (..., m, n) mod 2^64, added to `out` if that is given; leading
    batch axes broadcast."""
    a, b = canonical(a), canonical(b)
    batch = batch_shape(a, b, 2)
    if out is None:
        out = np.zeros((*batch, a.shape[-2], b.shape[-1]), np.uint64)
    if batch:
        _many[1](stack(a, batch, 2), stack(b, batch, 2), stack(out, batch, 2))
    elif _pool is not None and out.size * a.shape[1] >= WORTH_THREADS:
        _split_rows(_pool, a, b, out)
    else:
        _one[1](a, b, out)
    return out
