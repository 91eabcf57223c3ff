"""From a graph of secret tensors to rounds: what is opened when, what must be dealt, and the code in between.

Three passes. *Scales* run forward: fraction bits of every node. *Demands* run backward: modulo which 2^k every node must
be known so that all its consumers are exact. Where the bits do not fit, a `Rescale` node is inserted and the passes start
over. *Emission* runs forward and schedules as early as possible: a value that depends on n openings of its phase has
level n, and everything of one level that must be opened travels in the same message.

Operations know nothing of registers and levels; they ask `Lowering` for shares, openings, correlations and calls.
The emitted code does not depend on secrets, only on shapes and on which party runs it; the plan depends on neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from .correlations import Correlation, Field, Mask
from .correlations.shifts import ShiftedMask, Truncate, opened_operand
from .errors import JobError
from .graph import Array, Graph, Interval, Node, Op, Phase, Source
from .ring import Words, limbs_for, ring
from .views import Rows, View

Registers = list[Any]
Code = Callable[[Registers], None]

WIDE_SIZE = 4096  # tensors up to this many elements may live in a two-limb ring rather than spend a round on truncation
MAX_LIMBS = 2
STEP_REGISTER = 0


@dataclass(frozen=True)
class Numerics:
    """Fixed-point choices of a job: fraction bits f, and integer bits (sign and one spare included) of any tensor."""

    fraction_bits: int = 20
    integer_bits: int = 16

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("fraction_bits", self.fraction_bits, 4, 40),
            ("integer_bits", self.integer_bits, 4, 40),
        ):
            if type(value) is not int or not low <= value <= high:
                raise JobError(f"{name} is a whole number from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class Value:
    """Something in a register: available in `phase` after `level` openings."""

    register: int
    phase: Phase
    level: int


@dataclass(frozen=True)
class Share(Value):
    """A share of a tensor at `scale`, known modulo 2^bits, stored in `limbs` limbs."""

    shape: tuple[int, ...]
    scale: int
    bits: int
    limbs: int


@dataclass(frozen=True)
class Operand:
    """An opened tensor as a product uses it: public ε, this party's share of its mask, and the mask for the dealer."""

    public: Value
    share: Value
    mask: Mask


@dataclass(frozen=True)
class Opening:
    """Send share + mask share (or share alone, for a reveal to `learners`); the sum arrives in `target`."""

    share: int
    mask: int | None
    target: int
    field: Field
    name: str
    learners: tuple[int, ...] = (0, 1)
    bits: int = 0


@dataclass
class Stage:
    """One level of a phase: code, then openings (one round if there are any)."""

    code: list[Code] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)


@dataclass
class PhaseCode:
    """The program of one phase. Registers [material, material + fields) hold the step's masks and dealt tensors."""

    stages: list[Stage] = field(default_factory=list)
    masks: list[Field] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    mask_registers: list[int] = field(default_factory=list)
    dealt_registers: list[int] = field(default_factory=list)
    carries: list[tuple[int, int]] = field(default_factory=list)  # (state register, source register), at the end

    def stage(self, level: int) -> Stage:
        while len(self.stages) <= level:
            self.stages.append(Stage())
        return self.stages[level]


@dataclass(frozen=True)
class Rescale(Op):
    """x at `scale` fraction bits, by one exact truncation (one opening)."""

    scale_out: int
    name = "rescale"

    def shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return uses[0].interval

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0]

    def scale(self, low: Lowering, node: Node) -> int:
        return self.scale_out

    def demand(self, low: Lowering, node: Node, bits: int) -> None:
        low.need_open(node.inputs[0], low.room(node.inputs[0]))

    def emit(self, low: Lowering, node: Node) -> Share:
        limbs = limbs_for(low.needs[node])
        c, mask, scale = low.opened(node.inputs[0])
        spec = Truncate(mask, scale - self.scale_out, limbs)
        dealt = low.deal(spec, node.phase)
        party = low.party
        out = low.call(lambda c, *d: spec.consume(party, c, list(d)), c, *dealt)
        return low.as_share(out, node.shape, self.scale_out, 64 * limbs, limbs)


