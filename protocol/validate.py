"""Is a plan that somebody sent sound? Asked before a byte is allocated or a number computed for it.

`Dealing.unpack` has checked types when it comes here; this checks meaning: every operand names a mask that exists, its views fit one another,
every kind's parameters are in range, and what a step needs stays within limits. Compiled kernels trust their
arguments, so whatever passes here must be safe to compute. One rule per kind, in `_RULES`; a kind without one is refused.

Pure integers: sizes are products of Python's unbounded ones, so nothing overflows. What must not live here: the meaning of
a correlation, which is in its own file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .correlations import Correlation, Field, Mask
from .correlations.bits import Bit, Digits, Gate, Join
from .correlations.monomials import Contraction, Monomials
from .correlations.powers import Powers
from .correlations.products import Product
from .correlations.shifts import ShiftedMask, Truncate
from .correlations.waves import Waves
from .errors import ProtocolError
from .graph import Phase
from .kernels.digits import chunks, counts
from .views import Shape

if TYPE_CHECKING:
    from .plan import Dealing, PhaseDealing

LIMBS = 8  # what the kernels are compiled for
AXES = 16
VIEWS = 64
DEGREE = 256
EXPONENTS = 4096


@dataclass(frozen=True)
class Limits:
    """What a plan may ask for. A step is counted as it is made: together with those of its chunk.

    The defaults only keep out what nobody could make; a dealer has limits of its own.
    """

    memory: int = 1 << 40  # bytes
    work: int = 1 << 60  # multiplications of 64-bit words
    parts: int = 1 << 20  # masks and correlations in all
    message: int = 1 << 40  # bytes dealt in one step, which one message has to hold


def check(dealing: Dealing, limits: Limits) -> None:
    """ProtocolError, in one sentence, unless every chunk of this plan can be made within `limits`."""
    for phase in Phase:
        _Check(dealing, phase, limits).run()


class _Unfit(Exception):
    """Why something does not fit; the end of a sentence."""


class _Check:
    """One phase."""

    def __init__(self, dealing: Dealing, phase: Phase, limits: Limits) -> None:
        self.phase, self.limits = phase, limits
        self.own: PhaseDealing = dealing.phases[phase]
        self.masks = {Phase.SETUP: dealing.phases[Phase.SETUP].masks, phase: self.own.masks}
        self.steps = dealing.count(phase)
        self.words_limit = limits.memory // 8
        self.working = self.static = self.work = 0  # words for each step, words once, multiplications

    def run(self) -> None:
        name = self.phase.name.lower()
        for number, mask in enumerate(self.own.masks):
            try:
                self.field(mask)
            except _Unfit as error:
                raise ProtocolError(f"the plan's {name} has a mask, number {number}, that cannot be: {error}") from None
        total = sum(_words(mask) for mask in self.own.masks)
        self.bound(total, f"the masks of one step of its {name}")
        dealt = 0
        for number, spec in enumerate(self.own.correlations):
            try:
                self.correlation(spec)
                dealt += sum(self.field(field) for field in spec.fields)
            except _Unfit as error:
                what = f"the plan's {name} has a correlation, number {number} ({spec.kind}), that cannot be: {error}"
                raise ProtocolError(what) from None
            self.bound(total + dealt, f"one step of its {name}")
        if 8 * dealt > self.limits.message:
            raise ProtocolError(
                f"one step of the plan's {name} deals {8 * dealt >> 20} MiB, which is more than a message holds "
                f"({self.limits.message >> 20} MiB); use smaller tensors or minibatches"
            )
        self.chunk(name, total, dealt)

    def chunk(self, name: str, masks: int, dealt: int) -> None:
        """Memory and time of a chunk: masks and both shares, values and corrections, and the largest correlation."""
        count = min(self.own.steps_per_chunk, max(1, self.steps))
        self.bound(
            self.static + count * (4 * masks + 3 * dealt + self.working),
            f"making a chunk of {count} steps of its {name}",
        )
        if count * self.work > self.limits.work:
            raise ProtocolError(
                f"a chunk of {count} steps of the plan's {name} takes {count * self.work:.1e} multiplications, and the dealer allows "
                f"{self.limits.work:.1e}; use smaller tensors or minibatches"
            )

    def bound(self, words: int, what: str) -> None:
        if words > self.words_limit:
            raise ProtocolError(
                f"the plan needs {8 * words / 2**20:.3g} MiB at the dealer for {what}, which allows {self.limits.memory >> 20} MiB; "
                "use smaller tensors or minibatches, or raise --max-step-memory"
            )

    # ── what everything is made of ────────────────────────────────────────────────────────────────

    def field(self, field: Field) -> int:
        """Its words."""
        _limbs(field.limbs)
        self.size(field.shape)
        if field.xor and field.limbs != 1:
            raise _Unfit("bits are shared in words, not in wide numbers")
        return _words(field)

    def size(self, shape: Shape) -> int:
        """Its elements."""
        if len(shape) > AXES or min(shape, default=0) < 0 or max(shape, default=0) > self.words_limit:
            raise _Unfit(f"a tensor has at most {AXES} axes, none of them negative or longer than the dealer allows")
        elements = math.prod(shape)
        if elements > self.words_limit:
            raise _Unfit(f"a tensor of {elements:.3g} elements is more than the dealer allows")
        return elements

    def operand(self, mask: Mask, bits: bool = False, plain: bool = False) -> int:
        """Check a reference to a mask; its words in each step of a chunk. `bits`: packed bits; `plain`: not shifted yet."""
        if mask.phase not in (Phase.SETUP, self.phase) or not 0 <= mask.index < len(self.masks[Phase(mask.phase)]):
            raise _Unfit("it uses a mask that the plan does not have there")
        source = self.masks[Phase(mask.phase)][mask.index]
        if source.xor != bits:
            raise _Unfit("it uses bits as numbers or numbers as bits")
        _limbs(source.limbs)
        _limbs(mask.limbs)
        if (
            mask.source_limbs != source.limbs
            or not 2 <= mask.bits <= 64 * source.limbs
            or not 0 <= mask.shift < mask.bits
        ):
            raise _Unfit("it reads bits that its mask does not have")
        if mask.shift:
            _shifts_into(source.limbs, mask.limbs)
        if bits and (mask.limbs != 1 or mask.shift):
            raise _Unfit("it reads packed bits as wide or shifted numbers")
        if plain and (mask.shift or mask.bits > 64 * mask.limbs):
            raise _Unfit("it needs its mask as it was opened")
        if len(mask.views) > VIEWS:
            raise _Unfit(f"an operand has more than {VIEWS} views")
        shape = source.shape
        self.size(shape)
        largest = math.prod(shape)
        for view in mask.views:
            self.size(view.shape)
            if not view.fits(shape):
                raise _Unfit(f"a view ({type(view).__name__}) does not fit a tensor of shape {shape}")
            shape = view.shape
            largest = max(largest, math.prod(shape))
        if shape != mask.shape:
            raise _Unfit("its views do not end in the shape it says")
        if mask.varies(self.phase):
            return largest * mask.limbs
        self.static = max(self.static, 2 * largest * mask.limbs)
        return 0

    def correlation(self, spec: Correlation) -> None:
        rule = _RULES.get(type(spec))
        if rule is None:
            raise _Unfit("there is no rule for this kind")
        words, work = rule(self, spec)
        self.working, self.work = max(self.working, words), self.work + work
        if words > self.words_limit:
            need = f"{8 * words >> 20} MiB while it is made, and the dealer allows {self.limits.memory >> 20} MiB"
            raise _Unfit(f"it needs {need}; use smaller tensors or minibatches, or raise --max-step-memory")


def _words(field: Field) -> int:
    return math.prod(field.shape) * field.limbs


def _limbs(limbs: int, least: int = 1) -> None:
    _within(limbs, least, LIMBS, "limbs")


def _shifts_into(source: int, limbs: int) -> None:
    _limbs(limbs)
    if source > 1 and limbs > source:
        raise _Unfit(f"it shifts {source} limbs into {limbs}")


def _within(value: int, least: int, most: int, what: str) -> None:
    if not least <= value <= most:
        raise _Unfit(f"{value} {what}, where {least} to {most} are possible")


# ── kinds: each rule returns the words in use while a step is made, and the multiplications ───────────────


def _product(check: _Check, spec: Product) -> tuple[int, int]:
    words = check.operand(spec.a) + check.operand(spec.b)
    a, b = spec.a.shape, spec.b.shape
    if not spec.a.limbs == spec.b.limbs == spec.limbs:
        raise _Unfit("its operands are in different rings")
    if spec.bilinear == "mul":
        shape, inner = _broadcast_shapes(a, b), 1
    elif spec.bilinear == "matmul" and len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2]:
        lead = _broadcast_shapes(a[:-2], b[:-2])
        shape, inner = (*lead, a[-2], b[-1]), a[-1]
        if lead:
            words += 2 * spec.limbs * check.size((*lead, a[-2] + b[-1], inner))
    else:
        raise _Unfit(f"it multiplies shapes {a} and {b}")
    return words, check.size(shape) * inner * spec.limbs**2


def _broadcast_shapes(a: Shape, b: Shape) -> Shape:
    length = max(len(a), len(b))
    found = []
    for x, y in zip((1,) * (length - len(a)) + a, (1,) * (length - len(b)) + b, strict=True):
        if x != y and 1 not in (x, y):
            raise _Unfit(f"shapes {a} and {b} do not go together")
        found.append(y if x == 1 else x)
    return tuple(found)


def _shifted(check: _Check, spec: ShiftedMask) -> tuple[int, int]:
    return 2 * check.operand(spec.a), 0


def _truncate(check: _Check, spec: Truncate) -> tuple[int, int]:
    words = check.operand(spec.a, plain=True)
    _shifts_into(spec.a.limbs, spec.limbs)
    _within(spec.shift, 1, spec.a.bits - 1, "bits to shift by")
    return 3 * words, 0


def _powers(check: _Check, spec: Powers) -> tuple[int, int]:
    words = check.operand(spec.a, plain=True)
    _limbs(spec.limbs, max(2, spec.a.limbs))
    _within(spec.shift, 0, spec.a.bits - 1, "bits to shift by")
    _within(spec.degree, 1, DEGREE, "powers")
    return words, math.prod(spec.a.shape) * 2 * spec.degree * spec.limbs**2


def _monomials(check: _Check, spec: Monomials) -> tuple[int, int]:
    _limbs(spec.limbs, 2)
    _within(len(spec.leaves), 1, AXES, "leaves")
    _within(len(spec.exponents), 1, EXPONENTS, "monomials")
    words = sum(check.operand(leaf) for leaf in spec.leaves)
    shape = spec.leaves[0].shape
    if any(leaf.shape != shape or leaf.limbs != spec.limbs for leaf in spec.leaves):
        raise _Unfit("its leaves are of different shapes or rings")
    degrees = 0
    for powers in spec.exponents:
        if len(powers) != len(spec.leaves) or min(powers) < 0 or not 1 <= sum(powers) <= DEGREE:
            raise _Unfit("one of its monomials has exponents that do not fit its leaves")
        degrees += sum(powers)
    size = math.prod(shape) * spec.limbs
    return words + size * (len(spec.leaves) + len(spec.exponents) + 1), size * spec.limbs * degrees


def _contraction(check: _Check, spec: Contraction) -> tuple[int, int]:
    words, work = _monomials(check, spec.inner)
    words += check.operand(spec.x)
    inner = spec.inner.leaves[0].shape
    if len(inner) != 2 or len(spec.x.shape) != 2 or spec.x.shape[1] != inner[0] or spec.x.limbs != spec.inner.limbs:
        raise _Unfit("its matrix does not fit its leaves")
    return words, work + math.prod(inner) * (1 + len(spec.inner.exponents)) * spec.x.shape[0] * spec.inner.limbs**2


def _digits(check: _Check, spec: Digits) -> tuple[int, int]:
    words = check.operand(spec.a, plain=True)
    _within(spec.a.bits, 4, 64 * spec.a.limbs, "bits to compare")
    return 3 * words, 0


def _join(check: _Check, spec: Join) -> tuple[int, int]:
    words = check.operand(spec.a, bits=True)
    _within(spec.digits, 2, 16 * LIMBS, "digits")
    if len(spec.a.shape) != 2 or spec.a.shape[1] != counts(chunks(spec.digits))[0]:
        raise _Unfit(f"it joins {spec.digits} digits under masks of shape {spec.a.shape}")
    return 2 * words, 0


def _bit(check: _Check, spec: Bit) -> tuple[int, int]:
    words = check.operand(spec.s, bits=True)
    _limbs(spec.limbs)
    return words, 0


def _gate(check: _Check, spec: Gate) -> tuple[int, int]:
    words = check.operand(spec.s, bits=True) + 3 * check.operand(spec.a, plain=spec.shift > 0)
    _limbs(spec.limbs)
    if spec.shift:
        _shifts_into(spec.a.limbs, spec.limbs)
    _within(spec.shift, 0, spec.a.bits - 1, "bits to shift by")
    if spec.s.shape != spec.a.shape:
        raise _Unfit("its bits and its numbers are of different shapes")
    return words, math.prod(spec.a.shape) * spec.limbs


def _waves(check: _Check, spec: Waves) -> tuple[int, int]:
    words = check.operand(spec.a, plain=True)
    _limbs(spec.limbs, 2)
    _within(spec.count, 1, DEGREE, "harmonics")
    size = math.prod(spec.a.shape) * 2 * spec.count
    return 2 * words + size, 4 * size


_RULES: dict[type, Callable[[_Check, Any], tuple[int, int]]] = {
    Product: _product,
    ShiftedMask: _shifted,
    Truncate: _truncate,
    Powers: _powers,
    Monomials: _monomials,
    Contraction: _contraction,
    Digits: _digits,
    Join: _join,
    Bit: _bit,
    Gate: _gate,
    Waves: _waves,
}
