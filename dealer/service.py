"""The dealer: one listening socket, any number of sessions, a pool of workers that make material."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from protocol.channel import Allow, KeyPair, Listener, Options

from .session import Session


@dataclass(frozen=True)
class Settings:
    listen: str
    keys: KeyPair | None
    allow: Allow | None
    workers: int = 1
    timeout: float = 30.0
    max_step_memory: int = 512 << 20
    max_sessions: int = 64


class Service:
    def __init__(self, settings: Settings, log: Callable[[str], None]) -> None:
        self._settings, self._log = settings, log
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled."""
        settings = self._settings
        listener = Listener(
            settings.listen,
            "dealer",
            settings.keys,
            settings.allow,
            options=Options(timeout=settings.timeout),
            refused=lambda reason, address: self._log(f"refused {address or 'a connection'}: {reason}"),
            most=2 * settings.max_sessions,
        )
        with ThreadPoolExecutor(settings.workers, "deal") as workers:
            self._log(f"dealer ready at {listener.address}")
            try:
                while True:
                    connection = await listener.accept()
                    session = self._sessions.get(connection.session)
                    if session is None:
                        session = Session(connection.session, workers, settings.max_step_memory, self._log)
                        self._sessions[connection.session] = session
                    task = asyncio.create_task(self._serve(session, connection))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await listener.close(linger=0.2)

    async def _serve(self, session: Session, connection: object) -> None:
        await session.serve(connection)  # type: ignore[arg-type]
        if session.empty and self._sessions.get(session.name) is session:
            del self._sessions[session.name]
