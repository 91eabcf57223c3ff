"""One contract for every kind of correlation: what is dealt, what consuming it gives, and cost.

A kind joins by putting examples into `EXAMPLES` and its equation, in Python integers, into
`EQUATIONS`; a kind in `KINDS` that has neither fails. Tensors are random over the whole range that
the kind promises, extremes included, and carry garbage above the bits modulo which they are known.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
import pytest
from equations import EQUATIONS
from examples import EXAMPLES, SETUP, STEP, STEPS, dealing
from world import World, together

from protocol import contract_codec
from protocol import dealing as dealing_module
from protocol.correlations import KINDS
from protocol.dealing import Deal, alice_material
from protocol.prg import fresh_seed

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
        assert np.array_equal(
            together(each, a, b), np.broadcast_to(value, (STEPS, *each.full_shape))
        )


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
def test_any_batch_in_any_order_is_the_same(example, monkeypatch):
    w = World(example)
    whole = w.deal.corrections(STEP, 0, STEPS)
    alice = alice_material(w.dealing, w.seeds[0], STEP, 0, STEPS)
    for cuts in ((0, 1, 2, 3, 4, 5), (0, 2, 5), (0, 4, 5), (0, 5)):
        ranges = list(pairwise(cuts))
        for deal in (w.deal, Deal(contract_codec.unpack(contract_codec.pack(w.dealing)), *w.seeds)):
            for a, b in (*reversed(ranges), *ranges):
                assert np.array_equal(deal.corrections(STEP, a, b - a), whole[a:b])
                for part, full in zip(
                    alice_material(w.dealing, w.seeds[0], STEP, a, b - a), alice, strict=True
                ):
                    assert np.array_equal(part, full[a:b])
    monkeypatch.setattr(dealing_module, "LARGE", 0)
    for size in (16, 50):
        monkeypatch.setattr(dealing_module, "PIECE", size)
        assert np.array_equal(w.deal.corrections(STEP, 3, 1), whole[3:4])
    other = Deal(w.dealing, fresh_seed(), w.seeds[1]).corrections(STEP, 0, STEPS)
    # false alarm: < 10^4 / 2^64
    assert not np.any(other.reshape(STEPS, -1) == whole.reshape(STEPS, -1))
