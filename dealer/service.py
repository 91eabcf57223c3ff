"""The dealer's process: one listening socket, any number of sessions, and a pool of workers that
make material."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from protocol.channel import Allow, Connection, KeyPair, LinkShape, Listener, Options
from protocol.errors import ConfigError
from protocol.log import Log
from protocol.notify import Notifier
from protocol.validate import Limits
from protocol.wire.codec import MessageLimits
from protocol.wording import counted

from .cluster import Cluster
from .session import Session, refuse
from .stock import Stock
from .tally import Tally
from .turns import Turns
from .workers import Workers

_HEADER = 128 << 10  # bytes of a message without its plan
_WORK = 1 << 37  # multiplications in one chunk: some ten seconds of one core
_PARTS = 1 << 15
MIB = 1 << 20
_MESSAGE = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a dealer. timeout: seconds of silence after which a party is given up. Every
    max_… is in bytes, but max_sessions."""

    listen: str
    keys: KeyPair | None
    allow: Allow | None
    workers: int | str = 1  # threads, or the address of a cluster's scheduler
    timeout: float = 30.0
    max_sessions: int = 64
    max_plan_size: int = 1 << 20
    max_step_memory: int = 512 << 20
    max_stock: int = 96 << 20
    max_memory: int = 4 << 30
    # by names of sessions, or patterns of them; else 1
    weights: Mapping[str, float] = field(default_factory=dict)
    shape: LinkShape | None = None  # of what is sent to the parties

    def __post_init__(self) -> None:
        """ConfigError if no session would ever be admitted."""
        if self.max_memory <= (stock := 2 * self.max_stock):
            raise ConfigError(
                f"--max-memory of {self.max_memory / MIB:,.6g} MiB leaves nothing for any session:"
                f" twice --max-stock, {stock / MIB:,.6g} MiB, is set aside for what is ahead; give"
                " more memory, or less stock"
            )

    @property
    def options(self) -> Options:
        """Limits of the connections to parties: apart from its plan, a party sends little."""
        wire = MessageLimits(_HEADER, self.max_plan_size, self.max_plan_size + _HEADER, 1)
        return Options(
            self.timeout,
            inbox_count=256,
            inbox_bytes=4 * (self.max_plan_size + _HEADER),
            limits=wire,
        )

    @property
    def limits(self) -> Limits:
        """The most that a party's plan may take; larger ones are refused."""
        return Limits(self.max_step_memory, _WORK, _PARTS, _MESSAGE)


class Service:
    """The dealer's process: accepts connections, admits sessions within its limits, and ends
    them."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.settings, self._log = settings, log
        self.tally, self.workers = Tally(), workers_of(settings.workers, settings.keys is None, log)
        self._turns = Turns(self.workers)
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.stock = Stock(
            settings.max_stock,
            settings.max_sessions,
            settings.max_memory,
            lambda: self.workers.here,
        )
        self._listener: Listener | None = None

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are open, by name."""
        return [*self._sessions.values()]

    def reload(self, allow: Allow | None) -> None:
        """Replace the list of keys that may connect. Connections whose key is not on it end."""
        if self._listener is not None and allow is not None:
            self._listener.reload(allow)
            self._log(
                f"the list of allowed keys was read again: {counted(len(allow), 'key')}", "reloaded"
            )

    async def run(self) -> None:
        """Serve until cancelled. LinkError where the dealer works with a cluster that does not
        answer."""
        try:
            await self.workers.open()
            await self._listen()
        finally:
            await self.workers.close()

    async def _listen(self) -> None:
        settings = self.settings
        self._listener = listener = Listener(
            settings.listen,
            "dealer",
            settings.keys,
            settings.allow,
            options=settings.options,
            shape=settings.shape,
            refused=self._refused,
            most=2 * settings.max_sessions,
        )
        self._log(f"dealer ready at {listener.address}", "ready")
        notifier = Notifier()
        notifier.tell("READY=1")
        watch = asyncio.create_task(notifier.attend(self._alive, self._status))
        try:
            while True:
                connection = await listener.accept()
                task = asyncio.create_task(self._serve(connection))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            watch.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await listener.close(linger=0.2)

    async def _alive(self) -> bool:
        """True once something has gone through the event loop and the workers' queue."""
        await asyncio.get_running_loop().run_in_executor(self.workers, int)
        return True

    def _status(self) -> str:
        some = ", ".join([*self._sessions][:5]) or "none"
        return f"{counted(len(self._sessions), 'session')}: {some}"

    async def _serve(self, connection: Connection) -> None:
        """One party, in its session, from its coming to its going. Whatever happens, the dealer
        goes on."""
        name = connection.session
        session = self._sessions.get(name)
        if session is None:
            if len(self._sessions) >= self.settings.max_sessions:
                await self._refuse(connection)
                return
            session = self._sessions[name] = Session(
                name,
                self.workers,
                self._turns,
                self.settings.limits,
                self.stock,
                self._log,
                self.tally,
                weight=self._weight(name),
            )
            self.tally.sessions += 1
            self.stock.add(session)
        try:
            await session.serve(connection)
        except Exception as error:
            text = (
                f"{connection.role} lost session {name} by a fault of the dealer's program:"
                f" {type(error).__name__}"
            )
            self._log(text, "failed", "error", name)
        finally:
            if session.empty and self._sessions.get(name) is session:
                del self._sessions[name]
                self.stock.discard(session)

    def _weight(self, session: str) -> float:
        """As the first name or pattern says that fits."""
        found = (
            weight for name, weight in self.settings.weights.items() if fnmatchcase(session, name)
        )
        return next(found, 1.0)

    def _refused(self, reason: str, address: str) -> None:
        self.tally.refused += 1
        self._log(f"refused {address or 'a connection'}: {reason}", "refused", "warning")

    async def _refuse(self, connection: Connection) -> None:
        reason = (
            f"the dealer has {counted(len(self._sessions), 'session')}, which is all it takes; come"
            " back later, or raise its --max-sessions"
        )
        await refuse(connection, reason, self.tally, self._log)


def workers_of(workers: int | str, plaintext: bool, log: Log, wait: float = math.inf) -> Workers:
    """The workers for a setting: so many threads, or a Dask cluster at that address. wait: seconds
    for a cluster that does not answer. ConfigError where it cannot be used."""
    return Workers(workers) if isinstance(workers, int) else Cluster(workers, plaintext, log, wait)
