"""Who was refused and why, told once a minute each, and not without end: what strangers say must
not fill a disk."""

from __future__ import annotations

import collections
from collections.abc import Callable
from time import monotonic

Refused = Callable[[str, str], None]
_KNOWN = 1024  # refusals that are remembered
_A_MINUTE = 100  # refusals that are told


class Refusals:
    """Passes refusals on to `tell`, called with the reason and the address."""

    def __init__(self, tell: Refused | None) -> None:
        self._tell = tell
        self._told: collections.OrderedDict[tuple[str, str], float] = collections.OrderedDict()
        self._minute, self._count = monotonic(), 0  # told in this minute

    def told(self, reason: str, address: str) -> None:
        """Say why the caller at an address was refused: once a minute for each reason and address,
        and a limited number a minute in all."""
        if self._tell is None:
            return
        now = monotonic()
        if now - self._told.get((reason, address), float("-inf")) < 60:
            return
        self._told[reason, address] = now
        if now - self._minute >= 60:
            self._minute, self._count = now, 0
        self._count += 1
        if self._count > _A_MINUTE:
            if self._count == _A_MINUTE + 1:
                self._tell(
                    "as were so many others that the rest of this minute is not told", address
                )
            return
        if len(self._told) > _KNOWN:
            self._told.popitem(last=False)
        self._tell(reason, address)
