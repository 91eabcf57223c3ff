"""Sessions of real processes with explicit keys, and guests that nobody invited."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import zmq

from party.local import Child, Trio
from protocol.channel import Connection, KeyPair, Options, connect

SECONDS = 240.0


class Keys:
    """A key file for each of the three, and their command-line options. What is there already is
    used again."""

    def __init__(self, folder: Path) -> None:
        self.files = {role: folder / f"{role}.key" for role in ("alice", "bob", "dealer")}
        for role, file in self.files.items():
            if not file.exists():
                KeyPair.generate(role).save(file)
        self.pairs = {role: KeyPair.load(file, role) for role, file in self.files.items()}

    def options(self, role: str) -> list[str]:
        mine = ["--key", str(self.files[role])]
        if role == "dealer":
            return [
                *mine,
                "--alice-key",
                str(self.pairs["alice"].public),
                "--bob-key",
                str(self.pairs["bob"].public),
            ]
        peer = "bob" if role == "alice" else "alice"
        return [
            *mine,
            "--peer-key",
            str(self.pairs[peer].public),
            "--dealer-key",
            str(self.pairs["dealer"].public),
        ]

    async def connect(
        self, address: str, role: str, to: str, session: str, options: Options | None = None
    ) -> Connection:
        there = self.pairs[to].public
        return await connect(
            address, role, to, session, self.pairs[role], there, timeout=10.0, options=options
        )


def run_all(trio: Trio, keys: Keys, *arguments: str, dealer: tuple[str, ...] = ()) -> None:
    trio.start("dealer", [*keys.options("dealer"), *dealer])
    for role in ("alice", "bob"):
        trio.start(role, ["--json", *arguments, *keys.options(role)])
    wait_for(trio.children["alice"], "this run")


def wait_for(child: Child, words: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while words not in child.errors:
        assert child.process.poll() is None, f"{child.name} ended and said: {child.errors}"
        assert time.monotonic() < deadline, f"{child.name} said: {child.errors}"
        time.sleep(0.02)


def place(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def guest(
    context: zmq.Context, address: str, own: KeyPair | None, server: KeyPair | None
) -> zmq.Socket:
    """A raw DEALER socket; without keys it speaks plain text."""
    found = context.socket(zmq.DEALER)
    found.linger, found.sndhwm, found.rcvhwm = 15_000, 0, 1000
    if own is not None and server is not None:
        found.curve_publickey, found.curve_secretkey = own.public.z85, own.secret_z85
        found.curve_serverkey = server.public.z85
    found.connect(address)
    return found


def raw(address: str, data: bytes = b"") -> socket.socket:
    found = socket.create_connection(place(address), 5)
    if data:
        found.sendall(data)
    return found


def command(
    *words: str, environment: dict[str, str] | None = None, seconds: float = 40.0
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment,
    )


class Recorder:
    """A TCP proxy that keeps what a client said."""

    def __init__(self, address: str) -> None:
        self._there = place(address)
        self._writers: list[asyncio.StreamWriter] = []
        self.said: list[bytes] = []

    async def __aenter__(self) -> Recorder:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0)  # the copying ends by itself, as both its sources have

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._there)
        self._writers += [writer, back]
        await asyncio.gather(self._copy(reader, back, self.said), self._copy(there, writer, None))

    async def _copy(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, keep: list[bytes] | None
    ) -> None:
        while data := await source.read(1 << 16):
            if keep is not None:
                keep.append(data)
            to.write(data)
        to.close()
