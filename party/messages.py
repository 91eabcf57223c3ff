"""The next message of a link, where its kind is known: and what ends an attempt instead, as it is
told to the other side and read there."""

from __future__ import annotations

import asyncio

from protocol.channel import Connection
from protocol.errors import LinkError, MpcError, ProtocolError, Stopped
from protocol.wire import Kind, Message

# of the attempt before
LEFT_OVER = (Kind.ROUND, Kind.CHUNK, Kind.PLAN, Kind.SEED, Kind.JOIN, Kind.BYE, Kind.END)


async def expect(connection: Connection, kind: Kind) -> Message:
    """The next message on the connection, which must be of this kind: ProtocolError otherwise, and
    for an ABORT what it means (`stopped`).

    HELLO and SEED begin an attempt: messages that are left over from the attempt before, on the
    same connection, are dropped.
    """
    while True:
        message = await connection.receive()
        if message.kind is kind:
            return message
        beginning = kind in (Kind.HELLO, Kind.SEED)
        if message.kind is Kind.ABORT:
            error = stopped(connection, message)
            if not beginning or isinstance(error, Stopped):
                raise error
        elif not beginning or message.kind not in LEFT_OVER:
            raise ProtocolError(
                f"{connection.role} sent {message.kind.name} where {kind.name} was expected"
            )


def stopped(connection: Connection, message: Message) -> MpcError:
    """The error that an ABORT stands for: a LinkError if its sender will be back, else Stopped."""
    body = message.body or {}
    reason = body.get("reason")
    text = reason if isinstance(reason, str) and reason.isprintable() else "no reason given"
    return (LinkError if body.get("back") is True else Stopped)(
        f"{connection.role} stopped: {text}"
    )


def reason(error: BaseException) -> str:
    """What an ABORT tells the peer of the error that ends this attempt."""
    if isinstance(error, MpcError):
        return error.for_peer
    return (
        "it was interrupted"
        if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))
        else "an internal error"
    )
