"""Messages to a service manager by systemd's notification protocol: ready, status, alive, stopping.

Datagrams of lines to $NOTIFY_SOCKET (sd_notify(3)); nothing where there is none. WATCHDOG=1 is sent
by the event loop, twice in every $WATCHDOG_USEC, and only while `alive()` is true: so a process
whose loop is stuck, or that does nothing, is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

LOOK = 1.0  # seconds between two looks at the status


class Notifier:
    """The service manager of this process, if it has one."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        microseconds = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.interval = int(microseconds) / 2e6 if microseconds.isdigit() and mine else None
        """Seconds between two feedings of the watchdog; None without one."""

    def tell(self, *lines: str) -> None:
        """Send one datagram; it is dropped if it cannot be sent at once, as a manager must not
        delay the work."""
        if self._address:
            with (
                contextlib.suppress(OSError),
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link,
            ):
                link.setblocking(False)
                link.sendto("\n".join(lines).encode(), self._address)

    async def attend(self, alive: Callable[[], Awaitable[bool]], status: Callable[[], str]) -> None:
        """Until cancelled: send the status when it changes, and WATCHDOG=1 while `alive()` is
        true."""
        if not self._address:
            return
        told, due = "", monotonic()
        while True:
            lines = [] if (now := status()) == told else [f"STATUS={now}"]
            told = now
            if self.interval is not None and monotonic() >= due and await alive():
                lines.append("WATCHDOG=1")
                due = max(due + self.interval, monotonic())
            if lines:
                self.tell(*lines)
            wait = (
                LOOK
                if self.interval is None
                else min(LOOK, self.interval, max(due - monotonic(), 0.05))
            )
            await asyncio.sleep(wait)
