"""How much Python has to do for something, counted in calls and not in seconds: as many on a busy
machine."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable


def calls(function: Callable[[], object]) -> int:
    profile = cProfile.Profile()
    profile.runcall(function)
    return pstats.Stats(profile).total_calls  # type: ignore[attr-defined,no-any-return]
