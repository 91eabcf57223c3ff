"""A timer that is exact to about a tenth of a millisecond, without spinning.

uvloop's timers count whole milliseconds of a clock that it reads once in a turn of the loop, so
that they are up to two milliseconds off, always in the same direction. Linux's timerfd is a
descriptor that turns readable at an absolute time; Python has it from 3.13, and before that it is
three calls into libc. Elsewhere the event loop's timer is used, with its own accuracy.

Rule: `now` and `set` use `time.monotonic`, which need not be the event loop's clock.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class _Times(ctypes.Structure):
    """struct itimerspec: interval, then value."""

    _fields_ = [
        (name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")
    ]


def _timerfd() -> tuple[int, Callable[..., int]] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        return None if descriptor < 0 else (descriptor, libc.timerfd_settime)
    except (OSError, AttributeError):
        return None


class Alarm:
    """Calls `ring` once at the time of the last `set`, unless closed before."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        timer = _timerfd()
        self._fd = -1
        if timer is not None:
            self._fd, self._settime = timer
            self._loop.add_reader(self._fd, self._readable)

    @staticmethod
    def now() -> float:
        """Seconds of the clock by which `set` is given its time: `time.monotonic`."""
        return time.monotonic()

    def set(self, when: float) -> None:
        """Have `ring` called at the time `when`; soon, if that is past. Replaces an earlier
        time."""
        if self._fd < 0:
            if self._handle is not None:
                self._handle.cancel()
            self._handle = self._loop.call_later(max(0.0, when - self.now()), self._ring)
            return
        nanoseconds = max(1, int(when * 1e9))  # zero would disarm it
        times = _Times(0, 0, nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000)
        self._settime(self._fd, _ABSOLUTE, ctypes.byref(times), None)

    def close(self) -> None:
        """Release the descriptor or the timer. The alarm does not ring any more."""
        if self._handle is not None:
            self._handle.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._ring()
