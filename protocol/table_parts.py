"""What one party brings of a table: its columns, and the steps that concern them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from .preparation import (
    Names,
    Step,
    is_pattern,
    layout,
)


@dataclass(frozen=True)
class TablePart:
    """The columns that one party brings of a table, and the steps that it does to them. columns:
    pairs of the name in the job and in the file; or how many; or None: all others."""

    owner: str
    columns: tuple[tuple[str, str], ...] | int | None
    steps: tuple[Step, ...] = ()

    @property
    def known(self) -> Names | None:
        """The names of the columns in the job, where they follow from the job alone."""
        if isinstance(self.columns, int):
            return tuple(str(n) for n in range(self.columns))
        if self.columns is None or any(is_pattern(source) for _, source in self.columns):
            return None
        return tuple(name for name, _ in self.columns)

    @property
    def exact(self) -> Names:
        """Those of the names that the job itself spells out."""
        if self.columns is None or isinstance(self.columns, int):
            return self.known or ()
        return tuple(name for name, source in self.columns if not is_pattern(source))

    def may_have(self, name: str) -> bool:
        """Whether a column of that name, or the one that it is made of, may be among these; of a
        pattern not."""
        if is_pattern(name) or self.columns is None:
            return not is_pattern(name)
        stems = {name, name.removesuffix(" is missing"), name.partition("=")[0]}
        patterns = [] if isinstance(self.columns, int) else [source for _, source in self.columns]
        return not stems.isdisjoint(self.exact) or any(
            is_pattern(each) and fnmatchcase(stem, each) for each in patterns for stem in stems
        )

    @property
    def width(self) -> int | None:
        """How many columns there are after all steps, where that follows from the job alone."""
        made = None if self.known is None else layout(self.known, self.steps)
        return None if made is None else len(made)


def own_steps_of(
    steps: Iterable[Step], part: TablePart, parts: Iterable[TablePart]
) -> Iterator[Step]:
    """The steps that concern a part: without names of the columns of others, and of what becomes of
    these."""
    others = [each for each in parts if each is not part]
    foreign = {name for each in others for name in each.exact} - {*part.exact}
    for step in steps:
        foreign |= {
            name
            for name in step.columns
            if any(each.may_have(name) for each in others) and not part.may_have(name)
        }
        left = tuple(name for name in step.columns if name not in foreign)
        foreign |= {each for name in foreign & {*step.columns} for each in step.made(name) or ()}
        if left or not step.columns:
            yield replace(step, columns=left)
        if not step.columns:
            foreign |= {each for name in foreign for each in step.made(name) or ()}
