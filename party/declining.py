"""A party whose share of a model is of no use tells its peer, who would wait for it in vain."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

from protocol.errors import MpcError, ShareError
from protocol.processes import run_until_signalled

from .links import Addresses, opened

PATIENCE = 2.0  # seconds in which a peer that waits already is found


@contextlib.asynccontextmanager
async def telling(role: str, to: Callable[[], Addresses]) -> AsyncIterator[None]:
    """A ShareError that ends the block ends the peer's wait too, if the peer is there; what is
    wrong stays here."""
    try:
        yield
    except ShareError as fault:
        await _decline(role, to, fault)
        raise


@contextlib.contextmanager
def declining(role: str, to: Callable[[], Addresses]) -> Iterator[None]:
    """The same for commands, which run no loop yet."""
    try:
        yield
    except ShareError as fault:
        run_until_signalled(_decline(role, to, fault))
        raise


async def _decline(role: str, to: Callable[[], Addresses], fault: ShareError) -> None:
    with contextlib.suppress(MpcError):
        async with opened(
            role, replace(to(), wait=PATIENCE), lambda _: None, lambda _: None
        ) as links:
            await links.peer()
            links.abort(fault.for_peer, back=False)
