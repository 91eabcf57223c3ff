"""Which connection each TCP connection of a listener, and each session, belongs to. No socket here.

A TCP connection is known by its routing id, which ZeroMQ gives it; a session by the key's owner,
the role and the session's name. One `Route` stands between them: when its process comes back on
another TCP connection, the route gets another routing id, and the `Connection` on it goes on.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Protocol

from ..wire.messages import Buffer
from .connection import Connection
from .terms import Transport

STRANGERS = 1024  # routing ids without an OPEN that are remembered, so that each is answered once


class Carrier(Protocol):
    """What a route needs of its listener."""

    def transmit(self, frames: Sequence[Buffer], routing_id: bytes) -> bool:
        """Send the frames of one message to a TCP connection; False if they cannot be sent now."""

    def look(self) -> None:
        """Read what has come in, in this turn of the event loop."""

    def forget(self, route: Route) -> None:
        """The connection on `route` is over."""


class Route(Transport):
    """The transport of one accepted connection: a routing id of the listener's socket."""

    def __init__(self, carrier: Carrier, routing_id: bytes) -> None:
        self.carrier = carrier
        self.routing_id = routing_id
        self.user = ""  # whose key it is, as on the allow-list; none in plain text
        self.descriptor = -1  # of its TCP connection
        self.instance = b""  # the nonce of the process at the other side
        self.attempt = 0  # the number of that process's last OPEN
        self.connection: Connection | None = None

    def transmit(self, frames: Sequence[Buffer]) -> bool:
        if self.carrier.transmit(frames, self.routing_id):
            return True
        if self.connection is not None:
            self.connection.interrupted()
        return False

    def tick(self, now: float) -> None: ...

    def look(self) -> None:
        self.carrier.look()

    def close(self) -> None:
        self.carrier.forget(self)


class Routes:
    """The routes of one listener, by routing id and by session."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, Route] = {}
        self._by_session: dict[tuple[str, str, str], Route] = {}
        self._strangers: collections.OrderedDict[bytes, None] = collections.OrderedDict()

    def __len__(self) -> int:
        """The number of sessions."""
        return len(self._by_session)

    def at(self, routing_id: bytes) -> Route | None:
        """The route of a TCP connection that has said OPEN; None of any other."""
        return self._by_id.get(routing_id)

    def of(self, user: str, role: str, session: str) -> Route | None:
        """The route of a session, if it has one."""
        return self._by_session.get((user, role, session))

    @property
    def held(self) -> list[Route]:
        """The routes of all sessions, of interrupted ones too."""
        return list(self._by_session.values())

    def add(self, route: Route, role: str, session: str) -> None:
        """A session begins on `route`, in place of the route that it had, if any."""
        self._by_session[route.user, role, session] = route
        self._bind(route)

    def move(self, route: Route, routing_id: bytes, descriptor: int) -> None:
        """The process at the other side of `route` is on another TCP connection now."""
        self._unbind(route)
        route.routing_id, route.descriptor = routing_id, descriptor
        self._bind(route)

    def remove(self, route: Route) -> None:
        """The session on `route` is over."""
        self._unbind(route)
        for name, other in list(self._by_session.items()):
            if other is route:
                del self._by_session[name]

    def interrupt(self) -> None:
        """The socket is gone, and all TCP connections with it; sessions stay."""
        self._by_id.clear()
        for route in self.held:
            if route.connection is not None:
                route.connection.interrupted()

    def is_new_stranger(self, routing_id: bytes) -> bool:
        """Remember a TCP connection that has not said OPEN. True the first time, among the last
        STRANGERS of them."""
        if routing_id in self._strangers:
            return False
        self._strangers[routing_id] = None
        if len(self._strangers) > STRANGERS:
            self._strangers.popitem(last=False)
        return True

    def _bind(self, route: Route) -> None:
        self._by_id[route.routing_id] = route
        self._strangers.pop(route.routing_id, None)

    def _unbind(self, route: Route) -> None:
        if self._by_id.get(route.routing_id) is route:
            del self._by_id[route.routing_id]
