"""How long the other side has been silent, judged fairly. Pure: the time is passed in.

Any frame is a sign of life; the hot path only sets `heard`, and `look`, called every `period`
seconds, turns that into a time. When `look` itself comes late, this process was busy and could not
have heard
anything: that time is forgiven.
"""

from __future__ import annotations


class Liveness:
    """The silence of one peer, to within a period."""

    __slots__ = ("_asked_at", "_heard_at", "_looked_at", "_period", "heard")

    def __init__(self, now: float, period: float) -> None:
        self.heard = True
        self._period = period
        self._heard_at = self._asked_at = self._looked_at = now

    def overslept(self, now: float) -> bool:
        """Was this process away since the last look? Then read what came meanwhile before the next
        one."""
        asleep = now - self._looked_at - self._period
        self._looked_at = now
        if asleep <= self._period:
            return False
        self._heard_at += asleep
        return True

    def look(self, now: float) -> float:
        """Seconds of silence."""
        if self.heard:
            self.heard = False
            self._heard_at = now
        return now - self._heard_at

    def silent(self, now: float) -> float:
        """The same, between two looks."""
        return 0.0 if self.heard else now - self._heard_at

    def should_ask(self, now: float, interval: float) -> bool:
        """Is it time for a ping: nothing heard, and nothing asked, for `interval` seconds?"""
        if self.silent(now) < interval or now - self._asked_at < interval:
            return False
        self._asked_at = now
        return True
