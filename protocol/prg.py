"""The only source of masks and shares: AES-128-CTR keystreams addressed by (seed, label, row).

A *row* is all the randomness of one step. Row n of a stream is the same whoever asks, in whatever order and batch, so
the dealer's workers, both parties and a resumed run agree without any generator state. `secrets` (the operating
system) supplies seeds; nothing else in the project draws random numbers for anything that must stay secret.
"""

from __future__ import annotations

import hashlib
import secrets

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .ring import Words

SEED_BYTES = 32
_BLOCK_WORDS = 2  # an AES block is two 64-bit words


def fresh_seed() -> bytes:
    return secrets.token_bytes(SEED_BYTES)


def derive(seed: bytes, *label: str | int) -> bytes:
    """A 16-byte AES key for one stream: keyed BLAKE2b over the label, so that streams are independent."""
    text = "\x1f".join(str(part) for part in label)
    return hashlib.blake2b(text.encode(), key=seed, digest_size=16, person=b"mpc-stream").digest()


def keystream(key: bytes, first_row: int, rows: int, words: int) -> Words:
    """Rows [first_row, first_row + rows) of a stream with `words` words to a row; shape (rows, words), uint64.

    Every row starts on a block boundary; with 2^128 blocks to a key, no two rows overlap.
    """
    padded = words + words % _BLOCK_WORDS
    out = np.zeros((rows, padded), np.uint64)
    if out.size:
        counter = (first_row * (padded // _BLOCK_WORDS)).to_bytes(16, "big")
        view = memoryview(out).cast("B")
        Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update_into(view, view)
    return out[:, :words]
