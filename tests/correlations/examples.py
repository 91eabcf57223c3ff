"""Examples of every kind of correlation, and the smallest contract that deals one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocol.contract import Dealing, PhaseDealing
from protocol.correlations import Correlation, Field, Mask
from protocol.correlations.bits import Bit, Digits, Gate, Join, packed
from protocol.correlations.conjunctions import Conjunctions
from protocol.correlations.exponentials import Exponential, Exponentials
from protocol.correlations.monomials import Contraction, FusedPolynomial, Monomials, needed
from protocol.correlations.powers import Polynomial, Powers, fit, fit_rounded
from protocol.correlations.products import Product
from protocol.correlations.shifts import ShiftedMask, Truncate
from protocol.correlations.totals import Totals
from protocol.correlations.waves import Series, Waves
from protocol.graph import Phase
from protocol.kernels.digits import counts, groups
from protocol.schedule import PhaseSchedule
from protocol.structural import index as columns
from protocol.views import Broadcast, Index, Reshape, Rows, Take, Transpose, Unpack

STEPS = 5
SETUP, STEP = Phase.SETUP, Phase.STEP


@dataclass(frozen=True)
class Example:
    """A correlation, the tensors behind masks that are seen through a view, and what its equation
    needs."""

    spec: Correlation
    bases: dict[tuple[int, int], Field] = field(default_factory=dict)
    aux: Any = None
    peak: int | None = None  # |x| below this; the promised 2^(bits − 2) if None

    def __str__(self) -> str:
        shapes = "×".join("".join(str(operand.shape).split()) for operand in self.spec.operands)
        extra = [
            f"{name}{getattr(self.spec, name)}"
            for name in ("limbs", "shift")
            if hasattr(self.spec, name)
        ]
        tail = [
            f"{type(view).__name__}" for operand in self.spec.operands for view in operand.views
        ]
        return "-".join([self.spec.kind, shapes, *extra, *tail])


def mask(phase, index, shape, source=1, bits=None, shift=0, limbs=None, views=()):
    bits = bits or 64 * source
    return Mask(int(phase), index, source, bits, shift, limbs or source, shape, tuple(views))


def polynomial(
    a: Mask, shift: int, real: tuple[float, ...], bound: float, out_limbs: int = 1
) -> Example:
    found = fit(real, 16, bound, 20, 64 * out_limbs)
    spec = Powers(a, shift, len(real) - 1, found.limbs)
    form = Polynomial(spec, *found[:3], 20, out_limbs)
    return Example(spec, {}, (form, real), int(bound * 2 ** (16 + shift)))


def rounded(
    a: Mask, shift: int, real: tuple[float, ...], bound: float, out_limbs: int = 1
) -> Example:
    found = fit_rounded(real, 16, a.bits - shift, bound, 20, 64 * out_limbs)
    spec = Powers(a, shift, len(real) - 1, found.limbs, found.unit)
    form = Polynomial(spec, *found[:3], 20, out_limbs)
    return Example(spec, {}, (form, real), int(bound * 2 ** (16 + shift)))


def waves(a: Mask, out_limbs: int = 1, **more: Any) -> Example:
    spec = Waves(a, 3, 2)
    return Example(
        spec, aux=Series(spec, 0.5, (0.0, -0.25, 0.1), (0.625, 0.0, -0.02), 16, out_limbs), **more
    )


def exponentials(a: Mask, argument: int, limbs: int = 1, high: int = 3, **more: Any) -> Example:
    spec = Exponentials(a, argument, 30, high, limbs)
    return Example(spec, aux=Exponential(spec, 17), **more)


def bits_of(index: int, shape: tuple[int, ...]) -> tuple[Mask, dict[tuple[int, int], Field]]:
    return mask(STEP, index, shape, bits=64, views=[Unpack(shape)]), {
        (STEP, index): packed(shape, 1)
    }


def join(words: int, digits: int) -> Example:
    sizes = groups(digits)
    shape = (words, counts(sizes)[0])
    return Example(Join(mask(STEP, 0, shape), sizes), {(STEP, 0): Field(shape, xor=True)})


def conjunctions(words: int, sizes: tuple[int, ...]) -> Example:
    """Of bits that are rows of words of one opening, some of them twice."""
    whole = (sum(sizes) + 1, words)
    views = (Take((2 * sum(sizes), words), 0, (*range(sum(sizes)), *range(1, sum(sizes) + 1))),
             Reshape((2, sum(sizes), words)))  # fmt: skip
    return Example(
        Conjunctions(mask(STEP, 0, views[-1].shape, views=views), sizes),
        {(STEP, 0): Field(whole, xor=True)},
    )


def bit_of(shape: tuple[int, ...], limbs: int) -> Example:
    s, bases = bits_of(0, shape)
    return Example(Bit(s, limbs), bases)


def gate(shape: tuple[int, ...], a: Mask, shift: int, limbs: int) -> Example:
    s, bases = bits_of(1 if a.phase == STEP else 0, shape)
    return Example(Gate(s, a, shift, limbs), bases)


def totals(
    shape: tuple[int, ...],
    digits: int,
    y: Mask | None = None,
    shift: int = 0,
    limbs: int = 1,
    views=(),
    base=None,
) -> Example:
    """Under masks of one opening, a plane each; the first of them last, as a comparison opens
    them."""
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
    leaves: tuple[Mask, ...],
    terms: dict[tuple[int, ...], int],
    limbs: int,
    x: Mask | None = None,
    **more,
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
        Product(
            "mul",
            mask(STEP, 0, (5,), 2, shift=70, limbs=1),
            mask(STEP, 1, (1,), 2, shift=1, limbs=1),
            1,
        )
    ),
    Example(Product("matmul", mask(SETUP, 0, (2, 3)), mask(STEP, 0, (3, 2)), 1)),
    Example(Product("matmul", mask(STEP, 0, (2, 3, 4), 2), mask(STEP, 1, (4, 2), 2), 2)),
    Example(Product("matmul", mask(STEP, 0, (2, 3), 2, 100, 40, 1), mask(STEP, 1, (2, 3, 1)), 1)),
    Example(
        Product("matmul", mask(STEP, 0, (3, 4), views=[TURN]), mask(STEP, 1, (4, 2)), 1),
        {(1, 0): Field((4, 3))},
    ),
    Example(
        Product(
            "mul", mask(STEP, 0, (2, 3), 2, shift=9, views=[WIDER]), mask(STEP, 1, (2, 3), 2), 2
        ),
        {(1, 0): Field((3,), 2)},
    ),
    Example(
        Product("mul", mask(STEP, 0, (2, 5), views=[CORNER]), mask(STEP, 1, (5,)), 1),
        {(1, 0): Field((4, 5))},
    ),
    Example(
        Product(
            "matmul", mask(SETUP, 0, (2, 3), views=[Rows((2, 3), 5)]), mask(STEP, 0, (3, 1)), 1
        ),
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
    polynomial(
        mask(STEP, 0, (4, 5)), 4, (0.5, 0.2, 0, -8e-3, 0, 1.8e-4, 0, -1.9e-6, 0, 7.2e-9), 10.0
    ),
    polynomial(mask(SETUP, 0, (3,), 2, bits=64, limbs=1), 20, (-1.0, 1.0), 16.0),
    polynomial(mask(STEP, 0, (3, 4), views=[Broadcast((3, 4))]), 3, (0.0,) * 16 + (1.0,), 1.5),
    rounded(
        mask(STEP, 0, (4, 5), bits=26),
        4,
        (0.5, 0.2, 0, -8e-3, 0, 1.8e-4, 0, -1.9e-6, 0, 7.2e-9),
        10.0,
    ),
    rounded(
        mask(STEP, 0, (40,), bits=22),
        0,
        (0.5, 0.2, 0, -8e-3, 0, 1.8e-4, 0, -1.9e-6, 0, 7.2e-9),
        16.0,
        2,
    ),
    rounded(mask(SETUP, 0, (3,), 2, bits=60, limbs=1), 40, (-1.0, 1.0, 0.125, 0.3), 2.0),
    rounded(
        mask(STEP, 0, (3, 4), bits=22, views=[Broadcast((3, 4))]), 3, (0.0,) * 16 + (1.0,), 1.5
    ),
    fused((mask(STEP, 0, (2, 3), 2), mask(STEP, 1, (2, 3), 2)), G2, 2),
    fused((mask(STEP, 0, (4,), 1, 64, 6, 3),), CUBE, 3),
    fused((mask(SETUP, 0, (), 1, limbs=2), mask(STEP, 0, (), 2, 120, 17)), G2, 2),
    fused((mask(STEP, 0, (4, 2), 2),), CUBE, 2, mask(STEP, 1, (3, 4), 2)),
    fused(
        (mask(STEP, 0, (4, 1), 1, limbs=2), mask(STEP, 1, (4, 1), 2, 90, 8)),
        G2,
        2,
        mask(SETUP, 0, (3, 4), 2, views=[TURN]),
        bases={(0, 0): Field((4, 3), 2)},
    ),
    fused(
        (mask(SETUP, 1, (4, 1), 2), mask(STEP, 0, (4, 1), 2)),
        G2,
        2,
        mask(SETUP, 0, (3, 4), 2, views=[Rows((4, 3), 6), TURN]),
        bases={(0, 0): Field((6, 3), 2)},
    ),
    waves(mask(STEP, 0, (2, 30), bits=40)),
    waves(mask(STEP, 0, (), bits=20), 2),
    waves(mask(SETUP, 0, (4,), 2, bits=64, limbs=1)),
    waves(mask(STEP, 0, (3, 4), bits=24, views=[TURN]), bases={(1, 0): Field((4, 3))}),
    exponentials(mask(STEP, 0, (3, 20), bits=20), 14),
    exponentials(mask(STEP, 0, (), bits=26), 20, 2),
    exponentials(mask(STEP, 0, (30,), bits=25), 20, high=2),
    exponentials(mask(STEP, 0, (30,), bits=44), 24, high=8),
    conjunctions(2, (3,)),
    conjunctions(1, (1, 2)),
    conjunctions(3, (5, 4)),
    conjunctions(1, (9,)),
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
    totals((70,), 2),
    totals((), 4),
    totals((2, 3), 3, limbs=2),
    totals((3, 4), 2, views=(TURN,), base=(4, 3)),
    totals((5,), 2, mask(STEP, 0, (5,)), 0),
    totals((13, 10), 4, mask(STEP, 0, (13, 10), bits=50), 16),
    totals((2, 3), 3, mask(STEP, 0, (2, 3), 2), 30, 2),
    totals((2, 3), 2, mask(SETUP, 0, (2, 3), 2, bits=120), 64, 1),
    totals((2, 3), 2, mask(STEP, 0, (2, 3), 2), 0, 2),
]


def bases(example: Example) -> dict[tuple[int, int], Field]:
    found = {(m.phase, m.index): Field(m.shape, m.source_limbs) for m in example.spec.operands}
    return dict(
        sorted((found | {(int(p), n): each for (p, n), each in example.bases.items()}).items())
    )


def dealing(example: Example) -> Dealing:
    masks = bases(example)
    setup, step = (
        tuple(each for (p, _), each in masks.items() if p == phase) for phase in (SETUP, STEP)
    )
    nothing = PhaseDealing((), ())
    return Dealing(
        (PhaseDealing(setup, ()), PhaseDealing(step, (example.spec,)), nothing, nothing),
        PhaseSchedule(STEPS),
    )
