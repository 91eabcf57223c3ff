"""The plan: all that is known about a run before anything secret is touched.

Each party derives it from the job and the shapes, and the parties compare its digest, which binds
what the job says (`digest`) and what is dealt. The dealer is given its part alone,
`contract.Dealing` (masks and correlations by phase); it is told nothing of the job, not even by a
digest. Costs (`PhaseCost`) are exact counts. Only the code of the online phase depends on which
party made the plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from . import contract_codec
from .checks import checked, run_costs
from .comparing import choose_joins, compared_sizes
from .contract import Dealing, PhaseDealing
from .cost import PhaseCost
from .describe import often, reveals
from .digest import Listing
from .errors import JobError
from .graph import Phase, Terms
from .guard import Guards, guarded, revealed_range
from .jobs import ROLES
from .joins import Joins
from .lasting import forgotten, patience
from .lowering import Lowering
from .matching import matching
from .ops.stored import Stored
from .ops.truncation import Rescale
from .parts import order
from .program import PhaseCode
from .sizing import Sizes
from .solver import size
from .tracing import Traced
from .variables import GUARDS, SHARE_OF
from .wording import together


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Lowered code for one party, the dealing that both parties and the dealer share, and what it
    costs."""

    traced: Traced
    lowering: Lowering
    dealing: Dealing
    costs: tuple[PhaseCost, PhaseCost, PhaseCost, PhaseCost]
    outline: list[str]  # every opening and correlation in words
    listing: Listing  # what the job says, and who learns the results
    learners: tuple[int, ...]
    # of the listing, the fraction bits and the dealing: what checkpoints, results and the two
    # parties are bound to
    digest: str
    guards: Guards = field(default_factory=dict)  # what is assumed
    guarded: bool = True  # whether that is made sure of

    @property
    def kept(self) -> dict[str, Stored]:
        """The tensors that stay shared at the end, by name, with the ranges and shapes from which a
        later run can begin."""
        found, graph = {}, self.lowering.sizes.graph
        for label in graph.reveals_of(Phase.FINISH):
            if graph.terms.get(label, Terms()).kept:
                share, name = self.lowering.reveals[label][1], label.removeprefix(SHARE_OF)
                bits, interval = (
                    min(share.bits, 64 * share.limbs),
                    revealed_range(self.lowering.sizes, label),
                )
                found[name] = Stored(
                    name, share.shape, share.scale, bits, *interval, proven=self.guarded
                )
        return found

    @property
    def keeps(self) -> str:
        """`kept`, in words, a line each."""
        names = [f"{name} {each.dims}" for name, each in self.kept.items()]
        verb = "stays" if len(names) == 1 else "stay"
        told = {name for party in (0, 1) for name in self.revealed(Phase.FINISH, party)}
        also = ", ".join(name for name in self.kept if name in told)
        rest = f"; revealed as well: {also}" if also else ", revealed to nobody"
        return f"{', '.join(names)} {verb} shared between both{rest}"

    @property
    def reveals(self) -> list[str]:
        """A line for each tensor that is revealed: to whom, and what it is computed from."""
        every = self.dealing.schedule.every
        rows = matching(self.traced.job)
        lines = [
            *([] if rows is None else [str(rows)]),
            *reveals(self.listing, self.learners, every),
        ]
        for phase, guards in self.guards.items():
            who = f"alice and bob{often(phase, every)}"
            lines.append(
                f"{GUARDS[phase]} ({len(guards)},) to {who}: how many entries left the range"
                " assumed for them"
            )
        return lines

    def revealed(self, phase: Phase, *parties: int) -> list[str]:
        """The tensors that the job reveals in a phase to all of these parties."""
        graph = self.lowering.sizes.graph
        return [
            label
            for label in graph.reveals_of(phase)
            if label not in GUARDS.values()
            and {*parties} <= {*graph.terms.get(label, Terms()).learners(self.learners)}
        ]

    @property
    def comparisons(self) -> list[Plan]:
        """This plan, then those whose comparisons take fewer rounds for more dealt bytes; none
        where nothing is compared."""
        own = self.lowering
        largest = max(compared_sizes(own.sizes), default=0)
        others = dict.fromkeys([Joins(), Joins(largest), Joins(largest, largest)])
        others.pop(own.joins, None)
        return [self, *map(self._joined, others)] if largest else []

    def _joined(self, joins: Joins) -> Plan:
        own = self.lowering
        lowering = Lowering(own.sizes, own.party, own.learners, joins)
        return _made(self.traced, lowering, self.guards, self.guarded)

    @property
    def notes(self) -> list[str]:
        """Sentences: what is assumed of values, and warnings."""
        return together([*self.traced.assumptions, *self.lowering.warnings])

    @property
    def precisions(self) -> list[tuple[Plan, float]]:
        """The plan for each number of fraction bits that was tried, the finest first, with the
        error of its least precise result as a part of that result's range. Empty for a job that
        states them."""
        traced, found = self.traced, []
        for one in traced.tried:
            if one.numerics == traced.numerics:
                plan = self
            else:
                other = copy(traced)
                other.numerics, other.graph = one.numerics, one.graph
                try:
                    plan = make_plan(other, self.lowering.party, self.learners, self.guarded)
                except JobError:  # with the guard it does not fit into the ring
                    continue
            found.append((plan, one.worst.error))
        return found

    @property
    def executions(self) -> list[tuple[PhaseCost, int]]:
        """By phase: the cost of one execution, and the number of executions."""
        return [(self.costs[phase], self.dealing.count(phase)) for phase in Phase]

    def sized(self, iterations: int) -> Plan:
        """The plan for another number of iterations: its costs are right, its code is not."""
        schedule = checked(self.traced.job, self.lowering.sizes, self.costs, iterations)
        return replace(self, dealing=replace(self.dealing, schedule=schedule))

    @property
    def rounds(self) -> int:
        """Rounds of a whole run."""
        return sum(times * cost.rounds for cost, times in self.executions)

    def bytes_sent(self, party: int) -> int:
        """Bytes of payload that a party (0 Alice, 1 Bob) sends to the other in a whole run."""
        return sum(times * cost.sent[party] for cost, times in self.executions)

    @property
    def dealt_bytes(self) -> int:
        """Bytes that the dealer sends to Bob in a whole run."""
        return sum(times * cost.dealt for cost, times in self.executions)

    @property
    def party_memory(self) -> int:
        """Bytes that a party needs for tensors and material: its registers, and as much material as
        the dealer may send ahead."""
        found, ahead = 0, 0
        for phase in Phase:
            own, batch = self.dealing.phases[phase], self.dealing.batch(phase, 0)
            ahead = max(ahead, own.largest_part * batch)
            if len(own.parts) > 1:  # registers are emptied on the way
                found += 2 * own.mask_words + 2 * own.largest_part
            else:
                found += 2 * (own.mask_words + own.dealt_words) * batch + 4 * own.mask_words
        return 8 * found + min(32 << 20, 64 * ahead)

    @property
    def dealer_memory(self) -> int:
        """Bytes that the dealer needs for one session: two chunks that are made, and one that is
        sent."""
        return 3 * max(
            self.dealing.step_bytes(phase) * self.dealing.batch(phase, 0) for phase in Phase
        )


