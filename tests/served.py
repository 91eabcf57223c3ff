"""A dealer in this process, and parties that a test plays."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

from keyed import Keys

from dealer.service import Service, Settings
from party.local import free_address
from protocol import contract_codec
from protocol.channel import Allow, Connection
from protocol.contract import Dealing
from protocol.jobs import Input, Job
from protocol.log import Log
from protocol.plan import make_plan
from protocol.tracing import trace
from protocol.wire import Kind, Message

TICKET = f"{1:032x}-{2:032x}"  # both parties'


class Squares(Job):
    x = Input("bob", shape=("n",), low=-1, high=1)

    def step(self, v):
        v.x = v.x * v.x

    def finish(self, v):
        v.reveal(x=v.x)


def plan(size: int, steps: int = 1000) -> Dealing:
    return make_plan(trace(Squares(), {"x": (size,)}, steps), 0, (0, 1)).dealing


def offer(
    session: str, dealing: Dealing | bytes, ticket: str = TICKET, **changes: object
) -> Message:
    data = dealing if isinstance(dealing, bytes) else contract_codec.pack(dealing)
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    body = {"ticket": ticket, "digest": digest, "start": 0, "epoch": 1} | changes
    return Message(Kind.PLAN, session, body=body, buffers=(data,))


def credit(session: str, chunks: int = 1 << 30, size: int = 1 << 50) -> Message:
    return Message(Kind.CREDIT, session, 1, 0, {"chunks": chunks, "bytes": size})


async def reason(connection: Connection) -> str:
    message = await connection.receive(20)
    assert message.kind is Kind.ABORT, message
    return str((message.body or {})["reason"])


@contextlib.asynccontextmanager
async def serving(
    keys: Keys, services: list[Service] | None = None, **limits: int | str
) -> AsyncIterator[str]:
    """A dealer in this process; its address. It is put into `services`."""
    allow = Allow([keys.pairs["alice"].public, keys.pairs["bob"].public])
    address = free_address()
    service = Service(
        Settings(listen=address, keys=keys.pairs["dealer"], allow=allow, **limits), Log("dealer")
    )
    if services is not None:
        services.append(service)
    task = asyncio.create_task(service.run())
    try:
        yield address
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def pair(
    keys: Keys, address: str, session: str
) -> AsyncIterator[tuple[Connection, Connection]]:
    both = await asyncio.gather(
        *(keys.connect(address, role, "dealer", session) for role in ("alice", "bob"))
    )
    try:
        yield both[0], both[1]
    finally:
        await asyncio.gather(*(each.close(0) for each in both))
