"""Material: what a step's masks and dealt tensors are made of, on both ends.

`Deal` is the dealer's side and a pure function of (seeds of the epoch, plan, phase, range of steps): any worker can make
any batch in any order, twice if need be. `alice_material` and `bob_material` are the parties' side. For each
step and phase a party has one row of words: its mask shares, then its dealt shares. All of Alice's row and
the masks of Bob's are keystreams; the dealt part of Bob's row, value − Alice's share, is the only thing that
travels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from . import kernels
from .contract import Dealing
from .correlations import Field, Mask
from .machine import fields_of, prepare
from .prg import derive, keystream
from .ring import Words
from .schedule import Phase, Run

ALICE, BOB = 0, 1


def stream_key(seed: bytes, phase: Phase) -> bytes:
    return derive(seed, "material", int(phase))


class Deal:
    """The dealer's generator for one epoch of a session."""

    def __init__(self, dealing: Dealing, alice_seed: bytes, bob_seed: bytes) -> None:
        prepare(dealing)
        self.dealing = dealing
        self._keys = [(stream_key(alice_seed, phase), stream_key(bob_seed, phase)) for phase in Phase]
        self._static = lru_cache(maxsize=1)(lambda: self._masks(Phase.SETUP, 0, 1))

    def _streams(self, phase: Phase, first: int, count: int) -> tuple[Words, Words]:
        own = self.dealing.phases[phase]
        alice, bob = self._keys[phase]
        return (
            keystream(alice, first, count, own.mask_words + own.dealt_words),
            keystream(bob, first, count, own.mask_words),
        )

    def _masks(self, phase: Phase, first: int, count: int) -> list[Words]:
        return self._combine(phase, *self._streams(phase, first, count))

    def _combine(self, phase: Phase, alice: Words, bob: Words) -> list[Words]:
        found, at = [], 0
        for field in self.dealing.phases[phase].masks:
            out = np.empty((len(alice), field.words), np.uint64)
            _combine(field, alice[:, at : at + field.words], bob[:, at : at + field.words], out, minus=False)
            found.append(out.reshape(len(alice), *field.full_shape))
            at += field.words
        return found

    def corrections(self, phase: Phase, first: int, count: int) -> Words:
        """Bob's dealt words for steps [first, first + count): (count, dealt_words)."""
        own = self.dealing.phases[phase]
        alice, bob = self._streams(phase, first, count)
        masks = {phase: self._combine(phase, alice, bob)}
        steps = np.arange(first, first + count)
        out = np.empty((count, own.dealt_words), np.uint64)
        theirs, at = alice[:, own.mask_words :], 0

        def value(mask: Mask) -> Words:
            source = Phase(mask.phase)
            if source not in masks:
                masks[source] = self._static()
            return mask.value(masks[source][mask.index], steps)

        for spec in own.correlations:
            values = spec.deal([value(mask) for mask in spec.operands])
            for dealt, field in zip(values, spec.fields, strict=True):
                here = slice(at, at + field.words)
                rows = np.ascontiguousarray(dealt).reshape(len(dealt), field.words)
                _combine(field, rows, theirs[:, here], out[:, here], minus=True)
                at += field.words
        return out


def _combine(field: Field, a: Words, b: Words, out: Words, minus: bool) -> None:
    """out = a ± b, or a ^ b: (steps, words), each row contiguous; `a` may have one row for all steps."""
    if field.xor:
        np.bitwise_xor(a, b, out=out)
    else:
        kernels.combine_rows(a, b, out, field.limbs, minus)


def own_words(dealing: Dealing, seed: bytes, party: int, phase: Phase, first: int, count: int) -> Words:
    """What a party expands from its seed for a range of steps, a row each: Alice all of her material, Bob his masks."""
    own = dealing.phases[phase]
    return keystream(stream_key(seed, phase), first, count, own.mask_words + (own.dealt_words if party == ALICE else 0))


def assembled(dealing: Dealing, phase: Phase, words: Words, corrections: Words | None = None) -> list[Words]:
    """A party's masks and dealt shares, one (count, *full_shape) array per field. Bob's dealt shares are the dealer's corrections."""
    own = dealing.phases[phase]
    if corrections is None:
        return fields_of(words, [*own.masks, *own.dealt], len(words))
    corrections = np.require(corrections, requirements=["C", "A"])  # a received buffer may begin at any byte
    return [*fields_of(words, own.masks, len(words)), *fields_of(corrections, own.dealt, len(words))]


def alice_material(dealing: Dealing, seed: bytes, phase: Phase, first: int, count: int) -> list[Words]:
    return assembled(dealing, phase, own_words(dealing, seed, ALICE, phase, first, count))


def bob_material(
    dealing: Dealing, seed: bytes, phase: Phase, first: int, count: int, corrections: Words
) -> list[Words]:
    return assembled(dealing, phase, own_words(dealing, seed, BOB, phase, first, count), corrections)


def chunks(dealing: Dealing, start: int) -> Iterator[Run]:
    """What is streamed to Bob, in order: (phase, first step, steps), steps beginning at `start`.

    Phases in which nothing is dealt are left out.
    """
    return (run for run in dealing.batches(start) if dealing.phases[run[0]].dealt_words)
