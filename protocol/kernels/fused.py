"""One step of a protocol in one call: what the correlations consume online. The equations are told
there.

Callers vouch for the arguments: aligned uint64 words of the shapes named, in any memory layout.
"""

from __future__ import annotations

import numpy as np

from . import gemm
from ._jit import (
    ZERO,
    In,
    Limbs,
    Out,
    add,
    entry,
    extend,
    kernel,
    load,
    load_part,
    mul,
    shift_left,
    shift_right,
    store,
    store_part,
    sub,
)
from .layout import U64, UINT64, canonical
from .wide import wide_add, wide_matmul, wide_sub

FEW_PRODUCTS = 4096  # matrices of one limb with more of them are worth `gemm`'s packing


@kernel
def primed(c: Limbs, bits: int, zero: Limbs) -> Limbs:
    """c' = c + 2^(bits−2) mod 2^bits."""
    spare = 64 * len(zero) - bits
    moved: Limbs = add(c, shift_left(extend(1, zero), bits - 2))
    low: Limbs = shift_right(shift_left(moved, spare), spare)
    return low


@entry(1)
def _opened(c: In, out: Out, source: int, limbs: int, bits: int, shift: int, zero: Limbs) -> None:
    quarter = shift_left(extend(1, zero), bits - 2 - shift)
    for e in range(out.size // limbs):
        number = primed(load_part(c, e * source, source, zero), bits, zero)
        store_part(out, e * limbs, limbs, sub(shift_right(number, shift), quarter))


@entry(1)
def _truncated(
    c: In,
    shifted: In,
    wrap: In,
    out: Out,
    source: int,
    limbs: int,
    bits: int,
    shift: int,
    party: int,
    zero: Limbs,
) -> None:
    quarter = shift_left(extend(1, zero), bits - 2 - shift)
    for e in range(out.size // limbs):
        number = primed(load_part(c, e * source, source, zero), bits, zero)
        share = sub(zero, load_part(shifted, e * limbs, limbs, zero))
        if wrap.size > 0 and shift_right(number, bits - 1)[0] == 0:
            share = add(share, load_part(wrap, e * limbs, limbs, zero))
        if party == 0:
            share = add(share, sub(shift_right(number, shift), quarter))
        store_part(out, e * limbs, limbs, share)


@entry(1)
def _beaver(
    ea: In,
    ra: In,
    eb: In,
    rb: In,
    dealt: In,
    out: Out,
    step_a: int,
    step_b: int,
    party: int,
    zero: Limbs,
) -> None:
    for i in range(out.size // len(zero)):
        a, b = i * step_a, i * step_b
        public = load(eb, b, zero)
        own = load(rb, b, zero)
        own = sub(public, own) if party == 0 else sub(zero, own)
        share = add(load(dealt, i, zero), mul(load(ea, a, zero), own))
        store(out, i, sub(share, mul(load(ra, a, zero), public)))


@entry(1)
def _beaver_matrix(
    ea: In,
    ra: In,
    eb: In,
    rb: In,
    dealt: In,
    out: Out,
    m: int,
    k: int,
    n: int,
    party: int,
    zero: Limbs,
) -> None:
    for i in range(m):
        for j in range(n):
            store(out, i * n + j, load(dealt, i * n + j, zero))
        for p in range(k):
            opened, own = load(ea, i * k + p, zero), load(ra, i * k + p, zero)
            for j in range(n):
                public, theirs = load(eb, p * n + j, zero), load(rb, p * n + j, zero)
                factor = sub(public, theirs) if party == 0 else sub(zero, theirs)
                term = sub(mul(opened, factor), mul(own, public))
                store(out, i * n + j, add(load(out, i * n + j, zero), term))


def opened(c: U64, source: int, bits: int, shift: int, limbs: int) -> U64:
    """((c' mod 2^bits) >> shift) − 2^(bits−2−shift): c (...[, source]) → (...[, limbs]); shift ≤
    bits − 2."""
    shape = c.shape if source == 1 else c.shape[:-1]
    out = np.empty(shape if limbs == 1 else (*shape, limbs), UINT64)
    width = max(source, limbs)
    _opened[width](c.ravel(), out.ravel(), source, limbs, bits, shift, ZERO[width])
    return out


def truncated(
    party: int,
    c: U64,
    shifted: U64,
    wrap: U64 | None,
    source: int,
    bits: int,
    shift: int,
    limbs: int,
) -> U64:
    """This party's share of x >> shift: −shifted, + wrap where msb(c') = 0, + `opened` at party 0.

    c (...[, source]); shifted, wrap (None if it is 0 in the target ring) and the result (...[,
    limbs]).
    """
    out = np.empty(shifted.shape, UINT64)
    width = max(source, limbs)
    flat = shifted.ravel()
    wraps = flat[:0] if wrap is None else wrap.ravel()
    _truncated[width](
        c.ravel(), flat, wraps, out.ravel(), source, limbs, bits, shift, party, ZERO[width]
    )
    return out


def beaver_mul(party: int, ea: U64, ra: U64, eb: U64, rb: U64, dealt: U64, limbs: int) -> U64:
    """dealt − ea·rb − ra·eb, + ea·eb at party 0; a pair of operands broadcasts to the shape of
    `dealt`."""
    out = np.empty(dealt.shape, UINT64)
    if ea.shape != dealt.shape and ea.size > limbs:
        ea, ra = np.broadcast_to(ea, dealt.shape), np.broadcast_to(ra, dealt.shape)
    if eb.shape != dealt.shape and eb.size > limbs:
        eb, rb = np.broadcast_to(eb, dealt.shape), np.broadcast_to(rb, dealt.shape)
    steps = int(ea.size > limbs), int(eb.size > limbs)
    flat = ea.ravel(), ra.ravel(), eb.ravel(), rb.ravel(), dealt.ravel(), out.ravel()
    _beaver[limbs](*flat, *steps, party, ZERO[limbs])
    return out


def beaver_matmul(party: int, ea: U64, ra: U64, eb: U64, rb: U64, dealt: U64, limbs: int) -> U64:
    """dealt − ea @ rb − ra @ eb, + ea @ eb at party 0, in batches too; shape of `dealt`."""
    two_axes = dealt.ndim == (2 if limbs == 1 else 3)
    if two_axes and (limbs > 1 or dealt.size * ea.shape[1] <= FEW_PRODUCTS):
        m, k, n = ea.shape[0], ea.shape[1], eb.shape[1]
        out = np.empty(dealt.shape, UINT64)
        flat = ea.ravel(), ra.ravel(), eb.ravel(), rb.ravel(), dealt.ravel(), out.ravel()
        _beaver_matrix[limbs](*flat, m, k, n, party, ZERO[limbs])
        return out
    # −(ea @ (rb or rb − eb) + ra @ eb − dealt), in as few passes over memory as can be
    if limbs == 1:
        share: U64 = np.negative(canonical(dealt))
        gemm.matmul(ea, np.subtract(rb, eb) if party == 0 else rb, out=share)
        gemm.matmul(ra, eb, out=share)
        np.negative(share, out=share)
        return share
    share = wide_add(wide_matmul(ea, wide_sub(rb, eb) if party == 0 else rb), wide_matmul(ra, eb))
    return wide_sub(dealt, share)
