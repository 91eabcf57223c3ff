"""The threads of this process that make material. `cluster` has the other kind of workers, those of
a Dask cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from protocol.contract import Chunk
from protocol.dealing import Deal

from .turns import Made

P = ParamSpec("P")
T = TypeVar("T")


def made(deal: Deal, chunk: Chunk) -> Made:
    """(count, words), and seconds."""
    begun = time.perf_counter()
    words = deal.corrections(*chunk)
    return words, time.perf_counter() - begun


class Workers(ThreadPoolExecutor):
    """A pool of threads for compiled code that holds no lock, with counts of how busy they are."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, "deal")
        self.busy = 0  # tasks that are being worked on
        self.seconds = 0.0  # of work that is done, all workers together
        self.again = 0  # chunks that were ordered again, for a cluster's scheduler was lost
        self._asked = self._begun = self._dropped = 0
        self._guard = threading.Lock()

    @property
    def count(self) -> int:
        """Chunks that can be made at a time."""
        return self._max_workers

    @property
    def threads(self) -> int:
        """Threads that there are now; of a cluster there may be none."""
        return self.count

    @property
    def orders(self) -> int:
        """Chunks that may be ordered at a time."""
        return self.count

    @property
    def here(self) -> int:
        """How many of the threads are in this process, and use its memory."""
        return self.count

    @property
    def queue(self) -> int:
        """Tasks that wait for a worker."""
        with self._guard:
            return self._asked - self._begun - self._dropped

    def submit(self, task: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> Future[T]:
        """Run task(*args) in a thread of this process, as one of those that are counted as busy;
        its future."""

        def timed() -> T:
            with self._guard:
                self._begun, self.busy = self._begun + 1, self.busy + 1
            begun = time.perf_counter()
            try:
                return task(*args, **more)
            finally:
                spent = time.perf_counter() - begun
                with self._guard:
                    self.busy, self.seconds = self.busy - 1, self.seconds + spent

        def ended(future: Future[T]) -> None:
            if future.cancelled():
                with self._guard:
                    self._dropped += 1

        with self._guard:
            self._asked += 1
        future = super().submit(timed)
        future.add_done_callback(ended)
        return future

    def make(self, deal: Deal, chunk: Chunk) -> asyncio.Future[Made]:
        """Have Bob's dealt words of a chunk made."""
        return asyncio.get_running_loop().run_in_executor(self, made, deal, chunk)

    async def open(self) -> None:
        """Prepare, before the first chunk is made."""

    async def close(self) -> None:
        """End the workers; chunks that none has begun are cancelled."""
        self.shutdown(cancel_futures=True)
