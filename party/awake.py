"""Waiting for a thread in a loop that may have nothing else to do."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")
TICK = 0.2  # seconds


async def awake(made: asyncio.Future[T]) -> T:
    """What `made` gives. Meanwhile the loop wakes now and then: a notebook's sees no interrupt
    while it sleeps.

    Cancelled, `made` goes on.
    """
    while not made.done():
        await asyncio.wait({made}, timeout=TICK)
    return made.result()
