"""One contract for every kind of correlation: what is dealt, what consuming it gives, cost and addresses.

A kind joins by putting examples into `EXAMPLES` and its equation, in Python integers, into `EQUATIONS`; a
kind in `KINDS` that has neither fails. Tensors are random over the whole range that the kind promises,
extremes included, and carry garbage above the bits modulo which they are known.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest

from party.jobs.seed import Seed
from party.jobs.xor import Xor
from protocol import contract_codec, prg
from protocol.contract import Dealing, PhaseDealing
from protocol.correlations import KINDS, Correlation, Field, Mask
from protocol.correlations.bits import Bit, Digits, Gate, Join, packed
from protocol.correlations.conjunctions import Conjunctions
from protocol.correlations.exponentials import Exponential, Exponentials
from protocol.correlations.monomials import Contraction, FusedPolynomial, Monomials, needed
from protocol.correlations.powers import Polynomial, Powers, fit
from protocol.correlations.products import Product
from protocol.correlations.shifts import ShiftedMask, Truncate, opened_operand, scaled
from protocol.correlations.totals import Totals
from protocol.correlations.waves import Series, Waves
from protocol.dealing import Deal, alice_material, bob_material
from protocol.graph import Phase
from protocol.jobs import trace
from protocol.kernels.digits import chunks as digit_chunks
from protocol.kernels.digits import counts
from protocol.plan import make_plan
from protocol.prg import fresh_seed
from protocol.ring import ring
from protocol.schedule import Schedule
from protocol.simulate import simulate
from protocol.views import Broadcast, Index, Reshape, Rows, Take, Transpose, Unpack
from protocol.views import index as columns

STEPS = 5
SETUP, STEP = Phase.SETUP, Phase.STEP


@dataclass(frozen=True)
class Example:
    """A correlation, the tensors behind masks that are seen through a view, and what its equation needs."""

    spec: Correlation
    bases: dict[tuple[int, int], Field] = field(default_factory=dict)
    aux: Any = None
    peak: int | None = None  # |x| below this; the promised 2^(bits − 2) if None

    def __str__(self) -> str:
        shapes = "×".join("".join(str(operand.shape).split()) for operand in self.spec.operands)
        extra = [f"{name}{getattr(self.spec, name)}" for name in ("limbs", "shift") if hasattr(self.spec, name)]
        tail = [f"{type(view).__name__}" for operand in self.spec.operands for view in operand.views]
        return "-".join([self.spec.kind, shapes, *extra, *tail])


def mask(phase, index, shape, source=1, bits=None, shift=0, limbs=None, views=()):
    bits = bits or 64 * source
    return Mask(int(phase), index, source, bits, shift, limbs or source, shape, tuple(views))


def polynomial(a: Mask, shift: int, real: tuple[float, ...], bound: float, out_limbs: int = 1) -> Example:
    coefficients, full, value_bits, limbs = fit(real, 16, bound, 20, 64 * out_limbs)
    spec = Powers(a, shift, len(real) - 1, limbs)
    form = Polynomial(spec, coefficients, full, value_bits, 20, out_limbs)
    return Example(spec, {}, form, int(bound * 2 ** (16 + shift)))


def waves(a: Mask, out_limbs: int = 1, **more: Any) -> Example:
    spec = Waves(a, 3, 2)
    return Example(spec, aux=Series(spec, 0.5, (0.0, -0.25, 0.1), (0.625, 0.0, -0.02), 16, out_limbs), **more)


def exponentials(a: Mask, argument: int, limbs: int = 1, high: int = 3, **more: Any) -> Example:
    spec = Exponentials(a, argument, 30, high, limbs)
    return Example(spec, aux=Exponential(spec, 17), **more)


def bits_of(index: int, shape: tuple[int, ...]) -> tuple[Mask, dict[tuple[int, int], Field]]:
    return mask(STEP, index, shape, bits=64, views=[Unpack(shape)]), {(STEP, index): packed(shape, 1)}


def join(words: int, digits: int) -> Example:
    sizes = digit_chunks(digits)
    shape = (words, counts(sizes)[0])
    return Example(Join(mask(STEP, 0, shape), sizes), {(STEP, 0): Field(shape, xor=True)})


def conjunctions(words: int, sizes: tuple[int, ...]) -> Example:
    """Of bits that are rows of words of one opening, some of them twice."""
    whole = (sum(sizes) + 1, words)
    views = (Take((2 * sum(sizes), words), 0, (*range(sum(sizes)), *range(1, sum(sizes) + 1))),
             Reshape((2, sum(sizes), words)))  # fmt: skip
    return Example(
        Conjunctions(mask(STEP, 0, views[-1].shape, views=views), sizes), {(STEP, 0): Field(whole, xor=True)}
    )


def bit_of(shape: tuple[int, ...], limbs: int) -> Example:
    s, bases = bits_of(0, shape)
    return Example(Bit(s, limbs), bases)


def gate(shape: tuple[int, ...], a: Mask, shift: int, limbs: int) -> Example:
    s, bases = bits_of(1 if a.phase == STEP else 0, shape)
    return Example(Gate(s, a, shift, limbs), bases)


def totals(
    shape: tuple[int, ...], digits: int, y: Mask | None = None, shift: int = 0, limbs: int = 1, views=(), base=None
) -> Example:
    """Under masks of one opening, a plane each; the first of them last, as a comparison opens them."""
    place = 1 if y is not None and y.phase == STEP else 0
    whole = packed(base or shape, 2 * digits - 1)
    planes = [2 * digits - 2, *range(2 * digits - 2)]
    bits = tuple(
        Mask(
            int(STEP),
            place,
            1,
            64,
            0,
            1,
            shape,
            (columns(whole.shape, (slice(None), n)), Unpack(base or shape), *views),
        )
        for n in planes
    )
    return Example(Totals(bits, () if y is None else (y,), shift, limbs), {(STEP, place): whole})


TURN = Transpose((3, 4), (1, 0))
WIDER = Broadcast((2, 3))
CORNER = Index((2, 5), ((1, 3, 1), (4, -1, -1)))
G2 = {(2, 1): 3, (1, 1): -5, (0, 2): 7, (1, 0): -1, (0, 0): 11}  # a polynomial of two tensors
CUBE = {(3,): 2, (1,): -9}


def fused(
    leaves: tuple[Mask, ...], terms: dict[tuple[int, ...], int], limbs: int, x: Mask | None = None, **more
) -> Example:
    inner = Monomials(leaves, needed(terms), limbs)
    form = FusedPolynomial(inner, tuple(terms.items()))
    return Example(inner if x is None else Contraction(x, inner), aux=form, **more)


EXAMPLES = [
    Example(Product("mul", mask(STEP, 0, (3, 4)), mask(STEP, 1, (3, 4)), 1)),
    Example(Product("mul", mask(STEP, 0, (3, 1)), mask(STEP, 1, (4,)), 1)),
    Example(Product("mul", mask(STEP, 0, ()), mask(SETUP, 0, (2, 1, 3)), 1)),
    Example(Product("mul", mask(STEP, 0, (2, 3)), mask(STEP, 0, (2, 3)), 1)),
    Example(Product("mul", mask(STEP, 0, (3,), 2), mask(STEP, 1, (2, 3), 1, limbs=2), 2)),
    Example(Product("mul", mask(STEP, 0, (5,), shift=13), mask(SETUP, 0, (5,)), 1)),
    Example(
        Product("mul", mask(STEP, 0, (5,), 2, shift=70, limbs=1), mask(STEP, 1, (1,), 2, shift=1, limbs=1), 1)
    ),
    Example(Product("matmul", mask(SETUP, 0, (2, 3)), mask(STEP, 0, (3, 2)), 1)),
    Example(Product("matmul", mask(STEP, 0, (2, 3, 4), 2), mask(STEP, 1, (4, 2), 2), 2)),
    Example(Product("matmul", mask(STEP, 0, (2, 3), 2, 100, 40, 1), mask(STEP, 1, (2, 3, 1)), 1)),
    Example(
        Product("matmul", mask(STEP, 0, (3, 4), views=[TURN]), mask(STEP, 1, (4, 2)), 1),
        {(1, 0): Field((4, 3))},
    ),
    Example(
        Product("mul", mask(STEP, 0, (2, 3), 2, shift=9, views=[WIDER]), mask(STEP, 1, (2, 3), 2), 2),
        {(1, 0): Field((3,), 2)},
    ),
    Example(
        Product("mul", mask(STEP, 0, (2, 5), views=[CORNER]), mask(STEP, 1, (5,)), 1),
        {(1, 0): Field((4, 5))},
    ),
    Example(
        Product("matmul", mask(SETUP, 0, (2, 3), views=[Rows((2, 3), 5)]), mask(STEP, 0, (3, 1)), 1),
        {(0, 0): Field((5, 3))},
    ),
    Example(
        Product(
            "matmul",
            mask(SETUP, 0, (3, 4), 2, shift=9, views=[Rows((4, 3), 7), TURN]),
            mask(SETUP, 1, (4, 1), 2, views=[Rows((4,), 7), Reshape((4, 1))]),
            2,
        ),
        {(0, 0): Field((7, 3), 2), (0, 1): Field((7,), 2)},
    ),
    Example(ShiftedMask(mask(STEP, 0, (2, 3), shift=20))),
    Example(ShiftedMask(mask(STEP, 0, (), bits=37, shift=1))),
    Example(ShiftedMask(mask(STEP, 0, (4,), 2, shift=30))),
    Example(ShiftedMask(mask(SETUP, 0, (4, 1), 2, bits=90, shift=50, limbs=1))),
    Example(Truncate(mask(STEP, 0, (2, 3)), 16, 1)),
    Example(Truncate(mask(STEP, 0, ()), 1, 1)),
    Example(Truncate(mask(STEP, 0, (7,), bits=50), 7, 1)),
    Example(Truncate(mask(SETUP, 0, (5,), bits=50), 0, 1)),
    Example(Truncate(mask(SETUP, 0, (5,)), 0, 2)),
    Example(Truncate(mask(SETUP, 0, (5,), 2, bits=70), 0, 2)),
    Example(Truncate(mask(STEP, 0, (4,)), 16, 2)),
    Example(Truncate(mask(SETUP, 0, (4,), 2), 30, 2)),
    Example(Truncate(mask(STEP, 0, (2, 2), 2), 64, 1)),
    Example(Truncate(mask(STEP, 0, (2, 2), 2, bits=101), 20, 1)),
    Example(Truncate(mask(STEP, 0, (3, 4), 2, views=[TURN]), 70, 1), {(1, 0): Field((4, 3), 2)}),
    polynomial(mask(STEP, 0, (6,), bits=40), 0, (1.0, -2.0, 0.5), 4.0),
    polynomial(mask(STEP, 0, (2, 3), bits=62), 0, (0.25, 0.0, -1.0, 1.0), 8.0, 2),
    polynomial(mask(STEP, 0, (4, 5)), 4, (0.5, 0.2, 0, -8e-3, 0, 1.8e-4, 0, -1.9e-6, 0, 7.2e-9), 10.0),
    polynomial(mask(SETUP, 0, (3,), 2, bits=64, limbs=1), 20, (-1.0, 1.0), 16.0),
    polynomial(mask(STEP, 0, (3, 4), views=[Broadcast((3, 4))]), 3, (0.0,) * 16 + (1.0,), 1.5),
    fused((mask(STEP, 0, (2, 3), 2), mask(STEP, 1, (2, 3), 2)), G2, 2),
    fused((mask(STEP, 0, (4,), 1, 64, 6, 3),), CUBE, 3),
    fused((mask(SETUP, 0, (), 1, limbs=2), mask(STEP, 0, (), 2, 120, 17)), G2, 2),
    fused((mask(STEP, 0, (4, 2), 2),), CUBE, 2, mask(STEP, 1, (3, 4), 2)),
    fused((mask(STEP, 0, (4, 1), 1, limbs=2), mask(STEP, 1, (4, 1), 2, 90, 8)), G2, 2,
          mask(SETUP, 0, (3, 4), 2, views=[TURN]), bases={(0, 0): Field((4, 3), 2)}),
    fused((mask(SETUP, 1, (4, 1), 2), mask(STEP, 0, (4, 1), 2)), G2, 2,
          mask(SETUP, 0, (3, 4), 2, views=[Rows((4, 3), 6), TURN]), bases={(0, 0): Field((6, 3), 2)}),
    waves(mask(STEP, 0, (2, 30), bits=40)),
    waves(mask(STEP, 0, (), bits=20), 2),
    waves(mask(SETUP, 0, (4,), 2, bits=64, limbs=1)),
    waves(mask(STEP, 0, (3, 4), bits=24, views=[TURN]), bases={(1, 0): Field((4, 3))}),
    exponentials(mask(STEP, 0, (3, 20), bits=20), 14),
    exponentials(mask(STEP, 0, (), bits=26), 20, 2),
    exponentials(mask(STEP, 0, (30,), bits=25), 20, high=2),
    exponentials(mask(STEP, 0, (30,), bits=44), 24, high=8),
    conjunctions(2, (3,)), conjunctions(1, (1, 2)), conjunctions(3, (5, 4)), conjunctions(1, (9,)),
    exponentials(mask(STEP, 0, (30,), bits=46), 24),
    exponentials(mask(SETUP, 0, (40,), 2, bits=70), 16, 2),
    exponentials(mask(STEP, 0, (3, 4), bits=6, views=[TURN]), 0, bases={(1, 0): Field((4, 3))}),
    Example(Digits(mask(STEP, 0, (3,)), 16), aux=(0, 1, -(1 << 62))),
    Example(Digits(mask(STEP, 0, (2, 40), bits=37), 9), aux=(0, (1 << 35) - 1)),
    Example(Digits(mask(STEP, 0, (2, 40), bits=37), 4), aux=(0, (1 << 35) - 1)),
    Example(Digits(mask(STEP, 0, (7,), bits=9), 1), aux=(0, 100)),
    Example(Digits(mask(SETUP, 0, (1,), 2, bits=98), 25), aux=(0, 12345)),
    Example(Digits(mask(STEP, 0, (4,), 2, bits=64, limbs=1), 16), aux=(0,)),
    Example(Digits(mask(STEP, 0, (5,), bits=40, shift=23), 4), aux=(0, 1 << 15)),
    Example(Digits(mask(SETUP, 0, (3,), 2, bits=98, shift=70, limbs=1), 7), aux=(0, -77)),
    *[join(1, 16), join(3, 10), join(2, 4), join(1, 2), join(1, 5), join(2, 25)],
    *[bit_of((), 1), bit_of((70,), 1), bit_of((2, 3), 2)],
    gate((5,), mask(STEP, 0, (5,)), 0, 1),
    gate((13, 10), mask(STEP, 0, (13, 10)), 16, 1),
    gate((5,), mask(STEP, 0, (5,), bits=50), 7, 1),
    gate((2, 3), mask(STEP, 0, (2, 3), 2), 30, 2),
    gate((2, 3), mask(SETUP, 0, (2, 3), 2, bits=120), 64, 1),
    gate((2, 3), mask(STEP, 0, (2, 3), 2), 0, 2),
    totals((70,), 2), totals((), 4), totals((2, 3), 3, limbs=2), totals((3, 4), 2, views=(TURN,), base=(4, 3)),
    totals((5,), 2, mask(STEP, 0, (5,)), 0), totals((13, 10), 4, mask(STEP, 0, (13, 10), bits=50), 16),
    totals((2, 3), 3, mask(STEP, 0, (2, 3), 2), 30, 2), totals((2, 3), 2, mask(SETUP, 0, (2, 3), 2, bits=120), 64, 1),
    totals((2, 3), 2, mask(STEP, 0, (2, 3), 2), 0, 2),
]  # fmt: skip


@dataclass
class Operand:
    """An operand at one step: its opening, shares of its mask, its integers, and x before any shift."""

    opening: np.ndarray
    shares: list[np.ndarray]
    integers: np.ndarray
    source: np.ndarray


class World:
    """One epoch of one example: dealt material, and tensors to open under its masks."""

    def __init__(self, example: Example) -> None:
        self.example, self.spec = example, example.spec
        self.dealing = dealing(example)
        self.seeds = fresh_seed(), fresh_seed()
        self.deal = Deal(self.dealing, *self.seeds)
        self.x = {place: self._secret(place, each) for place, each in bases(example).items()}

    def rows(self, phase: Phase) -> list[list[np.ndarray]]:
        """[party][field] of a whole phase, masks first."""
        count = self.dealing.count(phase)
        corrections = self.deal.corrections(phase, 0, count)
        return [
            alice_material(self.dealing, self.seeds[0], phase, 0, count),
            bob_material(self.dealing, self.seeds[1], phase, 0, count, corrections),
        ]

    @cached_property
    def masks(self) -> dict[tuple[int, int], np.ndarray]:
        """Every base mask, put together from the parties' shares: (steps, *full_shape)."""
        found = {}
        for phase in (SETUP, STEP):
            rows = self.rows(phase)
            for index, each in enumerate(self.dealing.phases[phase].masks):
                found[int(phase), index] = together(each, *(party[index] for party in rows))
        return found

    @cached_property
    def dealt(self) -> list[list[np.ndarray]]:
        """[party][field], each (steps, *full_shape)."""
        first = len(self.dealing.phases[STEP].masks)
        return [party[first:] for party in self.rows(STEP)]

    @cached_property
    def operand_masks(self) -> list[np.ndarray]:
        """What `deal` was given: the operands of all steps."""
        return [each.value(self.masks[each.phase, each.index], np.arange(STEPS)) for each in self.spec.operands]

    def dealt_at(self, party: int, step: int) -> list[np.ndarray]:
        return [words[step] for words in self.dealt[party]]

    def _secret(self, place: tuple[int, int], each: Field) -> np.ndarray:
        """Integers for each step (words where the field is of bits), the promised extremes among them."""
        count = STEPS if place[0] == STEP else 1
        if each.xor:
            return np.frombuffer(secrets.token_bytes(8 * count * each.words), np.uint64).reshape(
                count, *each.full_shape
            )
        bits = min(m.bits for m in self.spec.operands if (m.phase, m.index) == place)
        peak = self.example.peak or 1 << (bits - 2)
        flat = [secrets.randbelow(2 * peak - 1) - peak + 1 for _ in range(count * prod(each.shape))]
        flat[:3] = [peak - 1, 1 - peak, 0][: len(flat)]
        return np.array(flat, object).reshape(count, *each.shape)

    def operand(self, number: int, step: int) -> Operand:
        m = self.spec.operands[number]
        phase_step = step if m.phase == STEP else 0
        base, x = bases(self.example)[m.phase, m.index], self.x[m.phase, m.index][phase_step]
        r = self.masks[m.phase, m.index][phase_step]
        source, target = ring(m.source_limbs), ring(m.limbs)
        if base.xor:
            opening, share, value = x ^ r, None, x
        else:
            garbage = secrets.randbits(40) << m.bits  # what is above the known bits means nothing
            opening = source.add(source.encode(x + garbage), r)
            opening = opened_operand(opening, m.source_limbs, m.bits, m.shift, m.limbs)
            value = x
        for view in m.views:
            tail = 0 if base.xor else len(target.tail)
            opening = view.at(opening, step) if isinstance(view, Rows) else view.apply(opening, None, tail)
            value = view.at(value, step) if isinstance(view, Rows) else view.apply(value, None, 0)
        whole = self.operand_masks[number]
        own = whole[step if len(whole) > 1 else 0]
        if base.xor:
            share = random_like(own)
            return Operand(opening, [share, own ^ share], value, value)
        known = min(m.bits - m.shift, 64 * m.limbs)
        integers = target.decode(target.sub(opening, own), known)
        if known == m.bits - m.shift:
            off = integers - (value >> m.shift)
            assert np.all((off == 0) | ((off == 1) & (m.shift > 0)))
        share = random_like(own)
        return Operand(opening, [share, target.sub(own, share)], np.asarray(integers), value)


