"""From a graph of secret tensors to rounds: what is opened in which message, what is dealt, and the
local code between the messages.

Scales and widths have been decided by `solver.size`. *Emission* goes through the nodes in
topological order and schedules each as early as possible: a value for which n openings must come
one after the other, in its phase, has level n; all that is opened at one level is sent in one
message.

Operations know nothing of registers and levels: they ask `Lowering` for shares, openings,
correlations and calls. The emitted code depends on shapes and on which party runs it, never on
secrets; the dealer's part of the plan is the same for both parties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from .correlations import Correlation, Field, Mask
from .correlations.shifts import ShiftedMask, opened_operand
from .graph import Phase, Terms
from .joins import Joins
from .nodes import Carry, Node, Source
from .program import STEP_REGISTER, Opening, Operand, PhaseCode, RegisterValue, Share, make_code
from .ring import Words, limbs_for, ring
from .sizing import MOST_FRACTION_BITS, Sized, Sizes
from .views import Rows, View


class Secure(Sized):
    """An operation with a protocol: how two parties compute it on shares.

    argument_bits: of a function of one tensor, the most fraction bits at which it reads that; None:
    the job's. finest: the fraction bits beyond which its result gets no more exact. missed: by how
    much a fitted function is off from the one it is named after, apart from roundings.
    """

    argument_bits: int | None = None
    finest: int = MOST_FRACTION_BITS
    missed: float = 0.0

    def emit(self, lowering: Lowering, node: Node) -> Share:
        """Add what computes `node` to `lowering` (openings, dealt material, calls), and return the
        register that holds this party's share of the result. It must not depend on secrets."""
        raise NotImplementedError


