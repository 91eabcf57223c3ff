"""Running a coroutine as a process: uvloop, and signals that end it cleanly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from .errors import MpcError

T = TypeVar("T")


class Signalled(Exception):
    """A signal asked this process to end; `exit_code` is what the shell expects for it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 130 if number == signal.SIGINT else 0


GRACE = 10.0  # seconds that an orderly stop may take


def run_until_signalled(work: Coroutine[Any, Any, T], halt: Callable[[], bool] = lambda: False) -> T:
    """Run `work` to its end. SIGINT and SIGTERM cancel it, let it tidy up, and are raised as `Signalled`.

    SIGTERM asks `halt` first: if that says that the work will end by itself, it gets `GRACE` seconds to.
    """
    received: list[int] = []

    async def supervise() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def stop(number: int) -> None:
            received.append(number)
            if number == signal.SIGTERM and halt():
                loop.call_later(GRACE, task.cancel)
            else:
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        return await task

    try:
        return uvloop.run(supervise())
    except asyncio.CancelledError:
        if not received:
            raise
        raise Signalled(received[0]) from None


def guarded(name: str, work: Callable[[], int]) -> int:
    """Run a command line: every error this project knows ends in one sentence on standard error and its exit code."""
    try:
        return work()
    except MpcError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except Signalled as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except MemoryError:
        print(f"{name}: out of memory; use smaller tensors, minibatches or fewer sessions", file=sys.stderr, flush=True)
        return 1
