"""The log of a process, by the standard library's `logging`: loggers mpc.alice, mpc.bob,
mpc.dealer.

A library logs nothing unless `logging` is told to. A command calls `configure`: one line an event
on standard error, as text for people or as JSON for programs:

    alice: going on from step 4000 of 10000, attempt 2

    {"time": "2026-01-31T09:07:50.123Z", "level": "info", "event": "resumed", "role": "alice",
     "session": "a", "epoch": 2, "step": 4000,
     "message": "going on from step 4000 of 10000, attempt 2"}

A line of JSON (broken here) always has these eight fields, null where one means nothing. A record
of `logging` has `event`, `role`, `session`, `epoch` (the number of the attempt at the run) and
`step` as attributes.

Rules: a message has names, addresses, counts and times, never a value, a share, a mask or a key.
    Whatever a process reports, it reports here.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from .parsers import choice
from .settings import Setting

LOGGER = logging.getLogger("mpc")
# or `logging` would write warnings to standard error by itself
LOGGER.addHandler(logging.NullHandler())

LOG_FORMAT = Setting(
    "one line an event: text for people, json for programs; auto: json under a service manager",
    choice("auto", "text", "json"),
    "auto",
    metavar="auto|text|json",
)
_MANAGERS = ("JOURNAL_STREAM", "INVOCATION_ID", "SUPERVISOR_ENABLED")  # which of them sets what


def for_programs(form: str, terminal: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines are to be JSON: when asked for, or when standard error goes to a service
    manager."""
    return form == "json" or (
        form == "auto" and not terminal and any(environment.get(name) for name in _MANAGERS)
    )


class Log:
    """The log of one role: `log("bob joined", "joined", session="a")`. `where` is (attempt,
    step), if any."""

    def __init__(self, role: str, session: str | None = None) -> None:
        self.where: Callable[[], tuple[int | None, int | None]] = lambda: (None, None)
        self._role, self._session = role, session
        self._logger = LOGGER.getChild(role)

    def __call__(
        self,
        message: str,
        event: str = "note",
        level: str = "info",
        session: str | None = None,
        epoch: int | None = None,
        step: int | None = None,
    ) -> None:
        """Say it."""
        here = self.where()
        fields = {
            "event": event,
            "role": self._role,
            "session": self._session if session is None else session,
            "epoch": here[0] if epoch is None else epoch,
            "step": here[1] if step is None else step,
        }
        self._logger.log(getattr(logging, level.upper()), message, extra=fields)


class Text(logging.Formatter):
    """For people: who says it, and what."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{getattr(record, 'role', record.name)}: {record.getMessage()}"


class Json(logging.Formatter):
    """For programs: an object of eight fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = (
            datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
        named = {
            name: getattr(record, name, None)
            for name in ("event", "role", "session", "epoch", "step")
        }
        return json.dumps(
            {
                "time": time,
                "level": record.levelname.lower(),
                **named,
                "message": record.getMessage(),
            }
        )


class Lines(logging.Handler):
    """Standard error, a line an event. Whoever draws on the terminal puts a `write` of its own
    here, for text."""

    def __init__(self, form: str = "auto") -> None:
        super().__init__()
        self.json = for_programs(form, sys.stderr.isatty())
        self.write: Callable[[str], None] = _to_stderr
        self.setFormatter(Json() if self.json else Text())

    def emit(self, record: logging.LogRecord) -> None:
        (_to_stderr if self.json else self.write)(self.format(record))


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def configure(
    role: str, form: str = "auto", quiet: bool = False, session: str | None = None
) -> tuple[Log, Lines]:
    """For the command that a process runs: its log, shown on standard error; quiet leaves out what
    is only information."""
    log, lines = Log(role, session), Lines(form)
    LOGGER.setLevel(logging.WARNING if quiet else logging.INFO)
    LOGGER.handlers, LOGGER.propagate = [lines], False
    _configured[:] = [log]
    return log, lines


_configured: list[Log] = []


def process_log(name: str) -> Log:
    """The log that this process's command has configured; before it came so far, one by the
    program's name."""
    return _configured[0] if _configured else configure(name)[0]
