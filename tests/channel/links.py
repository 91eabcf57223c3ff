"""Every kind of connection behind one door, and a TCP proxy that misbehaves on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from protocol.channel import Allow, Connection, KeyPair, LinkShape, Listener, Options, connect
from protocol.channel.memory import pair
from protocol.wire import Kind, Message

KINDS = ("memory", "plain", "curve")
ALICE, BOB, DEALER = (KeyPair.generate(role) for role in ("alice", "bob", "dealer"))


def message(number: int, *buffers: bytes | memoryview, attempt: int = 1) -> Message:
    return Message(Kind.ROUND, "test", attempt, number, None, buffers)


@asynccontextmanager
async def linked(
    kind: str, options: Options | None = None, shape: LinkShape | None = None
) -> AsyncIterator[tuple[Connection, Connection]]:
    """(alice's end, bob's end)"""
    if kind == "memory":
        ends = pair("test", options=options, shape=shape)
        try:
            yield ends
        finally:
            await asyncio.gather(*(end.close(0) for end in ends))
        return
    curve = kind == "curve"
    async with listening(curve, options=options, shape=shape) as listener:
        alice, bob = await asyncio.gather(
            dial(listener.address, curve, options=options, shape=shape),
            listener.accept(5),
        )
        try:
            yield alice, bob
        finally:
            await asyncio.gather(alice.close(0), bob.close(0))


@asynccontextmanager
async def listening(curve: bool = True, **more: object) -> AsyncIterator[Listener]:
    allow = Allow([ALICE.public, DEALER.public]) if curve else None
    listener = Listener("tcp://127.0.0.1:0", "bob", BOB if curve else None, allow, **more)  # type: ignore[arg-type]
    try:
        yield listener
    finally:
        await listener.close()


async def dial(
    address: str, curve: bool = True, session: str = "test", **more: object
) -> Connection:
    return await connect(
        address,
        "alice",
        "bob",
        session,
        ALICE if curve else None,
        BOB.public if curve else None,
        timeout=float(more.pop("timeout", 5.0)),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


class Proxy:
    """Forwards TCP to `address`; can cut, stall, damage, or stop in the middle of what it
    forwards."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.removeprefix("tcp://").rpartition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.refusing = False
        self.truncate_after: int | None = None  # bytes, then both directions are cut
        self.damage_after: int | None = None  # bytes, then one is flipped
        self.replay_after: int | None = None  # bytes, then what came is sent twice

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._open.set()
        self.cut()

    def cut(self) -> None:
        """Reset every connection; what is on its way is lost."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def stall(self) -> None:
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        await asyncio.gather(self._copy(reader, back, writer), self._copy(there, writer, back))

    async def _copy(self, source: asyncio.StreamReader, *ends: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                await self._open.wait()
                if self.damage_after is not None:
                    self.damage_after -= len(data)
                    if self.damage_after <= 0:
                        self.damage_after = None
                        data = data[:-1] + bytes([data[-1] ^ 0x55])
                if self.replay_after is not None:
                    self.replay_after -= len(data)
                    if self.replay_after <= 0:
                        self.replay_after = None
                        data += data
                if self.truncate_after is not None:
                    self.truncate_after -= len(data)
                    if self.truncate_after <= 0:
                        self.truncate_after = None
                        ends[0].write(data[: len(data) // 2])
                        await ends[0].drain()
                        break
                ends[0].write(data)
                await ends[0].drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        for end in ends:
            end.transport.abort()
