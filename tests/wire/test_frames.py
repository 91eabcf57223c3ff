"""Large tensors in several buffers: cut, checked and read back without loss."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.machine import _by_pieces
from protocol.wire.codec import DEFAULT_LIMITS
from protocol.wire.frames import FRAME_WORDS, MOST, joined, pieces, split


@pytest.mark.parametrize("size", [0, 1, FRAME_WORDS, FRAME_WORDS + 1, 3 * FRAME_WORDS + 7])
def test_what_is_split_comes_back(size):
    words = np.arange(size, dtype=np.uint64)
    buffers = split(words)
    assert len(buffers) == max(1, -(-size // FRAME_WORDS))
    found = pieces(buffers, size)
    assert found is not None
    assert np.array_equal(joined(found), words)


def test_never_more_buffers_than_a_message_may_have():
    words = np.zeros(MOST * FRAME_WORDS + 1, np.uint64)
    assert len(split(words)) <= MOST <= DEFAULT_LIMITS.buffers


@pytest.mark.parametrize(
    "buffers", [(), (bytes(8),), (bytes(12), bytes(12)), (bytes(16), bytes(16))]
)
def test_anything_but_three_whole_words_is_refused(buffers):
    assert pieces(buffers, 3) is None


@pytest.mark.parametrize("cuts", [(3, 9), (1, 2, 3), (5,), (0, 10), (4, 8)])
def test_an_opening_is_completed_piece_by_piece(cuts):
    theirs = np.arange(10, dtype=np.uint64)
    mine = np.full((2, 2), 100, np.uint64)
    found = _by_pieces(np.add, mine, np.split(theirs, cuts), 4)
    assert np.array_equal(found, [[104, 105], [106, 107]])
