"""One step of a protocol in one kernel: compiled against plain, and both against the equations."""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels import EXTREMES, check, run, words

from protocol import kernels
from protocol.correlations.base import Mask
from protocol.correlations.powers import Polynomial, Powers
from protocol.correlations.products import Product
from protocol.correlations.shifts import Truncate, opened_operand
from protocol.kernels import reference
from protocol.kernels.reference import from_integers, to_integers
from protocol.ring import ring

both = pytest.mark.parametrize("module", [kernels, reference], ids=["chosen", "reference"])
every_width = pytest.mark.parametrize("limbs", range(1, 9))
wide_only = pytest.mark.parametrize("limbs", range(2, 9))
few = settings(max_examples=60, deadline=None)


def numbers(seed: int, limbs: int, *shape: int) -> Any:
    return words(seed, *shape, *ring(limbs).tail)


def same(name: str, *arguments: Any) -> None:
    """The kernel and its twin agree, whatever the memory layout of the words."""
    expected = getattr(reference, name)(*arguments)
    check(getattr(kernels, name)(*arguments), expected)
    check(getattr(kernels, name)(*(awkward(a) for a in arguments)), expected)


def awkward(a: Any) -> Any:
    """The same words, strided and read-only."""
    if not isinstance(a, np.ndarray) or not a.ndim:
        return a
    strided = np.repeat(a, 2, axis=0)[::2]
    strided.flags.writeable = False
    return strided


# ---------------------------------------------------------------- any bits at all: every carry is
# met


@few
@given(
    widths=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    data=st.data(),
    seed=st.integers(0, 1000),
    party=st.integers(0, 1),
)
def test_opened_and_truncated(
    widths: tuple[int, int], data: st.DataObject, seed: int, party: int
) -> None:
    source, limbs = widths
    bits = data.draw(st.integers(2, 64 * source))
    shift = data.draw(st.integers(0, bits - 2))
    c, shifted, wrap = (
        numbers(seed + i, size, 3, 2) for i, size in enumerate((source, limbs, limbs))
    )
    same("opened", c, source, bits, shift, limbs)
    same("truncated", party, c, shifted, wrap, source, bits, shift, limbs)
    same("truncated", party, c, shifted, None, source, bits, shift, limbs)


@every_width
@pytest.mark.parametrize(
    ("left", "right"), [((3, 4), (3, 4)), ((), (3, 2)), ((3, 1), (2,)), ((0,), (1,)), ((), ())]
)
@pytest.mark.parametrize("party", [0, 1])
def test_beaver_mul(limbs: int, left: tuple[int, ...], right: tuple[int, ...], party: int) -> None:
    dealt = numbers(5, limbs, *np.broadcast_shapes(left, right))
    a, b = (
        [numbers(i + j, limbs, *shape) for j in range(2)] for i, shape in ((1, left), (3, right))
    )
    same("beaver_mul", party, *a, *b, dealt, limbs)
    same("beaver_mul", party, *b, *a, dealt, limbs)


@pytest.mark.parametrize("limbs", [1, 2, 3])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (4, 5)),
        ((3, 0), (0, 2)),
        ((2, 3, 4), (4, 5)),
        ((1, 3, 4), (2, 4, 1)),
        ((0, 3, 4), (4, 5)),
        ((30, 20), (20, 9)),
    ],
)
@pytest.mark.parametrize("party", [0, 1])
def test_beaver_matmul(
    limbs: int, left: tuple[int, ...], right: tuple[int, ...], party: int
) -> None:
    shape = np.matmul(np.zeros(left), np.zeros(right)).shape
    a, b = (
        [numbers(i + j, limbs, *shape) for j in range(2)] for i, shape in ((1, left), (3, right))
    )
    same("beaver_matmul", party, *a, *b, numbers(5, limbs, *shape), limbs)


@wide_only
@pytest.mark.parametrize("powers", [((1,), (3,)), ((0, 0), (1, 2), (2, 0)), ((0, 1, 1), (2, 0, 3))])
def test_monomials(limbs: int, powers: tuple[tuple[int, ...], ...]) -> None:
    leaves = len(powers[0])
    rows = np.array([(j % 2, *p) for j, p in enumerate([*powers, *powers])], np.int64)
    for shape in ((4, 1), (0, 2), ()):
        same("monomial_sums", words(1, leaves, *shape, limbs), words(2, len(rows), limbs), rows, 3)


@wide_only
@pytest.mark.parametrize("party", [0, 1])
def test_combined_contracted_and_outer(limbs: int, party: int) -> None:
    i, n, k, count = 3, 4, 2, 5
    same("combined", party, words(1, n, k, 1 + count, limbs), words(2, n, k, count, limbs))
    same(
        "contracted",
        *(words(9, *s, limbs) for s in ((i, n), (n, k), (n, k, count), (n, k, count, i))),
    )
    for batch in (1, 3):
        same("outer", words(3, batch, i, n, limbs), words(4, 3, n, k, count, limbs))


