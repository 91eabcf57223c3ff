"""Ids as points of Curve25519 whose logarithms nobody knows, and their multiples.

A point stands for itself as its u-coordinate: 32 bytes, little-endian. Any 32 bytes would do for
X25519, but half of them lie on the curve's quadratic twist, and multiples stay where their point
was: whoever sees k·H(id) would learn one bit of H(id), and could rule out half of the ids that it
thinks possible. So ids are mapped onto the curve (Elligator 2), all of them to the same side.

The ids' bits decide how long the arithmetic takes here; it is done in a party's own process, many
ids at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

POINT = 32  # bytes
P = 2**255 - 19  # the field
A = 486_662  # the curve is v² = u³ + A·u² + u


def hashed(ids: Iterable[bytes], key: bytes) -> bytes:
    """The points of `ids`, `POINT` bytes each, one after the other. The same id has the same point
    under the same key; points under different keys have no relation. (Elligator 2 of SHA-512)"""
    start = hashlib.sha512(b"mpc-join-id\0" + len(key).to_bytes(8, "big") + key)
    fields = []
    for each in ids:
        digest = start.copy()
        digest.update(each)
        fields.append(int.from_bytes(digest.digest(), "little") % P)
    return b"".join(u.to_bytes(POINT, "little") for u in elligator(fields))


def multiplied(points: bytes, by: X25519PrivateKey) -> bytes:
    """Every point times a secret scalar. ValueError for a point of small order, which would give 0
    whatever the scalar.

    X25519's scalars are multiples of 8, so what remains lies in the group of prime order. (RFC
    7748, 5)
    """
    exchange, public = by.exchange, X25519PublicKey.from_public_bytes
    return b"".join(
        [exchange(public(points[at : at + POINT])) for at in range(0, len(points), POINT)]
    )


def elligator(fields: Sequence[int]) -> list[int]:
    """The u-coordinate on the curve for each number below P. (RFC 9380, 6.7.1, with Z = 2)"""
    found = []
    for inverse in _inverses([2 * r * r + 1 for r in fields]):
        u = -A * inverse % P
        found.append(u if _symbol(((u + A) * u + 1) * u % P) >= 0 else (-A - u) % P)
    return found


def _inverses(numbers: Sequence[int]) -> list[int]:
    """1/n mod P of each, by one inversion of their product (Montgomery's trick). None may be 0, as
    2r² + 1 never is: -2 is no square."""
    before, product = [], 1
    for number in numbers:
        before.append(product)
        product = product * number % P
    inverse, found = pow(product, -1, P), []
    for number, others in zip(reversed(numbers), reversed(before), strict=True):
        found.append(inverse * others % P)
        inverse = inverse * number % P
    return found[::-1]


def _symbol(number: int) -> int:
    """Legendre's symbol of a number below P: 1 of a square, -1 of none, 0 of 0. A quarter of the
    time of number^((P-1)/2)."""
    a, n, symbol = number, P, 1
    while a:
        twos = (a & -a).bit_length() - 1
        a >>= twos
        if twos & 1 and n & 7 in (3, 5):
            symbol = -symbol
        if a & n & 2:
            symbol = -symbol
        a, n = n % a, a
    return symbol if n == 1 else 0