def make_plan(traced: Traced, party: int, learners: tuple[int, ...], guard: bool = True) -> Plan:
    """Lower a traced job for `party`. What it reveals without naming a receiver, `learners` learn;
    the counts of the guard, if it has one, both."""
    return make_plans(traced, learners, guard, (party,))[0]


def make_plans(
    traced: Traced,
    learners: tuple[int, ...],
    guard: bool = True,
    parties: Sequence[int] = (0, 1),
) -> list[Plan]:
    """`make_plan` for each of `parties`; what is the same for both is computed once."""
    sizes = size(traced.graph, traced.numerics, Rescale)
    guards: Guards = {}
    if guard:
        sizes, guards = guarded(sizes, traced.job, traced.iterations)
    joins = choose_joins(
        sizes,
        traced.network,
        lambda joins: run_costs(
            traced.job, Lowering(sizes, parties[0], learners, joins), traced.iterations
        ),
    )
    return [
        _made(traced, Lowering(sizes, party, learners, joins), guards, guard) for party in parties
    ]


def _made(traced: Traced, lowering: Lowering, guards: Guards, guard: bool) -> Plan:
    sizes, learners = lowering.sizes, lowering.learners
    phases = [lowering.phases[phase] for phase in Phase]
    dealt = tuple(_dealing(code) for code in phases)
    costs = tuple(PhaseCost.of(code) for code in phases)
    schedule = checked(traced.job, sizes, costs, traced.iterations)
    dealing = Dealing(dealt, schedule)  # type: ignore[arg-type]
    if guards and (most := patience(sizes)) and most <= schedule.every:
        lowering.warn(_haste(sizes, traced.job.check_every, most))
    outline = [
        line for phase, code in zip(Phase, phases, strict=True) for line in _outline(phase, code)
    ]
    listing = traced.listing.with_setting("revealed to", learners).with_setting(
        "guard", (int(guard),)
    )
    bound = (
        listing.chain[-1] + bytes([traced.numerics.fraction_bits]) + contract_codec.pack(dealing)
    )
    digest = hashlib.blake2b(bound, digest_size=16).hexdigest()
    return Plan(
        traced=traced,
        lowering=lowering,
        dealing=dealing,
        costs=costs,  # type: ignore[arg-type]
        outline=outline,
        listing=listing,
        learners=learners,
        digest=digest,
        guards=guards,
        guarded=guard,
    )


def _haste(sizes: Sizes, stated: int, most: int) -> str:
    """Why checks come as often as they do, or should."""
    names = ", ".join(f"v.{label}" for label in sorted(forgotten(sizes))) or "what decays"
    often = "every step" if most == 1 else f"{most} steps"
    if stated > most:
        return (
            f"check_every = {stated} leaves {names} time to leave its range, wrap around and be"
            f" back in it unseen; a check after {often} would show it"
        )
    return (
        f"a check comes after {often}, for {names} may leave its range, wrap around and be back in"
        " it later; narrower ranges of what it is multiplied by make checks rarer, and so does"
        " check_every, at that risk"
    )


def _dealing(code: PhaseCode) -> PhaseDealing:
    """What is dealt for a phase: where that comes in parts, in the order in which it is needed."""
    found = PhaseDealing(tuple(code.masks), tuple(code.correlations))
    if len(found.parts) > 1:
        order(code)
        found = PhaseDealing(tuple(code.masks), tuple(code.correlations))
    return found


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
        yield (
            f"{name} deals {spec.kind}: {', '.join(str(field.full_shape) for field in spec.fields)}"
        )
