"""What a plan's rounds and bytes are for: every opening and every dealt tensor, by the operation
that it was made for.

The counts are those of `PhaseCost`, cut into parts: the parts of a phase add up to its cost, to the
byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .correlations import Field
from .graph import Phase
from .nodes import Leaf, Node, whole
from .ops.ended import Ended
from .ops.truncation import Rescale
from .origin import NOWHERE, cell, source
from .plan import Plan
from .program import Opening, Stage
from .variables import GUARDS

GUARD = "guard"


@dataclass(frozen=True)
class OperationCost:
    """What one execution of a phase costs for one operation."""

    name: str  # "matmul (128, 10)", "w (3, 1)"
    # the part of a model and the line of the job that say it, as "model.0, Dense" and "mlp.py:49";
    # "" for what neither says
    where: str
    rounds: tuple[int, ...]  # in which something is opened for it, the phase's first being 1
    sent: tuple[int, int]  # bytes, by alice and by bob
    dealt: int  # bytes


@dataclass(frozen=True)
class RoundCost:
    """One message each way."""

    sent: tuple[int, int]  # bytes, by alice and by bob
    opens: tuple[str, ...]  # for which operations, as `OperationCost.name`
    reveals: tuple[str, ...]  # labels


@dataclass(frozen=True)
class KindCost:
    """All correlations of one kind in a phase."""

    name: str
    count: int
    dealt: int  # bytes


def parts(plan: Plan, phase: Phase) -> list[OperationCost]:
    """Of all operations that something is opened or dealt for, in the order of the job."""
    code, causes = plan.lowering.phases[phase], plan.lowering.causes
    found: dict[tuple[str, str], list[tuple[int, tuple[int, int], int]]] = {}
    order: dict[tuple[str, str], int] = {}

    def note(cause: Node, number: int, sent: tuple[int, int], dealt: int) -> None:
        key = _said(plan, cause)
        found.setdefault(key, []).append((number, sent, dealt))
        order[key] = min(order.get(key, cause.order), cause.order)

    for number, stage in enumerate(_rounds(plan, phase), 1):
        for opening in stage.openings:
            note(causes[opening.target], number, _sent(opening), 0)
    registers = iter(code.dealt_registers)
    for field in (field for spec in code.correlations for field in spec.fields):
        note(causes[next(registers)], 0, (0, 0), _bytes(field))
    return [
        OperationCost(
            *key,
            rounds=tuple(sorted({number for number, _, _ in costs} - {0})),
            sent=(sum(sent[0] for _, sent, _ in costs), sum(sent[1] for _, sent, _ in costs)),
            dealt=sum(dealt for _, _, dealt in costs),
        )
        for key, costs in sorted(found.items(), key=lambda item: order[item[0]])
    ]


def rounds(plan: Plan, phase: Phase) -> list[RoundCost]:
    """Of one execution of a phase, in order."""
    causes = plan.lowering.causes
    found = []
    for stage in _rounds(plan, phase):
        each = [_sent(opening) for opening in stage.openings]
        masked = (
            _said(plan, causes[opening.target])[0]
            for opening in stage.openings
            if opening.mask is not None
        )
        bare = (opening.name for opening in stage.openings if opening.mask is None)
        sent = sum(alice for alice, _ in each), sum(bob for _, bob in each)
        found.append(RoundCost(sent, tuple(dict.fromkeys(masked)), tuple(bare)))
    return found


def kinds(plan: Plan, phase: Phase) -> list[KindCost]:
    """What is dealt for one execution of a phase, by kind of correlation, the largest first."""
    found: dict[str, list[int]] = {}
    for spec in plan.lowering.phases[phase].correlations:
        found.setdefault(spec.kind, []).append(sum(_bytes(field) for field in spec.fields))
    return sorted(
        (KindCost(name, len(each), sum(each)) for name, each in found.items()),
        key=lambda kind: -kind.dealt,
    )


def _rounds(plan: Plan, phase: Phase) -> Iterator[Stage]:
    return (stage for stage in plan.lowering.phases[phase].stages if stage.openings)


def _sent(opening: Opening) -> tuple[int, int]:
    alice, bob = (_bytes(opening.field) * (1 - party in opening.learners) for party in (0, 1))
    return alice, bob


def _bytes(field: Field) -> int:
    return 8 * field.words


def _said(plan: Plan, node: Node) -> tuple[str, str]:
    """The operation's name, and what says it. What sizing has put in is named as what it
    stands behind."""
    if isinstance(node.op, Rescale):
        (node,) = node.inputs
    guarding = any(isinstance(whole(each).op, Ended) for each in (node, *node.inputs))
    if guarding or any(
        plan.lowering.sizes.graph.revealed.get(label) is node for label in GUARDS.values()
    ):
        return GUARD, ""
    name = node.op.label if isinstance(node.op, Leaf) else node.op.name
    files = {cell(file) or Path(file).name for file in map(source, type(plan.traced.job).__mro__)}
    origin = NOWHERE if isinstance(node.op, Leaf) else node.origin
    stated = origin.line if origin.line.rpartition(":")[0] in files else ""
    return f"{name} {node.shape}", ", ".join(filter(None, (origin.place, stated)))
