"""The only source of masks and shares: AES-128-CTR keystreams addressed by (seed, label, row).

The dealer's seed alone decides nothing: what a party expands is `attempt_seed`, a keyed hash over
the seed, the session, the number of the attempt and a *ticket* of 128 fresh bits from each party.
Tickets are no secret. They are there so that masks repeat only if the generators of all three
machines do, say because all three are restored from snapshots; one that does not is enough.

A *row* is all the randomness of one step. Row n of a stream is the same whoever asks, in whatever
order and batch, so the dealer's workers, both parties and a resumed run agree without any generator
state. `secrets` (the operating system) supplies seeds; nothing else in the project draws random
numbers for anything that must stay secret.
"""

from __future__ import annotations

import hashlib
import re
import secrets

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from .ring import Words

SEED_BYTES = 32
TICKET_BYTES = 16
_TICKET = re.compile(r"[0-9a-f]{32}")
_BOTH_TICKETS = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}")
_BLOCK_WORDS = 2  # an AES block is two 64-bit words
_WORD_BYTES = 8
_STRETCH = 1 << 16  # words that a `Stream` makes at a time
_ZEROS = memoryview(bytes(_WORD_BYTES * _STRETCH))


def fresh_seed() -> bytes:
    """SEED_BYTES bytes of the operating system's randomness."""
    return secrets.token_bytes(SEED_BYTES)


def fresh_ticket() -> str:
    """What one party adds to the randomness of an attempt: 128 fresh bits, in hexadecimal."""
    return secrets.token_hex(TICKET_BYTES)


def is_ticket(found: object) -> bool:
    """Whether this is one party's ticket; it becomes part of file names, so nothing else may
    pass."""
    return isinstance(found, str) and _TICKET.fullmatch(found) is not None


def is_joined(found: object) -> bool:
    """Whether this is the tickets of both, as `join_tickets` writes them."""
    return isinstance(found, str) and _BOTH_TICKETS.fullmatch(found) is not None


def join_tickets(alice: str, bob: str) -> str:
    """What both parties add to the randomness of an attempt: the ticket of each, in one text."""
    return f"{alice}-{bob}"


def derive(seed: bytes, *label: str | int, size: int = 16) -> bytes:
    """A key of `size` bytes for one purpose: keyed BLAKE2b over the label, every part behind its
    length.

    Two labels are hashed as the same bytes only if they have the same parts, so keys of different
    labels are independent.
    """
    state = hashlib.blake2b(key=seed, digest_size=size, person=b"mpc-stream")
    for part in label:
        raw = str(part).encode()
        state.update(len(raw).to_bytes(8, "big") + raw)
    return state.digest()


def agreed(seed: int, *label: str | int) -> bytes:
    """The key of what both parties draw alike, and may know, from a seed that is agreed: 16
    bytes."""
    return derive(b"agreed", seed, *label)


def attempt_seed(seed: bytes, session: str, tickets: str, attempt: int) -> bytes:
    """What one party's streams of one attempt are expanded from: 32 bytes. `tickets` are those of
    both, joined."""
    return derive(seed, "epoch", session, tickets, attempt, size=SEED_BYTES)


def keystream(
    key: bytes, first_row: int, rows: int, words: int, start: int = 0, stop: int | None = None
) -> Words:
    """Words [start, stop) of rows [first_row, first_row + rows) of a stream with `words` words to a
    row, uint64.

    Every row starts on a block boundary; with 2^128 blocks to a key, no two rows overlap.
    """
    stop = words if stop is None else stop
    blocks, skipped = -(-words // _BLOCK_WORDS), start // _BLOCK_WORDS  # of a row
    if rows > 1 and (start, stop) != (0, words):
        return np.concatenate(
            [keystream(key, first_row + n, 1, words, start, stop) for n in range(rows)]
        )
    padded = _BLOCK_WORDS * (-(-stop // _BLOCK_WORDS) - skipped)
    out = np.zeros((rows, padded), np.uint64)
    if out.size:
        view = memoryview(out).cast("B")
        _encryptor(key, first_row * blocks + skipped).update_into(view, view)
    return out[:, start % _BLOCK_WORDS :][:, : stop - start]


class Stream:
    """Row `row` of that stream from word `start` on, for whoever takes it in order, into arrays of
    words that are contiguous."""

    def __init__(self, key: bytes, row: int, words: int, start: int = 0) -> None:
        self._encryptor = _encryptor(key, row * -(-words // _BLOCK_WORDS) + start // _BLOCK_WORDS)
        skipped = bytearray(_WORD_BYTES * (start % _BLOCK_WORDS))
        self._encryptor.update_into(skipped, skipped)

    def fill(self, out: Words) -> None:
        """The next words."""
        view = _bytes(out)
        for at in range(0, len(view), len(_ZEROS)):
            part = view[at : at + len(_ZEROS)]
            self._encryptor.update_into(_ZEROS[: len(part)], part)

    def mask(self, words: Words, out: Words) -> None:
        """out = words ^ the next words."""
        self._encryptor.update_into(_bytes(words), _bytes(out))


def _bytes(words: Words) -> memoryview[int]:
    return memoryview(words.reshape(-1).view(np.uint8))


def _encryptor(key: bytes, block: int) -> CipherContext:
    return Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(16, "big"))).encryptor()
