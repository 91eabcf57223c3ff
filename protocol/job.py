"""The class that every job is made from; `jobs.py` says how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, JobError
from .graph import Array
from .inputs import Bundle, Input, bind, inside, member
from .limits import PRECISION
from .ops.stored import Stored
from .parameters import Parameter, inherit, parameters_of
from .ranges import USUAL_MARGIN
from .sizing import Numerics
from .variables import Variables
from .views import Shape


class Job:
    """Subclass this; see `jobs.py`."""

    iterations: ClassVar[int | None] = 1  # None: they follow from the shapes, see `steps`
    # None: the plan chooses, see choice.py
    fraction_bits: Parameter[int | None] = Parameter(None, kind=int)
    # and this is what it heeds: how far a result may be off, as a part of its range
    precision: Parameter[float | None] = Parameter(None, PRECISION, kind=float)
    integer_bits = Parameter(16)
    range_margin = Parameter(USUAL_MARGIN)  # see `Numerics.margin`
    reveal: ClassVar[str] = "both"
    # variables that can stay shared at the end, by name or pattern: "w", "model.*"
    keep: ClassVar[Sequence[str]] = ()
    # what an earlier run must have kept, of what is not declared
    uses: ClassVar[Sequence[str]] = ()
    # what setup makes anew, from what an earlier run has kept of it where there was one
    renews: ClassVar[Sequence[str]] = ()
    # steps from one check to the next; 0: as many as make checks a twentieth of the cost
    check_every = Parameter(0)

    kept: Sequence[str] = ()  # those that do in this run: `keep`, or none
    # what it begins with, kept by an earlier run; see `begin_with`
    stored: Mapping[str, Stored] = {}
    _begun = 0  # steps of earlier runs
    _fewest_bits = 0  # that the plan goes down to, where it chooses

    def __init_subclass__(cls) -> None:
        """In a subclass rate = 0.1 is another default of the parameter `rate`; JobError for one
        that is called as what every job has."""
        super().__init_subclass__()
        own = parameters_of(Job)
        for name, value in vars(cls).items():
            if isinstance(value, Parameter) and hasattr(Job, name) and name not in own:
                raise JobError(
                    f"{name} = Parameter(…): {name} is a name of every job's own;"
                    + (
                        f" write {name} = {value.default!r}"
                        if name in ("iterations", "reveal")
                        else " give the parameter another"
                    )
                )
        inherit(cls)

    def begin_with(self, stored: Iterable[Stored], begun: int = 0) -> None:
        """Begin with tensors that an earlier run has kept as shares, in place of inputs or initial
        values of these names.

        begun: how many steps led to them; learning-rate schedules, orders of rows and dropout
        continue from there. DataError where a shape differs from the one that the job declares, or
        a range exceeds it.
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
        """The number of iterations, given the shapes of all inputs by name. Called before the job
        is traced; override it where `iterations` is None. JobError if it is not known."""
        if self.iterations is None:
            raise JobError(
                f"job {type(self).__name__} does not say how many iterations it has; give"
                " --iterations"
            )
        return self.iterations

    def setup(self, v: Variables) -> None:
        """Traced for what is computed once, before the first step: v.name = … makes variables."""

    def step(self, v: Variables) -> None:
        """Traced for one iteration; a variable that it assigns is carried to the next.

        It is called a few times with the same effect, on shapes alone, until the ranges of the
        carried variables are known: whatever else it does (print, draw numbers) is done each time.
        """

    def check(self, v: Variables) -> None:
        """Traced for what is computed after every `check_every` steps and after the last: metrics
        of the training so far, revealed by v.reveal(name=tensor, …).

        `v` holds the variables as the last step has left them. The reveals are part of the plan,
        like any other.
        """

    def stop(self, history: Mapping[str, Sequence[Array]]) -> bool:
        """Called after each check: whether the run ends here, with its finish.

        history: for each name revealed to both parties, the arrays of all checks so far. Each party
        calls its own copy, and both must get the same answer: compare the numbers, and compute
        little with them.
        """
        return False

    def improved(self, history: Mapping[str, Sequence[Array]]) -> bool:
        """Called after each check, before `stop`: whether the variables of now are the best so far.

        The finish is computed from the best ones, or from the last where no check called them so.
        history, and who calls it: as for `stop`.
        """
        return False

    def finish(self, v: Variables) -> None:
        """Traced for what is computed once, after the last step; calls v.reveal(name=tensor, …)."""
        raise JobError(
            f"job {type(self).__name__} reveals nothing: define finish() and call"
            " v.reveal(name=tensor)"
        )

    def finest(self, name: str, rows: int) -> float:
        """The smallest deviation, in so many rows, of a column of the input or table `name` that
        does not count as constant; 0.0: any."""
        return 0.0

    def least_eigenvalue(self, name: str) -> float:
        """How small an eigenvalue of the correlations between columns of the input or table `name`
        may be, as a part of their number, before a result suffers; 0.0: as small as may be."""
        return 0.0

    def promise(self, told: Collection[str] = ()) -> str:
        """How exact the results are with the fraction bits that the job states, where that is known
        better than it follows from the ranges of what they are made of; "" where it is not.

        told: instead, of which of `nn.prediction.KINDS` of new rows.
        """
        return ""

    def remarks(
        self, results: Mapping[str, Array], history: Mapping[str, Sequence[Array]]
    ) -> list[str]:
        """Sentences about how far a training has come, for whoever learnt this at its end and
        after its checks."""
        return []

    def stated(self) -> dict[str, Input | Bundle]:
        """The inputs that the job declares, by name: attributes of its class and its base classes,
        of which the most derived counts.

        A job whose inputs depend on its parameters overrides this, and adds them.
        """
        found = {
            name: value
            for base in reversed(type(self).__mro__)
            for name, value in vars(base).items()
        }
        return {name: value for name, value in found.items() if isinstance(value, (Input, Bundle))}

    @cached_property
    def declared(self) -> dict[str, Input]:
        """All declared input tensors, those of bundles included, sorted by name, so that both
        parties have the same order."""
        found: dict[str, Input] = {}
        held: dict[int, str] = {}  # by whom, of what brings tensors
        for name, value in self.stated().items():
            if isinstance(value, Input):
                found[name] = value
            else:
                for each in value.sources():
                    if held.setdefault(id(each), name) != name:
                        raise JobError(
                            f"{held[id(each)]} and {name} hold one {type(each).__name__}, whose"
                            " tensors have one name in a job: make one model of both, or another"
                            " for one of them; one that a model has twice is made outside the class"
                        )
                parts = inside(name, value).items()
                found |= {
                    member(name, part): replace(each, line=value.line) for part, each in parts
                }
        return dict(sorted(found.items()))

    @cached_property
    def bundles(self) -> dict[str, Bundle]:
        """The declared bundles (tables, for one), sorted by name."""
        return {
            name: value
            for name, value in sorted(self.stated().items())
            if isinstance(value, Bundle)
        }

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """The input tensors of this run, sorted by name: `declared` without those that an earlier
        run has kept."""
        brought = [
            each.brought(name) for name, each in self.declared.items() if name not in self.stored
        ]
        return {name: each for one in brought for name, each in one.items()}

    @property
    def parameters(self) -> dict[str, int | float | str | bool]:
        """What is declared as Parameter(…), by name; both parties must have the same. Without what
        is absent."""
        found = {name: getattr(self, name) for name in parameters_of(type(self))}
        return {name: value for name, value in found.items() if value is not None}

    def training_rows(self, rows: int) -> NDArray[np.intp]:
        """The numbers of the rows, of so many, that the job learns from: means, categories and the
        like are fitted on these alone."""
        return np.arange(rows)

    @property
    def numerics(self) -> Numerics:
        """The fixed-point format that the job states; where it leaves the fraction bits to the
        plan, the default ones. JobError for a parameter beyond its limits."""
        for name, each in parameters_of(type(self)).items():
            each.check(getattr(self, name))
        usual = Numerics(integer_bits=self.integer_bits, margin=self.range_margin)
        return (
            usual
            if self.fraction_bits is None
            else replace(usual, fraction_bits=self.fraction_bits)
        )
