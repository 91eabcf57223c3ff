"""The plan: everything about a run that can be known before anything secret is touched.

It is the contract. Both parties derive it from the job and the shapes, compare it by digest, and the dealer works from it
alone. `Dealing` is the dealer's part (masks and correlations by phase); `Cost` are exact counts. Nothing in a plan
depends on which party made it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgpack

from . import views
from .correlations import KINDS, Correlation, Field
from .correlations.bits import Unpack
from .errors import ProtocolError
from .graph import Phase
from .jobs import ROLES, Traced
from .lowering import Lowering
from .program import PhaseCode
from .validate import Limits, check

VERSION = 1
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class PhaseDealing:
    """What is drawn and dealt for one step of a phase."""

    masks: tuple[Field, ...]
    correlations: tuple[Correlation, ...]

    @property
    def dealt(self) -> list[Field]:
        return [field for spec in self.correlations for field in spec.fields]

    @property
    def mask_words(self) -> int:
        return sum(mask.words for mask in self.masks)

    @property
    def dealt_words(self) -> int:
        return sum(field.words for field in self.dealt)

    @property
    def chunk_bytes(self) -> int:
        return 8 * self.dealt_words * self.steps_per_chunk

    @property
    def steps_per_chunk(self) -> int:
        """Steps that travel together: about a mebibyte, counting what has to be held for them."""
        return max(1, CHUNK_BYTES // (8 * max(1, self.dealt_words + max(self.mask_words, self.operand_words))))

    @property
    def operand_words(self) -> int:
        """The largest correlation's operands, as far as they are different in every step: views may make much of little."""
        operands = ([mask for mask in spec.operands if mask.varies(Phase.STEP)] for spec in self.correlations)
        return max((sum(math.prod(mask.shape) * mask.limbs for mask in masks) for masks in operands), default=0)


