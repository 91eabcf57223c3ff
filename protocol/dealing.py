"""Material: the masks and dealt tensors of a step, as the dealer makes them and as the parties get
them.

`Deal` is the dealer's side: a pure function of the attempt's seeds, plan, phase and range of steps.
So any worker can make any batch, in any order, and again if need be. `alice_material` and
`bob_material` are the parties' side. For each execution of a phase a party has one row of words:
its shares of the masks, then its shares of the dealt tensors. Alice's row and the masks of Bob's
are keystreams of their seeds. The dealt part of Bob's row, value − Alice's share, is all that the
dealer sends.

Every block of `steps_per_chunk` rows has keys of its own, derived from the seeds. So a worker on
another host, which is given the keys of the rows that it makes, can make no other row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from . import kernels
from .contract import Dealing, DealtPart
from .correlations import Correlation, Field, Mask
from .machine import fields_of, prepare
from .prg import Stream, derive, keystream
from .ring import Words, ring
from .schedule import Phase

ALICE, BOB = 0, 1
# words dealt for one step, or one part of it, from which on they are made in pieces
LARGE = 1 << 20
PIECE = 1 << 16  # words of one, so that it stays in a processor's cache until it is masked


KeyPlace = tuple[int, Phase, int]
"""Of a key: the party whose rows it expands, their phase, the number of their block."""
Keys = Callable[[Phase, int], bytes]
"""One party's keys by phase and block."""


def block_key(seed: bytes, phase: Phase, block: int) -> bytes:
    """The key of the keystream of a block of a phase's material (16 bytes), derived from a party's
    seed."""
    return derive(seed, "material", int(phase), block)


