"""Exact truncation: for every |x| < 2^(k−2), every k from 8 to 128 and every shift, within {0, +1}
of the floor, and unbiased. For k = 8 that is checked for every x, every mask and every shift there
is."""

from __future__ import annotations

import math
import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.contract import Dealing, PhaseDealing
from protocol.correlations import Field, Mask
from protocol.correlations.shifts import ShiftedMask, Truncate, opened_operand
from protocol.dealing import Deal, alice_material, bob_material
from protocol.graph import Phase
from protocol.prg import fresh_seed
from protocol.ring import limbs_for, ring
from protocol.schedule import PhaseSchedule

FALSE_ALARM = 1e-9


def operand(size: int, bits: int, shift: int = 0, limbs: int | None = None) -> Mask:
    source = limbs_for(bits)
    return Mask(int(Phase.STEP), 0, source, bits, shift, limbs or source, (size,))


def truncated(x: np.ndarray, r: np.ndarray, bits: int, shift: int, limbs: int) -> np.ndarray:
    """x >> shift as both parties compute it, from fresh shares of what is dealt for r; signed
    integers.

    Both x and r may be any representatives modulo 2^bits.
    """
    spec = Truncate(operand(len(x), bits), shift, limbs)
    source, target = ring(spec.a.limbs), ring(limbs)
    mask = source.encode(r)
    c = source.add(source.encode(x), mask)
    shares: list[list[np.ndarray]] = [[], []]
    for value in spec.deal([mask[None]]):
        mine = np.frombuffer(secrets.token_bytes(value.nbytes), np.uint64).reshape(value.shape)
        shares[0].append(mine[0])
        shares[1].append(target.sub(value, mine)[0])
    return target.decode(target.add(*(spec.consume(p, c, shares[p]) for p in (0, 1))), 64 * limbs)


