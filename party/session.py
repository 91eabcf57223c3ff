"""One party's run: find the peer and the dealer, agree, compute, report.

    links → agreement → seed → rounds → results

Any end but a good one is told to the peer and to the dealer in a sentence, and raised here as the project's own error.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol.channel import Allow, Connection, KeyPair, Listener, Options, PublicKey, Shape, Waiting, connect
from protocol.errors import LinkError, MpcError, ProtocolError
from protocol.graph import Array
from protocol.jobs import ROLES
from protocol.machine import Machine
from protocol.plan import Plan
from protocol.wire import Kind, Message

from .agreement import LEARNERS, Intent, agree, expect
from .intake import Intake
from .runner import Runner

PEER = {"alice": "bob", "bob": "alice"}


@dataclass(frozen=True)
class Links:
    """Where the others are and how to know them. Alice listens for Bob at `peer`; Bob connects to it."""

    session: str
    peer: str
    dealer: str
    timeout: float = 30.0
    wait: float = 300.0  # how long to wait for the others to come, seconds
    keys: KeyPair | None = None
    peer_key: PublicKey | None = None
    dealer_key: PublicKey | None = None
    peer_shape: Shape | None = None
    dealer_shape: Shape | None = None


@dataclass
class Report:
    """What a run gave this party, and what it cost."""

    results: dict[str, Array]
    plan: Plan
    seconds: float  # online phase
    setup_seconds: float  # links, agreement, plan
    rounds: int
    messages: int  # both directions
    bytes_sent: int
    bytes_received: int
    dealt_bytes: int  # from the dealer to this party
    waits_for_material: int
    waited_for_material: float
    notes: list[str] = field(default_factory=list)


class View:
    """What a run tells while it goes on. The default says nothing."""

    def note(self, text: str) -> None: ...

    def waiting(self, waiting: Waiting) -> None: ...

    def planned(self, plan: Plan) -> None: ...

    def running(self, runner: Runner, intake: Intake, peer: Connection) -> None: ...


async def run_session(intent: Intent, links: Links, inputs: Mapping[str, Array], view: View) -> Report:
    """The whole run of one party. Raises MpcError in one sentence for whatever goes wrong."""
    begin = time.monotonic()
    async with _open(intent.role, links, view) as (peer, dealer):
        try:
            plan, ticket = await agree(peer, intent)
            view.planned(plan)
            seed, epoch = await _join(dealer, plan, ticket, 0)
            party = ROLES.index(intent.role)
            intake = Intake(dealer, plan.dealing, party, seed, epoch)
            try:
                machine = Machine(plan, party)
                machine.load(inputs)
                runner = Runner(machine, peer, intake, epoch, 0)
                setup_seconds = time.monotonic() - begin
                before = peer.counters.bytes_sent, peer.counters.bytes_received
                view.running(runner, intake, peer)
                await runner.run()
            finally:
                intake.close()
        except BaseException as error:
            _abort((peer, dealer), error)
            raise
        counters, rounds = peer.counters, runner.progress.rounds
        report = Report(
            machine.results() if party in LEARNERS[intent.reveal] else {},
            plan,
            runner.progress.seconds,
            setup_seconds,
            rounds,
            2 * rounds,
            counters.bytes_sent - before[0],
            counters.bytes_received - before[1],
            intake.bytes_received + len(seed),
            intake.waits,
            intake.waited,
        )
        for connection in (peer, dealer):
            with contextlib.suppress(LinkError):
                connection.send(Message(Kind.BYE, links.session))
        return report


async def _join(dealer: Connection, plan: Plan, ticket: str, start: int) -> tuple[bytes, int]:
    """Bring the plan to the dealer; this epoch's seed and number."""
    dealing = plan.dealing
    body = {"ticket": ticket, "digest": dealing.digest, "start": start}
    dealer.send(Message(Kind.PLAN, dealer.session, body=body, buffers=(dealing.pack(),)))
    while True:
        message = await expect(dealer, Kind.SEED)
        if (message.body or {}).get("ticket") == ticket:
            break
    if len(message.buffers) != 1 or len(message.buffers[0]) != 32:
        raise ProtocolError("the dealer sent a seed that is not 32 bytes long")
    return bytes(message.buffers[0]), message.epoch


def _abort(connections: tuple[Connection, ...], error: BaseException) -> None:
    """Tell the others why it ends here."""
    reason = str(error) if isinstance(error, MpcError) else "it was interrupted" if isinstance(
        error, (asyncio.CancelledError, KeyboardInterrupt)) else "an internal error"  # fmt: skip
    for connection in connections:
        if connection.failure is None:
            with contextlib.suppress(MpcError):
                connection.send(Message(Kind.ABORT, connection.session, body={"reason": reason[:2000]}))


@contextlib.asynccontextmanager
async def _open(role: str, links: Links, view: View) -> AsyncIterator[tuple[Connection, Connection]]:
    """Both links, opened side by side and closed together."""
    options = Options(timeout=links.timeout)
    listener: Listener | None = None
    tasks: list[asyncio.Task[Connection]] = []
    try:
        if role == "alice":
            listener = Listener(
                links.peer,
                role,
                links.keys,
                None if links.peer_key is None else Allow([links.peer_key]),
                roles=("bob",),
                options=options,
                shape=links.peer_shape,
                refused=lambda reason, address: view.note(f"refused {address or 'a connection'}: {reason}"),
            )
            tasks.append(asyncio.create_task(_accept(listener, links, view)))
        else:
            tasks.append(asyncio.create_task(_dial(links.peer, role, "alice", links, view)))
        tasks.append(asyncio.create_task(_dial(links.dealer, role, "dealer", links, view)))
        await _first_failure(tasks)
        peer, dealer = (task.result() for task in tasks)
        for connection in (peer, dealer):
            connection.on_waiting = _patiently(view)
        yield peer, dealer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        open_now = [task.result() for task in tasks if not task.cancelled() and task.exception() is None]
        await asyncio.gather(*(connection.close(linger=1.0) for connection in open_now))
        if listener is not None:
            await listener.close(linger=0.1)


async def _first_failure(tasks: list[asyncio.Task[Connection]]) -> None:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


def _patiently(view: View) -> Callable[[Waiting], None]:
    """Speak up only about waits that a person would notice."""

    def waiting(state: Waiting) -> None:
        if state.seconds >= 2.0:
            view.waiting(state)

    return waiting


async def _dial(address: str, role: str, peer_role: str, links: Links, view: View) -> Connection:
    to_peer = peer_role != "dealer"
    return await connect(
        address,
        role,
        peer_role,
        links.session,
        links.keys,
        links.peer_key if to_peer else links.dealer_key,
        timeout=links.wait,
        options=Options(timeout=links.timeout),
        shape=links.peer_shape if to_peer else links.dealer_shape,
        waiting=view.waiting,
    )


async def _accept(listener: Listener, links: Links, view: View) -> Connection:
    """Bob, of this session; anybody else's session is told so."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while True:
        waited = loop.time() - begin
        if waited >= links.wait:
            raise LinkError(f"bob did not connect to {listener.address} within {links.wait:.0f} s; is he started, and is the port open?")
        try:
            connection = await listener.accept(timeout=1.0)
        except LinkError:
            view.waiting(Waiting(f"bob at {listener.address}", loop.time() - begin, waited, False))
            continue
        if connection.session == links.session:
            return connection
        await connection.close(0.2)


def as_json(array: Array) -> Any:
    return np.asarray(array).tolist()
