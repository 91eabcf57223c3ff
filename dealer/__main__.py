"""`python -m dealer`: deals correlated randomness to any number of sessions, and learns nothing but
shapes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from protocol.signals import attend


def main(arguments: Sequence[str] | None = None) -> int:
    """The program with these words, or with those of the command line; then signals are this
    program's too."""
    if arguments is None:
        attend("dealer")
    # only now: a signal may come at any moment, and imports take most of a start
    from .program import PROGRAM

    return PROGRAM.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