def bases(example: Example) -> dict[tuple[int, int], Field]:
    found = {(m.phase, m.index): Field(m.shape, m.source_limbs) for m in example.spec.operands}
    return dict(sorted((found | {(int(p), n): each for (p, n), each in example.bases.items()}).items()))


def dealing(example: Example) -> Dealing:
    masks = bases(example)
    setup, step = (tuple(each for (p, _), each in masks.items() if p == phase) for phase in (SETUP, STEP))
    nothing = PhaseDealing((), ())
    return Dealing((PhaseDealing(setup, ()), PhaseDealing(step, (example.spec,)), nothing, nothing), Schedule(STEPS))


def together(each: Field, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a ^ b if each.xor else ring(each.limbs).add(a, b)


def random_like(words: np.ndarray) -> np.ndarray:
    return np.frombuffer(secrets.token_bytes(words.nbytes), np.uint64).reshape(words.shape)


def low(integers: Any, bits: int) -> np.ndarray:
    return np.asarray(np.asarray(integers, object) % (1 << bits))


def equal(limbs: int, shares: list[np.ndarray], expected: Any, bits: int, slack: tuple[int, ...] = (0,)) -> None:
    """The shares add up to `expected` (plus one of `slack`) modulo 2^bits."""
    r = ring(limbs)
    total = r.add(*shares)
    assert r.shape_of(total) == np.shape(expected)
    off = low(r.decode(total, 64 * limbs) - expected, bits)
    allowed = {each % (1 << bits) for each in slack}
    assert all(value in allowed for value in off.reshape(-1)), off


# ---- the equation of each kind, for one step -------------------------------------------------------------


def _product(w: World, t: int) -> None:
    s = w.spec
    a, b = w.operand(0, t), w.operand(1, t)
    shares = [s.consume(p, a.opening, a.shares[p], b.opening, b.shares[p], *w.dealt_at(p, t)) for p in (0, 1)]
    known = min(64 * s.limbs, *(m.bits - m.shift for m in s.operands))
    equal(s.limbs, shares, a.integers * b.integers if s.bilinear == "mul" else a.integers @ b.integers, known)


def _shifted_mask(w: World, t: int) -> None:
    m, a = w.spec.a, w.operand(0, t)
    shares = [ring(m.limbs).neg(w.dealt_at(p, t)[0]) for p in (0, 1)]
    shares[0] = ring(m.limbs).add(shares[0], a.opening)
    equal(m.limbs, shares, a.source >> m.shift, min(m.bits - m.shift, 64 * m.limbs), (0, 1))


def _truncate(w: World, t: int) -> None:
    s, a = w.spec, w.operand(0, t)
    shares = [s.consume(p, a.opening, w.dealt_at(p, t)) for p in (0, 1)]
    equal(s.limbs, shares, a.source >> s.shift, 64 * s.limbs, (0, 1) if s.shift else (0,))


def _powers(w: World, t: int) -> None:
    s, form, a = w.spec, w.example.aux, w.operand(0, t)
    shares = [form.consume(p, a.opening, w.dealt_at(p, t)[0]) for p in (0, 1)]
    got = ring(form.out_limbs).decode(ring(form.out_limbs).add(*shares), 64 * form.out_limbs)
    down = form.full_scale - form.out_scale
    for value, x in zip(got.reshape(-1), a.source.reshape(-1), strict=True):
        readings = {x >> s.shift, (x >> s.shift) + (s.shift > 0)}
        exact = [sum(c * y**n for n, c in enumerate(form.coefficients)) for y in readings]
        assert any(abs((int(value) << down) - each) <= 1 << down for each in exact)  # within a unit


def _waves(w: World, t: int) -> None:
    """Within one unit, and what angles at 24 bits and coefficients at 30 bits leave open."""
    s, form, a = w.spec, w.example.aux, w.operand(0, t)
    r = ring(form.out_limbs)
    got = r.decode(r.add(*(form.consume(p, a.opening, w.dealt_at(p, t)[0]) for p in (0, 1))), 64 * form.out_limbs)
    theta = 2 * np.pi * (np.asarray(a.source % (1 << s.a.bits), np.float64) / 2.0**s.a.bits)
    harmonics = list(enumerate(zip(form.cosines, form.sines, strict=True)))
    exact = form.constant + sum(
        c * np.cos((2 * n + 1) * theta) + d * np.sin((2 * n + 1) * theta) for n, (c, d) in harmonics
    )
    angles = sum((2 * n + 1) * (abs(c) + abs(d)) for n, (c, d) in harmonics) * 2 * np.pi * 2.0**-24
    bound = 2.0**-form.out_scale + angles + 4 * len(harmonics) * 2.0**-30
    assert np.abs(np.asarray(got, np.float64) * 2.0**-form.out_scale - exact).max() <= bound


def _exponentials(w: World, t: int) -> None:
    """Where x is in the windows, at any scale: within the roundings of both factors, and of an argument that is shifted down."""
    s, form, a = w.spec, w.example.aux, w.operand(0, t)
    r = ring(s.limbs)
    got = r.decode(r.add(*(form.consume(a.opening, w.dealt_at(p, t)[0]) for p in (0, 1))), 64 * s.limbs)
    x = -np.asarray(-a.source % (1 << s.a.bits), np.float64) * 2.0 ** (3 + s.high - s.a.bits)
    unit = 2.0**-s.argument if s.a.bits > s.argument + 3 + s.high else 0.0
    bound = np.exp(np.minimum(x + unit, 0)) - np.exp(x) + 2.0**-17 + 2.0**-30 * np.e**8 + 2e-7
    inside = x > 8 - 8 * 2**s.high
    assert np.all((np.abs(np.asarray(got, np.float64) * 2.0**-47 - np.exp(x)) <= bound)[inside])
    for limbs in range(1, s.limbs + 1) if s.limbs > 1 else ():
        down = ring(limbs).add(*(form.shifted(p, a.opening, w.dealt_at(p, t)[0], 27, limbs) for p in (0, 1)))
        assert set(np.ravel(ring(limbs).decode(down, 64 * limbs) - (got >> 27))) <= {0, 1}


def _conjunctions(w: World, t: int) -> None:
    a = w.operand(0, t)
    found = np.bitwise_xor(*(w.spec.consume(p, a.opening, a.shares[p], w.dealt_at(p, t)[0]) for p in (0, 1)))
    bits = np.split(a.integers, np.cumsum(w.spec.sizes)[:-1], axis=1)
    assert np.array_equal(found, np.stack([np.bitwise_and.reduce(each, axis=1) for each in bits], axis=1))


def _value(terms: dict[tuple[int, ...], int], leaves: list[Operand]) -> np.ndarray:
    zero = np.zeros(leaves[0].integers.shape, object)
    powers = ((a, [x.integers**p for x, p in zip(leaves, m, strict=True)]) for m, a in terms.items())
    return sum((a * prod(factors, start=1) + zero for a, factors in powers), zero)


def _monomials(w: World, t: int, first: int = 0) -> tuple[list[Any], Any, np.ndarray, int]:
    form = w.example.aux
    leaves = [w.operand(n, t) for n in range(first, len(w.spec.operands))]
    coefficients = form.public([leaf.opening for leaf in leaves])
    known = min(64 * form.monomials.limbs, *(m.bits - m.shift for m in w.spec.operands))
    expected = _value(dict(form.terms), leaves)
    if first:
        return [], coefficients, expected, known
    shares = [form.consume(p, coefficients, w.dealt_at(p, t)[0]) for p in (0, 1)]
    equal(form.monomials.limbs, shares, expected, known)
    return shares, coefficients, expected, known


def _contraction(w: World, t: int) -> None:
    form, limbs = w.example.aux, w.spec.inner.limbs
    _, coefficients, g, known = _monomials(w, t, first=1)
    value = ring(limbs).encode(g)
    share = random_like(value)
    x = w.operand(0, t)
    shares = [
        form.contract(x.opening, own, coefficients, w.dealt_at(p, t)[0])
        for p, own in enumerate((share, ring(limbs).sub(value, share)))
    ]
    equal(limbs, shares, x.integers @ g, known)


def bit(words: np.ndarray, element: int, plane: int) -> int:
    """Element e is bit e mod 64 of word e div 64, (words, planes)."""
    return int(words[element // 64, plane]) >> (element % 64) & 1


def _digits(w: World, t: int) -> None:
    s, a = w.spec, w.operand(0, t)
    m = s.a
    r = low(ring(m.limbs).decode(w.operand_masks[0][t if m.phase == STEP else 0], 64 * m.limbs), s.bits).reshape(-1)
    c = low(ring(m.limbs).decode(a.opening, 64 * m.limbs), s.bits).reshape(-1)
    for limit in w.example.aux:
        out = np.bitwise_xor(*(s.consume(p, a.opening, limit, w.dealt_at(p, t)[0]) for p in (0, 1)))
        assert out.shape == (-(-len(r) // 64), 2 * s.count)
        for e in range(len(r)):
            moved, own = (c[e] - limit) % (1 << s.bits), r[e]
            tops = moved >> (s.bits - 1) ^ own >> (s.bits - 1)
            for place, width in enumerate(s.widths):
                at = sum(s.widths[place + 1 :])
                d, v = (n >> at & ((1 << width) - 1) for n in (moved, own))
                assert bit(out, e, 2 * place) == (d < v) ^ (tops if place == 0 else 0)
                assert bit(out, e, 2 * place + 1) == (d == v)


def _join(w: World, t: int) -> None:
    s, sizes, count = w.spec, w.spec.sizes, sum(w.spec.sizes)
    digits = np.frombuffer(secrets.token_bytes(16 * s.a.shape[0] * count), np.uint64).reshape(-1, 2 * count)
    share = random_like(digits)
    digit_shares = [share, digits ^ share]
    masks = w.operand(0, t).shares
    factors, at = [], 0
    for chunk, size in enumerate(sizes):
        last = chunk == len(sizes) - 1  # whose "equal" nobody needs
        factors += [2 * n + 1 for n in range(at, at + size - last)] + [2 * n for n in range(at + 1, at + size)]
        at += size
    opened = np.bitwise_xor(*(d[:, factors] ^ m for d, m in zip(digit_shares, masks, strict=True)))
    out = np.bitwise_xor(*(s.consume(p, digit_shares[p], opened, masks[p], w.dealt_at(p, t)[0]) for p in (0, 1)))
    first = 0
    for chunk, size in enumerate(sizes):
        less, same = np.zeros(len(digits), np.uint64), np.full(len(digits), 2**64 - 1, np.uint64)
        for n in range(first, first + size):
            less, same = less ^ (same & digits[:, 2 * n]), same & digits[:, 2 * n + 1]
        assert np.array_equal(out[:, 2 * chunk], less)
        if chunk < len(sizes) - 1:
            assert np.array_equal(out[:, 2 * chunk + 1], same)
        first += size


def _bit(w: World, t: int) -> None:
    s, b = w.spec, w.operand(0, t)
    shares = [s.consume(p, b.opening, w.dealt_at(p, t)[0]) for p in (0, 1)]
    equal(s.limbs, shares, b.integers.astype(object), 64 * s.limbs)


def split(limbs: int, words: np.ndarray) -> list[np.ndarray]:
    share = random_like(words)
    return [share, ring(limbs).sub(words, share)]


def _gate(w: World, t: int) -> None:
    s, b, y = w.spec, w.operand(0, t), w.operand(1, t)
    target = ring(s.limbs)
    number = split(s.limbs, target.encode((b.opening ^ b.integers).astype(object)))  # [s], as `Bit` deals it
    own = w.operand_masks[1][t if s.a.phase == STEP else 0][None]
    values = Truncate(s.a, s.shift, s.limbs).deal([own]) if s.shift else [ring(s.a.limbs).resize(own, s.limbs)]
    read = [split(s.limbs, np.ascontiguousarray(each[0])) for each in values]
    shares = [
        s.consume(p, b.opening, y.opening, number[p], [each[p] for each in read], w.dealt_at(p, t)) for p in (0, 1)
    ]
    chosen = b.integers.astype(object)
    floor = chosen * (y.source >> s.shift)
    r = target.decode(target.add(*shares), 64 * s.limbs)
    off = low(r - floor, 64 * s.limbs)
    assert np.all((off == 0) | ((off == 1) & (chosen == 1) & (s.shift > 0))), off


def _totals(w: World, t: int) -> None:
    """b = l_0 ⊕ (e_0·l_1 ⊕ e_0·e_1·l_2 ⊕ …) as a number, and times what y is read as."""
    s, n, target = w.spec, w.spec.digits, ring(w.spec.limbs)
    operands = [w.operand(number, t) for number in range(len(s.bits))]
    masks = [w.operand_masks[number][t] for number in range(len(s.bits))]
    first, *rest = (each.opening ^ own for each, own in zip(operands, masks, strict=True))
    same, less = rest[: n - 1], rest[n - 1 :]
    for i in range(n - 2):  # no digit is both less and equal
        less[i] = less[i] & ~same[i + 1]
    opened = [value ^ own for value, own in zip([first, *same, *less], masks, strict=True)]
    chosen, before = first, np.ones_like(first)
    for equal_before, below in zip(same, less, strict=True):
        before = before & equal_before
        chosen = chosen ^ (before & below)
    whole = chosen.astype(object)
    words = [w.dealt_at(party, t) for party in (0, 1)]
    if not s.y:
        one = [target.constant(1), target.constant(0)]
        equal(s.limbs, [s.consume(opened, [one[p]], words[p])[0] for p in (0, 1)], whole, 64 * s.limbs)
        return
    y = w.operand(len(s.bits), t)
    own = w.operand_masks[-1][t if s.y[0].phase == STEP else 0][None]
    values = s.truncate.deal([own]) if s.truncate else [ring(s.y[0].limbs).resize(own, s.limbs)]
    read = [split(s.limbs, np.ascontiguousarray(each[0])) for each in values]
    bit_shares = split(s.limbs, target.encode(whole))
    parts = [s.consume(opened, [each[p] for each in read], words[p]) for p in (0, 1)]
    for number, value in enumerate(values):
        equal(s.limbs, [parts[p][number] for p in (0, 1)], whole * target.decode(value[0], 64 * s.limbs), 64 * s.limbs)
    shares = [scaled(bit_shares[p], y.opening, parts[p], s.y[0], s.shift, s.limbs) for p in (0, 1)]
    off = low(target.decode(target.add(*shares), 64 * s.limbs) - whole * (y.source >> s.shift), 64 * s.limbs)
    assert np.all((off == 0) | ((off == 1) & (whole == 1) & (s.shift > 0))), off


EQUATIONS: dict[str, Callable[[World, int], Any]] = {
    "product": _product,
    "shifted-mask": _shifted_mask,
    "truncate": _truncate,
    "powers": _powers,
    "monomials": _monomials,
    "contraction": _contraction,
    "digits": _digits,
    "join": _join,
    "bit": _bit,
    "gate": _gate,
    "waves": _waves,
    "exponentials": _exponentials,
    "conjunctions": _conjunctions,
    "totals": _totals,
}

every = pytest.mark.parametrize("example", EXAMPLES, ids=str)


def test_every_kind_is_here():
    assert set(KINDS) == {example.spec.kind for example in EXAMPLES} == set(EQUATIONS)
    assert {type(example.spec) for example in EXAMPLES} == set(KINDS.values())


@every
def test_shares_add_up_to_the_relation(example):
    w = World(example)
    values = example.spec.deal(w.operand_masks)
    assert len(values) == len(example.spec.fields)
    for value, each, a, b in zip(values, example.spec.fields, *w.dealt, strict=True):
        assert value.dtype == np.uint64
        assert value.shape in {(n, *each.full_shape) for n in (1, STEPS)}
        assert np.array_equal(together(each, a, b), np.broadcast_to(value, (STEPS, *each.full_shape)))


@every
def test_consuming_equals_plaintext(example):
    for _ in range(3):
        w = World(example)
        for step in range(STEPS):
            EQUATIONS[example.spec.kind](w, step)


@every
def test_declared_words_are_measured_words(example):
    w = World(example)
    words = sum(prod(each.full_shape) for each in example.spec.fields)
    assert w.dealing.phases[STEP].dealt_words == words
    for count in (1, STEPS):
        assert w.deal.corrections(STEP, 0, count).nbytes == 8 * words * count
    assert w.deal.corrections(SETUP, 0, 1).nbytes == 0


@every
def test_it_survives_the_wire(example):
    before = dealing(example)
    after = contract_codec.unpack(contract_codec.pack(before))
    assert after == before
    assert contract_codec.pack(after) == contract_codec.pack(before)
    assert contract_codec.digest(after) == contract_codec.digest(before)


@every
def test_any_batch_in_any_order_is_the_same(example):
    w = World(example)
    whole = w.deal.corrections(STEP, 0, STEPS)
    alice = alice_material(w.dealing, w.seeds[0], STEP, 0, STEPS)
    for cuts in ((0, 1, 2, 3, 4, 5), (0, 2, 5), (0, 4, 5), (0, 5)):
        ranges = list(pairwise(cuts))
        for deal in (w.deal, Deal(contract_codec.unpack(contract_codec.pack(w.dealing)), *w.seeds)):
            for a, b in (*reversed(ranges), *ranges):
                assert np.array_equal(deal.corrections(STEP, a, b - a), whole[a:b])
                for part, full in zip(alice_material(w.dealing, w.seeds[0], STEP, a, b - a), alice, strict=True):
                    assert np.array_equal(part, full[a:b])
    other = Deal(w.dealing, fresh_seed(), w.seeds[1]).corrections(STEP, 0, STEPS)
    assert not np.any(other.reshape(STEPS, -1) == whole.reshape(STEPS, -1))  # false alarm: < 10^4 / 2^64


# ---- addresses: no keystream block is ever used for two values -------------------------------------------


@pytest.mark.parametrize("job", [Seed(), Xor()], ids=["seed", "xor"])
def test_no_word_of_a_keystream_serves_two_purposes(job, monkeypatch):
    """False alarm: two of n < 10^6 words of 64 bits are equal by chance, n²/2^65 < 1e-7."""
    calls: list[tuple[bytes, int, int, np.ndarray]] = []
    genuine = prg.keystream

    def recorded(key, first_row, rows, words, *bounds):
        out = genuine(key, first_row, rows, words, *bounds)
        calls.append((key, first_row, bounds[0] if bounds else 0, out.copy()))
        return out

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("protocol", "party", "dealer") and vars(module).get("keystream") is genuine:
            monkeypatch.setattr(module, "keystream", recorded)
    arrays = {name: np.asarray(each.default, np.float64) for name, each in job.inputs.items()}
    run = simulate(job, arrays, 40)
    used: dict[int, tuple[bytes, int, int]] = {}  # word → (key, row, column)
    rows: dict[bytes, set[int]] = {}
    for key, first, start, words in calls:
        for n, row in enumerate(words.tolist()):
            for column, word in enumerate(row, start):
                assert used.setdefault(word, (key, first + n, column)) == (key, first + n, column)
            rows.setdefault(key, set()).update({first + n} if row else ())
    dealt = run.plan.dealing
    words = [2 * own.mask_words + own.dealt_words for own in dealt.phases]
    assert len(used) == sum(count * dealt.count(phase) for phase, count in zip(Phase, words, strict=True))
    steps = -(-40 // dealt.phases[STEP].steps_per_chunk)  # the blocks of steps, each with a key of its own
    sizes = [len(each) for each in rows.values() if each]
    assert sum(sizes) == 2 * (40 + 3) and len(sizes) == 2 * (steps + 3)  # (party, block); one check


@pytest.mark.parametrize("job", [Seed(), Xor()], ids=["seed", "xor"])
@pytest.mark.parametrize("start", [0, 1, 777, 2000])
def test_every_step_is_streamed_once_and_in_order(job, start):
    shapes = {name: np.shape(each.default) for name, each in job.inputs.items()}
    dealt = make_plan(trace(job, shapes, 2000), 0, (0, 1)).dealing
    ranges = ((phase, range(first, first + count)) for phase, first, count, _ in dealt.chunks(start))
    seen = [(phase, step) for phase, steps in ranges for step in steps]
    expected = [(Phase.SETUP, 0), (Phase.FINISH, 0)]
    for step in range(start, 2000):
        expected.append((STEP, step))
        if (step + 1) % dealt.schedule.every == 0 or step == 1999:
            expected.append((Phase.CHECK, step // dealt.schedule.every))
    assert seen == [(phase, step) for phase, step in expected if dealt.phases[phase].dealt_words]
    if start % dealt.schedule.every == 0:
        by_phase = [sum(each == phase for each, _ in seen) for phase in Phase]
        assert by_phase[STEP] == 2000 - start
