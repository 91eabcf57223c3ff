"""How long the peer has been silent. Pure: the time is passed in, in seconds.

Any frame from the peer ends its silence. The hot path only sets `heard`; `look`, called every
`period` seconds, turns that into a time. When it is called late, this process was busy and has read
no frames: that time does not count as silence of the peer.
"""

from __future__ import annotations


class Liveness:
    """The silence of one peer, exact to within `period`, the seconds between two calls of
    `look`."""

    __slots__ = ("_asked_at", "_heard_at", "_looked_at", "_period", "heard")

    def __init__(self, now: float, period: float) -> None:
        self.heard = True
        self._period = period
        self._heard_at = self._asked_at = self._looked_at = now

    def overslept(self, now: float) -> bool:
        """Whether this process was busy for more than a period since the last call, so that frames
        may wait unread; the caller reads them before it calls `look`."""
        asleep = now - self._looked_at - self._period
        self._looked_at = now
        if asleep <= self._period:
            return False
        self._heard_at += asleep
        return True

    def look(self, now: float) -> float:
        """Seconds since the last frame; to be called once a period."""
        if self.heard:
            self.heard = False
            self._heard_at = now
        return now - self._heard_at

    def silent(self, now: float) -> float:
        """Seconds since the last frame, at any time."""
        return 0.0 if self.heard else now - self._heard_at

    def should_ask(self, now: float, interval: float) -> bool:
        """Whether a ping is due: no frame came, and no ping was sent, for `interval` seconds. If
        so, one counts as sent now."""
        if self.silent(now) < interval or now - self._asked_at < interval:
            return False
        self._asked_at = now
        return True
