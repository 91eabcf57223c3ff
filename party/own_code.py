"""A job's own code, run where this party runs it: for a limited time, and blamed for what it
raises.

What goes wrong in it is a mistake of the user's, so it ends in a JobError with file and line, never
in a traceback.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TypeVar

import protocol
from protocol.cost import LAN, Network
from protocol.errors import JobError, MpcError
from protocol.jobs import Job
from protocol.origin import cell, source
from protocol.signals import OWNED
from protocol.tracing import Traced, trace
from protocol.views import Shape

T = TypeVar("T")
LIMIT = 120.0  # seconds that a job's own code may take, each time it is run


class _Endless(BaseException):
    """The job's code has not come back in `LIMIT` seconds."""


@contextmanager
def _limited() -> Iterator[None]:
    """Raise _Endless inside the block once it has taken `LIMIT` seconds. Only the main thread of a
    command can be interrupted so; elsewhere there is no limit."""
    if not OWNED.get() or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_number: int, _frame: FrameType | None) -> None:
        raise _Endless(
            f"this does not come to an end within {LIMIT:g} s; a job's methods are run once, on"
            " shapes alone"
        )

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def blame(file: str | Path, limited: bool = True) -> Iterator[None]:
    """Turn what the job in `file` (see `source`) raises into a JobError with its line. An MpcError
    that was raised elsewhere passes."""
    try:
        with _limited() if limited else nullcontext():
            yield
    except (Exception, SystemExit, _Endless) as error:
        text = " ".join(str(error).split())
        if isinstance(error, SyntaxError):
            place, text = f"{error.filename or file}:{error.lineno or 1}", error.msg
        else:
            stack = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in stack if frame.filename == str(file)]
            if isinstance(error, MpcError) and (not lines or ours(file)):
                raise
            place = f"{named(file)}:{lines[-1]}" if lines else named(file)
        if not isinstance(error, (MpcError, _Endless)):
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        if "unexpected keyword argument 'dim'" in text:
            text += "; it is called axis here, as in NumPy"
        raise JobError(f"{place}: {text}") from None


def ours(file: str | Path) -> bool:
    """Whether the job is one of this program's own, whose user has no use for a line of its
    code."""
    packages = (Path(protocol.__file__).parent, Path(__file__).parent)
    return any(Path(file).is_relative_to(each) for each in packages)


def named(file: str | Path) -> str:
    """What a sentence calls the file of a job: its path, or the cell of a notebook that it is."""
    return cell(str(file)) or str(file)


async def unblocked(work: Callable[[], T]) -> T:
    """The result of `work`. A command calls it here, where its time is limited; a library in a
    thread, since the event loop is its user's."""
    return work() if OWNED.get() else await asyncio.to_thread(work)


def trace_job(
    job: Job, shapes: Mapping[str, Shape], iterations: int | None, network: Network = LAN
) -> Traced:
    """Trace a job for a network; what its own code raises is blamed on its file and line."""
    with blame(source(type(job))):
        return trace(job, shapes, iterations, network)
