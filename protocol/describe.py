"""A job's statements in the user's words: what a reveal is made of, and how one statement differs
from another.

Two readings of a graph. A *phrase* names a value: "a comparison with 0.75 of bob's x". It stays
short however deep the graph is: what lies too deep is named by the tensors that it is made of.
*Words* say what one statement does: "adds 0.75".
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .digest import Carried, JobSetting, Listing, Operation, Revealed, canonical
from .graph import Phase
from .jobs import ROLES
from .nodes import Carry, Leaf, Op, Source
from .ops.coarse import Coarse
from .ops.comparison import Compare, Mux
from .ops.linear import Add, Negate
from .ops.products import MatMul, Multiply
from .ops.public import AddPublic, MatMulPublic, MultiplyPublic, Picked
from .ops.statement import Within
from .ops.stepwise import AddStepwise, Keep, MultiplyStepwise
from .ops.stored import Stored
from .ops.structure import Structure
from .ops.sums import Sum
from .ranges import EVERYTHING
from .views import Index, Rows, Take
from .wording import LONGEST, counted, entries, literal, numeral, recurring

DEEPEST = 6  # operations inside each other
WIDEST = 3  # operands that are described one by one
NAMED = 6  # tensors listed by name, of each party
DETAILS = 3
# a statement in few words; with attributes and operands; with all that tells it from others
ThreeTexts = tuple[str, str, str]


# ---- what is revealed ----------------------------------------------------------------------------


def reveals(listing: Listing, learners: Sequence[int], every: int = 0) -> list[str]:
    """A line for every reveal: "poor (4,) to alice and bob: a comparison with 0.75 of bob's x".

    `learners`: whom --reveal names; `every`: steps from a check to the next.
    """
    phrases = Phrases(listing)
    found = []
    for each in listing.statements:
        if isinstance(each, Revealed) and not each.terms.kept:
            who = _who(each.terms.learners(tuple(learners))) + often(each.terms.phase, every)
            found.append(
                f"{each.label} {listing.operations[each.node].shape} to {who}:"
                f" {phrases.whole(each.node)}"
            )
    return found


def often(phase: Phase, every: int) -> str:
    """How often what is revealed in a phase is, after who learns it."""
    return f", after {recurring(every, 'step')}" if phase == Phase.CHECK else ""


def _who(parties: Sequence[int]) -> str:
    return " and ".join(ROLES[party] for party in parties) or "nobody"


class Phrases:
    """Names for the values of a listing, by number of the node."""

    def __init__(self, listing: Listing) -> None:
        self._nodes = listing.operations
        settings = {
            each.name: each.value for each in listing.statements if isinstance(each, JobSetting)
        }
        self._iterations = int(settings["iterations"])  # type: ignore[arg-type]
        self._carried = {
            each.label: each for each in listing.statements if isinstance(each, Carried)
        }
        self._sources = [node.op for node in self._nodes if isinstance(node.op, (Source, Stored))]
        self._written = listing.written
        self._made_of = self._depend()
        self._said = 0  # which inputs the phrase in the making names

    def _depend(self) -> list[int]:
        """For every node the inputs that it depends on, as bits, through the steps too."""
        place = {op.label: n for n, op in enumerate(self._sources)}
        carries = dict.fromkeys(self._carried, 0)
        while True:
            found: list[int] = []
            for node in self._nodes:
                op, bits = node.op, 0
                if isinstance(op, (Carry, Source, Stored)):
                    bits = carries[op.label] if isinstance(op, Carry) else 1 << place[op.label]
                for use in node.operands:
                    bits |= found[use]
                found.append(bits)
            new = {
                label: found[each.start] | found[each.end] for label, each in self._carried.items()
            }
            if new == carries:
                return found
            carries = new

    def whole(self, n: int) -> str:
        """A phrase of at most about `LONGEST` characters, as deep as fits, that leaves no input
        out."""
        bits = self._made_of[n]
        for depth in range(DEEPEST, 0, -1):
            self._said = 0
            text = self.phrase(n, depth)
            if bits & ~self._said:
                text += f", made of {self._inputs(bits)}"
            if len(text) <= LONGEST:
                return text
        return f"something made of {self._inputs(bits)}"

    def _inputs(self, bits: int) -> str:
        """ "alice's w and bob's x and y" """
        self._said |= bits
        found = [op for place, op in enumerate(self._sources) if bits >> place & 1]
        parts = []
        for party, whose in [
            *((party, f"{role}'s") for party, role in enumerate(ROLES)),
            (None, "the kept"),
        ]:
            names = [op.label for op in found if getattr(op, "owner", None) == party]
            more = [f"{len(names) - NAMED} more"] if len(names) > NAMED + 1 else []
            if names:
                parts.append(f"{whose} {_list([*names[:NAMED], *more] if more else names)}")
        return _list(parts) or "public numbers"

    def phrase(self, n: int, depth: int) -> str:
        """The value of node `n`, with at most `depth` operations inside each other."""
        node = self._nodes[n]
        op = node.op
        if isinstance(op, (Source, Stored)):
            return self._inputs(self._made_of[n])
        if isinstance(op, Carry):
            times = counted(self._iterations, "iteration")
            return f"{op.label} after {times}" if node.phase == Phase.FINISH else op.label
        if depth and n in self._written and len(self._written[n][1]) <= WIDEST:
            text, operands = self._written[n]
            return text.format(*(self._part(use, depth - 1) for use in operands))
        if depth and (mean := self._mean(node)) is not None:
            return f"the mean of {self._part(mean, depth - 1)}"
        if op.view is not None and not self._chooses(node):
            return self.phrase(node.operands[0], depth)  # the same numbers, elsewhere
        if depth == 0:
            return f"something made of {self._inputs(self._made_of[n])}"
        if isinstance(op, Compare):
            limit, n = self._moved(op.limit, node.operands[0])
            return f"a comparison with {numeral(limit)} of {self._part(n, depth - 1)}"
        if len(node.operands) > WIDEST:
            return f"{_article(op.name)} of {self._inputs(self._made_of[n])}"
        said = self.phrase if type(op) in _OPEN else self._part
        inner = [said(use, depth - 1) for use in node.operands]
        return (
            _PHRASES[type(op)](op, *inner)
            if type(op) in _PHRASES
            else f"{_article(op.name)} of {_list(inner)}"
        )

    def _chooses(self, node: Operation) -> bool:
        """Whether a view may leave entries of its operand out."""
        view, shape = node.op.view, self._nodes[node.operands[0]].shape
        if isinstance(view, Take):
            return len(set(view.places)) < shape[view.axis]
        if isinstance(view, Index):  # which repeats none
            return math.prod(view.shape) < math.prod(shape)
        return isinstance(view, Rows)

    def _part(self, n: int, depth: int) -> str:
        """The phrase of node `n` inside another, in parentheses unless it is a name."""
        text = self.phrase(n, depth)
        while (op := self._nodes[n].op).view is not None and n not in self._written:
            (n,) = self._nodes[n].operands
        plain = isinstance(op, Leaf) or text.startswith("something made of ")
        return text if plain else f"({text})"

    def _moved(self, limit: float, n: int) -> tuple[float, int]:
        """x + c compared with a limit is x compared with limit − c."""
        op = self._nodes[n].op
        while type(op) is AddPublic and op.constant.size == 1:
            limit, n = limit - float(op.constant.flat[0]), self._nodes[n].operands[0]
            op = self._nodes[n].op
        return limit, n

    def _mean(self, node: Operation) -> int | None:
        """What `node` is the mean of."""
        if type(node.op) is not MultiplyPublic or node.op.constant.size != 1:
            return None
        total = self._nodes[node.operands[0]]
        if not isinstance(total.op, Sum) or not total.op.axes:
            return None
        shape = self._nodes[total.operands[0]].shape
        count = int(np.prod([shape[axis] for axis in total.op.axes]))
        return (
            total.operands[0] if count and float(node.op.constant.flat[0]) == 1.0 / count else None
        )


_PHRASES: dict[type[Op], Callable[..., str]] = {
    Add: lambda op, a, b: (
        f"the difference of {a} and {b}" if op.minus else f"the sum of {a} and {b}"
    ),
    AddPublic: lambda op, a: f"{a} {_added(op.constant)}",
    MultiplyPublic: lambda op, a: f"{entries(op.constant)} times {a}",
    Picked: lambda op, a: f"{entries(op.constant)} where {a}",
    AddStepwise: lambda op, a: f"{a} plus a number of the step's",
    MultiplyStepwise: lambda op, a: f"{a} times a number of the step's",
    Keep: lambda op, a: f"{a} after dropout",
    MatMulPublic: lambda op, a: f"a public matrix {op.constant.shape} times {a}",
    Coarse: lambda op, a: f"{a}, at {op.scale_out} fraction bits",
    Negate: lambda op, a: f"minus {a}",
    Sum: lambda op, a: f"the sum over {a}",
    Multiply: lambda op, a, b: f"the product of {a} and {b}",
    MatMul: lambda op, a, b: f"the matrix product of {a} and {b}",
    Mux: lambda op, a, b: f"{b} where {a} says so",
    Structure: lambda op, a: f"{'a minibatch' if isinstance(op.view, Rows) else 'a part'} of {a}",
}
_OPEN = (AddPublic, AddStepwise, MultiplyStepwise, Keep, Coarse)  # whose phrases begin with another


# ---- what one statement does ---------------------------------------------------------------------


def words(listing: Listing, number: int) -> ThreeTexts:
    """Statement `number` as a clause that follows a party's name, in three degrees of detail. No
    place in a file is in it."""
    if number >= len(listing.statements):
        return ("says nothing more",) * 3
    statement, phrases = listing.statements[number], Phrases(listing)
    if isinstance(statement, JobSetting):
        value = statement.value  # of "revealed to": the parties
        said = _who(value) if isinstance(value, tuple) else str(value)
        short = f"has {statement.name} = {said}"
        return short, short, short
    if isinstance(statement, Carried):
        label, end = statement.label, phrases.whole(statement.end)
        text = f"carries {label} on as {end}"
        return (
            text,
            f"{text}, first {phrases.whole(statement.start)}",
            f"{text} (#{statement.end}, #{statement.start})",
        )
    if isinstance(statement, Revealed):
        if statement.terms.kept:
            text = f"keeps a {statement.label}: {phrases.whole(statement.node)}"
            return text, text, f"{text} (#{statement.node})"
        phase, to = statement.terms
        when = " at each check" if phase == Phase.CHECK else ""
        who = "" if to is None else f" to {_who(to)}"
        text = f"reveals {statement.label}{who}{when}: {phrases.whole(statement.node)}"
        return text, text, f"{text} (#{statement.node})"
    short = _verb(statement)
    operands = _list([phrases.phrase(use, 1) for use in statement.operands])
    middle = " ".join([short, *_given(statement.op)]) + (f" (on {operands})" if operands else "")
    if statement.declared != EVERYTHING and not isinstance(statement.op, (Source, Stored)):
        middle += f", declared to be in {_interval(statement.declared)}"
    numbers = ", ".join(f"#{use}" for use in statement.operands)
    mark = hashlib.blake2b(canonical(statement), digest_size=4).hexdigest()
    return (
        short,
        middle,
        (
            f"{short} ({statement.shape}, {statement.phase.name.lower()},"
            f" {numbers or 'no operand'}, {mark})"
        ),
    )


def part(listing: Listing, number: int) -> str:
    """Which part of a job statement `number` belongs to."""
    if number >= len(listing.statements):
        return "the end of the job"
    statement, origin = listing.statements[number], listing.origins[number]
    if isinstance(statement, JobSetting):
        return "the settings"
    if isinstance(statement, Operation) and isinstance(statement.op, (Source, Stored)):
        return "the inputs"
    return "the job" if origin.phase is None else origin.phase.name.lower()


def rank(listing: Listing, number: int) -> int:
    """Where in a listing's order statement `number` stands: settings, operations by phase, what is
    carried, what is revealed."""
    if number >= len(listing.statements):
        return RANKS - 1
    statement = listing.statements[number]
    if isinstance(statement, JobSetting):
        return 0
    if isinstance(statement, Operation):
        phase = listing.origins[number].phase
        return 1 if phase is None else 2 + phase
    return RANKS - 3 if isinstance(statement, Carried) else RANKS - 2


RANKS = 9


def difference(
    listing: Listing, number: int, me: str, peer: str, theirs: Sequence[str], their_rank: int
) -> str:
    """The sentence for `me`, whose file is named in it: "step: bob adds 0.5 where alice adds 0.75
    (check.py:12)".

    Where one job says something that the other does not say at all, its next statement is of a
    later kind, and says nothing.
    """
    mine, own_rank = words(listing, number), rank(listing, number)
    line = listing.origins[number].line if number < len(listing.origins) else ""
    at = f" ({line})" if line else ""
    if own_rank < their_rank:
        return f"{part(listing, number)}: {me} {mine[0]}{at}, which {peer} does not"
    if own_rank > their_rank:
        return f"{peer} {theirs[0]}, which {me} does not"
    other, own = next(
        (pair for pair in zip(theirs, mine, strict=True) if pair[0] != pair[1]),
        (theirs[2], mine[2]),
    )
    return f"{part(listing, number)}: {peer} {other} where {me} {own}{at}"


def _verb(statement: Operation) -> str:
    op = statement.op
    if isinstance(op, Source):
        return f"takes {ROLES[op.owner]}'s {op.label} {op.dims} in {_interval(statement.declared)}"
    if isinstance(op, Stored):
        numbers = f"{op.scale_in} fraction bits, modulo 2^{op.bits}"
        return f"takes the kept {op.label} {op.dims} in {_interval(statement.declared)}, {numbers}"
    if isinstance(op, Carry):
        return f"carries {op.label} {op.dims} on"
    if isinstance(op, (AddStepwise, MultiplyStepwise)):
        verb = "adds" if isinstance(op, AddStepwise) else "multiplies by"
        return f"{verb} a schedule, {entries(op.constant)}"
    if isinstance(op, AddPublic):
        return (
            f"subtracts {entries(-op.constant)}"
            if _negative(op.constant)
            else f"adds {entries(op.constant)}"
        )
    if isinstance(op, MultiplyPublic):
        return f"multiplies by {entries(op.constant)}"
    if isinstance(op, Compare):
        test = {(0, 0): "<", (0, 1): "≥", (1, 0): "≤", (1, 1): ">"}[op.inclusive, op.negated]
        return f"tests for {test} {numeral(op.limit)}"
    if isinstance(op, Within):
        return f"takes a tensor to lie in {_interval(op.interval)}"
    if isinstance(op, Structure):
        return f"takes {op.view!r}"
    if isinstance(op, Coarse):
        return f"keeps {op.scale_out} fraction bits"
    return f"computes {_article(op.name)}"


def _given(op: Op) -> list[str]:
    """The attributes that a verb does not say."""
    if isinstance(
        op, (Source, Stored, Carry, AddPublic, MultiplyPublic, Compare, Structure, Coarse)
    ) or not is_dataclass(op):
        return []
    return [
        f"with {each.name} {literal(getattr(op, each.name))}" for each in fields(op) if each.init
    ]


def _negative(constant: np.ndarray[Any, Any]) -> bool:
    return bool(constant.size == 1 and constant.flat[0] < 0)


def _added(constant: np.ndarray[Any, Any]) -> str:
    return f"minus {entries(-constant)}" if _negative(constant) else f"plus {entries(constant)}"


def _interval(interval: tuple[float, float]) -> str:
    return f"[{numeral(interval[0])}, {numeral(interval[1])}]"


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _list(names: Iterable[str]) -> str:
    *rest, last = [*names] or [""]
    return f"{', '.join(rest)} and {last}" if rest else last
