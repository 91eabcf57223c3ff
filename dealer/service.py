"""The dealer: one listening socket, any number of sessions, a pool of workers that make material."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from protocol.channel import Allow, KeyPair, Listener, Options
from protocol.log import Log
from protocol.notify import Notifier

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
    def __init__(self, settings: Settings, log: Log) -> None:
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
            refused=lambda reason, address: self._log(f"refused {address or 'a connection'}: {reason}", "refused", "warning"),
            most=2 * settings.max_sessions,
        )
        with ThreadPoolExecutor(settings.workers, "deal") as workers:
            self._log(f"dealer ready at {listener.address}", "ready")
            notifier = Notifier()
            notifier.tell("READY=1")
            watch = asyncio.create_task(notifier.attend(lambda: self._alive(workers), self._status))
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
                watch.cancel()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await listener.close(linger=0.2)

    async def _alive(self, workers: ThreadPoolExecutor) -> bool:
        """True once something has gone through the event loop and the workers' queue."""
        await asyncio.get_running_loop().run_in_executor(workers, int)
        return True

    def _status(self) -> str:
        return f"{len(self._sessions)} sessions: {', '.join([*self._sessions][:5]) or 'none'}"

    async def _serve(self, session: Session, connection: object) -> None:
        await session.serve(connection)  # type: ignore[arg-type]
        if session.empty and self._sessions.get(session.name) is session:
            del self._sessions[session.name]
