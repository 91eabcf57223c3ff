"""The sign test below the graph: exact for every k, value and threshold; hidden; as cheap as
said."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.correlations.base import Mask
from protocol.correlations.bits import Bit, Digits, Gate, Join, packed
from protocol.kernels import _bits_numba, _bits_plain, bits, digits
from protocol.ring import limbs_for, ring
from protocol.views import Unpack

few = settings(max_examples=60, deadline=None)


def random_words(*shape: int) -> np.ndarray:
    return np.frombuffer(secrets.token_bytes(8 * int(np.prod(shape))), np.uint64).reshape(shape)


def split(dealt: np.ndarray) -> list[np.ndarray]:
    alice = random_words(*dealt.shape)
    return [alice, dealt ^ alice]


def below(x: list[int], limit: int, k: int, seen: list[np.ndarray] | None = None) -> np.ndarray:
    """[x < limit] for x known modulo 2^k, by both parties and the dealer in lockstep."""
    n, limbs = len(x), limbs_for(k)
    source = ring(limbs)
    r = random_words(1, n, *source.tail)
    c = source.add(source.encode(x), r[0])
    spec = Digits(Mask(0, 0, limbs, k, 0, limbs, (n,)), digits.planes_dealt(k)[0])
    shares = split(spec.deal([r])[0][0])
    pairs = [spec.consume(party, c, limit, shares[party]) for party in (0, 1)]
    count = spec.count
    while count > 1:
        sizes = digits.groups(count)
        words = (pairs[0].shape[0], digits.counts(sizes)[0])
        mask = random_words(2, *words)
        factors = [bits.select(p, sizes) for p in pairs]
        opened = factors[0] ^ factors[1] ^ mask[0] ^ mask[1]
        if seen is not None:
            seen.append(opened)
        join = Join(Mask(0, 1, 1, 64, 0, 1, words), sizes)
        dealt = split(join.deal([(mask[0] ^ mask[1])[None]])[0][0])
        pairs = [
            join.consume(party, pairs[party], opened, mask[party], dealt[party]) for party in (0, 1)
        ]
        count = len(sizes)
    return Unpack((n,)).apply(pairs[0][:, 0] ^ pairs[1][:, 0], None, 0)


@pytest.mark.parametrize("k", range(4, 9))
def test_every_value_against_every_threshold(k):
    reach = 1 << (k - 2)
    x = list(range(1 - reach, reach)) * 3
    for limit in range(-reach, reach + 1):
        assert below(x, limit, k).tolist() == [value < limit for value in x]


@pytest.mark.parametrize("k", [4, 5, 6, 17, 20, 36, 61, 62, 63, 64, 65, 100, 127, 128])
def test_the_ends_of_the_range(k):
    reach = 1 << (k - 2)
    x = (
        sorted({s * v + d for s in (1, -1) for v in (0, reach // 2, reach - 2) for d in (-1, 0, 1)})
        * 11
    )
    for limit in (-reach, 1 - reach, -1, 0, 1, reach - 1, reach):
        assert below(x, limit, k).tolist() == [value < limit for value in x]


@few
@given(st.data(), st.integers(4, 128))
def test_random_values_and_widths(data, k):
    reach = 1 << (k - 2)
    x = data.draw(st.lists(st.integers(1 - reach, reach - 1), min_size=1, max_size=70))
    limit = data.draw(st.one_of(st.sampled_from(x), st.integers(-reach, reach)))
    assert below(x, limit, k).tolist() == [value < limit for value in x]


def test_what_is_opened_is_uniform():
    """Of constant inputs; 2^17 fair coins for every opened bit, six standard deviations allowed."""
    for value in (0, -1, 12345):
        seen: list[np.ndarray] = []
        below([value] * (1 << 17), 0, 64, seen)
        for opened in seen:
            ones = np.bitwise_count(opened).sum(axis=0, dtype=np.int64)
            assert np.all(np.abs(ones - (1 << 16)) < 6 * 2**7.5)


def test_bits_opened_and_dealt_for_each_element():
    def cost(k: int) -> tuple[int, int, int]:
        count, dealt = digits.planes_dealt(k)
        opened, levels = 1, 1
        while count > 1:
            more, products = digits.counts(digits.groups(count))
            opened, dealt, levels = opened + more, dealt + products, levels + 1
            count = len(digits.groups(count))
        return opened, dealt, levels

    assert cost(64) == (34, 233 + 96, 3)
    assert cost(33) == (16, 121 + 38, 3)
    assert digits.planes_dealt(35) == (9, 7 * 15 + 2 * 7 + 1)
    assert digits.planes_dealt(35, 4) == (4, 2 * 255 + 2 * 511 + 1)
    assert cost(17) == (7, 61 + 15, 2)
    assert cost(4) == (1, 8, 1)
    assert cost(128)[2] == 4


@few
@given(st.integers(1, 200), st.sampled_from([0, 7, 20]), st.integers(30, 64))
def test_a_gate_is_a_product_with_the_bit(n, shift, k):
    """One limb, compiled and plain, and two limbs, against integers."""
    rng = np.random.default_rng(n)
    reach = 1 << (k - 2)
    values = [int(v) for v in rng.integers(1 - reach, reach, n)]
    chosen = rng.integers(0, 2, n).astype(np.uint64)
    for source, target in ((1, 1), (2, 2), (2, 1)):
        wide, narrow = ring(source), ring(target)
        r = random_words(1, n, *wide.tail)
        c = wide.add(wide.encode(values), r[0])
        s = random_words(1, n) & np.uint64(1)
        a = Mask(0, 0, source, k, 0, source, (n,))
        gate = Gate(Mask(0, 1, 1, 64, 0, 1, (n,)), a, shift, target)
        beta = chosen ^ s[0]

        def shared(words, target=target):
            alice = random_words(*words.shape)
            return [alice, ring(target).sub(words, alice)]

        plain = shared(Bit(gate.s, target).deal([s])[0][0])
        whole = gate.truncate.deal([r]) if gate.truncate else [wide.resize(r, target)]
        read = [shared(v[0]) for v in whole]
        gated = [shared(v[0]) for v in gate.deal([s, r])]
        parts = [
            gate.consume(p, beta, c, plain[p], [v[p] for v in read], [v[p] for v in gated])
            for p in (0, 1)
        ]
        got = narrow.decode(narrow.add(*parts), 64 * target if shift else min(k, 64 * target))
        for bit, value, result in zip(chosen, values, got, strict=True):
            exact = value >> shift if bit else 0
            assert result in ((exact, exact + 1) if bit and shift else (exact,))


@few
@given(st.integers(1, 150), st.integers(4, 128), st.booleans(), st.booleans())
def test_compiled_and_plain_kernels_agree(n, k, eight, large):
    """Digits of 4 bits and of 8, that join by fours and by eights."""
    wide = -(-(k - 1) // 8) if eight else 0
    joined = -(-digits.planes_dealt(k, wide)[0] // (8 if large else 4))
    limbs, words = limbs_for(k), -(-n // 64)
    numbers = random_words(2, n, limbs)
    planes = [np.empty((2, words, k), np.uint64) for _ in range(2)]
    for module, out in zip((_bits_numba, _bits_plain), planes, strict=True):
        module.planes(numbers, k, out)
    assert np.array_equal(*planes)
    low = 1 << min(k, 64)
    assert [int(w) % low for w in numbers[1, :, 0]] == [
        sum(int(planes[0][1, e >> 6, p] >> np.uint64(e & 63)) % 2 << p for p in range(min(k, 64)))
        for e in range(n)
    ]
    count, dealt = digits.planes_dealt(k, wide)
    widths = np.array(digits.widths(k, wide), np.int64)
    sizes = np.array(digits.spread(count, joined), np.int64)
    opened, products = digits.counts(tuple(sizes)) if count > 1 else (1, 1)
    grids = {name: random_words(words, size) for name, size in (
        ("planes", k), ("dealt", dealt),
        ("pairs", 2 * count), ("opened", opened), ("masks", opened), ("more", products),
    )}  # fmt: skip
    cases = [("thermometer", (grids["planes"], widths), dealt)]
    cases += [
        ("compare", (grids["planes"], grids["dealt"], widths, one), 2 * count) for one in (0, -1)
    ]
    if count > 1:
        cases += [("select", (grids["pairs"], sizes), opened)]
        cases += [("products", (grids["masks"], sizes), products)]
        four = tuple(grids[name] for name in ("pairs", "opened", "masks", "more"))
        cases += [("join", (*four, sizes, one), 2 * len(sizes)) for one in (0, -1)]
    for name, arguments, width in cases:
        results = [np.zeros((words, width), np.uint64) for _ in range(2)]
        for module, out in zip((_bits_numba, _bits_plain), results, strict=True):
            getattr(module, name)(*arguments, out)
        assert np.array_equal(*results), name
    unpacked = [np.empty((2, n), np.uint64) for _ in range(2)]
    for module, out in zip((_bits_numba, _bits_plain), unpacked, strict=True):
        module.unpack(grids["planes"][:, :1].T.repeat(2, axis=0), out)
    assert np.array_equal(*unpacked)
    flat = [random_words(n) for _ in range(6)]
    bit = random_words(n) & np.uint64(1)
    gates = [np.empty(n, np.uint64) for _ in range(2)]
    for wraps, party, shift in ((0, 0, 0), (1, 0, 3), (1, 1, 3)):
        for module, out in zip((_bits_numba, _bits_plain), gates, strict=True):
            module.gate(bit, *flat, max(k % 64, 8), shift, wraps, party, out)
        assert np.array_equal(*gates)


def test_packing():
    assert packed((5, 26), 7).shape == (3, 7)
    assert packed((5, 26), 7).xor
    assert packed((), 1).shape == (1, 1)
