"""What consuming each kind of correlation gives, in Python integers, at one step of dealt
material."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from examples import STEP
from world import Operand, World, equal, low, random_like

from protocol.correlations.shifts import Truncate, scaled
from protocol.ring import ring

# ---- the equation of each kind, for one step -----------------------------------------------------


def _product(w: World, t: int) -> None:
    s = w.spec
    a, b = w.operand(0, t), w.operand(1, t)
    shares = [
        s.consume(p, a.opening, a.shares[p], b.opening, b.shares[p], *w.dealt_at(p, t))
        for p in (0, 1)
    ]
    known = min(64 * s.limbs, *(m.bits - m.shift for m in s.operands))
    equal(
        s.limbs,
        shares,
        a.integers * b.integers if s.bilinear == "mul" else a.integers @ b.integers,
        known,
    )


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
    s, (form, real), a = w.spec, w.example.aux, w.operand(0, t)
    shares = [form.consume(p, a.opening, w.dealt_at(p, t)[0]) for p in (0, 1)]
    got = ring(form.out_limbs).decode(ring(form.out_limbs).add(*shares), 64 * form.out_limbs)
    coefficients = [Fraction(a) * 2**form.out_scale / 2 ** (16 * n) for n, a in enumerate(real)]
    if not s.unit:  # what is computed with integers is exact, but for its shift
        coefficients = [
            Fraction(c, 2 ** (form.full_scale - form.out_scale)) for c in form.coefficients
        ]
    for value, x in zip(got.reshape(-1), a.source.reshape(-1), strict=True):
        readings = {x >> s.shift, (x >> s.shift) + (s.shift > 0)}
        exact = [sum(c * y**n for n, c in enumerate(coefficients)) for y in readings]
        assert any(abs(int(value) - each) <= 1 + Fraction(5, 16) * (s.unit > 0) for each in exact)


def _waves(w: World, t: int) -> None:
    """Within one unit, and what angles at 24 bits and coefficients at 30 bits leave open."""
    s, form, a = w.spec, w.example.aux, w.operand(0, t)
    r = ring(form.out_limbs)
    got = r.decode(
        r.add(*(form.consume(p, a.opening, w.dealt_at(p, t)[0]) for p in (0, 1))),
        64 * form.out_limbs,
    )
    theta = 2 * np.pi * (np.asarray(a.source % (1 << s.a.bits), np.float64) / 2.0**s.a.bits)
    harmonics = list(enumerate(zip(form.cosines, form.sines, strict=True)))
    exact = form.constant + sum(
        c * np.cos((2 * n + 1) * theta) + d * np.sin((2 * n + 1) * theta) for n, (c, d) in harmonics
    )
    angles = sum((2 * n + 1) * (abs(c) + abs(d)) for n, (c, d) in harmonics) * 2 * np.pi * 2.0**-24
    bound = 2.0**-form.out_scale + angles + 4 * len(harmonics) * 2.0**-30
    assert np.abs(np.asarray(got, np.float64) * 2.0**-form.out_scale - exact).max() <= bound


def _exponentials(w: World, t: int) -> None:
    """Where x is in the windows, at any scale: within the roundings of both factors, and of an
    argument that is shifted down."""
    s, form, a = w.spec, w.example.aux, w.operand(0, t)
    r = ring(s.limbs)
    got = r.decode(
        r.add(*(form.consume(a.opening, w.dealt_at(p, t)[0]) for p in (0, 1))), 64 * s.limbs
    )
    x = -np.asarray(-a.source % (1 << s.a.bits), np.float64) * 2.0 ** (3 + s.high - s.a.bits)
    unit = 2.0**-s.argument if s.a.bits > s.argument + 3 + s.high else 0.0
    bound = np.exp(np.minimum(x + unit, 0)) - np.exp(x) + 2.0**-17 + 2.0**-30 * np.e**8 + 2e-7
    inside = x > 8 - 8 * 2**s.high
    assert np.all((np.abs(np.asarray(got, np.float64) * 2.0**-47 - np.exp(x)) <= bound)[inside])
    for limbs in range(1, s.limbs + 1) if s.limbs > 1 else ():
        down = ring(limbs).add(
            *(form.shifted(p, a.opening, w.dealt_at(p, t)[0], 27, limbs) for p in (0, 1))
        )
        assert set(np.ravel(ring(limbs).decode(down, 64 * limbs) - (got >> 27))) <= {0, 1}


def _conjunctions(w: World, t: int) -> None:
    a = w.operand(0, t)
    found = np.bitwise_xor(
        *(w.spec.consume(p, a.opening, a.shares[p], w.dealt_at(p, t)[0]) for p in (0, 1))
    )
    bits = np.split(a.integers, np.cumsum(w.spec.sizes)[:-1], axis=1)
    assert np.array_equal(
        found, np.stack([np.bitwise_and.reduce(each, axis=1) for each in bits], axis=1)
    )


def _value(terms: dict[tuple[int, ...], int], leaves: list[Operand]) -> np.ndarray:
    zero = np.zeros(leaves[0].integers.shape, object)
    powers = (
        (a, [x.integers**p for x, p in zip(leaves, m, strict=True)]) for m, a in terms.items()
    )
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
    r = low(
        ring(m.limbs).decode(w.operand_masks[0][t if m.phase == STEP else 0], 64 * m.limbs), s.bits
    ).reshape(-1)
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
    digits = np.frombuffer(secrets.token_bytes(16 * s.a.shape[0] * count), np.uint64).reshape(
        -1, 2 * count
    )
    share = random_like(digits)
    digit_shares = [share, digits ^ share]
    masks = w.operand(0, t).shares
    factors, at = [], 0
    for chunk, size in enumerate(sizes):
        last = chunk == len(sizes) - 1  # whose "equal" nobody needs
        factors += [2 * n + 1 for n in range(at, at + size - last)] + [
            2 * n for n in range(at + 1, at + size)
        ]
        at += size
    opened = np.bitwise_xor(*(d[:, factors] ^ m for d, m in zip(digit_shares, masks, strict=True)))
    out = np.bitwise_xor(
        *(s.consume(p, digit_shares[p], opened, masks[p], w.dealt_at(p, t)[0]) for p in (0, 1))
    )
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
    # [s], as `Bit` deals it
    number = split(s.limbs, target.encode((b.opening ^ b.integers).astype(object)))
    own = w.operand_masks[1][t if s.a.phase == STEP else 0][None]
    values = (
        Truncate(s.a, s.shift, s.limbs).deal([own])
        if s.shift
        else [ring(s.a.limbs).resize(own, s.limbs)]
    )
    read = [split(s.limbs, np.ascontiguousarray(each[0])) for each in values]
    shares = [
        s.consume(p, b.opening, y.opening, number[p], [each[p] for each in read], w.dealt_at(p, t))
        for p in (0, 1)
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
        equal(
            s.limbs, [s.consume(opened, [one[p]], words[p])[0] for p in (0, 1)], whole, 64 * s.limbs
        )
        return
    y = w.operand(len(s.bits), t)
    own = w.operand_masks[-1][t if s.y[0].phase == STEP else 0][None]
    values = s.truncate.deal([own]) if s.truncate else [ring(s.y[0].limbs).resize(own, s.limbs)]
    read = [split(s.limbs, np.ascontiguousarray(each[0])) for each in values]
    bit_shares = split(s.limbs, target.encode(whole))
    parts = [s.consume(opened, [each[p] for each in read], words[p]) for p in (0, 1)]
    for number, value in enumerate(values):
        equal(
            s.limbs,
            [parts[p][number] for p in (0, 1)],
            whole * target.decode(value[0], 64 * s.limbs),
            64 * s.limbs,
        )
    shares = [scaled(bit_shares[p], y.opening, parts[p], s.y[0], s.shift, s.limbs) for p in (0, 1)]
    off = low(
        target.decode(target.add(*shares), 64 * s.limbs) - whole * (y.source >> s.shift),
        64 * s.limbs,
    )
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