class Lowering:
    def __init__(self, graph: Graph, numerics: Numerics, party: int) -> None:
        self.graph, self.numerics, self.party = graph, numerics, party
        self.scales: dict[Node, int] = {}
        self.needs: dict[Node, int] = {}
        self.open_needs: dict[Node, int] = {}
        self.carry_scales: dict[str, int] = {}
        self.carry_needs: dict[str, int] = {}
        self.warnings: list[str] = []
        self.phases = {phase: PhaseCode() for phase in Phase}
        self.inputs: dict[str, Share] = {}
        self.reveals: dict[str, tuple[int, Share]] = {}
        self.registers = 1
        self._shares: dict[Node, Share] = {}
        self._memo: dict[Any, Any] = {}
        self._decide()
        self._emit()

    # ---- pass 1 and 2: scales and demands -----------------------------------------------------------------------

    def _decide(self) -> None:
        for _ in range(4 + 2 * len(self.graph.nodes)):
            crowded = self._scale_pass() or self._demand_pass()
            if crowded is None:
                return
            if isinstance(crowded.op, Rescale):
                raise JobError(
                    f"{crowded!r} does not fit the ring even after truncation; use fewer fraction bits "
                    f"(now {self.numerics.fraction_bits}) or integer bits (now {self.numerics.integer_bits})"
                )
            self.graph.insert_after(crowded, Rescale(self.numerics.fraction_bits))
        raise JobError("the job's numbers cannot be made to fit the ring; use fewer fraction bits")

    def _scale_pass(self) -> Node | None:
        """Fixpoint over the carried variables; returns a node that must be rescaled."""
        f = self.numerics.fraction_bits
        self.carry_scales = dict.fromkeys(self.graph.updated, f)
        before = dict(self.carry_scales)
        for _ in range(3 + len(self.carry_scales)):
            self.scales.clear()
            self._memo.clear()
            for node in self.graph.nodes:
                self.scales[node] = node.op.scale(self, node)
            ends = {
                label: max(self.scales[node], self.scales[self.graph.initial[label]])
                for label, node in self.graph.updated.items()
            }
            if ends == self.carry_scales:
                break
            before, self.carry_scales = self.carry_scales, ends
        else:  # grows from step to step, as in w = 0.9 · w: truncate it once a step
            return next(self.graph.updated[k] for k, s in ends.items() if s != before[k])
        for node in self.graph.revealed.values():
            if self.scales[node] > f:
                return node
        return None

    def _demand_pass(self) -> Node | None:
        self.carry_needs = {}
        while True:
            before = dict(self.carry_needs)
            self.needs, self.open_needs = {}, {}
            for node in self.graph.revealed.values():
                self.need(node, self.room(node))
            for label, bits in self.carry_needs.items():
                self.need(self.graph.updated[label], bits)
                self.need(self.graph.initial[label], bits)
            for node in reversed(self.graph.nodes):
                if node in self.needs:
                    bits = self.needs[node]
                    if bits > 64 * (MAX_LIMBS if node.size <= WIDE_SIZE else 1):
                        return self._culprit(node)
                    node.op.demand(self, node, bits)
            if self.carry_needs == before:
                return None

    def _culprit(self, node: Node) -> Node:
        """The node to truncate when `node` would need too many bits: itself, if that lowers its scale."""
        if self.scales[node] > self.numerics.fraction_bits:
            return node
        f = self.numerics.fraction_bits
        over = [use for use in self._uses(node) if self.scales[use] > f]
        over.sort(key=lambda use: -self.needs.get(use, 0))  # the one that asks for most
        if not over or isinstance(over[0].op, Rescale):
            raise JobError(
                f"{node!r} would need {self.needs[node]} bits; use fewer fraction bits (now {f}) or integer bits "
                f"(now {self.numerics.integer_bits})"
            )
        return over[0]

    def _uses(self, node: Node) -> list[Node]:
        """What computes with `node`, or with a view of it."""
        direct = [use for use in self.graph.nodes if node in use.inputs]
        return [end for use in direct for end in ([use] if use.op.view is None else self._uses(use))]

    def integer_bits(self, node: Node) -> int:
        """Bits above the binary point: from the node's interval where that is known, else the job's integer bits."""
        low, high = node.interval
        peak = max(abs(low), abs(high))
        usual = self.numerics.integer_bits
        if math.isinf(peak):
            return usual
        proven = max(2, math.frexp(peak)[1] + 3)
        if proven <= usual + 16:
            return proven
        self.warn(f"{node.op.name}: its values may reach ±{peak:.3g}, more than ±{2.0 ** (usual - 2):g}, which {usual} integer bits hold")
        return usual

    def room(self, node: Node) -> int:
        """Bits modulo which `node` must be known to be read as a signed number."""
        return self.scales[node] + self.integer_bits(node)

    def need(self, node: Node, bits: int) -> None:
        self.needs[node] = max(self.needs.get(node, 0), bits)

    def need_open(self, node: Node, bits: int) -> None:
        """`node` is opened, modulo 2^bits."""
        base, _ = self.base(node)
        self.open_needs[base] = max(self.open_needs.get(base, 0), bits)
        self.need(base, bits)

    def need_operand(self, node: Node, bits: int) -> None:
        """`node` is an operand of a product that must be known modulo 2^bits."""
        self.need_open(node, bits + self.operand_shift(node))

    def need_carry(self, label: str, bits: int) -> None:
        self.carry_needs[label] = max(self.carry_needs.get(label, 0), bits)

    def input_scale(self, node: Node) -> int:
        labels = [label for label, first in self.graph.initial.items() if first is node]
        return max([self.numerics.fraction_bits, *(self.carry_scales[label] for label in labels)])

    def carry_scale(self, label: str) -> int:
        return self.carry_scales[label]

    def operand_shift(self, node: Node) -> int:
        return max(0, self.scales[node] - self.numerics.fraction_bits)

    def operand_scale(self, node: Node) -> int:
        return self.scales[node] - self.operand_shift(node)

    def base(self, node: Node) -> tuple[Node, tuple[View, ...]]:
        """The tensor to open so that `node` is open: `node` is a view of it. Setup tensors are opened whole."""
        views: list[View] = []
        while node.op.view is not None:
            (inner,) = node.inputs
            if inner.size > node.size and inner.phase != Phase.SETUP:
                break
            views.append(node.op.view)
            node = inner
        return node, tuple(reversed(views))

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    # ---- pass 3: emission ---------------------------------------------------------------------------------------

    def _emit(self) -> None:
        self._memo.clear()
        for node in self.graph.nodes:
            if node in self.needs:
                self.share(node)
            if self.graph.initial and node in self.graph.initial.values():
                self._start(node)
        for label, node in self.graph.updated.items():
            target = self._memo[("state", label)]
            value = self.aligned(node, target.scale, target.limbs)
            self.phases[Phase.STEP].carries.append((target.register, value.register))
            self.phases[Phase.STEP].stage(value.level if value.phase == Phase.STEP else 0)
        for label, node in self.graph.revealed.items():
            self._reveal(label, self.share(node))

    def _start(self, node: Node) -> None:
        for label, first in self.graph.initial.items():
            if first is node:
                self.carry_needs.setdefault(label, self.room(self.graph.updated[label]))
                scale, bits = self.carry_scales[label], self.carry_needs[label]
                limbs = limbs_for(bits)
                value = self.aligned(node, scale, limbs)
                state = Share(self._register(), Phase.SETUP, 0, node.shape, scale, bits, limbs)
                self.phases[Phase.SETUP].carries.append((state.register, value.register))
                self._memo[("state", label)] = state

    def _reveal(self, label: str, share: Share) -> None:
        target = self._register()
        bits = min(share.bits, 64 * share.limbs)
        level = share.level if share.phase == Phase.FINISH else 0
        opening = Opening(share.register, None, target, Field(share.shape, share.limbs), label, (), bits)
        self.phases[Phase.FINISH].stage(level).openings.append(opening)
        self.reveals[label] = (target, share)

    def _register(self) -> int:
        self.registers += 1
        return self.registers - 1

    def new_input(self, node: Node) -> Share:
        assert isinstance(node.op, Source)
        limbs = limbs_for(self.needs[node])
        share = Share(self._register(), Phase.SETUP, 0, node.shape, self.scales[node], 64 * limbs, limbs)
        self.inputs[node.op.label] = share
        return share

    def carried(self, node: Node, label: str) -> Share:
        state: Share = self._memo[("state", label)]
        return Share(state.register, node.phase, 0, state.shape, state.scale, state.bits, state.limbs)

    def share(self, node: Node) -> Share:
        if node not in self._shares:
            self.needs.setdefault(node, self.room(node))
            self._shares[node] = node.op.emit(self, node)
        return self._shares[node]

    def narrowed(self, share: Share, limbs: int) -> Share:
        """The same share in fewer limbs."""
        if share.limbs == limbs:
            return share
        key = ("narrow", share.register, share.phase, limbs)
        if key not in self._memo:
            out = self.call(lambda x: ring(share.limbs).resize(x, limbs), share)
            self._memo[key] = self.as_share(out, share.shape, share.scale, min(share.bits, 64 * limbs), limbs)
        found: Share = self._memo[key]
        return found

    def aligned(self, node: Node, scale: int, limbs: int) -> Share:
        """The share of `node` at a scale at least its own, in `limbs` limbs."""
        share = self.narrowed(self.share(node), limbs)
        shift = scale - share.scale
        if shift == 0:
            return share
        out = self.call(lambda x: ring(limbs).shift_left(x, shift), share)
        return self.as_share(out, share.shape, scale, min(share.bits + shift, 64 * limbs), limbs)

    def as_share(self, value: Value, shape: tuple[int, ...], scale: int, bits: int, limbs: int) -> Share:
        return Share(value.register, value.phase, value.level, shape, scale, bits, limbs)

    def call(self, function: Callable[..., Words], *inputs: Value, uses_step: bool = False) -> Value:
        """Code that computes `function` of the inputs as soon as all of them are there; its value."""
        phase = max((value.phase for value in inputs), default=Phase.SETUP)
        phase = max(phase, Phase.STEP) if uses_step else phase
        level = max((value.level for value in inputs if value.phase == phase), default=0)
        out = self._register()
        self.phases[phase].stage(level).code.append(_code(function, out, [value.register for value in inputs]))
        return Value(out, phase, level)

    def open_value(self, value: Value, field: Field, name: str) -> Operand:
        """Open what is in a register under a fresh mask of its phase: the one place where masks and openings are made."""
        code = self.phases[value.phase]
        mask, target = self._register(), self._register()
        index = len(code.masks)
        code.masks.append(field)
        code.mask_registers.append(mask)
        code.stage(value.level).openings.append(Opening(value.register, mask, target, field, name))
        code.stage(value.level + 1)
        return Operand(
            Value(target, value.phase, value.level + 1),
            Value(mask, value.phase, 0),
            Mask(int(value.phase), index, field.limbs, 64 * field.limbs, 0, field.limbs, field.shape),
        )

    def opened(self, node: Node, limbs: int = 0) -> tuple[Value, Mask, int]:
        """The opening c of `node`, its mask, and its scale; `limbs` to read fewer limbs. What is opened is `base(node)`."""
        base, views = self.base(node)
        share, whole = self.share(base), self._opening(base)
        limbs = limbs or share.limbs
        c = whole.public
        if limbs < share.limbs:
            c = self.once(("c", base, limbs), lambda: self.call(lambda c: ring(share.limbs).resize(c, limbs), whole.public))
        c = self.through(views, ("c", base, limbs), c, limbs)
        bits = min(share.bits, 64 * limbs)
        return c, replace(whole.mask, bits=bits, limbs=limbs, shape=node.shape, views=views), share.scale

    def _opening(self, base: Node) -> Operand:
        def make() -> Operand:
            share = self.share(base)
            return self.open_value(share, Field(share.shape, share.limbs), f"{base.op.name}#{base.order}")

        opening: Operand = self.once(("opening", base), make)
        return opening

    def operand(self, node: Node, limbs: int) -> Operand:
        """`node`, opened, as the operand of a product in the ring of `limbs` limbs."""
        base, views = self.base(node)
        shift = self.operand_shift(node)
        own = self._opening(base).share
        c, plain, _ = self.opened(base)
        wide = plain.limbs
        flat = replace(plain, shift=shift, limbs=limbs)
        public = self.once(
            ("public", base, limbs), lambda: self.call(lambda c: opened_operand(c, wide, flat.bits, shift, limbs), c)
        )

        def mask_share() -> Value:
            if shift:
                return self.deal(ShiftedMask(flat), Phase(flat.phase))[0]
            return self.call(lambda r: ring(wide).resize(r, limbs), own)

        share = self.once(("mask", base, limbs), mask_share)
        return Operand(
            self.through(views, ("public", base, limbs), public, limbs),
            self.through(views, ("mask", base, limbs), share, limbs),
            replace(flat, shape=node.shape, views=views),
        )

    def through(self, views: tuple[View, ...], key: Any, value: Value, limbs: int) -> Value:
        """`value`, known by `key`, seen through all of `views`, each applied once."""
        for depth, view in enumerate(views):
            value = self.once((key, views[: depth + 1]), partial(self.viewed, value, view, limbs))
        return value

    def viewed(self, value: Value, view: View, limbs: int) -> Value:
        tail = len(ring(limbs).tail)
        if isinstance(view, Rows):
            clock = Value(STEP_REGISTER, Phase.STEP, 0)
            return self.call(lambda x, step: view.at(x, step), value, clock, uses_step=True)
        return self.call(lambda x: view.apply(x, None, tail), value)

    def deal(self, spec: Correlation, phase: Phase) -> list[Value]:
        """The dealt tensors of a correlation that is fresh in `phase`."""

        def register() -> list[Value]:
            code = self.phases[phase]
            code.correlations.append(spec)
            values = [Value(self._register(), phase, 0) for _ in spec.fields]
            code.dealt_registers.extend(value.register for value in values)
            return values

        found: list[Value] = self.once(("deal", spec, phase), register)
        return found

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]


def _code(function: Callable[..., Any], out: int, inputs: list[int]) -> Code:
    if len(inputs) == 1:
        (a,) = inputs

        def run(registers: Registers) -> None:
            registers[out] = function(registers[a])

    elif len(inputs) == 2:
        a, b = inputs

        def run(registers: Registers) -> None:
            registers[out] = function(registers[a], registers[b])

    else:

        def run(registers: Registers) -> None:
            registers[out] = function(*(registers[i] for i in inputs))

    return run
