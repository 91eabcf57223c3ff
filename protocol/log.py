"""What a process says while it works, a line an event, on standard error: text for people, JSON for programs.

    alice: going on from step 4000 of 10000, epoch 2
    {"time": "2026-01-31T09:07:50.123Z", "level": "info", "event": "resumed", "role": "alice", "session": "a",
     "epoch": 2, "step": 4000, "message": "going on from step 4000 of 10000, epoch 2"}

A JSON line (broken here, to be read) always has these eight fields, null where one means nothing. Rules: a
message is made of names, addresses, counts, times, never of a value, a share, a mask or a key; everything a
process says goes through here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from .config import Setting, choice

SETTING = Setting(
    "log_format",
    "one line an event: text for people, json for programs; auto: json under a service manager",
    choice("auto", "text", "json"),
    "auto",
    metavar="auto|text|json",
)
_MANAGERS = ("JOURNAL_STREAM", "INVOCATION_ID", "SUPERVISOR_ENABLED")  # which of them sets what


def for_programs(form: str, terminal: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines are to be JSON: when asked for, or when standard error goes to a service manager."""
    return form == "json" or (form == "auto" and not terminal and any(environment.get(name) for name in _MANAGERS))


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Log:
    """The log of a process: `log("bob joined", "joined", session="a")`. `where` is (epoch, step), if any."""

    def __init__(self, role: str, form: str = "auto", quiet: bool = False, session: str | None = None) -> None:
        self.json = for_programs(form, sys.stderr.isatty())
        self.write: Callable[[str], None] = _to_stderr  # for text; whoever draws on the terminal puts its own here
        self.where: Callable[[], tuple[int | None, int | None]] = lambda: (None, None)
        self._role, self._quiet, self._session = role, quiet, session
        _opened[:] = [self]

    def __call__(
        self,
        message: str,
        event: str = "note",
        level: str = "info",
        session: str | None = None,
        epoch: int | None = None,
        step: int | None = None,
    ) -> None:
        """Say it; quiet leaves out what is only information."""
        if self._quiet and level == "info":
            return
        if not self.json:
            self.write(f"{self._role}: {message}")
            return
        here = self.where()
        fields = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level,
            "event": event,
            "role": self._role,
            "session": self._session if session is None else session,
            "epoch": here[0] if epoch is None else epoch,
            "step": here[1] if step is None else step,
            "message": message,
        }
        _to_stderr(json.dumps(fields))


_opened: list[Log] = []


def process_log(name: str) -> Log:
    """The log that this process opened; before it came so far, one by the program's name."""
    return _opened[0] if _opened else Log(name)
