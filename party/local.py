"""All three processes on this machine: for the demo, the laboratory, the benchmark and the tests.

Real processes with real sockets on loopback; each has its own session name and free ports, so that
several sets can run side by side. Nothing is left behind: leaving the context ends every process.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from protocol import kernels
from protocol.errors import LinkError, MpcError, OutOfRangeError
from protocol.log import process_log
from protocol.signals import held, reacting, unwind


def free_address() -> str:
    """A loopback address that nobody uses right now, of those that systems do not give to outgoing
    connections.

    One that the system chose (port 0) could go to a process that dials before the dealer listens
    there.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return f"tcp://127.0.0.1:{port}"


class Child:
    """One process; its standard output and error go to files, or its error to ours."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        shown: bool,
    ) -> None:
        self.name = name
        self._out = folder / f"{name}.out"
        self._err = folder / f"{name}.err"
        with self._out.open("ab") as out, self._err.open("ab") as err:
            stderr: IO[bytes] | None = None if shown else err
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=out,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env=dict(environment),
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._out.read_text(errors="replace")

    @property
    def errors(self) -> str:
        """What it has said on standard error so far."""
        return self._err.read_text(errors="replace")

    def ask(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal, if it is there to have one."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, patience: float = 5.0) -> None:
        """Send it a signal, and kill it if it has not ended `patience` seconds later."""
        self.ask(number)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Trio:
    """A dealer and two parties. `with Trio(...) as trio: trio.start("dealer"); …;
    trio.wait(seconds)`."""

    def __init__(
        self, session: str = "local", environment: Mapping[str, str] | None = None
    ) -> None:
        self.session = session
        self.dealer, self.peer = free_address(), free_address()
        self.children: dict[str, Child] = {}
        self._unwinding = contextlib.ExitStack()
        self._environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"} | dict(environment or {})
        self._folder = tempfile.TemporaryDirectory(prefix="mpc-")
        self.folder = Path(self._folder.name)

    def __enter__(self) -> Trio:
        kernels.ready(process_log("mpc"))  # once, and not in all three
        self._unwinding.enter_context(reacting(unwind))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with held():
            for child in self.children.values():
                child.ask()
            for child in self.children.values():
                child.stop()
            self._folder.cleanup()
        self._unwinding.close()

    def start(
        self,
        role: str,
        arguments: Sequence[str] = (),
        shown: bool = False,
        environment: Mapping[str, str] | None = None,
        command: str = "run",
    ) -> Child:
        """Start (or start again) `role` with further command-line arguments and environment
        variables; a party with a command."""
        if role == "dealer":
            words = ["dealer", "--listen", self.dealer]
        else:
            where = ["--peer", self.peer] + (
                ["--dealer", self.dealer] if command != "rotate" else []
            )
            words = ["party", command, "--role", role, "--session", self.session, *where]
        child = Child(
            role,
            [*words, *arguments],
            self.folder,
            self._environment | dict(environment or {}),
            shown,
        )
        self.children[role] = child
        return child

    def wait(self, seconds: float) -> None:
        """Until both parties have ended; LinkError if one fails (OutOfRangeError, if that is why),
        or neither ends in time."""
        deadline = time.monotonic() + seconds
        parties = [self.children[role] for role in ("alice", "bob")]
        while any(child.process.poll() is None for child in parties):
            for child in [*parties, self.children["dealer"]]:
                if child.process.poll() not in (None, 0):
                    self._settle()
                    raise _failure(child)
            if time.monotonic() > deadline:
                raise LinkError(f"the parties did not end within {seconds:.0f} s")
            time.sleep(0.02)
        for child in parties:
            if child.process.returncode:
                raise _failure(child)

    def reports(self) -> dict[str, dict[str, Any]]:
        """What both parties, started with --json, said in the end; LinkError if one said
        nothing."""
        found = {}
        for role in ("alice", "bob"):
            lines = self.children[role].output.strip().splitlines()
            if not lines:
                raise LinkError(f"{role} ended without a report")
            found[role] = json.loads(lines[-1])
        return found

    def _settle(self) -> None:
        """Give the others a moment to say what they saw."""
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                if child.name != "dealer":
                    child.process.wait(2.0)


def _failure(child: Child) -> MpcError:
    code, last = child.process.returncode, _last_line(child.errors)
    if code == OutOfRangeError.exit_code:
        return OutOfRangeError(
            last or f"values left the range that was assumed for them, as {child.name} says above"
        )
    return LinkError(
        f"{child.name} ended with exit code {code}:"
        f" {last or 'it said nothing but what stands above'}"
    )


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else ""