@dataclass(frozen=True)
class Dealing:
    """The dealer's part of a plan."""

    phases: tuple[PhaseDealing, PhaseDealing, PhaseDealing]
    steps: int

    def count(self, phase: Phase) -> int:
        return self.steps if phase == Phase.STEP else 1

    def step_bytes(self, phase: int) -> int:
        """Memory that one step of a phase takes at the dealer: masks, values, both shares."""
        own = self.phases[phase]
        return 8 * (4 * own.mask_words + 3 * own.dealt_words)

    def pack(self) -> bytes:
        packed: bytes = msgpack.packb([VERSION, self.steps, [_pack(phase) for phase in self.phases]])
        return packed

    @staticmethod
    def unpack(data: bytes, limits: Limits | None = None) -> Dealing:
        """The dealing in `data`, checked field by field, sound, and within `limits`; ProtocolError for anything else."""
        limits = limits or Limits()
        try:
            version, steps, phases = msgpack.unpackb(data, strict_map_key=True)
            if type(version) is not int or version != VERSION:
                raise ValueError("another version")
            if type(steps) is not int or not 0 <= steps < 1 << 40 or type(phases) is not list or len(phases) != 3:
                raise ValueError("a malformed header")
            if sum(len(part) for phase in phases for part in phase) > limits.parts:
                raise ValueError("more masks and correlations than are allowed")
            setup, step, finish = [_unpack(PhaseDealing, phase) for phase in phases]
        except Exception as error:  # msgpack and Python have a dozen, and theirs may quote what arrived
            why = f" ({error})" if type(error) is ValueError else ""
            raise ProtocolError(f"a plan could not be read{why}; are both sides of the same version?") from None
        dealing = Dealing((setup, step, finish), steps)
        check(dealing, limits)
        return dealing

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.pack(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class PhaseCost:
    """Exact counts of one step of a phase."""

    rounds: int
    sent: tuple[int, int]  # payload bytes by party
    dealt: int  # bytes to Bob


@dataclass(frozen=True)
class Plan:
    """Lowered code for one party, and the contract that both parties and the dealer share."""

    traced: Traced
    lowering: Lowering
    dealing: Dealing
    costs: tuple[PhaseCost, PhaseCost, PhaseCost]
    outline: list[str]  # every opening and correlation in words: what two parties compare when digests differ
    digest: str

    @property
    def rounds(self) -> int:
        return sum(cost.rounds * self.dealing.count(Phase(n)) for n, cost in enumerate(self.costs))

    def bytes_sent(self, party: int) -> int:
        return sum(cost.sent[party] * self.dealing.count(Phase(n)) for n, cost in enumerate(self.costs))

    @property
    def dealt_bytes(self) -> int:
        return sum(cost.dealt * self.dealing.count(Phase(n)) for n, cost in enumerate(self.costs))

    @property
    def party_memory(self) -> int:
        """Bytes of tensors and material at a party: its registers, and what the dealer may be ahead."""
        held = sum(8 * (own.mask_words + own.dealt_words) * own.steps_per_chunk for own in self.dealing.phases)
        opened = sum(8 * mask.words for own in self.dealing.phases for mask in own.masks)
        return 2 * held + 4 * opened + min(32 << 20, 8 * max(own.chunk_bytes for own in self.dealing.phases))

    @property
    def dealer_memory(self) -> int:
        """Bytes at the dealer for one session: two chunks in the making, one on its way."""
        return 3 * max(self.dealing.step_bytes(n) * own.steps_per_chunk for n, own in enumerate(self.dealing.phases))


def make_plan(traced: Traced, party: int, learners: tuple[int, ...]) -> Plan:
    """Lower a traced job for `party`, with results revealed to `learners`."""
    lowering = Lowering(traced.graph, traced.job.numerics, party)
    for stage in lowering.phases[Phase.FINISH].stages:
        stage.openings = [dataclasses.replace(o, learners=learners) if o.mask is None else o for o in stage.openings]
    phases = [lowering.phases[phase] for phase in Phase]
    setup, step, finish = (PhaseDealing(tuple(p.masks), tuple(p.correlations)) for p in phases)
    dealing = Dealing((setup, step, finish), traced.iterations)
    costs = tuple(_cost(code, deal) for code, deal in zip(phases, dealing.phases, strict=True))
    outline = [line for phase, code in zip(Phase, phases, strict=True) for line in _outline(phase, code)]
    text = msgpack.packb([dealing.pack(), outline])
    return Plan(traced, lowering, dealing, costs, outline, hashlib.blake2b(text, digest_size=16).hexdigest())  # type: ignore[arg-type]


def _cost(code: PhaseCode, dealing: PhaseDealing) -> PhaseCost:
    rounds = sum(bool(stage.openings) for stage in code.stages)
    openings = [o for stage in code.stages for o in stage.openings]
    sent = tuple(sum(8 * o.field.words for o in openings if (1 - party) in o.learners) for party in (0, 1))
    return PhaseCost(rounds, sent, 8 * dealing.dealt_words)  # type: ignore[arg-type]


def _outline(phase: Phase, code: PhaseCode) -> Iterator[str]:
    name, round_number = phase.name.lower(), 0
    for stage in code.stages:
        round_number += bool(stage.openings)
        for o in stage.openings:
            if o.mask is None:
                who = " and ".join(ROLES[party] for party in o.learners) or "nobody"
                yield f"{name} round {round_number} reveals {o.name} {o.field.shape} to {who}"
            else:
                yield f"{name} round {round_number} opens {o.name} {o.field.shape}, masked"
    for spec in code.correlations:
        yield f"{name} deals {spec.kind}: {', '.join(str(field.full_shape) for field in spec.fields)}"


# Plans travel as nested lists: dataclass fields in order, tuples as lists, correlations and views tagged by name.
_VIEWS = {
    cls.__name__: cls
    for cls in (
        views.Reshape, views.Transpose, views.Broadcast, views.Index, views.Pad, views.Windows, views.Rows, Unpack,
    )
}  # fmt: skip


def _pack(value: Any) -> Any:
    if isinstance(value, views.View):
        return [type(value).__name__, *(_pack(getattr(value, f.name)) for f in dataclasses.fields(value))]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = [_pack(getattr(value, f.name)) for f in dataclasses.fields(value)]
        return [value.kind, *body] if hasattr(value, "kind") else body
    return [_pack(item) for item in value] if isinstance(value, tuple) else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def _unpack(kind: Any, data: Any) -> Any:
    """The inverse, driven by the type annotations; ValueError where the data does not fit them."""
    if kind is Correlation or kind is views.View:
        table: Mapping[str, type] = KINDS if kind is Correlation else _VIEWS
        if not isinstance(data, list) or not data or not isinstance(data[0], str) or data[0] not in table:
            raise ValueError("a kind that is not known here")
        kind, data = table[data[0]], data[1:]
    elif hasattr(kind, "kind"):
        data = data[1:] if data[0] == kind.kind else None
    made: Any = kind
    if dataclasses.is_dataclass(kind):
        hints = _hints(made)
        if not isinstance(data, list) or len(data) != len(hints):
            raise ValueError(f"{made.__name__} has {len(hints)} parts")
        return made(**{name: _unpack(hint, item) for (name, hint), item in zip(hints.items(), data, strict=True)})
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = data if isinstance(data, list) else []
        if not isinstance(data, list) or (args[-1] is not Ellipsis and len(args) != len(items)):
            raise ValueError("a list was expected")
        kinds = [args[0]] * len(items) if args[-1] is Ellipsis else list(args)
        return tuple(_unpack(each, item) for each, item in zip(kinds, items, strict=True))
    if args:  # a union
        if data is None and NoneType in args:
            return None
        fitting = [a for a in args if (get_origin(a) is tuple) == isinstance(data, list) and a is not NoneType]
        if not fitting:
            raise ValueError("another type was expected")
        return _unpack(fitting[0], data)
    if type(data) is not kind or (kind is int and not -(1 << 48) <= data < 1 << 48):
        raise ValueError(f"{kind.__name__} expected")
    return data
