"""A dealer in this event loop, for parties that are tasks of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from dealer.service import Service, Settings
from party.local import free_address
from protocol.channel import Allow
from protocol.keyring import other_key, own_key
from protocol.log import Log


@contextlib.asynccontextmanager
async def dealing(into: list[Service] | None = None) -> AsyncIterator[dict[str, str]]:
    """Where it listens, and where alice may, as arguments for a `Party`; its keys are those of
    loopback, and a busy machine's silence is none. It is put `into` a list."""
    address = free_address()
    known = [key for role in ("alice", "bob") if (key := other_key(role, None, True)) is not None]
    settings = Settings(
        listen=address, keys=own_key("dealer", None, [address], False), allow=Allow(known)
    )
    dealer = Service(settings, Log("dealer"))
    if into is not None:
        into.append(dealer)
    service = asyncio.create_task(dealer.run())
    try:
        yield {"peer": free_address(), "dealer": address, "timeout": "3m"}
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)