@wide_only
@pytest.mark.parametrize("degree", [0, 1, 2, 9])
@pytest.mark.parametrize("party", [0, 1])
def test_polynomial_and_readings(limbs: int, degree: int, party: int) -> None:
    coefficients = words(2, degree + 1, limbs)
    # source, bits, shift
    for known in ((1, 64, 0), (1, 64, 30), (1, 50, 7), (2, 100, 40), (2, 70, 6)):
        c, dealt = numbers(1, known[0], 3, 2), words(3, 3, 2, 2, degree, limbs)
        for unit in (0, 64 * limbs - 74):
            for out_limbs in (1, limbs):
                same(
                    "polynomial",
                    party,
                    c,
                    coefficients,
                    dealt,
                    *known,
                    unit,
                    37,
                    64 * limbs - 3,
                    out_limbs,
                )
            if degree and (not unit or unit >= known[1] - known[2] - 1):
                same("readings", c, *known, degree, unit, limbs)


@every_width
@pytest.mark.parametrize("minus", [False, True])
def test_combine_rows(limbs: int, minus: bool) -> None:
    for rows, of_a in ((1, 1), (3, 3), (3, 1)):
        a, b = words(1, of_a, 4 * limbs), words(2, rows, 5 * limbs)[:, limbs:]
        outs = [np.zeros((rows, 6 * limbs), np.uint64) for _ in range(2)]
        for module, out in zip((kernels, reference), outs, strict=True):
            module.combine_rows(a, b, out[:, limbs:-limbs], limbs, minus)
        check(*outs)


# ---------------------------------------------------------------- the equations


def shares(values: Any, limbs: int, seed: int) -> list[Any]:
    mine = numbers(seed, limbs, *ring(limbs).shape_of(values))
    return [mine, ring(limbs).sub(values, mine)]


