"""A table of one column, which holds classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .errors import JobError
from .preparation import OneHot, text
from .tables import Table


class Labels(Table):
    """A column of classes: v.NAME is (rows, classes), one-hot; of two classes with one_hot=False
    (rows, 1), 1 for the second.

    classes: their names or numbers as the file has them, in order, or how many there are: 0, 1, 2
        and so on.
    column: which column of the file it is; without it, the file that is given for the labels has
        one column alone.
    """

    def __init__(
        self,
        owner: str | None = None,
        column: str | Mapping[str, str] | None = None,
        *,
        classes: int | Sequence[str | int | float],
        one_hot: bool = True,
        rows: int | str | Mapping[str, int] = "n",
        key: str | None = None,
    ) -> None:
        found = range(classes) if isinstance(classes, int) else classes
        if isinstance(found, str) or len(found) < 2 or not (one_hot or len(found) == 2):
            raise JobError(
                "Labels take two classes or more, classes=['no', 'yes'] or classes=10;"
                " one_hot=False takes two"
            )
        self.classes = tuple(text(each) for each in found)
        step = OneHot(categories=self.classes, drop_first=not one_hot)
        super().__init__(owner, 1 if column is None else column, rows=rows, key=key, steps=[step])
