"""A party whose data, or share of a model, are of no use tells its peer, who would wait for it in
vain."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

from protocol.errors import DataError, MpcError
from protocol.processes import run_until_signalled

from .links import Addresses, open_links

PATIENCE = 2.0  # seconds in which a peer that waits already is found


@contextlib.asynccontextmanager
async def telling(role: str, to: Callable[[], Addresses]) -> AsyncIterator[None]:
    """A DataError that ends the block ends the peer's wait too, if the peer is there; what is
    wrong stays here."""
    try:
        yield
    except DataError as fault:
        await _decline(role, to, fault)
        raise


@contextlib.contextmanager
def declining(role: str, to: Callable[[], Addresses]) -> Iterator[None]:
    """The same for commands, which run no loop yet."""
    try:
        yield
    except DataError as fault:
        run_until_signalled(_decline(role, to, fault))
        raise


async def _decline(role: str, to: Callable[[], Addresses], fault: DataError) -> None:
    with contextlib.suppress(MpcError):
        where = to()
        where = replace(where, wait=min(PATIENCE, where.wait))
        async with open_links(role, where, lambda _: None, lambda _: None) as links:
            await links.peer()
            links.abort(fault.for_peer, back=False)