@pytest.mark.parametrize(
    ("source", "bits", "shift", "limbs"),
    [(1, 64, 20, 1), (1, 60, 0, 1), (2, 128, 40, 1), (2, 90, 25, 2)],
)
def test_truncation_is_exact(source: int, bits: int, shift: int, limbs: int) -> None:
    """Within one unit, extremes of x and r included; modulo 2^(bits−shift) for the public
    operand."""
    limit, rng = 1 << (bits - 2), np.random.default_rng(bits)
    x = [
        0,
        1,
        -1,
        limit - 1,
        -limit,
        *(int(v) * limit >> 63 for v in rng.integers(-(2**63), 2**63, 40)),
    ]
    x = [v for v in x for _ in range(3)]
    r = [0, (1 << bits) - 1, int.from_bytes(rng.bytes(16)) % (1 << bits)] * (len(x) // 3)
    spec = Truncate(Mask(1, 0, source, bits, 0, source, (len(x),)), shift, limbs)
    c = ring(source).encode([(v + m) for v, m in zip(x, r, strict=True)])
    dealt = [
        shares(field[0], limbs, n) for n, field in enumerate(spec.deal([ring(source).encode([r])]))
    ]
    parts = [spec.consume(party, c, [field[party] for field in dealt]) for party in (0, 1)]
    for v, got in zip(x, ring(limbs).decode(ring(limbs).add(*parts), 64 * limbs), strict=True):
        assert (int(got) - (v >> shift)) % (1 << min(bits - 1, 64 * limbs)) in (0, 1)
    public = ring(limbs).decode(opened_operand(c, source, bits, shift, limbs), 64 * limbs)
    for v, m, got in zip(x, r, public, strict=True):
        known = 1 << min(bits - shift, 64 * limbs)
        assert (int(got) - ((m % (1 << bits)) >> shift) - (v >> shift)) % known in (0, 1)


@pytest.mark.parametrize("limbs", [1, 2])
@pytest.mark.parametrize(
    ("bilinear", "left", "right"), [("mul", (3, 2), (2,)), ("matmul", (3, 4), (4, 2))]
)
def test_product(limbs: int, bilinear: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    masks = (
        Mask(1, n, limbs, 64 * limbs, 0, limbs, shape) for n, shape in enumerate((left, right))
    )
    spec, r = Product(bilinear, *masks, limbs), ring(limbs)
    secret, mask = (
        [numbers(n + k, limbs, *s) for n, s in enumerate((left, right))] for k in (1, 3)
    )
    opened = [r.add(x, m) for x, m in zip(secret, mask, strict=True)]
    a, b = (shares(m, limbs, 7) for m in mask)
    dealt = shares(spec.deal([m[None] for m in mask])[0][0], limbs, 8)
    parts = [spec.consume(p, opened[0], a[p], opened[1], b[p], dealt[p]) for p in (0, 1)]
    check(r.add(*parts), (r.mul if bilinear == "mul" else r.matmul)(*secret))


@both
@pytest.mark.parametrize(("degree", "limbs"), [(1, 2), (3, 3), (9, 4), (16, 8)])
@pytest.mark.parametrize(("bits", "shift"), [(64, 0), (64, 24), (40, 3)])
def test_two_parties_get_the_polynomial(
    module: ModuleType, degree: int, limbs: int, bits: int, shift: int
) -> None:
    """x at scale 16 after the shift: each result is floor(P(x >> shift)·2^16) or one more."""
    rng, n, scale, fine = np.random.default_rng(degree), 40, 16, 44
    x = rng.integers(-(1 << 18), 1 << 18, n).astype(object) << shift  # nothing is lost by the shift
    r = rng.integers(0, 2**64, n, dtype=np.uint64)
    r[: len(EXTREMES)] = EXTREMES
    reals = [
        Fraction(int(v), 1 << (fine - 24)) for v in rng.integers(-(1 << 20), 1 << 20, degree + 1)
    ]
    # x^n has scale 16·n, so A_n carries what is missing to 44 + 16·degree.
    aligned = [int(a * (1 << fine)) << (scale * (degree - i)) for i, a in enumerate(reals)]
    down, full = fine + scale * (degree - 1), fine + scale * degree
    c = ring(1).encode(x + r.astype(object))
    powers = module.readings(r, 1, bits, shift, degree, 0, limbs)
    # uniform, as the local shift demands
    mine = rng.integers(0, 2**64, powers.shape, dtype=np.uint64)
    dealt = (mine, reference.wide_sub(powers, mine))
    table = from_integers(aligned, limbs)
    parts = [
        module.polynomial(p, c, table, dealt[p], 1, bits, shift, 0, down, full + 40, 2)
        for p in (0, 1)
    ]
    totals = to_integers(reference.wide_add(*parts))
    for value, got in zip(x >> shift, totals.tolist(), strict=True):
        signed = got - 2**128 if got >> 127 else got
        exact = sum((a * Fraction(value, 1 << scale) ** i for i, a in enumerate(reals)), Fraction())
        assert signed - (exact * (1 << scale)).__floor__() in (0, 1)


def test_polynomial_object_uses_its_powers() -> None:
    powers = Powers(Mask(1, 0, 1, 64, 0, 1, (3,)), 0, 2, 2)
    form = Polynomial(powers, (0, 0, 1), 32, 60, 16, 1)  # x² at scale 16
    x, r = np.array([1 << 16, 3 << 15, 1 << 18], np.uint64), words(1, 3)
    (values,) = powers.deal([r[None]])
    mine = np.random.default_rng(2).integers(0, 2**64, values.shape, dtype=np.uint64)
    dealt = [mine[0], reference.wide_sub(values, mine)[0]]
    total = sum(form.consume(party, x + r, dealt[party]) for party in (0, 1))
    assert np.abs(total.astype(np.int64) - [1 << 16, 9 << 14, 1 << 20]).max() <= 1


# ---------------------------------------------------------------- what a run may not do


@pytest.mark.skipif(
    kernels.BACKEND == "numpy", reason="the plain ones read no memory but their arguments"
)
def test_what_the_dealer_calls_is_checked() -> None:
    a = words(1, 3, 1)
    for bad in (
        lambda: kernels.readings(a, 2, 64, 0, 2, 0, 2),
        lambda: kernels.readings(a, 1, 64, 0, 2, 0, 9),
        lambda: kernels.monomial_sums(a, words(2, 1, 2), np.zeros((1, 2), np.int64), 1),
        lambda: kernels.outer(words(3, 2, 4, 3, 2), words(4, 3, 3, 1, 1, 2)),
        lambda: kernels.combine_rows(
            words(5, 2, 4), words(6, 3, 4), np.empty((3, 4), np.uint64), 2, True
        ),
    ):
        with pytest.raises(ValueError):
            bad()
    assert kernels.readings(a[:, 0], 1, 64, 0, 0, 0, 2).shape == (3, 2, 0, 2)


@pytest.mark.skipif(kernels.BACKEND == "numpy", reason="needs a compiler")
def test_an_entry_never_compiles_for_what_it_is_given() -> None:
    from protocol.kernels import wide

    a = words(1, 4, 2)
    kernels.wide_add(a, a)
    entry = wide._add[2]
    entry(awkward(a).ravel(), a.ravel(), np.empty(8, np.uint64), 1, 1, (0, 0))
    for wrong in (a.ravel().astype(np.float64), np.zeros(16, np.uint64)[::2], a):
        with pytest.raises(TypeError):
            entry(wrong, a.ravel(), np.empty(8, np.uint64), 1, 1, (0, 0))
    assert len(entry.signatures) == 1  # type: ignore[attr-defined]
    with pytest.raises(ValueError):
        wide._add[9]


SEED_JOB = """
import numpy as np
from party.jobs.seed import Seed
from protocol.simulate import simulate
job = Seed()
inputs = {name: np.asarray(field.default, float) for name, field in job.inputs.items()}
print(*simulate(job, inputs, 3).results[0]["weights"].ravel())
"""


def test_a_job_needs_no_compiler() -> None:
    plain, chosen = (
        np.array(run(SEED_JOB, MPC_KERNELS=backend).split(), float)
        for backend in ("numpy", kernels.BACKEND)
    )
    np.testing.assert_allclose(plain, chosen, atol=1e-4)