class Lowering:
    """The lowering of a sized graph to rounds for one party; the constructor does all of it.

    party: 0 Alice, 1 Bob. learners: the parties that learn what the job reveals without naming a
    receiver. joins: which comparisons take fewer rounds. Afterwards `phases` has, by phase, the
    code, the openings and the dealt material; `reveals`, by name, the register that receives a
    revealed tensor and the share that is sent for it; `inputs`, by label, the shares that the run
    begins with.
    """

    def __init__(
        self,
        sizes: Sizes,
        party: int,
        learners: tuple[int, ...] = (0, 1),
        joins: Joins | None = None,
    ) -> None:
        self.sizes, self.party, self.learners, self.joins = sizes, party, learners, joins or Joins()
        self.warnings = list(
            dict.fromkeys(_assumption(node, limit) for node, limit in sizes.assumed.items())
        )
        self.phases = {phase: PhaseCode() for phase in Phase}
        self.inputs: dict[str, Share] = {}
        self.reveals: dict[str, tuple[int, Share]] = {}
        self.registers = STEP_REGISTER + 1
        self._shares: dict[Node, Share] = {}
        self._state: dict[str, Share] = {}  # carried variable → where it is kept between steps
        self._memo: dict[Any, Any] = {}
        # register of what is opened or dealt → the operation that it is for
        self.causes: dict[int, Node] = {}
        self._emitting: list[Node] = []
        self._emit()

    def _emit(self) -> None:
        graph = self.sizes.graph
        starts: dict[Node, list[str]] = {}
        for label in graph.initial:
            if label in self.sizes.carried_needs:
                starts.setdefault(graph.initial[label], []).append(label)
        for node in graph.nodes:
            if node in self.sizes.needs:
                self.share(node)
            for label in starts.get(node, []):
                self._allocate_state(label, node)
        for label, node in graph.updated.items():
            if label not in self._state:
                continue
            state = self._state[label]
            value = self.aligned(node, state.scale, state.limbs)
            self.phases[Phase.STEP].carries.append((state.register, value.register))
            self.phases[Phase.STEP].stage(value.level if value.phase == Phase.STEP else 0)
        for phase in (Phase.CHECK, Phase.FINISH):
            revealed = {label: self.share(node) for label, node in graph.reveals_of(phase).items()}
            level = max(
                (share.level for share in revealed.values() if share.phase == phase), default=0
            )
            for label, share in revealed.items():
                self._reveal(label, share, phase, level)
                self.causes[self.reveals[label][0]] = graph.revealed[label]

    def _allocate_state(self, label: str, first: Node) -> None:
        """Create the register that holds the carried variable `label`, and start it with the value
        of `first`."""
        scale, bits = self.sizes.carried_scales[label], self.sizes.carried_needs[label]
        limbs = limbs_for(bits)
        value = self.aligned(first, scale, limbs)
        state = Share(self._register(), Phase.SETUP, 0, first.shape, scale, bits, limbs)
        self.phases[Phase.SETUP].carries.append((state.register, value.register))
        self._state[label] = state

    def _reveal(self, label: str, share: Share, phase: Phase, level: int) -> None:
        """Reveal `share` in the last message of `phase`, at `level`, with all other reveals: when
        it is sent, both parties have all else that they need to finish."""
        target = self._register()
        bits = min(share.bits, 64 * share.limbs)
        terms = self.sizes.graph.terms.get(label, Terms())
        learners = terms.learners(self.learners)
        opening = Opening(
            share=share.register,
            mask=None,
            target=target,
            field=Field(share.shape, share.limbs),
            name=label,
            learners=learners,
            bits=bits,
        )
        self.phases[phase].stage(level).openings.append(opening)
        self.reveals[label] = (target, share)

    def _register(self) -> int:
        self.registers += 1
        return self.registers - 1

    def share(self, node: Node) -> Share:
        """This party's share of `node`; the first call emits the operation."""
        if node not in self._shares:
            self._shares[node] = self._share(node)
        return self._shares[node]

    def _share(self, node: Node) -> Share:
        match node.op:
            case Source(label=label):
                return self.input(label, node.shape, self.sizes.scales[node], 64 * self.limbs(node))
            case Carry(label=label):
                return replace(self._state[label], phase=node.phase)
            case Secure() as op:
                self._emitting.append(node)
                share = op.emit(self, node)
                self._emitting.pop()
                return share
        raise TypeError(f"{node!r} has no protocol: its operation is not Secure")

    def input(self, label: str, shape: tuple[int, ...], scale: int, bits: int) -> Share:
        """This party's share of the input tensor `label`, which it holds when the run begins. bits:
        the share is of the value modulo 2^bits."""
        limbs = limbs_for(bits)
        self.inputs[label] = Share(self._register(), Phase.SETUP, 0, shape, scale, bits, limbs)
        return self.inputs[label]

    def limbs(self, node: Node) -> int:
        """64-bit words of a ring element of `node`: enough for the bits that are needed of it."""
        return limbs_for(self.sizes.needs[node])

    def _because(self, *registers: int) -> None:
        """Note that these registers are filled for the operation that is being emitted."""
        if self._emitting:
            self.causes |= dict.fromkeys(registers, self._emitting[-1])

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """The result of make(), computed at the first call with this key and kept for later."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def warn(self, text: str) -> None:
        """Add a sentence to the plan's warnings; the same sentence once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def narrowed(self, share: Share, limbs: int) -> Share:
        """The same share, reduced modulo 2^(64 · limbs)."""
        if share.limbs == limbs:
            return share
        # other shares may be in that register, with another scale
        key = ("narrow", share.register, share.phase, limbs)
        out = self.once(key, lambda: self.call(lambda x: ring(share.limbs).resize(x, limbs), share))
        return self.as_share(out, share.shape, share.scale, min(share.bits, 64 * limbs), limbs)

    def aligned(self, node: Node, scale: int, limbs: int) -> Share:
        """The share of `node`, modulo 2^(64 · limbs), shifted left so that it has `scale` fraction
        bits; it has no more to begin with."""
        share = self.narrowed(self.share(node), limbs)
        shift = scale - share.scale
        if shift == 0:
            return share
        out = self.call(lambda x: ring(limbs).shift_left(x, shift), share)
        return self.as_share(out, share.shape, scale, min(share.bits + shift, 64 * limbs), limbs)

    def lasting(self, share: Share) -> Share:
        """The same share in a register that keeps its value when the step ends: a copy, where it is
        in the register of a carried variable, which receives its next value then."""
        if share.register not in {state.register for state in self._state.values()}:
            return share
        return replace(share, register=self.call(lambda words: words, share).register)

    def as_share(
        self, value: RegisterValue, shape: tuple[int, ...], scale: int, bits: int, limbs: int
    ) -> Share:
        """The register of `value` as a share of a tensor of this shape, at `scale` fraction bits,
        known modulo 2^bits."""
        return Share(value.register, value.phase, value.level, shape, scale, bits, limbs)

    def call(
        self, function: Callable[..., Words], *inputs: RegisterValue, uses_step: bool = False
    ) -> RegisterValue:
        """Schedule a local computation at the first level where all inputs are known.

        function: takes the ring words of `inputs`, and returns those of the result, whose register
        is returned. uses_step: it depends on the number of the step, so it belongs to STEP.
        """
        phase = max((value.phase for value in inputs), default=Phase.SETUP)
        phase = max(phase, Phase.STEP) if uses_step else phase
        level = max((value.level for value in inputs if value.phase == phase), default=0)
        out = self._register()
        self.phases[phase].stage(level).code.append(
            make_code(function, out, [value.register for value in inputs])
        )
        return RegisterValue(out, phase, level)

    def open_value(self, value: RegisterValue, field: Field, name: str, bits: int = 0) -> Operand:
        """Open a share under a fresh mask: both parties send share + mask share, and learn
        value + mask. This is the only place that makes masks and openings.

        value: the register of the share. field: shape and limbs of what is sent. name: for messages
        and the plan. bits: the value is known modulo 2^bits; 0: modulo 2^(64 · field.limbs).
        """
        code = self.phases[value.phase]
        mask, target = self._register(), self._register()
        index = len(code.masks)
        code.masks.append(field)
        code.mask_registers.append(mask)
        code.stage(value.level).openings.append(
            Opening(share=value.register, mask=mask, target=target, field=field, name=name)
        )
        code.stage(value.level + 1)
        self._because(target)
        return Operand(
            RegisterValue(target, value.phase, value.level + 1),
            RegisterValue(mask, value.phase, 0),
            Mask(
                int(value.phase),
                index,
                field.limbs,
                bits or 64 * field.limbs,
                0,
                field.limbs,
                field.shape,
            ),
        )

    def opened(self, node: Node, limbs: int = 0) -> tuple[RegisterValue, Mask, int]:
        """The opening c = node + mask, the mask, and the fraction bits of both.

        What is opened is `Sizes.base` of the node, once for all of its views. limbs: both are
        reduced modulo 2^(64 · limbs); 0: they stay as they were opened.
        """
        base, views = self.sizes.base(node)
        share, whole = self.share(base), self._opening(base)
        limbs = limbs or share.limbs
        c = whole.public
        if limbs < share.limbs:
            c = self.once(
                ("c", base, limbs),
                lambda: self.call(lambda c: ring(share.limbs).resize(c, limbs), whole.public),
            )
        c = self.through(views, ("c", base, limbs), c, limbs)
        bits = min(share.bits, 64 * limbs)
        return (
            c,
            replace(whole.mask, bits=bits, limbs=limbs, shape=node.shape, views=views),
            share.scale,
        )

    def _opening(self, base: Node) -> Operand:
        def make() -> Operand:
            share = self.share(base)
            whole = self.open_value(
                share, Field(share.shape, share.limbs), f"{base.op.name}#{base.order}"
            )
            self.causes[whole.public.register] = base
            return whole

        opening: Operand = self.once(("opening", base), make)
        return opening

    def operand(self, node: Node, limbs: int, whole: bool = False) -> Operand:
        """The opening, this party's share of the mask and the mask of `node`, as a product reads
        them: shifted down to `Sizes.operand_scale` fraction bits, unless `whole`, and in the ring
        of `limbs` limbs."""
        base, views = self.sizes.base(node)
        shift = 0 if whole else self.sizes.operand_shift(node)
        own = self._opening(base).share
        c, plain, _ = self.opened(base)
        wide = plain.limbs
        flat = replace(plain, shift=shift, limbs=limbs)
        public = self.once(
            ("public", base, limbs, shift),
            lambda: self.call(lambda c: opened_operand(c, wide, flat.bits, shift, limbs), c),
        )

        def mask_share() -> RegisterValue:
            if shift:
                return self.deal(ShiftedMask(flat), Phase(flat.phase))[0]
            return self.call(lambda r: ring(wide).resize(r, limbs), own)

        share = self.once(("mask", base, limbs, shift), mask_share)
        return Operand(
            self.through(views, ("public", base, limbs, shift), public, limbs),
            self.through(views, ("mask", base, limbs, shift), share, limbs),
            replace(flat, shape=node.shape, views=views),
        )

    def through(
        self, views: tuple[View, ...], key: Any, value: RegisterValue, limbs: int
    ) -> RegisterValue:
        """`value` with `views` applied one after the other. key: identifies the value, so that the
        same views of it are computed once."""
        for depth, view in enumerate(views):
            value = self.once((key, views[: depth + 1]), partial(self.viewed, value, view, limbs))
        return value

    def viewed(self, value: RegisterValue, view: View, limbs: int) -> RegisterValue:
        """`value` with one view applied. limbs: those of the ring of its words."""
        tail = len(ring(limbs).tail)
        if isinstance(view, Rows):
            return self.call(lambda x, step: view.at(x, step), value, clock(), uses_step=True)
        return self.call(lambda x: view.apply(x, None, tail), value)

    def deal(self, spec: Correlation, phase: Phase) -> list[RegisterValue]:
        """The registers that receive the tensors dealt for `spec`, fresh ones each time that
        `phase` is executed. Equal correlations of a phase are dealt once."""

        def register() -> list[RegisterValue]:
            code = self.phases[phase]
            code.correlations.append(spec)
            values = [RegisterValue(self._register(), phase, 0) for _ in spec.fields]
            code.dealt_registers.extend(value.register for value in values)
            self._because(*(value.register for value in values))
            return values

        found: list[RegisterValue] = self.once(("deal", spec, phase), register)
        return found


def clock() -> RegisterValue:
    """The register that holds the number of the step: an input for `Lowering.call` with
    `uses_step`."""
    return RegisterValue(STEP_REGISTER, Phase.STEP, 0)


def _assumption(node: Node, limit: float) -> str:
    proven = f"proven ±{node.peak:.3g}" if math.isfinite(node.peak) else "nothing proven"
    where = ", ".join(filter(None, (node.origin.place, node.origin.line, proven)))
    return f"{node.op.name} of shape {node.shape} ({where}) is assumed to stay within ±{limit:.3g}"
