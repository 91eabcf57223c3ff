"""Material: what a step's masks and dealt tensors are made of, on both ends.

`Deal` is the dealer's side and a pure function of (seeds of the epoch, plan, phase, range of steps): any worker can make
any batch in any order, twice if need be. `alice_material` and `bob_material` are the parties' side. For each
step and phase a party has one row of words: its mask shares, then its dealt shares. All of Alice's row and
the masks of Bob's are keystreams; the dealt part of Bob's row, value − Alice's share, is the only thing that
travels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from . import kernels
from .contract import Dealing, Part
from .correlations import Field, Mask
from .machine import fields_of, prepare
from .prg import derive, keystream
from .ring import Words
from .schedule import Phase

ALICE, BOB = 0, 1


def stream_key(seed: bytes, phase: Phase) -> bytes:
    return derive(seed, "material", int(phase))


class Deal:
    """The dealer's generator for one epoch of a session."""

    def __init__(self, dealing: Dealing, alice_seed: bytes, bob_seed: bytes) -> None:
        prepare(dealing)
        self.dealing = dealing
        self._keys = [(stream_key(alice_seed, phase), stream_key(bob_seed, phase)) for phase in Phase]
        self._setup: dict[int, Words] = {}  # masks of the setup that other phases know

    def _mask(self, phase: Phase, index: int, first: int, count: int) -> Words:
        own = self.dealing.phases[phase]
        field, at = own.masks[index], own.mask_places[index]
        alice, bob = (
            keystream(key, first, count, words, at, at + field.words)
            for key, words in zip(self._keys[phase], (own.mask_words + own.dealt_words, own.mask_words), strict=True)
        )
        return _combined(field, alice, bob)

    def corrections(self, phase: Phase, first: int, count: int, part: int | None = None) -> Words:
        """Bob's dealt words for steps [first, first + count): (count, dealt_words), or those of one part alone."""
        own = self.dealing.phases[phase]
        here = Part(0, len(own.correlations), 0, own.dealt_words) if part is None else own.parts[part]
        masks: dict[tuple[int, int], Words] = {}
        steps = np.arange(first, first + count)
        out = np.empty((count, here.words), np.uint64)
        if here.words == own.dealt_words:
            alice, bob = self._keys[phase]
            theirs = keystream(alice, first, count, own.mask_words + own.dealt_words)
            at, yours = 0, keystream(bob, first, count, own.mask_words)
            for index, field in enumerate(own.masks):
                there = slice(at, at := at + field.words)
                masks[phase, index] = _combined(field, theirs[:, there], yours[:, there])
            theirs = theirs[:, own.mask_words :]
        else:
            bounds = own.mask_words + here.start, own.mask_words + here.stop
            theirs = keystream(self._keys[phase][0], first, count, own.mask_words + own.dealt_words, *bounds)

        def value(mask: Mask) -> Words:
            key = mask.phase, mask.index
            if key not in masks and mask.phase != phase:
                if mask.index not in self._setup:
                    self._setup[mask.index] = self._mask(Phase.SETUP, mask.index, 0, 1)
                masks[key] = self._setup[mask.index]
            elif key not in masks:
                masks[key] = self._mask(phase, mask.index, first, count)
            return mask.value(masks[key], steps)

        at = 0
        for spec in own.correlations[here.first : here.end]:
            values = spec.deal([value(mask) for mask in spec.operands])
            for dealt, field in zip(values, spec.fields, strict=True):
                there = slice(at, at := at + field.words)
                rows = np.ascontiguousarray(dealt).reshape(len(dealt), field.words)
                _combine(field, rows, theirs[:, there], out[:, there], minus=True)
        return out


def _combined(field: Field, a: Words, b: Words) -> Words:
    """The mask of which a and b are shares: (steps, *full_shape)."""
    out = np.empty((len(a), field.words), np.uint64)
    _combine(field, a, b, out, minus=False)
    return out.reshape(len(a), *field.full_shape)


def _combine(field: Field, a: Words, b: Words, out: Words, minus: bool) -> None:
    """out = a ± b, or a ^ b: (steps, words), each row contiguous; `a` may have one row for all steps."""
    if field.xor:
        np.bitwise_xor(a, b, out=out)
    else:
        kernels.combine_rows(a, b, out, field.limbs, minus)


def own_words(dealing: Dealing, seed: bytes, party: int, phase: Phase, first: int, count: int) -> Words:
    """What a party expands from its seed for a range of steps, a row each: Alice all of her material, Bob his masks."""
    return keystream(stream_key(seed, phase), first, count, _row_words(dealing, party, phase))


def own_masks(
    dealing: Dealing, seed: bytes, party: int, phase: Phase, step: int, masks: Sequence[int]
) -> Iterator[Words]:
    """A party's shares of these masks of one step, by number."""
    own, key, words = dealing.phases[phase], stream_key(seed, phase), _row_words(dealing, party, phase)
    for index in masks:
        field, at = own.masks[index], own.mask_places[index]
        yield keystream(key, step, 1, words, at, at + field.words).reshape(field.full_shape)


def dealt_part(
    dealing: Dealing, seed: bytes, phase: Phase, step: int, part: int, corrections: Words | None = None
) -> list[Words]:
    """A party's shares of what is dealt in one part of a step, by field: Alice's from her seed, Bob's from the dealer's corrections."""
    own = dealing.phases[phase]
    here = own.parts[part]
    if corrections is None:
        bounds = own.mask_words + here.start, own.mask_words + here.stop
        words = keystream(stream_key(seed, phase), step, 1, _row_words(dealing, ALICE, phase), *bounds)
    else:
        words = np.require(corrections.reshape(1, here.words), requirements=["C", "A"])
    fields = [field for spec in own.correlations[here.first : here.end] for field in spec.fields]
    return [each[0] for each in fields_of(words, fields, 1)]


def _row_words(dealing: Dealing, party: int, phase: Phase) -> int:
    own = dealing.phases[phase]
    return own.mask_words + (own.dealt_words if party == ALICE else 0)


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
