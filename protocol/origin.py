"""Where in a job something was written: for messages to the job's owner, and never for anybody else."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = __name__.partition(".")[0]


def caller() -> str:
    """The innermost line outside this package that led here, as "check.py:12"; "" where there is none."""
    frame = sys._getframe(1)
    while str(frame.f_globals.get("__name__")).partition(".")[0] == PACKAGE:
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
