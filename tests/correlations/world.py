"""One example of a correlation, dealt for one attempt: its material, tensors to open under its
masks, and what shares of either add up to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from examples import SETUP, STEP, STEPS, Example, bases, dealing

from protocol.correlations import Field
from protocol.correlations.shifts import opened_operand
from protocol.dealing import Deal, alice_material, bob_material
from protocol.graph import Phase
from protocol.prg import fresh_seed
from protocol.ring import ring
from protocol.views import Rows


@dataclass
class Operand:
    """An operand at one step: its opening, shares of its mask, its integers, and x before any
    shift."""

    opening: np.ndarray
    shares: list[np.ndarray]
    integers: np.ndarray
    source: np.ndarray


class World:
    """One attempt of one example: dealt material, and tensors to open under its masks."""

    def __init__(self, example: Example) -> None:
        self.example, self.spec = example, example.spec
        self.dealing = dealing(example)
        self.seeds = fresh_seed(), fresh_seed()
        self.deal = Deal(self.dealing, *self.seeds)
        self.x = {place: self._secret(place, each) for place, each in bases(example).items()}

    def rows(self, phase: Phase) -> list[list[np.ndarray]]:
        """[party][field] of a whole phase, masks first."""
        count = self.dealing.count(phase)
        corrections = self.deal.corrections(phase, 0, count)
        return [
            alice_material(self.dealing, self.seeds[0], phase, 0, count),
            bob_material(self.dealing, self.seeds[1], phase, 0, count, corrections),
        ]

    @cached_property
    def masks(self) -> dict[tuple[int, int], np.ndarray]:
        """Every base mask, put together from the parties' shares: (steps, *full_shape)."""
        found = {}
        for phase in (SETUP, STEP):
            rows = self.rows(phase)
            for index, each in enumerate(self.dealing.phases[phase].masks):
                found[int(phase), index] = together(each, *(party[index] for party in rows))
        return found

    @cached_property
    def dealt(self) -> list[list[np.ndarray]]:
        """[party][field], each (steps, *full_shape)."""
        first = len(self.dealing.phases[STEP].masks)
        return [party[first:] for party in self.rows(STEP)]

    @cached_property
    def operand_masks(self) -> list[np.ndarray]:
        """What `deal` was given: the operands of all steps."""
        return [
            each.value(self.masks[each.phase, each.index], np.arange(STEPS))
            for each in self.spec.operands
        ]

    def dealt_at(self, party: int, step: int) -> list[np.ndarray]:
        return [words[step] for words in self.dealt[party]]

    def _secret(self, place: tuple[int, int], each: Field) -> np.ndarray:
        """Integers for each step (words where the field is of bits), the promised extremes among
        them."""
        count = STEPS if place[0] == STEP else 1
        if each.xor:
            return np.frombuffer(secrets.token_bytes(8 * count * each.words), np.uint64).reshape(
                count, *each.full_shape
            )
        bits = min(m.bits for m in self.spec.operands if (m.phase, m.index) == place)
        peak = self.example.peak or 1 << (bits - 2)
        flat = [secrets.randbelow(2 * peak - 1) - peak + 1 for _ in range(count * prod(each.shape))]
        flat[:3] = [peak - 1, 1 - peak, 0][: len(flat)]
        return np.array(flat, object).reshape(count, *each.shape)

    def operand(self, number: int, step: int) -> Operand:
        m = self.spec.operands[number]
        phase_step = step if m.phase == STEP else 0
        base, x = bases(self.example)[m.phase, m.index], self.x[m.phase, m.index][phase_step]
        r = self.masks[m.phase, m.index][phase_step]
        source, target = ring(m.source_limbs), ring(m.limbs)
        if base.xor:
            opening, share, value = x ^ r, None, x
        else:
            garbage = secrets.randbits(40) << m.bits  # what is above the known bits means nothing
            opening = source.add(source.encode(x + garbage), r)
            opening = opened_operand(opening, m.source_limbs, m.bits, m.shift, m.limbs)
            value = x
        for view in m.views:
            tail = 0 if base.xor else len(target.tail)
            opening = (
                view.at(opening, step)
                if isinstance(view, Rows)
                else view.apply(opening, None, tail)
            )
            value = view.at(value, step) if isinstance(view, Rows) else view.apply(value, None, 0)
        whole = self.operand_masks[number]
        own = whole[step if len(whole) > 1 else 0]
        if base.xor:
            share = random_like(own)
            return Operand(opening, [share, own ^ share], value, value)
        known = min(m.bits - m.shift, 64 * m.limbs)
        integers = target.decode(target.sub(opening, own), known)
        if known == m.bits - m.shift:
            off = integers - (value >> m.shift)
            assert np.all((off == 0) | ((off == 1) & (m.shift > 0)))
        share = random_like(own)
        return Operand(opening, [share, target.sub(own, share)], np.asarray(integers), value)


def together(each: Field, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a ^ b if each.xor else ring(each.limbs).add(a, b)


def random_like(words: np.ndarray) -> np.ndarray:
    return np.frombuffer(secrets.token_bytes(words.nbytes), np.uint64).reshape(words.shape)


def low(integers: Any, bits: int) -> np.ndarray:
    return np.asarray(np.asarray(integers, object) % (1 << bits))


def equal(
    limbs: int, shares: list[np.ndarray], expected: Any, bits: int, slack: tuple[int, ...] = (0,)
) -> None:
    """The shares add up to `expected` (plus one of `slack`) modulo 2^bits."""
    r = ring(limbs)
    total = r.add(*shares)
    assert r.shape_of(total) == np.shape(expected)
    off = low(r.decode(total, 64 * limbs) - expected, bits)
    allowed = {each % (1 << bits) for each in slack}
    assert all(value in allowed for value in off.reshape(-1)), off
