"""Reports of peers that were refused, limited in number, so that strangers cannot fill a log."""

from __future__ import annotations

import collections
from collections.abc import Callable
from time import monotonic

Refused = Callable[[str, str], None]  # called with the reason and the address of a refused peer
_KNOWN = 1024  # pairs of reason and address that are remembered
_A_MINUTE = 100  # refusals that are reported in a minute


class Refusals:
    """Passes refusals on to `tell`, but each pair of reason and address once a minute, and no more
    than _A_MINUTE of them all."""

    def __init__(self, tell: Refused | None) -> None:
        self._tell = tell
        self._told: collections.OrderedDict[tuple[str, str], float] = collections.OrderedDict()
        self._minute, self._count = monotonic(), 0  # told in this minute

    def told(self, reason: str, address: str) -> None:
        """The peer at `address` was refused for `reason`."""
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
