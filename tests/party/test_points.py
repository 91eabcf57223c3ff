"""Points of ids: on the curve, as RFC 9380 has them; multiples commute, and small orders are
refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from party.points import POINT, A, P, elligator, hashed, multiplied

# RFC 9380, J.4.2: u[0] and Q.x of curve25519_XMD:SHA-512_ELL2_NU_
VECTORS = [
    (0x608D892B641F0328523802A6603427C26E55E6F27E71A91A478148D45B5093CD,
     0x51125222DA5E763D97F3C10FCC92EA6860B9CCBBD2EB1285728F566721C1E65B),
    (0x46F5B22494BFEAA7F232CC8D054BE68561AF50230234D7D1D63D1D9ABECA8DA5,
     0x7D56D1E08CB0CCB92BAF069C18C49BB5A0DCD927EFF8DCF75CA921EF7F3E6EEB),
    (0x235FE40C443766CE7E18111C33862D66C3B33267EFA50D50F9E8E5D252A40AAA,
     0x3FBE66B9C9883D79E8407150E7C2A1C8680BEE496C62FABE4619A72B3CABE90F),
    (0x001E92A544463BDA9BD04DDBE3D6EED248F82DE32F522669EFC5DDCE95F46F5B,
     0x227E0BB89DE700385D19EC40E857DB6E6A3E634B1C32962F370D26F84FF19683),
    (0x1A68A1AF9F663592291AF987203393F707305C7BAC9C8D63D6A729BDC553DC19,
     0x3BCD651EE54D5F7B6013898AAB251EE8ECC0688166FCE6E9548D38472F6BD196),
]  # fmt: skip
# the last three are 0, 1 and 0 again, written otherwise
SMALL_ORDER = [0, 1, P - 1, P, P + 1, 2**255 - 1 - 18]


def test_the_map_is_the_one_of_the_rfc():
    assert elligator([u for u, _ in VECTORS]) == [x for _, x in VECTORS]


@given(st.lists(st.integers(0, P - 1), min_size=1, max_size=20))
def test_every_point_is_on_the_curve_and_none_on_the_twist(fields):
    for u in elligator(fields):
        assert pow(u * (u * u + A * u + 1), (P - 1) // 2, P) in (0, 1)


def test_multiples_commute_and_are_on_the_curve():
    points = hashed([b"%d" % each for each in range(50)], b"key")
    a, b = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    both = multiplied(multiplied(points, a), b)
    assert both == multiplied(multiplied(points, b), a)
    assert len({both[at : at + POINT] for at in range(0, len(both), POINT)}) == 50
    for at in range(0, len(both), POINT):
        u = int.from_bytes(both[at : at + POINT], "little")
        assert u < P
        assert pow(u * (u * u + A * u + 1), (P - 1) // 2, P) == 1


def test_another_key_gives_other_points():
    assert hashed([b"7"], b"one") != hashed([b"7"], b"two")
    assert hashed([b"7"], b"one") == hashed([b"7"], b"one")
    assert hashed([b"1"], b"on") != hashed([b"e1"], b"o")


@pytest.mark.parametrize("u", SMALL_ORDER)
def test_a_point_of_small_order_is_refused(u):
    with pytest.raises(ValueError):
        multiplied((u % 2**256).to_bytes(POINT, "little"), X25519PrivateKey.generate())
