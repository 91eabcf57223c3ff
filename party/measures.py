"""What a link is like, measured over an open connection before anything runs on it."""

from __future__ import annotations

import asyncio
import statistics
import time

from protocol import __version__
from protocol.channel import Connection
from protocol.errors import LinkError, ProtocolError
from protocol.wire import Kind, Message
from protocol.wire.codec import payload_bytes

BULK = 8  # MiB that the dealer sends to measure the bandwidth by


async def greeting(dealer: Connection, session: str, patience: float) -> tuple[str, float]:
    """The dealer's version, and by how many seconds its clock is ahead of this one.

    LinkError if it takes no such session, ProtocolError if it answers something else.
    """
    before = time.time()
    reply = await dealer.exchange(
        Message(Kind.HELLO, session, body={"version": __version__}), patience
    )
    after, body = time.time(), reply.body or {}
    version, clock = body.get("version"), body.get("time")
    if reply.kind is Kind.ABORT:
        raise LinkError(f"the dealer does not take this session: {body.get('reason')}")
    if (
        reply.kind is not Kind.WELCOME
        or not isinstance(version, str)
        or not isinstance(clock, float)
    ):
        raise ProtocolError("the dealer did not answer a greeting")
    return version, clock - (before + after) / 2


async def round_trip(other: Connection, pings: int, patience: float) -> float:
    """Seconds, the median of so many pings. LinkError if one is not answered in `patience`
    seconds."""
    found: list[float] = []
    for _ in range(pings):
        other.rtt = None
        other.probe()
        deadline = time.monotonic() + patience
        while other.rtt is None:
            if time.monotonic() > deadline or other.failure is not None:
                raise other.failure or LinkError(f"{other.role} does not answer pings")
            await asyncio.sleep(0.0005)
        found.append(other.rtt)
    return statistics.median(found)


async def bandwidth(dealer: Connection, session: str, rtt: float) -> float:
    """Bits per second from the dealer: of one mebibyte first, so that a slow link is not asked for
    more."""
    rate = 0.0
    for mebibytes in (1, BULK):
        begin = time.monotonic()
        reply = await dealer.exchange(Message(Kind.HELLO, session, body={"probe": mebibytes}), 60.0)
        seconds = max(time.monotonic() - begin - rtt, 1e-6)
        if reply.kind is not Kind.CHUNK or payload_bytes(reply) != mebibytes << 20:
            raise ProtocolError("the dealer did not send what it was asked for")
        rate = 8 * (mebibytes << 20) / seconds
        if seconds > 0.5:
            break
    return rate
