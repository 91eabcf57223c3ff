"""Running a command as a process: no core dumps, uvloop, an orderly end on signals, and an exit
code for every outcome."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from .errors import MpcError, exit_code
from .log import process_log
from .notify import Notifier
from .signals import OWNED, Signalled, reacting

T = TypeVar("T")


GRACE = 10.0  # seconds that an orderly stop may take


# glibc's mallopt: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD, M_ARENA_MAX
_KEEP = ((-3, 1 << 30), (-1, 256 << 20), (-2, 64 << 20), (-8, 1))


_PR_SET_DUMPABLE = 4  # prctl(2)


def keep_secrets() -> None:
    """Allow no core dump of this process, and no debugger of another process of this user: its
    memory has keys and data."""
    # in a sandbox, which has its own way to forbid them
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # another system has another way, or none
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_limits() -> None:
    """Allow this process as many open descriptors as the system grants without privileges, so that
    connections of strangers do not use them up."""
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def settle() -> None:
    """Have the C library keep freed memory, for a long run on large arrays.

    By default glibc returns arrays above 32 MiB to the system each time. With this, a step of the
    dealer for 100,000 polynomials of degree 9 (58 MB) touches no fresh page instead of 2,000, and
    takes 37 ms of processor time instead of 46; one for a million comparisons takes the same as
    before.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library has another way, or none
        allocator = ctypes.CDLL(None)
        for option, value in _KEEP:
            allocator.mallopt(option, value)


def run_until_signalled(
    work: Coroutine[Any, Any, T],
    halt: Callable[[], bool] = lambda: False,
    reload: Callable[[], None] = lambda: None,
) -> T:
    """Run `work` to its end. SIGINT and SIGTERM cancel it and let it tidy up; then `Signalled` is
    raised.

    On SIGTERM, `halt` is called first: if it returns that the work will end by itself, that has
    GRACE seconds for it. On SIGHUP `reload` is called; an MpcError of it is logged, and changes
    nothing.
    """
    received: list[int] = []
    settle()

    async def supervise() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def stop(number: int) -> None:
            received.append(number)
            Notifier().tell("STOPPING=1")
            if number == signal.SIGTERM and halt():
                loop.call_later(GRACE, task.cancel)
            else:
                task.cancel()

        def reread() -> None:
            try:
                reload()
            except MpcError as error:
                process_log("mpc")(f"nothing was reread: {error}", "reload failed", "error")

        loop.add_signal_handler(signal.SIGHUP, reread)
        with reacting(lambda number: loop.call_soon_threadsafe(stop, number)):
            return await task

    try:
        return uvloop.run(supervise())
    except asyncio.CancelledError:
        if not received:
            raise
        raise Signalled(received[0]) from None


def guarded(name: str, work: Callable[[], int]) -> int:
    """Run a command. Every error of this project ends it with one sentence in the log and the
    error's exit code."""
    owned = OWNED.set(True)
    try:
        return work()
    except (MpcError, MemoryError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            return 1
        process_log(name)(_sentence(error), "failed", "error")
        return exit_code(error)
    except Signalled as signalled:
        process_log(name)(str(signalled), "stopped")
        return signalled.exit_code
    except KeyboardInterrupt:
        return 130
    finally:
        OWNED.reset(owned)


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; use smaller tensors, minibatches or fewer sessions"
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"the system refused{where}: {error.strerror or error}; mend that and run again"
    return str(error)
