"""What a job declares of the tensors that are brought to it: one by one, or several as a bundle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import is_count
from .draws import Draw
from .errors import DataError, JobError
from .ops import Secret
from .ops.tensor import number
from .origin import caller
from .views import Shape
from .wording import counted

ROLES = ("alice", "bob")
JOINT = "joint"


@dataclass(frozen=True)
class Input:
    """A tensor that `owner` brings. `shape` may name axes ("n"): equal names must have equal
    lengths.

    Every value must lie in [low, high]; that is checked where it is encoded. For a variable that
    training changes, the range is also what the plan assumes the values stay in.

    default: what it is where its owner gives no file: an array, or a `Draw`, which its owner then
        draws.

    typical: the root mean square of its entries, about 0, where that is known: products of it are
        then taken to be as large as that makes likely, with the plan's usual margin, instead of as
        large as numbers anywhere in the range would make them.

    row_sum: what the entries along the last axis add up to, of every row: 1 of one-hot labels. Also
        checked where it is encoded, to within `fixedpoint.UNEVEN`.

    An owner "joint" stands for both: each brings a tensor of its own, NAME.alice and NAME.bob, from
    a file or drawn, and v.NAME is their sum, which neither of them knows.
    """

    owner: str
    shape: tuple[int | str, ...]
    low: float = -1024.0
    high: float = 1024.0
    default: Any = None
    typical: float | None = field(default=None, kw_only=True)
    row_sum: float | None = field(default=None, kw_only=True)
    line: str = field(default="", repr=False, compare=False, kw_only=True)  # where it is declared

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", self.line or caller())
        if self.owner not in (*ROLES, JOINT):
            raise JobError(
                f"an Input belongs to 'alice', to 'bob' or to both, 'joint', not to {self.owner!r}"
            )
        for name in ("low", "high"):  # a NumPy scalar would make intervals wrap in its own few bits
            object.__setattr__(self, name, number(f"an Input's {name}", getattr(self, name)))
        if not -math.inf < self.low < self.high < math.inf:
            raise JobError(
                "an Input's range needs low < high, two finite numbers that no value leaves, not"
                f" [{self.low:g}, {self.high:g}]"
            )
        object.__setattr__(self, "shape", _axes(self.shape))
        if (
            self.typical is not None
            and not 0.0 < number("an Input's typical", self.typical) < math.inf
        ):
            raise JobError(f"an Input's typical is a number above 0, not {self.typical!r}")
        self._check_draw()
        if self.row_sum is not None:
            object.__setattr__(self, "row_sum", number("an Input's row_sum", self.row_sum))
            if self.owner == JOINT or not self.shape:
                raise JobError(
                    "an Input's row_sum is of rows that one party brings; this one"
                    f" {'is of both' if self.shape else 'has no axes'}"
                )

    def _check_draw(self) -> None:
        """JobError where the range cuts off more than a few of the numbers that are drawn."""
        if not isinstance(self.default, Draw):
            return
        draw, room = self.default, min(-self.low, self.high)
        if self.owner == JOINT:
            draw, room = draw.half(), room / 2
        if draw.usual > room:
            raise JobError(
                f"a draw of deviation {self.default.deviation:.3g} does not fit into"
                f" [{self.low:g}, {self.high:g}]: draw smaller numbers, as Draw(…) or init=Draw(…)"
                " does, or declare a wider range, which of a layer is its limit"
            )

    @property
    def party(self) -> int:
        """The number of its owner: 0 Alice, 1 Bob."""
        return ROLES.index(self.owner)

    def brought(self, name: str) -> dict[str, Input]:
        """What the parties bring for it, by name: itself, or the two tensors that it is the sum
        of."""
        if self.owner != JOINT:
            return {name: self}
        default: Any = None
        if isinstance(self.default, Draw):
            default = self.default.half()
        elif self.default is not None:
            default = np.asarray(self.default) / 2
        half = replace(
            self,
            owner=ROLES[0],
            low=self.low / 2,
            high=self.high / 2,
            default=default,
            typical=None,
        )
        return {f"{name}.{role}": replace(half, owner=role) for role in ROLES}


def _axes(shape: Any) -> tuple[int | str, ...]:
    """JobError for what is no shape."""
    found = tuple(shape) if isinstance(shape, (tuple, list)) else None
    if found is None or not all(
        each if isinstance(each, str) else is_count(each) for each in found
    ):
        raise JobError(
            "an Input's shape is a tuple of whole numbers above 0 and names of axes, as in"
            f" ('n', 3), not {shape!r}"
        )
    return tuple(each if isinstance(each, str) else int(each) for each in found)


class Bundle:
    """Several Inputs as one attribute of a job, which are called by its name and theirs:
    model.0.weight."""

    name: str = ""
    line: str = ""  # where it is declared

    def __set_name__(self, _: type, name: str) -> None:
        self.name, self.line = name, caller()

    def inputs(self) -> dict[str, Input]:
        """By their names within the bundle; "" is the bundle's own."""
        raise NotImplementedError

    def gathered(
        self, parts: Mapping[str, Secret], learnt_from: Callable[[int], NDArray[np.intp]]
    ) -> dict[str, Secret]:
        """What the job computes with instead of these inputs, both by their names within the
        bundle.

        parts: in a run that begins with a model, also what of it is called so, as what was
            `learnt`. learnt_from: which of so many rows the job learns from.
        """
        return dict(parts)

    @property
    def learnt(self) -> tuple[str, ...]:
        """What `gathered` computes, from rows that are brought, that stays with a model that is
        kept."""
        return ()

    def sources(self) -> Iterable[object]:
        """What of it brings tensors, under one name in a job."""
        return (self,)

    def settings(self) -> dict[str, str]:
        """What it declares besides its inputs, and both parties must declare alike, in words."""
        return {}


def inside(name: str, bundle: Bundle) -> dict[str, Input]:
    """A bundle's inputs; JobError where what it was given makes none, as a width that is no
    number."""
    try:
        return bundle.inputs()
    except (TypeError, ValueError, ArithmeticError) as error:
        raise JobError(
            f"{name} = {type(bundle).__name__}(…): the shapes of its tensors do not follow from"
            f" what it was given; check that every size is a whole number above zero ({error})"
        ) from None


def member(bundle: str, part: str) -> str:
    """The name of a part of a bundle."""
    return f"{bundle}.{part}" if part else bundle


def bind(inputs: Mapping[str, Input], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Check actual shapes against declared ones, names of axes included; DataError names the
    tensors that disagree."""
    lengths: dict[str, tuple[int, str, int]] = {}  # length, tensor and place of named axes
    for name, declared in inputs.items():
        actual = shapes[name]
        if len(actual) != len(declared.shape):
            raise DataError(f"tensor {name} has shape {actual}; the job declares {declared.shape}")
        for place, (want, got) in enumerate(zip(declared.shape, actual, strict=True)):
            if isinstance(want, int):
                if want != got:
                    raise DataError(
                        f"tensor {name} has shape {actual}; the job declares {declared.shape}"
                    )
            elif want in lengths and lengths[want][0] != got:
                length, other, at = lengths[want]
                if place == at == 0:
                    raise DataError(
                        f"{name} has {counted(got, 'row')} and {other} {length:,}, and a row of one"
                        " belongs to a row of the other; bring as many of both"
                    )
                raise DataError(
                    f"tensor {name} has {got} along axis {want!r}, but tensor {other} has {length}"
                )
            else:
                lengths.setdefault(want, (got, name, place))
    return dict(shapes)
