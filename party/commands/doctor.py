"""`python -m party doctor`: would a run with these settings work? One line a check, and for each
failure how to mend it.

Takes the options of `run`. Connects with the real handshake, under a session name of its own, so
nothing that runs is disturbed. Started at alice and at bob at once, it tests the link between them;
--wait says how long one waits for the other. Exit code 0 unless a check fails.
"""

from __future__ import annotations

import errno
import json
import socket
import tempfile
from collections.abc import Callable
from dataclasses import asdict

from protocol import kernels
from protocol.channel import KeyPair, PublicKey
from protocol.errors import ConfigError, DataError
from protocol.keyring import PLAINTEXT, needed_key, own_key, shared_folder
from protocol.parsers import Address
from protocol.processes import run_until_signalled

from ..command_settings import RunSettings
from ..findings import FAIL, OK, WARN, Finding, Findings
from ..links import PEER
from ..material_file import material_keys
from ..probing import PATIENCE, Probe
from ..shared import SharedModel


class Doctor:
    """The checks, in the order in which one depends on another."""

    def __init__(self, settings: RunSettings, role: str, tell: Callable[[Finding], None]) -> None:
        self._settings, self._role, self.findings = settings, role, Findings(tell)
        self._found = self.findings.add

    async def run(self) -> None:
        """Make all checks, those of this host first. A check that fails raises nothing: it is a
        finding."""
        dealer = self._settings.dealer if self._settings.material is None else None
        addresses = [str(each) for each in (self._settings.peer, dealer) if each is not None]
        keys, trusted = self._own(addresses)
        peer_role, shared = PEER[self._role], self._settings.key is None
        peer_key = self._other(keys, peer_role, self._settings.peer_key, shared, "--peer-key")
        dealer_key = (
            self._other(keys, "dealer", self._settings.dealer_key, shared, "--dealer-key")
            if dealer
            else None
        )
        self._state()
        if trusted and (keys is None or peer_key is not None):
            self.share(() if keys is None else (str(keys.public), str(peer_key)))
        self._kernels()
        probe = Probe(self._role, self.findings, self._patience)
        if dealer is None:
            self._material()
        elif trusted and (keys is None or dealer_key is not None):
            await probe.dealer(dealer, keys, dealer_key)
        else:
            self._found("dealer", FAIL, "not tried, for want of a key; mend the keys first")
        if self._role == "alice":
            if (
                self._port(self._settings.peer)
                and trusted
                and (keys is None or peer_key is not None)
            ):
                await probe.bob(self._settings.peer, keys, peer_key)
        elif trusted and (keys is None or peer_key is not None):
            await probe.alice(self._settings.peer, keys, peer_key)
        else:
            self._found("alice", FAIL, "not tried, for want of a key; mend the keys first")

    # ── keys and files ────────────────────────────────────────────────────────────────────────────

    def _own(self, addresses: list[str]) -> tuple[KeyPair | None, bool]:
        """This party's keys, and whether they are as they should be."""
        settings = self._settings
        try:
            keys = own_key(self._role, settings.key, addresses, settings.insecure_plaintext)
        except ConfigError as error:
            hint = f"make one with: python -m party keygen --role {self._role}"
            self._found("own key", FAIL, f"{error}; {hint}")
            return None, False
        if keys is None:
            self._found("own key", WARN, PLAINTEXT)
        elif settings.key is None:
            self._found(
                "own key",
                OK,
                f"shared by this user's processes on this machine, in {shared_folder()}",
            )
        else:
            self._found(
                "own key",
                OK,
                f"{settings.key} is of {self._role} and only its owner can read it: {keys.public}",
            )
        return keys, True

    def _other(
        self, keys: KeyPair | None, role: str, line: str | None, shared: bool, option: str
    ) -> PublicKey | None:
        if keys is None and line is None:
            return None
        try:
            key = needed_key(role, line, shared, option)
        except ConfigError as error:
            self._found(f"key of {role}", FAIL, str(error))
            return None
        self._found(f"key of {role}", OK, key.short)
        return key

    def _state(self) -> None:
        folder = self._settings.state
        if folder is None:
            self._found("state", OK, "no --state: a run that is killed begins again")
            return
        existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            self._found(
                "state",
                FAIL,
                f"{existing} cannot be written to ({error.strerror}); choose another --state, or"
                " mend its owner",
            )
        else:
            self._found("state", OK, f"{folder} can be written")

    def share(self, keys: tuple[str, ...]) -> None:
        """This party's share of the model that the run would begin with. keys: the own one and the
        other party's, in public."""
        file = self._settings.model
        if file is None:
            return
        try:
            model = SharedModel.read(file)
            model.check(self._role, keys if self._role == "alice" else keys[::-1])
        except DataError as error:
            self._found("share", FAIL, str(error))
            return
        generation = model.generations[0].number
        self._found(
            "share",
            OK,
            f"{file} is {self._role}'s share of the model {model.name}, trained for {model.steps:,}"
            f" steps, generation {generation}",
        )

    def _material(self) -> None:
        """What takes the dealer's place."""
        settings = self._settings
        try:
            material_keys(self._role, settings.key, settings.dealer_key)
        except ConfigError as error:
            self._found("dealer", FAIL, str(error))
        else:
            self._found("dealer", OK, f"not needed: the material comes from {settings.material}")

    def _kernels(self) -> None:
        try:
            self._found("arithmetic", OK, kernels.kept())
        except ConfigError as error:
            self._found("arithmetic", WARN, str(error))

    def _port(self, at: Address) -> bool:
        """Can alice listen where bob is told to find her?"""
        family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
        host = "" if at.host == "*" else at.host
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, at.port))
            except PermissionError:
                self._found(
                    "port",
                    FAIL,
                    f"this user may not listen at {at}; choose a port above 1023 with --peer",
                )
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    text = (
                        f"something listens at {at} already; if it is not this party's own run,"
                        " choose another --peer"
                    )
                    self._found("port", WARN, text)
                else:
                    self._found(
                        "port",
                        FAIL,
                        f"cannot listen at {at} ({error.strerror}); give an address of this host"
                        " with --peer",
                    )
            else:
                self._found("port", OK, f"{at} is free, for bob to connect to")
                return True
        return False

    @property
    def _patience(self) -> float:
        """Seconds to wait for the other party, who may have to be told to come."""
        settings = self._settings
        return PATIENCE if settings.origin("wait") == "default" else settings.wait


def run(settings: RunSettings) -> int:
    """Print a line for each check, or with --json one object that also has the figures. Exit code 1
    if a check has failed; else 0."""
    role = settings.role
    if role not in PEER:
        raise ConfigError("say which party this is: --role alice or --role bob")

    def tell(finding: Finding) -> None:
        if not settings.json:
            print(f"{finding.state:4}  {finding.check}: {finding.text}", flush=True)

    doctor = Doctor(settings, role, tell)
    run_until_signalled(doctor.run())
    findings = doctor.findings
    if settings.json:
        report = {
            "role": role,
            "fine": not findings.failed,
            "checks": [asdict(each) for each in findings.all],
            **findings.figures,
        }
        print(json.dumps(report), flush=True)
    else:
        print(
            (
                f"{len(findings.failed)} of {len(findings.all)} checks failed"
                if findings.failed
                else "everything is fine"
            ),
            flush=True,
        )
    return 1 if findings.failed else 0