def _blocks(dealing: Dealing, phase: Phase, first: int, count: int) -> range:
    """The numbers of the blocks that have these rows."""
    size = dealing.phases[phase].steps_per_chunk
    return range(first // size, (first + count - 1) // size + 1)


def _rows(
    dealing: Dealing,
    keys: Keys,
    party: int,
    phase: Phase,
    first: int,
    count: int,
    start: int = 0,
    stop: int | None = None,
) -> Words:
    """Words [start, stop) of rows [first, first + count) of a party's keystream."""
    own, found = dealing.phases[phase], []
    words, size = own.mask_words + (own.dealt_words if party == ALICE else 0), own.steps_per_chunk
    for block in _blocks(dealing, phase, first, count):
        begin, end = max(first, block * size), min(first + count, (block + 1) * size)
        found.append(keystream(keys(phase, block), begin, end - begin, words, start, stop))
    return found[0] if len(found) == 1 else np.concatenate(found)


class Deal:
    """The dealer's generator of Bob's dealt words for one attempt: made from the seeds of both
    parties, or from `keys`, which make the rows that they were derived for and no others."""

    def __init__(
        self,
        dealing: Dealing,
        alice_seed: bytes = b"",
        bob_seed: bytes = b"",
        *,
        keys: Mapping[KeyPlace, bytes] | None = None,
    ) -> None:
        prepare(dealing)
        self.dealing = dealing
        self._seeds, self._given = (alice_seed, bob_seed), keys
        self._keys: list[Keys] = [partial(self._key, party) for party in (ALICE, BOB)]
        self._setup: dict[int, Words] = {}  # masks of the setup that other phases know

    def _key(self, party: int, phase: Phase, block: int) -> bytes:
        if self._given is not None:
            return self._given[party, phase, block]
        return block_key(self._seeds[party], phase, block)

    def keys(self, phase: Phase, first: int, count: int) -> dict[KeyPlace, bytes]:
        """The keys of the streams that make these rows and no others; with those of the setup's
        masks, where the rows depend on them."""
        places = [(phase, block) for block in _blocks(self.dealing, phase, first, count)]
        operands = (
            mask for spec in self.dealing.phases[phase].correlations for mask in spec.operands
        )
        if any(mask.phase == Phase.SETUP for mask in operands):
            places.append((Phase.SETUP, 0))
        return {
            (party, *place): self._key(party, *place) for party in (ALICE, BOB) for place in places
        }

    def _mask(self, phase: Phase, index: int, first: int, count: int) -> Words:
        own = self.dealing.phases[phase]
        field, at = own.masks[index], own.mask_places[index]
        alice, bob = (
            _rows(self.dealing, keys, party, phase, first, count, at, at + field.words)
            for party, keys in enumerate(self._keys)
        )
        return _combined(field, alice, bob)

    def corrections(self, phase: Phase, first: int, count: int, part: int | None = None) -> Words:
        """Bob's dealt words for executions [first, first + count) of a phase: (count, dealt_words),
        or the words of one part."""
        own = self.dealing.phases[phase]
        here = (
            DealtPart(0, len(own.correlations), 0, own.dealt_words)
            if part is None
            else own.parts[part]
        )
        masks: dict[tuple[int, int], Words] = {}
        steps = np.arange(first, first + count)
        out = np.empty((count, here.words), np.uint64)
        in_pieces = count == 1 and here.words >= LARGE
        if here.words == own.dealt_words:
            stop = own.mask_words if in_pieces else None
            theirs, yours = (
                _rows(self.dealing, keys, n, phase, first, count, 0, stop)
                for n, keys in enumerate(self._keys)
            )
            at = 0
            for index, field in enumerate(own.masks):
                there = slice(at, at := at + field.words)
                masks[phase, index] = _combined(field, theirs[:, there], yours[:, there])
            theirs = theirs[:, own.mask_words :]
        elif not in_pieces:
            bounds = own.mask_words + here.start, own.mask_words + here.stop
            theirs = _rows(self.dealing, self._keys[ALICE], ALICE, phase, first, count, *bounds)

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
            operands = [value(mask) for mask in spec.operands]
            if in_pieces:
                there = slice(at, at := at + sum(field.words for field in spec.fields))
                self._deal_in_pieces(
                    spec, operands, phase, first, here.start + there.start, out[0, there]
                )
                continue
            values = spec.deal(operands)
            for dealt, field in zip(values, spec.fields, strict=True):
                there = slice(at, at := at + field.words)
                rows = np.ascontiguousarray(dealt).reshape(len(dealt), field.words)
                _combine(field, rows, theirs[:, there], out[:, there], minus=True)
        return out

    def _deal_in_pieces(
        self, spec: Correlation, operands: list[Words], phase: Phase, step: int, at: int, out: Words
    ) -> None:
        """Write Bob's words of one correlation to `out`; they begin at dealt word `at` of a
        step."""
        own = self.dealing.phases[phase]
        key, words = (
            self._keys[ALICE](phase, step // own.steps_per_chunk),
            own.mask_words + own.dealt_words,
        )
        ends = list(itertools.accumulate((field.words for field in spec.fields), initial=0))
        shares = [Stream(key, step, words, own.mask_words + at + end) for end in ends[:-1]]
        for piece in _pieces(spec, operands):
            for number, (field, dealt) in enumerate(
                zip(spec.fields, spec.deal(piece), strict=True)
            ):
                there = slice(ends[number], ends[number] + dealt.size)
                _masked(field, np.ascontiguousarray(dealt).reshape(-1), shares[number], out[there])
                ends[number] = there.stop


def _pieces(spec: Correlation, operands: list[Words]) -> Iterator[list[Words]]:
    """The operands of one step, cut along whole grains (`Correlation.grain`) into pieces for which
    about PIECE words are dealt."""
    elements = math.prod(spec.operands[0].shape)
    if not spec.grain:
        yield operands
        return
    flat = [
        each.reshape(1, elements, *ring(mask.limbs).tail)
        for mask, each in zip(spec.operands, operands, strict=True)
    ]
    grains = -(-elements // spec.grain)
    each = sum(field.words for field in spec.fields) // max(1, grains)
    run = spec.grain * max(1, PIECE // max(1, each))
    for start in range(0, elements, run):
        yield [words[:, start : start + run] for words in flat]


def _masked(field: Field, values: Words, shares: Stream, out: Words) -> None:
    """out = values − the next words of a stream (or ^ for bits); all arrays are flat."""
    if field.xor:
        shares.mask(values, out)
        return
    size = PIECE // field.limbs * field.limbs
    for at in range(0, len(values), size):
        part = out[None, at : at + size]
        shares.fill(part)
        kernels.combine_rows(values[None, at : at + size], part, part, field.limbs, True)


def _combined(field: Field, a: Words, b: Words) -> Words:
    """The mask whose shares are a and b: (steps, *full_shape)."""
    out = np.empty((len(a), field.words), np.uint64)
    _combine(field, a, b, out, minus=False)
    return out.reshape(len(a), *field.full_shape)


def _combine(field: Field, a: Words, b: Words, out: Words, minus: bool) -> None:
    """out = a ± b, or a ^ b, as (steps, words) with contiguous rows. `a` may have one row for all
    steps."""
    if field.xor:
        np.bitwise_xor(a, b, out=out)
    else:
        kernels.combine_rows(a, b, out, field.limbs, minus)


def own_words(
    dealing: Dealing, seed: bytes, party: int, phase: Phase, first: int, count: int
) -> Words:
    """The words that a party expands from its seed for executions [first, first + count) of a
    phase, as (count, words): Alice all of her material, Bob his masks."""
    return _rows(dealing, partial(block_key, seed), party, phase, first, count)


def own_masks(
    dealing: Dealing, seed: bytes, party: int, phase: Phase, step: int, masks: Sequence[int]
) -> Iterator[Words]:
    """A party's shares of some masks of one step, which are given by number."""
    own, keys = dealing.phases[phase], partial(block_key, seed)
    for index in masks:
        field, at = own.masks[index], own.mask_places[index]
        yield _rows(dealing, keys, party, phase, step, 1, at, at + field.words).reshape(
            field.full_shape
        )


def dealt_part(
    dealing: Dealing,
    seed: bytes,
    phase: Phase,
    step: int,
    part: int,
    corrections: Words | None = None,
) -> list[Words]:
    """A party's shares of the tensors dealt in one part of a step: Alice's from her seed, Bob's
    from the dealer."""
    own = dealing.phases[phase]
    here = own.parts[part]
    if corrections is None:
        bounds = own.mask_words + here.start, own.mask_words + here.stop
        words = _rows(dealing, partial(block_key, seed), ALICE, phase, step, 1, *bounds)
    else:
        words = np.require(corrections.reshape(1, here.words), requirements=["C", "A"])
    fields = [field for spec in own.correlations[here.first : here.end] for field in spec.fields]
    return [each[0] for each in fields_of(words, fields, 1)]


def assembled(
    dealing: Dealing, phase: Phase, words: Words, corrections: Words | None = None
) -> list[Words]:
    """A party's shares of masks and dealt tensors, an array (count, *full_shape) for each. Bob's
    dealt words are given."""
    own = dealing.phases[phase]
    if corrections is None:
        return fields_of(words, [*own.masks, *own.dealt], len(words))
    # a received buffer may begin at any byte
    corrections = np.require(corrections, requirements=["C", "A"])
    return [
        *fields_of(words, own.masks, len(words)),
        *fields_of(corrections, own.dealt, len(words)),
    ]


def alice_material(
    dealing: Dealing, seed: bytes, phase: Phase, first: int, count: int
) -> list[Words]:
    """Alice's shares of the masks and of the dealt tensors for `count` executions of a phase from
    `first` on: arrays of ring words (count, *shape[, limbs]), in the plan's order. All are expanded
    from her seed."""
    return assembled(dealing, phase, own_words(dealing, seed, ALICE, phase, first, count))


def bob_material(
    dealing: Dealing, seed: bytes, phase: Phase, first: int, count: int, corrections: Words
) -> list[Words]:
    """Bob's shares, as in `alice_material`: masks from his seed, and the dealt tensors from the
    dealer's `corrections`, one row of words for each execution."""
    return assembled(
        dealing, phase, own_words(dealing, seed, BOB, phase, first, count), corrections
    )
