"""Three hosts on one machine: network namespaces on a switch, each with an address and a home.

    with Hosts(folder) as hosts: hosts["alice"].run("…"); hosts["bob"].start("…"); hosts.plug("bob",
    False)

A fourth namespace is the switch, so that this machine's own network is left alone. Needs root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROLES = ("dealer", "alice", "bob")


def not_permitted() -> str:
    """Why there can be no namespaces here; empty if there can."""
    if shutil.which("ip") is None or shutil.which("bridge") is None:
        return "ip and bridge are not installed (Debian: apt-get install iproute2)"
    name = f"mpc-probe-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode:
        return f"network namespaces are not permitted here: {tried.stderr.strip()}"
    made = subprocess.run(
        ["ip", "-n", name, "link", "add", "name", "br", "type", "bridge"],
        capture_output=True,
        text=True,
    )
    subprocess.run(["ip", "netns", "del", name], check=True)
    return f"there are no bridges here: {made.stderr.strip()}" if made.returncode else ""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Host:
    def __init__(self, role: str, namespace: str, address: str, folder: Path) -> None:
        self.role, self.namespace, self.address, self.folder = role, namespace, address, folder
        (folder / ".venv" / "bin").mkdir(parents=True)
        # what installing would make, without a package index
        for program in ("mpc-dealer", "mpc-party"):
            file = folder / ".venv" / "bin" / program
            file.write_text(f'#!/bin/sh\nexec {sys.executable} -m {program[4:]} "$@"\n')
            file.chmod(0o755)
        (folder / "home").mkdir()
        (folder / "tmp").mkdir()
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            # installed once: a host that compiles the arithmetic is not what is tested
            "PYTHONPATH": str(ROOT),
        }

    def _command(self, script: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, "bash", "-euc", script]

    def run(self, script: str) -> str:
        """What a script prints."""
        done = subprocess.run(
            self._command(script),
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, script: str) -> subprocess.Popen[bytes]:
        """A script of one command, as a process of its own; its output goes to files `out` and
        `err`."""
        with (self.folder / "out").open("ab") as out, (self.folder / "err").open("ab") as err:
            return subprocess.Popen(
                self._command(f"exec {script}"),
                cwd=self.folder,
                env=self._environment,
                stdout=out,
                stderr=err,
            )

    @property
    def said(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def printed(self) -> str:
        return (self.folder / "out").read_text()


class Hosts(dict[str, Host]):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._prefix = f"mpc{os.getpid()}"
        self._switch = f"{self._prefix}-switch"
        self._folder = folder

    def __enter__(self) -> Hosts:
        try:
            ip("netns", "add", self._switch)
            ip("-n", self._switch, "link", "add", "name", "br", "type", "bridge")
            ip("-n", self._switch, "link", "set", "dev", "br", "up")
            for number, role in enumerate(ROLES, 1):
                namespace, address = f"{self._prefix}-{role}", f"10.77.0.{number}"
                ip("netns", "add", namespace)
                ip(
                    "-n",
                    self._switch,
                    "link",
                    "add",
                    "name",
                    role,
                    "type",
                    "veth",
                    "peer",
                    "name",
                    "eth0",
                    "netns",
                    namespace,
                )
                ip("-n", self._switch, "link", "set", "dev", role, "master", "br", "up")
                ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
                ip("-n", namespace, "link", "set", "dev", "eth0", "up")
                ip("-n", namespace, "link", "set", "lo", "up")
                self[role] = Host(role, namespace, address, self._folder / role)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in (*(f"{self._prefix}-{role}" for role in ROLES), self._switch):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)

    def plug(self, role: str, plugged: bool) -> None:
        """Pull the cable of a host out of the switch, or put it in."""
        ip("-n", self._switch, "link", "set", "dev", role, "up" if plugged else "down")

    def interface(self, role: str, up: bool) -> None:
        """Take the interface of a host down, or up, in the host itself."""
        ip("-n", self[role].namespace, "link", "set", "dev", "eth0", "up" if up else "down")

    def parted(self, parted: bool) -> None:
        """Whether the switch drops, silently, every packet between alice and bob."""
        for role in ("alice", "bob"):
            command = [
                "bridge",
                "-n",
                self._switch,
                "link",
                "set",
                "dev",
                role,
                "isolated",
                "on" if parted else "off",
            ]
            subprocess.run(command, check=True, capture_output=True)
