"""What the dealer counts of its work, over all sessions, for whoever watches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Tally:
    """Only ever grows. Written in the event loop alone."""

    sessions: int = 0  # that were opened
    epochs: int = 0  # streams that were begun
    chunks: int = 0  # that were sent
    bytes: int = 0  # of corrections in them
    waited_for_credit: float = 0.0  # seconds that a chunk was ready and its party was not
    refused: int = 0  # connections and parties
    failed: int = 0  # sessions, by a fault of the dealer's


class Workers(ThreadPoolExecutor):
    """The pool that makes material, and how busy it is."""

    def __init__(self, count: int) -> None:
        super().__init__(count, "deal")
        self.count = count
        self.busy = 0  # tasks that are being worked on
        self.seconds = 0.0  # of work that is done, all workers together
        self._asked = self._begun = self._dropped = 0
        self._guard = threading.Lock()

    @property
    def queue(self) -> int:
        """Tasks that wait for a worker."""
        with self._guard:
            return self._asked - self._begun - self._dropped

    def submit(self, task: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> Future[T]:
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
