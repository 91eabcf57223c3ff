"""Finding the peer and the dealer, and finding them again.

Alice listens for Bob; both connect to the dealer. A connection that is still good is kept; one that failed is made anew, for as
long as the caller is willing to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from protocol.channel import Allow, Connection, KeyPair, Listener, Options, PublicKey, Shape, Waiting, connect
from protocol.errors import LinkError, MpcError
from protocol.wire import Kind, Message

PEER = {"alice": "bob", "bob": "alice"}


@dataclass(frozen=True)
class Addresses:
    """Where the others are and how to know them. Alice listens at `peer`; Bob connects to it. Times in seconds."""

    session: str
    peer: str
    dealer: str
    timeout: float = 30.0  # silence after which a connection is given up
    wait: float = 300.0  # how long to wait for somebody to come, or to come back
    keys: KeyPair | None = None
    peer_key: PublicKey | None = None
    dealer_key: PublicKey | None = None
    peer_shape: Shape | None = None
    dealer_shape: Shape | None = None


class Links:
    """Both links of one party. Use `opened`."""

    def __init__(self, role: str, to: Addresses, note: Callable[[str], None], waiting: Callable[[Waiting], None]) -> None:
        self._role, self._to, self._note, self._waiting = role, to, note, waiting
        self._options = Options(timeout=to.timeout)
        self._listener: Listener | None = None
        self._peer: Connection | None = None
        self._dealer: Connection | None = None

    async def both(self) -> tuple[Connection, Connection]:
        """The peer and the dealer, side by side; the first failure ends the wait for the other."""
        tasks = [asyncio.create_task(self.peer()), asyncio.create_task(self.dealer())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            return tasks[0].result(), tasks[1].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def peer(self) -> Connection:
        if self._peer is None or self._peer.failure is not None:
            self._peer = None
            self._peer = await (self._accept() if self._role == "alice" else self._dial("alice"))
            self._peer.on_waiting = self._patiently
        return self._peer

    async def dealer(self) -> Connection:
        if self._dealer is None or self._dealer.failure is not None:
            self._dealer = None
            self._dealer = await self._dial("dealer")
            self._dealer.on_waiting = self._patiently
        return self._dealer

    def tell(self, message: Message) -> None:
        """Send to everybody who is there."""
        for connection in (self._peer, self._dealer):
            if connection is not None and connection.failure is None:
                with contextlib.suppress(MpcError):
                    connection.send(message)

    def abort(self, reason: str, back: bool) -> None:
        """Tell the others why this attempt ends here, and whether this party will be back."""
        body = {"reason": reason[:2000], "back": back}
        self.tell(Message(Kind.ABORT, self._to.session, body=body))

    async def close(self) -> None:
        found = [connection for connection in (self._peer, self._dealer) if connection is not None]
        await asyncio.gather(*(connection.close(linger=1.0) for connection in found))
        if self._listener is not None:
            await self._listener.close(linger=0.1)

    def _patiently(self, state: Waiting) -> None:
        """Speak up only about waits that a person would notice."""
        if state.seconds >= 2.0:
            self._waiting(state)

    async def _dial(self, whom: str) -> Connection:
        to, dealer = self._to, whom == "dealer"
        return await connect(
            to.dealer if dealer else to.peer,
            self._role,
            whom,
            to.session,
            to.keys,
            to.dealer_key if dealer else to.peer_key,
            timeout=to.wait,
            options=self._options,
            shape=to.dealer_shape if dealer else to.peer_shape,
            waiting=self._waiting,
        )

    async def _accept(self) -> Connection:
        """Bob, of this session; anybody else's session is turned away."""
        to = self._to
        if self._listener is None:
            self._listener = Listener(
                to.peer,
                self._role,
                to.keys,
                None if to.peer_key is None else Allow([to.peer_key]),
                roles=("bob",),
                options=self._options,
                shape=to.peer_shape,
                refused=lambda reason, address: self._note(f"refused {address or 'a connection'}: {reason}"),
            )
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while (waited := loop.time() - begin) < to.wait:
            try:
                connection = await self._listener.accept(timeout=1.0)
            except LinkError:
                seconds = loop.time() - begin
                self._waiting(Waiting(f"bob at {self._listener.address}", seconds, seconds, False))
                continue
            if connection.session == to.session and connection.failure is None:
                return connection
            await connection.close(0.2)
        raise LinkError(f"bob did not connect to {self._listener.address} within {waited:.0f} s; is he started, and the port open?")


@contextlib.asynccontextmanager
async def opened(
    role: str, to: Addresses, note: Callable[[str], None], waiting: Callable[[Waiting], None]
) -> AsyncIterator[Links]:
    """Links that are closed, and said goodbye on, whatever happens."""
    links = Links(role, to, note, waiting)
    try:
        yield links
    finally:
        await links.close()
