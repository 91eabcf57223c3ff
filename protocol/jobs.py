"""A job: which tensors each party brings, what a step does with them, and what is revealed at the
end.

    class Linear(Job):
        iterations = 100
        x = Input("bob", shape=("n", 3), low=-1, high=1)
        w = Input("alice", shape=(3, 1), low=-1, high=1)

        def step(self, v):
            v.w = v.w + v.x.T @ (1 - v.x @ v.w) / 8

        def finish(self, v):
            v.reveal(weights=v.w)

`setup`, `step` and `finish` are run once each, on shapes alone, to trace the graph that is then
executed as often as `iterations` says. `v` holds the job's variables: its inputs, and whatever
`setup` assigns. A variable that `step` assigns is carried from one iteration to the next. `check`,
if there is one, may reveal how far it has come, see `Job.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, JobError
from .graph import Array
from .inputs import JOINT as JOINT
from .inputs import ROLES as ROLES
from .inputs import Bundle as Bundle
from .inputs import Input as Input
from .inputs import bind, inside, member
from .limits import Limit
from .ops.stored import Stored
from .sizing import Numerics
from .variables import Variables as Variables
from .views import Shape


class Job:
    """Subclass this; see the module's docstring."""

    iterations: ClassVar[int | None] = 1  # None: they follow from the shapes, see `steps`
    fraction_bits: ClassVar[int | None] = None  # the plan chooses, see choice.py
    precision: ClassVar[float] = (
        1e-4  # and this is what it heeds: how far a result may be off, as a part of its range
    )
    integer_bits: ClassVar[int] = 16
    reveal: ClassVar[str] = "both"
    # variables that can stay shared at the end, by name or pattern: "w", "model.*"
    keep: ClassVar[Sequence[str]] = ()
    # what an earlier run must have kept, of what is not declared
    uses: ClassVar[Sequence[str]] = ()
    # what setup makes anew, from what an earlier run has kept of it where there was one
    renews: ClassVar[Sequence[str]] = ()
    limits: ClassVar[Mapping[str, Limit]] = {}  # what parameters may be
    # steps from one check to the next; 0: as many as make checks a twentieth of the cost
    check_every: ClassVar[int] = 0

    kept: Sequence[str] = ()  # those that do in this run: `keep`, or none
    # what it begins with, kept by an earlier run; see `begin_with`
    stored: Mapping[str, Stored] = {}
    _begun = 0  # steps of earlier runs
    _fewest_bits = 0  # that the plan goes down to, where it chooses

    def begin_with(self, stored: Iterable[Stored], begun: int = 0) -> None:
        """Have these tensors, of which both hold shares since an earlier run, as variables, in
        place of what would be brought.

        begun: how many steps led to them; schedules, orders of rows and dropout go on from there.
        DataError where one does not have the shape that the job declares, or may leave the range.
        """
        found = {each.label: each for each in stored}
        for name in found.keys() & self.declared.keys():
            declared, each = self.declared[name], found[name]
            bind({name: declared}, {name: each.dims})
            if each.low < declared.low or each.high > declared.high:
                raise DataError(
                    f"tensor {name} was kept in [{each.low:g}, {each.high:g}]; the job declares"
                    f" [{declared.low:g}, {declared.high:g}]"
                )
        self.stored, self._begun = found, begun
        self.__dict__.pop("inputs", None)

    def steps(self, shapes: Mapping[str, Shape]) -> int:
        """How many iterations there are, given the shapes of all that is brought; called before the
        job is traced."""
        if self.iterations is None:
            raise JobError(
                f"job {type(self).__name__} does not say how many iterations it has; give"
                " --iterations"
            )
        return self.iterations

    def setup(self, v: Variables) -> None:
        """Once, before the first step."""

    def step(self, v: Variables) -> None:
        """One iteration."""

    def check(self, v: Variables) -> None:
        """After every `check_every` steps and after the last; may call v.reveal(name=tensor, …) of
        how far it has come.

        `v` holds the variables as the steps before have left them. What is revealed stands in the
        plan, like any other reveal.
        """

    def stop(self, history: Mapping[str, Sequence[Array]]) -> bool:
        """Asked after each check: whether the run goes to its finish now. `history`: what checks
        revealed to both, an array each.

        Both parties ask their own copy, and must come to the same answer: compare the numbers, and
        compute little with them.
        """
        return False

    def improved(self, history: Mapping[str, Sequence[Array]]) -> bool:
        """Asked after each check, before `stop`: whether the variables as they stand are the best
        so far, which the finish then has.

        Without such a check it has the last ones. Both parties ask, as they do `stop`.
        """
        return False

    def finish(self, v: Variables) -> None:
        """Once, after the last step; calls v.reveal(name=tensor, …)."""
        raise JobError(
            f"job {type(self).__name__} reveals nothing: define finish() and call"
            " v.reveal(name=tensor)"
        )

    def stated(self) -> dict[str, Input | Bundle]:
        """What the job declares to be brought, by name: what its class has, or where a class
        replaces what another had, that.

        A job whose tensors depend on its parameters replaces this, and adds them.
        """
        found = {
            name: value
            for base in reversed(type(self).__mro__)
            for name, value in vars(base).items()
        }
        return {name: value for name, value in found.items() if isinstance(value, (Input, Bundle))}

    @cached_property
    def declared(self) -> dict[str, Input]:
        """The tensors that the job says are brought, those of bundles too, by name: the same order
        at both parties."""
        found: dict[str, Input] = {}
        for name, value in self.stated().items():
            if isinstance(value, Input):
                found[name] = value
            else:
                parts = inside(name, value).items()
                found |= {
                    member(name, part): replace(each, line=value.line) for part, each in parts
                }
        return dict(sorted(found.items()))

    @cached_property
    def bundles(self) -> dict[str, Bundle]:
        """By name, in that order."""
        return {
            name: value
            for name, value in sorted(self.stated().items())
            if isinstance(value, Bundle)
        }

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """What each party brings, by name, in that order."""
        brought = [
            each.brought(name) for name, each in self.declared.items() if name not in self.stored
        ]
        return {name: each for one in brought for name, each in one.items()}

    @property
    def parameters(self) -> dict[str, int | float | str | bool]:
        """The plain numbers, strings and flags of the class: what --param may change, and both
        parties must share."""
        found = {
            name: value
            for base in reversed(type(self).__mro__)
            for name, value in vars(base).items()
        } | vars(self)
        return {
            name: value
            for name, value in sorted(found.items())
            if type(value) in (int, float, str, bool)
            and name[0] != "_"
            and name not in ("iterations", "reveal")
        }

    def training_rows(self, rows: int) -> NDArray[np.intp]:
        """Which of so many rows of a table the job learns from: those that preparation may look
        at."""
        return np.arange(rows)

    @property
    def numerics(self) -> Numerics:
        """What the job states; with the usual fraction bits where it leaves them to the plan.

        JobError where a parameter is none.
        """
        for name, limit in self.limits.items():
            if not limit.allows(value := getattr(self, name)):
                raise JobError(f"{name} = {value!r}: {limit.words}")
        if type(self.precision) not in (int, float) or not 0.0 < self.precision <= 1.0:
            raise JobError(
                "precision is a part of a value's range, above 0 and up to 1, not"
                f" {self.precision!r}"
            )
        usual = Numerics(integer_bits=self.integer_bits)
        return (
            usual
            if self.fraction_bits is None
            else replace(usual, fraction_bits=self.fraction_bits)
        )
