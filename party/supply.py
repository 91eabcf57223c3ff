"""Where the material of one attempt comes from: the dealer, to whom both parties bring the plan and
who gives each a seed (`Intake`), or this party's file (`FileIntake`)."""

from __future__ import annotations

import asyncio

from protocol import contract_codec
from protocol.channel import Connection
from protocol.errors import LinkError, ProtocolError
from protocol.prg import SEED_BYTES, attempt_seed
from protocol.wire import Kind, Message

from .agreement import Agreed
from .file_intake import FileIntake
from .intake import Intake, Supply
from .material_file import Material
from .messages import expect, stopped

LOOK = 0.2  # seconds between two looks at the peer, while the dealer is waited for


async def supplied(
    material: Material | None,
    peer: Connection,
    dealer: Connection | None,
    agreed: Agreed,
    party: int,
    start: int,
) -> Supply:
    """The material from step `start` on, as agreed: from the dealer where there is a link to it,
    else from the file."""
    if dealer is not None:
        dealt = await _join(peer, dealer, agreed, start)
        seed = attempt_seed(dealt, dealer.session, agreed.ticket, agreed.start.attempt)
        return Intake(dealer, agreed.plan.dealing, party, seed, agreed.start.attempt, start)
    assert material is not None and agreed.start.place is not None
    return FileIntake(material, agreed.start.place, start)


async def _join(peer: Connection, dealer: Connection, agreed: Agreed, start: int) -> bytes:
    """Bring the plan to the dealer, and receive this party's seed for the attempt. A peer that
    gives up meanwhile ends the wait."""
    dealing = agreed.plan.dealing
    body = {
        "ticket": agreed.ticket,
        "digest": contract_codec.digest(dealing),
        "start": start,
        "epoch": agreed.start.attempt,
    }
    dealer.send(
        Message(Kind.PLAN, dealer.session, body=body, buffers=(contract_codec.pack(dealing),))
    )
    seed = asyncio.create_task(_seed(dealer, agreed.ticket))
    try:
        while not seed.done():
            await asyncio.wait({seed}, timeout=LOOK)
            if seed.done():
                break  # the dealer's own word, a refusal too, before what the peer makes of it
            if (message := peer.peek()) is not None and message.kind is Kind.ABORT:
                raise stopped(peer, message)
            if peer.failure is not None:
                raise LinkError(str(peer.failure))
        return seed.result()
    finally:
        seed.cancel()
        await asyncio.gather(seed, return_exceptions=True)


async def _seed(dealer: Connection, ticket: str) -> bytes:
    while True:
        message = await expect(dealer, Kind.SEED)
        if (message.body or {}).get("ticket") == ticket:
            break
    if len(message.buffers) != 1 or len(message.buffers[0]) != SEED_BYTES:
        raise ProtocolError("the dealer sent a seed that is not 32 bytes long")
    return bytes(message.buffers[0])
