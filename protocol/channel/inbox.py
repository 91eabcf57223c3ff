"""Messages that arrived on a connection and that its user has not taken; and its wait for more.

One task takes messages at a time. While it waits, the watchdog of the connection looks here for how
long, and ends the wait at its deadline: so a wait costs one future, and no timer.
"""

from __future__ import annotations

import asyncio
import collections
from time import monotonic

from ..errors import LinkError, MpcError, ProtocolError, UsageError
from ..wire.messages import Message

_YIELD = 64  # messages taken without a wait, before the event loop is given a turn
TOLD = 1.0  # seconds between two reports of one wait


class Inbox:
    """The received messages of one connection, in order.

    peer: the other side, in errors. count, size: the most messages, and the most bytes of payload,
    that may lie here untaken.
    """

    def __init__(self, peer: str, count: int, size: int) -> None:
        self.since = 0.0  # when the present wait began, by `monotonic`; 0: nobody waits
        self._peer, self._most_count, self._most_size = peer, count, size
        self._messages: collections.deque[tuple[Message, int]] = collections.deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._immediate = 0
        self._deadline = self._told_at = 0.0
        self._failure: MpcError | None = None
        self._loop = asyncio.get_running_loop()

    def __bool__(self) -> bool:
        return bool(self._messages)

    def put(self, message: Message, size: int) -> None:
        """Append a message of `size` bytes of payload, and wake the task that waits. ProtocolError
        when nobody waits and there is more here than may be."""
        self._messages.append((message, size))
        self._size += size
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif len(self._messages) > self._most_count or self._size > self._most_size:
            raise ProtocolError(
                f"{len(self._messages)} messages of {self._size} bytes, more than was asked for"
            )

    async def take(self, timeout: float | None) -> Message:
        """Remove and return the first message; wait up to `timeout` seconds where there is none
        (None: without end).

        LinkError at the deadline, the error given to `end` where there is one and no message is
        left, UsageError where another task waits.
        """
        messages = self._messages
        if messages:
            self._immediate += 1
            if self._immediate >= _YIELD:
                self._immediate = 0
                await asyncio.sleep(0)
        else:
            self._immediate = 0
            if self._waiter is not None:
                raise UsageError(f"two tasks receive from {self._peer} at once")
            self.since = self._told_at = monotonic()
            self._deadline = 0.0 if timeout is None else self.since + timeout
            try:
                while not messages:
                    if self._failure is not None:
                        raise type(self._failure)(*self._failure.args)
                    self._waiter = waiter = self._loop.create_future()
                    try:
                        await waiter
                    finally:
                        self._waiter = None
            finally:
                self.since = 0.0
        message, size = messages.popleft()
        self._size -= size
        return message

    def peek(self) -> Message | None:
        """The message that `take` would return at once; None where it would wait."""
        return self._messages[0][0] if self._messages else None

    def end(self, error: MpcError) -> None:
        """No more messages come: whoever takes more than are here gets a copy of `error`."""
        self._failure = error
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def should_tell(self, now: float) -> bool:
        """Whether the present wait was not reported for TOLD seconds; if so, it counts as reported
        `now`."""
        if now - self._told_at < TOLD:
            return False
        self._told_at = now
        return True

    def expire(self, now: float) -> None:
        """End the present wait with a LinkError where its deadline is over."""
        if not self._deadline or now < self._deadline or self._waiter is None or self._messages:
            return
        self._deadline = 0.0
        waiter, self._waiter = self._waiter, None
        if not waiter.done():
            waiter.set_exception(
                LinkError(f"no message came from {self._peer} for {now - self.since:.0f} seconds")
            )
