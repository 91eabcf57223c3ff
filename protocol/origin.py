"""The place in a job where something was written: for messages to the job's owner, and for nobody
else."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import FunctionType
from typing import NamedTuple

from .schedule import Phase

PACKAGE = __name__.partition(".")[0]


class Origin(NamedTuple):
    """The place in a job that made a node: the phase whose method ran, "file:line" or "", and the
    part of a model or "".

    It is for messages to this party's own user; the peer's file may differ, and it is not part of
    the plan.
    """

    phase: Phase | None = None
    line: str = ""
    place: str = ""  # "model.0, Dense"
    word: str = ""  # the function or operator that the line calls, which made the node: "softmax"

    @property
    def beside(self) -> str:
        """Part and line as they stand behind what they are of: " (model.0, Dense, mlp.py:12)"; or
        nothing."""
        found = ", ".join(filter(None, (self.place, self.line)))
        return f" ({found})" if found else ""


NOWHERE = Origin()

# what stands between a line and the function that it calls by NumPy's name, or as a method
BETWEEN = frozenset(("__array_ufunc__", "__array_function__", "call", "called", "method"))
OPERATORS = {
    f"__{side}{name}__": word
    for name, word in (
        ("truediv", "divide"),
        ("mul", "multiply"),
        ("matmul", "matmul"),
        ("pow", "power"),
        ("add", "add"),
        ("sub", "subtract"),
    )
    for side in ("", "r", "i")
} | {"__abs__": "absolute"}


def caller() -> str:
    """The innermost line outside this package that led here, as "check.py:12"; "" where there is
    none."""
    frame = sys._getframe(1)
    while str(frame.f_globals.get("__name__")).partition(".")[0] == PACKAGE:
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    file = frame.f_code.co_filename
    return f"{cell(file) or Path(file).name}:{frame.f_lineno}"


def asked() -> str:
    """The function or operator of this package that the innermost line outside it calls, by which
    it led here: "softmax", "divide"; "" where it has no name of its own."""
    frame, names = sys._getframe(1), list[str]()
    while str(frame.f_globals.get("__name__")).partition(".")[0] == PACKAGE:
        names.append(frame.f_code.co_name)
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    for name in reversed(names):
        if name not in BETWEEN:
            return OPERATORS.get(name, "" if name.startswith(("_", "<")) else name)
    return ""


def source(kind: type) -> str:
    """The file that a class was written in, as its code names it: in a notebook, what stands for
    the cell."""
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):  # a notebook's __main__ has none
        own = [
            each
            for base in kind.__mro__
            for each in vars(base).values()
            if isinstance(each, FunctionType)
        ]
        return own[0].__code__.co_filename if own else f"<{kind.__module__}>"


def cell(file: str) -> str | None:
    """What IPython calls the input that was compiled under this name, as "Cell In[3]"; None for a
    file."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    name = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(file)
    return None if name is None else " ".join(name)
