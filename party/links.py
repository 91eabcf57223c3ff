"""Finding the peer and the dealer, and finding them again.

Alice listens for Bob; both connect to the dealer. A connection that is still good is kept; one that
failed is made anew, for as long as the caller is willing to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from protocol.channel import (
    Allow,
    Connection,
    KeyPair,
    LinkShape,
    Listener,
    Options,
    PublicKey,
    Waiting,
    connect,
)
from protocol.errors import LinkError, MpcError
from protocol.wire import Kind, Message

ENDED = "the session ended"  # all that the dealer learns of a reason
FAREWELL = 10.0  # seconds in which a peer, busy as it may be, has taken the last message
PEER = {"alice": "bob", "bob": "alice"}


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the others are and how to know them. Alice listens at `peer`; Bob connects to it. Times
    in seconds."""

    session: str
    peer: str
    dealer: str | None  # None: material comes from a file
    timeout: float = 30.0  # silence after which a connection is given up
    wait: float = 300.0  # how long to wait for somebody to come, or to come back
    keys: KeyPair | None = None
    peer_key: PublicKey | None = None
    dealer_key: PublicKey | None = None
    peer_shape: LinkShape | None = None
    dealer_shape: LinkShape | None = None

    def public_keys(self, role: str) -> tuple[str, ...]:
        """Alice's and bob's, for the party that is `role`; () on a link without keys."""
        if self.keys is None or self.peer_key is None:
            return ()
        keys = {role: str(self.keys.public), PEER[role]: str(self.peer_key)}
        return keys["alice"], keys["bob"]


class Links:
    """Both links of one party, made by `open_links`."""

    def __init__(
        self,
        role: str,
        to: Addresses,
        note: Callable[[str], None],
        waiting: Callable[[Waiting], None],
    ) -> None:
        self._role, self._to, self._note, self._waiting = role, to, note, waiting
        self._options = Options(timeout=to.timeout)
        self.wait = to.wait  # seconds for somebody to come, or to come back
        self._listener: Listener | None = None
        self._peer: Connection | None = None
        self._dealer: Connection | None = None
        self._why = ""  # this party stops, for its peer

    @property
    def whom(self) -> str:
        """The other party's role."""
        return PEER[self._role]

    @property
    def unmet(self) -> bool:
        """Whether the link to the other party ended before the other sent a message on it, or said
        why it ends."""
        return self._peer is not None and self._peer.unmet

    async def both(self) -> tuple[Connection, Connection | None]:
        """Connect to the peer and to the dealer, if there is one, concurrently; the first failure
        ends the wait for the other."""
        if self._to.dealer is None:
            return await self.peer(), None
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
        """The link to the other party: the one that is there, or a new one, which alice accepts and
        bob dials. LinkError if the other does not come in time."""
        self._why = ""
        if self._peer is None or self._peer.failure is not None:
            self._peer = None
            self._peer = await (self._accept() if self._role == "alice" else self._dial("alice"))
            self._peer.on_waiting = self._patiently
        return self._peer

    async def dealer(self) -> Connection:
        """The link to the dealer, made anew if the one before has failed; LinkError if the dealer
        does not answer in time."""
        if self._dealer is None or self._dealer.failure is not None:
            self._dealer = None
            self._dealer = await self._dial("dealer")
            self._dealer.on_waiting = self._patiently
        return self._dealer

    def reload(self, to: Addresses) -> None:
        """Know the others by these keys from now on; a link to one whose key has changed ends."""
        old, self._to = self._to, replace(self._to, peer_key=to.peer_key, dealer_key=to.dealer_key)
        if to.peer_key != old.peer_key and to.peer_key is not None and self._listener is not None:
            self._listener.reload(Allow([to.peer_key]))
        changed = (
            (self._peer, to.peer_key != old.peer_key),
            (self._dealer, to.dealer_key != old.dealer_key),
        )
        for connection in (
            link for link, other in changed if other and link is not None and link.failure is None
        ):
            connection.abandon(
                LinkError(f"the key of {connection.peer} is no longer the one to expect"),
                "its key was exchanged",
            )

    def tell(self, message: Message) -> None:
        """Send a message to the peer and the dealer, as far as there are links to them."""
        self._send(message, self._peer, self._dealer)

    def _send(self, message: Message, *connections: Connection | None) -> None:
        for connection in connections:
            if connection is not None and connection.failure is None:
                with contextlib.suppress(MpcError):
                    connection.send(message)

    def abort(self, reason: str, back: bool) -> None:
        """Send ABORT on both links: this attempt ends, and `back` says whether this party will be
        there for another. The peer is told the reason; the dealer is not, since a reason may depend
        on data."""
        self._why = reason
        for connection, text in ((self._peer, reason[:2000]), (self._dealer, ENDED)):
            self._send(
                Message(Kind.ABORT, self._to.session, body={"reason": text, "back": back}),
                connection,
            )

    async def close(self) -> None:
        """Leave both links, once the others have taken what was sent last, or after FAREWELL
        seconds; why, the peer is told."""
        if self._listener is not None:
            self._listener.leave()
        found = [connection for connection in (self._peer, self._dealer) if connection is not None]
        try:
            await asyncio.gather(
                *(
                    connection.close(FAREWELL, self._why if connection is self._peer else "")
                    for connection in found
                )
            )
        finally:
            if self._listener is not None:
                await self._listener.close(linger=0.1)

    def _patiently(self, state: Waiting) -> None:
        """Pass on waits of two seconds and more: shorter ones nobody would notice."""
        if state.seconds >= 2.0:
            self._waiting(state)

    async def _dial(self, whom: str) -> Connection:
        to, dealer = self._to, whom == "dealer"
        address = to.dealer if dealer else to.peer
        assert address is not None
        return await connect(
            address,
            self._role,
            whom,
            to.session,
            to.keys,
            to.dealer_key if dealer else to.peer_key,
            timeout=self.wait,
            options=self._options,
            shape=to.dealer_shape if dealer else to.peer_shape,
            waiting=self._waiting,
        )

    async def _accept(self) -> Connection:
        """Accept bob's connection for this session; any other session is turned away with a
        sentence."""
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
                refused=lambda reason, address: self._note(
                    f"refused {address or 'a connection'}: {reason}"
                ),
            )
        deadline = time.monotonic() + self.wait
        while True:
            connection = await self._listener.accept(deadline - time.monotonic(), self._waiting)
            if connection.session == to.session and connection.failure is None:
                return connection
            # who asks only whether somebody is here, and leaves
            if not connection.session.startswith("doctor-"):
                await connection.close(
                    0.2, f"this is session {to.session}; give both parties the same --session"
                )


@contextlib.asynccontextmanager
async def open_links(
    role: str, to: Addresses, note: Callable[[str], None], waiting: Callable[[Waiting], None]
) -> AsyncIterator[Links]:
    """The links of one party for as long as the context lasts; then both are closed, with what was
    sent last taken."""
    links = Links(role, to, note, waiting)
    try:
        yield links
    finally:
        await links.close()
