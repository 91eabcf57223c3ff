"""The links to the peer and the dealer, tried with the real handshake before a run: who answers,
with which key and version, how far away, how fast.

Sessions have a name of their own, so that nothing that runs is disturbed.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from protocol import __version__
from protocol.channel import Allow, Connection, KeyPair, Listener, Options, PublicKey, connect
from protocol.errors import LinkError, MpcError
from protocol.parsers import Address
from protocol.wire import Kind, Message

from .findings import FAIL, OK, WARN, Findings
from .measures import bandwidth, greeting, round_trip

PATIENCE = 5.0  # seconds for anything that others have to answer
GOODBYE = 2.0  # seconds that one doctor waits for the other's measurements to be done
PINGS = 20
DIFFERENCE = 5.0  # seconds that clocks may differ


class Probe:
    """Tries links for one party. patience: seconds to wait for the other party, who may have to be
    told to come. What is wrong is a finding and raises nothing."""

    def __init__(self, role: str, findings: Findings, patience: float) -> None:
        self._role, self._patience = role, patience
        self._found, self._figures = findings.add, findings.figures
        self._session = f"doctor-{secrets.token_hex(6)}"

    async def bob(self, at: Address, keys: KeyPair | None, key: PublicKey | None) -> None:
        """Listen as alice does in a run, for bob's doctor, and measure the link."""
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
                self._found(
                    "bob", OK, f"came to {at}, and is who it should be" if keys else f"came to {at}"
                )
                await self._between(connection)
            finally:
                await listener.close(linger=0.2)
        except MpcError as error:
            if refused:
                self._found(
                    "bob", FAIL, f"{refused[-1]}; compare keys: --peer-key must be bob's own"
                )
                return
            text = (
                "start doctor there at the same time, with --wait 1m at both, and the link between"
                " you is tested"
            )
            self._found("bob", WARN, f"{error}; {text}")

    async def alice(self, at: Address, keys: KeyPair | None, key: PublicKey | None) -> None:
        """Connect to alice as bob does in a run, and measure the link."""
        connection = await self._connect("alice", at, keys, key, self._patience)
        if connection is not None:
            await self._between(connection)

    async def _between(self, peer: Connection) -> None:
        """Measure the link to the other party; whoever is done first waits for the other."""
        try:
            if self._role == "bob":  # whoever is called tells its version, and alice never calls
                self._version(peer.role, peer.software)
            await self._pings(peer)
            peer.send(Message(Kind.BYE, peer.session))
            # a party in its run, unlike its doctor, says nothing
            with contextlib.suppress(MpcError):
                await peer.receive(GOODBYE)
        except MpcError as error:
            self._found(peer.role, FAIL, f"the link broke while it was tested: {error}")
        finally:
            await peer.close(0.5)

    async def dealer(self, at: Address, keys: KeyPair | None, key: PublicKey | None) -> None:
        """Connect to the dealer; compare versions and clocks, and measure latency and bandwidth."""
        connection = await self._connect("dealer", at, keys, key)
        if connection is None:
            return
        try:
            await self._greet(connection)
            rtt = await self._pings(connection)
            await self._bandwidth(connection, rtt)
            connection.send(Message(Kind.BYE, self._session))
        except MpcError as error:
            self._found("dealer", FAIL, f"{error}; look at its log")
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
            self._found(who, absent, f"the host answers, but nobody listens at {at}; {mend}")
        except TimeoutError:
            self._found(
                who,
                FAIL,
                f"nothing came back from {at} in {PATIENCE:.0f} s; check the address, and the"
                " firewalls in between",
            )
        except OSError as error:
            self._found(
                who,
                FAIL,
                f"{at} cannot be reached ({error.strerror or error}); check the address and the"
                " network",
            )
        else:
            writer.close()
            self._found(
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
        self._found(who, OK, f"{at} answers, and is who it should be" if keys else f"{at} answers")
        return connection

    def _version(self, who: str, theirs: str) -> None:
        if theirs == __version__:
            self._found(f"version of {who}", OK, __version__)
        else:
            text = (
                f"{who} runs {theirs or 'an unknown version'} and this is {__version__}; install"
                " the same release on both"
            )
            self._found(f"version of {who}", FAIL, text)

    async def _greet(self, dealer: Connection) -> None:
        version, difference = await greeting(dealer, self._session, PATIENCE)
        self._version("dealer", version)
        self._figures["clock_difference"] = difference
        if abs(difference) > DIFFERENCE:
            text = (
                f"the dealer's clock is {difference:+.1f} s off this one; let both be set by NTP,"
                " or logs will not match"
            )
            self._found("clock", WARN, text)
        else:
            self._found("clock", OK, f"{difference:+.3f} s off the dealer's")

    async def _pings(self, other: Connection) -> float:
        rtt = await round_trip(other, PINGS, PATIENCE)
        self._figures["rtt" if other.role == "dealer" else "peer_rtt"] = rtt
        self._found(f"round trip to {other.role}", OK, f"{1e3 * rtt:.2f} ms, the median of {PINGS}")
        return rtt

    async def _bandwidth(self, dealer: Connection, rtt: float) -> None:
        rate = self._figures["bandwidth"] = await bandwidth(dealer, self._session, rtt)
        self._found("bandwidth", OK, f"{rate / 1e6:,.1f} Mbit/s from the dealer")
