"""SIGINT and SIGTERM, from the first line of a process to its last: never a traceback, always the
documented exit code.

A program calls `attend` before it imports anything large; from then on a signal ends the process at
once, with one sentence. Code that must tidy up uses `reacting`. Only small modules of the standard
library may be imported here.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM)
OWNED = ContextVar("OWNED", default=False)
"""Whether this process runs a command of ours, so that its signals are ours too; a notebook's are
not."""


class Signalled(KeyboardInterrupt):
    """A signal asked this process to end. exit_code: what a shell expects for that signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 130 if number == signal.SIGINT else 0


class Halted(Exception):
    """Both parties have stopped after a checkpoint, because one of them was asked to end
    (SIGTERM)."""


def attend(name: str) -> None:
    """From now on a signal ends this process at once, with a sentence that begins with `name`."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        signalled = Signalled(number)
        try:
            # by way of the log if that is imported already: an import cannot be begun in the middle
            # of another
            sys.modules["protocol.log"].process_log(name)(str(signalled), "stopped")
        except Exception:  # not imported, or interrupted while it wrote
            os.write(2, f"{name}: {signalled}\n".encode())
        os._exit(signalled.exit_code)

    for number in ENDING:
        signal.signal(number, leave)
    # Python's own end restores the defaults, by which a signal would kill what is done
    atexit.register(_ignore)


def _ignore() -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def reacting(act: Callable[[int], object]) -> Iterator[None]:
    """A context in which a signal calls `act` with its number, in the main thread, between two
    instructions."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's affair
        return
    before = [(number, signal.signal(number, lambda which, _: act(which))) for number in ENDING]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def unwind(number: int) -> NoReturn:
    """An `act` for `reacting`: raise an exception, so that `finally` clauses run."""
    raise Signalled(number)


@contextmanager
def held() -> Iterator[None]:
    """A context in which signals are deferred: for work that must not be interrupted, and soon
    ends.

    Blocking them would not do: the system would deliver them to another thread of this process.
    """
    waiting: list[int] = []
    try:
        with reacting(waiting.append):
            yield
    finally:
        for number in waiting[:1]:
            signal.raise_signal(number)
