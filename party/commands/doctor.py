"""`python -m party doctor`: would a run with these settings work? One line a check, and for each
failure how to mend it.

Takes the options of `run`. Connects with the real handshake, under a session name of its own, so
nothing that runs is disturbed. Started at alice and at bob at once, it tests the link between them;
--wait says how long one waits for the other. Exit code 0 unless a check fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import secrets
import socket
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass

from protocol import __version__, kernels
from protocol.channel import Allow, Connection, KeyPair, Listener, Options, PublicKey, connect
from protocol.errors import ConfigError, DataError, LinkError, MpcError
from protocol.keyring import PLAINTEXT, needed_key, own_key, shared_folder
from protocol.parsers import Address
from protocol.processes import run_until_signalled
from protocol.wire import Kind, Message

from ..command_settings import RunSettings
from ..links import PEER
from ..measures import bandwidth, greeting, round_trip
from ..shared import SharedModel

PATIENCE = 5.0  # seconds for anything that others have to answer
GOODBYE = 2.0  # seconds that one doctor waits for the other's measurements to be done
PINGS = 20
DIFFERENCE = 5.0  # seconds that clocks may differ

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: its name, how it went, and a sentence that says what to do if it
    failed."""

    check: str
    state: str
    text: str


class Doctor:
    """The checks, in the order in which one depends on another."""

    def __init__(self, settings: RunSettings, role: str, tell: Callable[[Finding], None]) -> None:
        self._settings, self._role, self._tell = settings, role, tell
        self._session = f"doctor-{secrets.token_hex(6)}"
        self.findings: list[Finding] = []
        self.figures: dict[str, float] = {}  # seconds, and bits a second

    def found(self, check: str, state: str, text: str) -> None:
        finding = Finding(check, state, text)
        self.findings.append(finding)
        self._tell(finding)

    async def run(self) -> None:
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
        if dealer is None:
            self.found(
                "dealer", OK, f"not needed: the material comes from {self._settings.material}"
            )
        elif trusted and (keys is None or dealer_key is not None):
            await self._dealer(dealer, keys, dealer_key)
        else:
            self.found("dealer", FAIL, "not tried, for want of a key; mend the keys first")
        if self._role == "alice":
            if (
                self._port(self._settings.peer)
                and trusted
                and (keys is None or peer_key is not None)
            ):
                await self._meet(self._settings.peer, keys, peer_key)
        elif trusted and (keys is None or peer_key is not None):
            await self._peer(self._settings.peer, keys, peer_key)
        else:
            self.found("alice", FAIL, "not tried, for want of a key; mend the keys first")

    # ── keys and files ────────────────────────────────────────────────────────────────────────────

    def _own(self, addresses: list[str]) -> tuple[KeyPair | None, bool]:
        """This party's keys, and whether they are as they should be."""
        settings = self._settings
        try:
            keys = own_key(self._role, settings.key, addresses, settings.insecure_plaintext)
        except ConfigError as error:
            hint = f"make one with: python -m party keygen --role {self._role}"
            self.found("own key", FAIL, f"{error}; {hint}")
            return None, False
        if keys is None:
            self.found("own key", WARN, PLAINTEXT)
        elif settings.key is None:
            self.found(
                "own key",
                OK,
                f"shared by this user's processes on this machine, in {shared_folder()}",
            )
        else:
            self.found(
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
            self.found(f"key of {role}", FAIL, str(error))
            return None
        self.found(f"key of {role}", OK, key.short)
        return key

    def _state(self) -> None:
        folder = self._settings.state
        if folder is None:
            self.found("state", OK, "no --state: a run that is killed begins again")
            return
        existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            self.found(
                "state",
                FAIL,
                f"{existing} cannot be written to ({error.strerror}); choose another --state, or"
                " mend its owner",
            )
        else:
            self.found("state", OK, f"{folder} can be written")

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
            self.found("share", FAIL, str(error))
            return
        generation = model.generations[0].number
        self.found(
            "share",
            OK,
            f"{file} is {self._role}'s share of the model {model.name}, trained for {model.steps:,}"
            f" steps, generation {generation}",
        )

    def _kernels(self) -> None:
        try:
            self.found("arithmetic", OK, kernels.kept())
        except ConfigError as error:
            self.found("arithmetic", WARN, str(error))

    def _port(self, at: Address) -> bool:
        """Can alice listen where bob is told to find her?"""
        family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
        host = "" if at.host == "*" else at.host
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, at.port))
            except PermissionError:
                self.found(
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
                    self.found("port", WARN, text)
                else:
                    self.found(
                        "port",
                        FAIL,
                        f"cannot listen at {at} ({error.strerror}); give an address of this host"
                        " with --peer",
                    )
            else:
                self.found("port", OK, f"{at} is free, for bob to connect to")
                return True
        return False

    # ── the others ────────────────────────────────────────────────────────────────────────────────

    @property
    def _patience(self) -> float:
        """Seconds to wait for the other party, who may have to be told to come."""
        settings = self._settings
        return PATIENCE if settings.origin("wait") == "default" else settings.wait

    async def _meet(self, at: Address, keys: KeyPair | None, key: PublicKey | None) -> None:
        """Alice listens as in a run, for bob's doctor."""
        refused: list[str] = []
        try:
            listener = Listener(
                str(at),
                "alice",
                keys,
                None if key is None else Allow([key]),
                roles=("bob",),
                options=Options(timeout=PATIENCE),
                refused=lambda reason, address: refused.append(
                    f"{address or 'somebody'} came and was refused: {reason}"
                ),
            )
            try:
                connection = await listener.accept(self._patience)
                self.found(
                    "bob", OK, f"came to {at}, and is who it should be" if keys else f"came to {at}"
                )
                await self._between(connection)
            finally:
                await listener.close(linger=0.2)
        except MpcError as error:
            if refused:
                self.found(
                    "bob", FAIL, f"{refused[-1]}; compare keys: --peer-key must be bob's own"
                )
                return
            text = (
                "start doctor there at the same time, with --wait 1m at both, and the link between"
                " you is tested"
            )
            self.found("bob", WARN, f"{error}; {text}")

    async def _peer(self, at: Address, keys: KeyPair | None, key: PublicKey | None) -> None:
        connection = await self._connect("alice", at, keys, key, self._patience)
        if connection is not None:
            await self._between(connection)

    async def _between(self, peer: Connection) -> None:
        """What there is to know of the link to the other party; whoever is done first waits for the
        other."""
        try:
            if self._role == "bob":  # whoever is called tells its version, and alice never calls
                self._version(peer.role, peer.software)
            await self._pings(peer)
            peer.send(Message(Kind.BYE, peer.session))
            # a party in its run, unlike its doctor, says nothing
            with contextlib.suppress(MpcError):
                await peer.receive(GOODBYE)
        except MpcError as error:
            self.found(peer.role, FAIL, f"the link broke while it was tested: {error}")
        finally:
            await peer.close(0.5)

    async def _dealer(self, at: Address, keys: KeyPair | None, key: PublicKey | None) -> None:
        connection = await self._connect("dealer", at, keys, key)
        if connection is None:
            return
        try:
            await self._greet(connection)
            rtt = await self._pings(connection)
            await self._bandwidth(connection, rtt)
            connection.send(Message(Kind.BYE, self._session))
        except MpcError as error:
            self.found("dealer", FAIL, f"{error}; look at its log")
        finally:
            await connection.close(0.5)

    async def _explain(self, who: str, at: Address, trouble: LinkError) -> None:
        """Why nobody answered: is it the address, the network, or the keys?"""
        absent, mend, option = (
            FAIL,
            "start it with `python -m dealer`, or correct --dealer",
            "--dealer-key",
        )
        if who != "dealer":
            absent, mend, option = WARN, "it may only have to be started", "--peer-key"
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(at.host, at.port), PATIENCE)
        except ConnectionRefusedError:
            self.found(who, absent, f"the host answers, but nobody listens at {at}; {mend}")
        except TimeoutError:
            self.found(
                who,
                FAIL,
                f"nothing came back from {at} in {PATIENCE:.0f} s; check the address, and the"
                " firewalls in between",
            )
        except OSError as error:
            self.found(
                who,
                FAIL,
                f"{at} cannot be reached ({error.strerror or error}); check the address and the"
                " network",
            )
        else:
            writer.close()
            self.found(
                who,
                FAIL,
                f"{trouble}; compare keys: its list must have this party's, and {option} must be"
                " its own",
            )

    async def _connect(
        self,
        who: str,
        at: Address,
        keys: KeyPair | None,
        key: PublicKey | None,
        patience: float = PATIENCE,
    ) -> Connection | None:
        options = Options(timeout=PATIENCE)
        try:
            connection = await connect(
                str(at),
                self._role,
                who,
                self._session,
                keys,
                key,
                timeout=patience,
                options=options,
            )
        except LinkError as error:
            await self._explain(who, at, error)
            return None
        self.found(who, OK, f"{at} answers, and is who it should be" if keys else f"{at} answers")
        return connection

    def _version(self, who: str, theirs: str) -> None:
        if theirs == __version__:
            self.found(f"version of {who}", OK, __version__)
        else:
            text = (
                f"{who} runs {theirs or 'an unknown version'} and this is {__version__}; install"
                " the same release on both"
            )
            self.found(f"version of {who}", FAIL, text)

    async def _greet(self, dealer: Connection) -> None:
        version, difference = await greeting(dealer, self._session, PATIENCE)
        self._version("dealer", version)
        self.figures["clock_difference"] = difference
        if abs(difference) > DIFFERENCE:
            text = (
                f"the dealer's clock is {difference:+.1f} s off this one; let both be set by NTP,"
                " or logs will not match"
            )
            self.found("clock", WARN, text)
        else:
            self.found("clock", OK, f"{difference:+.3f} s off the dealer's")

    async def _pings(self, other: Connection) -> float:
        rtt = await round_trip(other, PINGS, PATIENCE)
        self.figures["rtt" if other.role == "dealer" else "peer_rtt"] = rtt
        self.found(f"round trip to {other.role}", OK, f"{1e3 * rtt:.2f} ms, the median of {PINGS}")
        return rtt

    async def _bandwidth(self, dealer: Connection, rtt: float) -> None:
        rate = self.figures["bandwidth"] = await bandwidth(dealer, self._session, rtt)
        self.found("bandwidth", OK, f"{rate / 1e6:,.1f} Mbit/s from the dealer")


def run(settings: RunSettings) -> int:
    role = settings.role
    if role not in PEER:
        raise ConfigError("say which party this is: --role alice or --role bob")

    def tell(finding: Finding) -> None:
        if not settings.json:
            print(f"{finding.state:4}  {finding.check}: {finding.text}", flush=True)

    doctor = Doctor(settings, role, tell)
    run_until_signalled(doctor.run())
    failed = [finding for finding in doctor.findings if finding.state == FAIL]
    if settings.json:
        report = {
            "role": role,
            "fine": not failed,
            "checks": [asdict(each) for each in doctor.findings],
            **doctor.figures,
        }
        print(json.dumps(report), flush=True)
    else:
        print(
            (
                f"{len(failed)} of {len(doctor.findings)} checks failed"
                if failed
                else "everything is fine"
            ),
            flush=True,
        )
    return 1 if failed else 0