@st.composite
def cases(draw):
    bits = draw(
        st.sampled_from([8, 9, 16, 31, 32, 33, 62, 63, 64, 65, 66, 96, 127, 128])
        | st.integers(8, 128)
    )
    shift = draw(st.sampled_from([0, 1, bits // 2, bits - 3, bits - 2]) | st.integers(0, bits - 2))
    peak = 1 << (bits - 2)
    near = [
        peak - 1,
        1 - peak,
        0,
        1,
        -1,
        (1 << shift) % peak,
        -(1 << shift) % peak,
        (1 << shift) - 1 if shift else 0,
    ]
    x = st.sampled_from([n for n in near if abs(n) < peak]) | st.integers(1 - peak, peak - 1)
    r = st.sampled_from([0, 1, 2 * peak - 1, 2 * peak, 4 * peak - 1, peak, 3 * peak]) | st.integers(
        0, 4 * peak - 1
    )
    pairs = draw(st.lists(st.tuples(x, r, st.integers(0, 2**70)), min_size=8, max_size=8))
    xs, rs, garbage = (np.array(each, object) for each in zip(*pairs, strict=True))
    return bits, shift, xs, rs, garbage << bits


@settings(max_examples=400, deadline=None)
@given(cases(), st.integers(1, 3))
def test_truncation_is_right_to_one_unit_for_every_value(case, limbs):
    bits, shift, x, r, garbage = case
    limbs = min(limbs, 3 if bits <= 64 else 2)  # a wide ring is never widened
    got = truncated(x + garbage, r - garbage, bits, shift, limbs)
    off = (got - (x >> shift)) % (1 << (64 * limbs))
    assert set(off.tolist()) <= ({0, 1} if shift else {0})


@settings(max_examples=400, deadline=None)
@given(cases(), st.integers(1, 3))
def test_a_shifted_opening_is_an_opening_in_the_smaller_ring(case, limbs):
    """opened_operand(c) = (x >> s) + ((r mod 2^k) >> s) mod 2^(k−s), and that is the mask which is
    dealt."""
    bits, shift, x, r, garbage = case
    limbs = min(limbs, 3 if bits <= 64 else 2)
    m = operand(len(x), bits, shift, limbs)
    source, target = ring(m.source_limbs), ring(limbs)
    c = source.add(source.encode(x + garbage), source.encode(r - garbage))
    (rho,) = ShiftedMask(m).deal([m.value(source.encode(r - garbage)[None], np.arange(1))])
    known = min(bits - shift, 64 * limbs)
    if shift:
        assert target.decode(rho[0], 64 * limbs).tolist() == _signed(
            (r % (1 << bits)) >> shift, 64 * limbs
        )
    opened = opened_operand(c, m.source_limbs, bits, shift, limbs)
    off = target.decode(target.sub(opened, rho[0]), known) - (x >> shift)
    assert set((off % (1 << known)).tolist()) <= ({0, 1} if shift else {0})


def _signed(values: np.ndarray, bits: int) -> list[int]:
    return [v - (1 << bits) if v >= 1 << (bits - 1) else v for v in (values % (1 << bits)).tolist()]


@pytest.mark.parametrize("limbs", [1, 2])
@pytest.mark.parametrize("shift", range(7))
def test_every_value_under_every_mask(shift, limbs):
    """k = 8, exhaustively: within {0, +1} of the floor, exact where nothing is cut off, and
    unbiased to the last bit: over the 256 masks the results of each x add up to 256·x/2^shift."""
    x = np.repeat(np.arange(-63, 64), 256).astype(object)
    r = np.tile(np.arange(256), 127).astype(object)
    got = truncated(x, r, 8, shift, limbs)
    off = got - (x >> shift)
    assert set(off.tolist()) <= {0, 1}
    assert not np.any(off[x % (1 << shift) == 0])
    totals = (got << shift).reshape(127, 256).sum(axis=1)
    assert np.array_equal(totals, 256 * np.arange(-63, 64).astype(object))


@pytest.mark.parametrize(("bits", "limbs"), [(64, 1), (64, 2), (40, 1), (128, 2), (128, 1)])
def test_unbiased_under_the_masks_that_are_really_dealt(bits, limbs):
    """Per x, the mean of n = 60,000 roundings is within √(ln(2/p)/2n) = 0.0146 of x/2^shift
    (Hoeffding), where p = FALSE_ALARM / 16 for each of 16 values; and the extremes of the range are
    among them."""
    shift, n = 13, 60_000
    peak = 1 << (bits - 2)
    x = np.array(
        [
            peak - 1,
            1 - peak,
            0,
            1,
            -1,
            4095,
            -4096,
            12345,
            1 << 13,
            (1 << 13) + 1,
            -(1 << 20) - 3,
            8191,
            *(secrets.randbelow(2 * peak - 1) - peak + 1 for _ in range(4)),
        ],
        object,
    )
    spec = Truncate(operand(len(x), bits), shift, limbs)
    source, target = ring(spec.a.limbs), ring(limbs)
    dealing = Dealing(
        (
            PhaseDealing((), ()),
            PhaseDealing((Field(spec.a.shape, spec.a.limbs),), (spec,)),
            PhaseDealing((), ()),
            PhaseDealing((), ()),
        ),
        PhaseSchedule(n),
    )
    seeds = fresh_seed(), fresh_seed()
    corrections = Deal(dealing, *seeds).corrections(Phase.STEP, 0, n)
    alice = alice_material(dealing, seeds[0], Phase.STEP, 0, n)
    bob = bob_material(dealing, seeds[1], Phase.STEP, 0, n, corrections)
    c = source.add(source.encode(x), source.add(alice[0], bob[0]))
    shares = [spec.consume(p, c, list(rows[1:])) for p, rows in enumerate((alice, bob))]
    off = target.sub(target.add(*shares), target.encode(x >> shift))
    low = off if limbs == 1 else off[..., 0]
    assert np.all(low <= 1)
    assert limbs == 1 or not off[..., 1:].any()
    fractions = np.array([float(v % (1 << shift)) for v in x]) / (1 << shift)
    bound = math.sqrt(math.log(2 * len(x) / FALSE_ALARM) / (2 * n))
    assert bound < 0.0146
    assert np.abs(low.mean(axis=0) - fractions).max() <= bound
