"""What two parties tell each other before anything secret moves, and how they find the first thing
that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from protocol.channel import Connection
from protocol.describe import DETAILS, RANKS, difference, rank, words
from protocol.digest import Listing, listing
from protocol.errors import AgreementError, ProtocolError
from protocol.graph import Graph
from protocol.jobs import ROLES, Job
from protocol.plan import Plan, make_plan
from protocol.prg import is_ticket, join_tickets
from protocol.ring import Words
from protocol.views import Shape
from protocol.wire import Kind, Message

from .checkpoint import Point, Store
from .intent import LEARNERS, Intent, as_lists, stated
from .material_file import FirstRows, Material
from .messages import expect
from .own_code import trace_job, unblocked
from .shared import joined

MOST_WORDS = 2000  # characters that a party says of one statement


class Records(Protocol):
    """What a party has of the end of the run (ending.py)."""

    def bind(self) -> None:
        """The plan is agreed: forget what belongs to any other plan."""

    def offer(self) -> list[list[Any]]:
        """For each attempt that this party can finish: [ticket, number, whether its results are on
        record]."""

    def common(self, theirs: object, who: str) -> tuple[str, bool] | None:
        """From the peer's offer: the ticket of the newest attempt that both can finish, and whether
        the peer still lacks its results; None if there is none. `who`: the peer, for the sentence
        of a ProtocolError."""


class RowMatching(Protocol):
    """Rows that are matched by their ids, before anything has a shape (rows.py)."""

    @property
    def digest(self) -> str | None:
        """A digest of the common rows where they are known from an earlier attempt; else None."""

    async def settle(self, peer: Connection, theirs: object) -> Mapping[str, Shape]:
        """Find the common rows together with the peer, unless both know them still; the shapes of
        this party's tensors, cut to these rows. `theirs`: the digest that the peer sent."""


@dataclass(frozen=True)
class Start:
    """Where both go on: at a checkpoint (`point`; None: at the beginning), or at the end of an
    earlier attempt (`ending`)."""

    attempt: int
    point: Point | None = None
    place: FirstRows | None = None  # in the material, where that is a file
    lasting: bool = False  # whether one of the two can come back after it was killed
    ending: tuple[str, bool] | None = (
        None  # the attempt that both can finish, and whether the peer lacks its results
    )


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """What an attempt computes, and where it starts; equal at both parties but for shares."""

    plan: Plan
    ticket: str
    start: Start
    accepted: bool = False  # whether both accept values that are out of range
    # of the model that it begins with
    shares: Mapping[str, Words] = field(default_factory=dict, repr=False)
    salt: bytes = field(default=b"", repr=False)  # of both, for the shares of what is kept


async def greet(
    peer: Connection, role: str, mine: Mapping[str, Any], advice: str = "start both with the same"
) -> Mapping[str, Any]:
    """Exchange greetings with the peer, and return the peer's. AgreementError names the first entry
    of "must agree" in which they differ, with `advice`."""
    peer.send(Message(Kind.HELLO, peer.session, body=dict(mine)))
    theirs = (await expect(peer, Kind.HELLO)).body or {}
    ours, other = mine["must agree"], theirs.get("must agree")
    if not isinstance(other, dict) or not is_ticket(theirs.get("ticket")):
        raise ProtocolError(
            f"{peer.role} sent a greeting that does not say what it was started with"
        )
    for key in [*ours, *(key for key in other if key not in ours)]:
        if ours.get(key) != other.get(key):
            raise AgreementError(
                f"the parties were started differently: {key} is {ours.get(key)!r} for {role} "
                f"and {other.get(key)!r} for {peer.role}; {advice}"
            )
    return theirs


async def agree(
    peer: Connection,
    intent: Intent,
    store: Store | None,
    material: Material | None,
    records: Records,
    matching: RowMatching | None = None,
) -> Agreed:
    """Exchange intentions, matched rows, plans and checkpoints with the peer. AgreementError names
    the first difference."""
    mine = intent.body()
    mine["must agree"]["rows"] = "as they stand" if matching is None else "matched by id"
    mine["rows"] = None if matching is None else matching.digest
    said = None
    if matching is not None:
        said = listing(Graph(), {"iterations": 0} | stated(intent.job))
        mine["stated"] = said.digest
    theirs = await greet(peer, intent.role, mine, intent.advice)
    if said is not None and theirs.get("stated") != said.digest:
        raise await _difference(peer, said)
    shares = (
        {} if intent.model is None else intent.model.common(theirs.get("share"), peer.role).shares
    )
    salt = joined(mine["salt"], theirs.get("salt"), intent.role, peer.role) if intent.keeps else b""
    own: Mapping[str, Shape] = intent.shapes
    others = theirs.get("shapes")
    if matching is not None:
        own = await matching.settle(peer, theirs.get("rows"))
        peer.send(Message(Kind.JOIN, peer.session, body={"shapes": as_lists(own)}))
        others = ((await expect(peer, Kind.JOIN)).body or {}).get("shapes")
    shapes = {**own, **_peer_shapes(peer, intent.job, others)}

    def planned() -> Plan:
        traced = trace_job(intent.job, shapes, intent.iterations, intent.network)
        return make_plan(traced, ROLES.index(intent.role), LEARNERS[intent.reveal], intent.guard)

    plan = await unblocked(planned)
    tickets = (
        (mine["ticket"], theirs["ticket"])
        if intent.role == "alice"
        else (theirs["ticket"], mine["ticket"])
    )
    if store is not None:
        store.bind(plan.digest if matching is None else f"{plan.digest} {matching.digest}")
    start = await _compare(peer, plan, store, material, records)
    accepted = intent.accepts and theirs.get("accepts") is True
    return Agreed(
        plan=plan,
        ticket=join_tickets(*tickets),
        start=start,
        accepted=accepted,
        shares=shares,
        salt=salt,
    )


def _peer_shapes(peer: Connection, job: Job, raw: object) -> dict[str, Shape]:
    if not isinstance(raw, dict):
        raise ProtocolError(f"{peer.role} did not say what shapes its tensors have")
    wanted = {name for name, declared in job.inputs.items() if declared.owner == peer.role}
    shapes: dict[str, Shape] = {}
    for name, shape in raw.items():
        if not isinstance(shape, list) or not all(
            type(n) is int and 0 <= n < 1 << 40 for n in shape
        ):
            raise ProtocolError(f"{peer.role} sent a shape that is none for tensor {name!r}")
        shapes[name] = tuple(shape)
    if set(shapes) != wanted:
        raise ProtocolError(
            f"{peer.role} brings {sorted(shapes)}; the job wants {sorted(wanted)} from it"
        )
    return shapes


async def _compare(
    peer: Connection, plan: Plan, store: Store | None, material: Material | None, records: Records
) -> Start:
    """Check that both plans are one, and find where both go on."""
    records.bind()
    points = [] if store is None else store.points
    attempt = 0 if store is None else store.attempt()
    body = {
        "digest": plan.digest,
        "points": [[point.ticket, point.step] for point in points],
        "epoch": attempt,
        "lasting": store is not None,
        "ending": records.offer(),
    }
    if material is not None:
        body["used"] = material.offer()
    peer.send(Message(Kind.PLAN, peer.session, body=body))
    theirs = (await expect(peer, Kind.PLAN)).body or {}
    if theirs.get("digest") != plan.digest:
        raise await _difference(peer, plan.listing)
    material_of = None if material is None else (material, theirs.get("used"))
    if material is not None:
        material.bind(plan.dealing, plan.digest)
    return _start(peer, points, attempt, theirs, store, records, material_of)


def _start(
    peer: Connection,
    points: list[Point],
    attempt: int,
    theirs: Mapping[str, Any],
    store: Store | None,
    records: Records,
    material: tuple[Material, object] | None,
) -> Start:
    """Where both go on, in this order of preference: the end of an attempt that both have sealed;
    the newest checkpoint that both hold, under a new attempt's number, and with a place in the
    material if that is a file; the beginning."""
    held, last = theirs.get("points"), theirs.get("epoch")
    if not isinstance(held, list) or type(last) is not int or not 0 <= last < 1 << 40:
        raise ProtocolError(f"{peer.role} did not say which checkpoints it holds")
    lasting = store is not None or theirs.get("lasting") is True
    if (ending := records.common(theirs.get("ending"), peer.role)) is not None:
        return Start(max(attempt, last), lasting=lasting, ending=ending)
    point = next((point for point in points if [point.ticket, point.step] in held), None)
    place = (
        None
        if material is None
        else material[0].settle(material[1], peer.role, 0 if point is None else point.step)
    )
    if store is not None:
        store.reserve(max(attempt, last) + 1)
    return Start(max(attempt, last) + 1, point, place, lasting)


async def _difference(peer: Connection, listing: Listing) -> AgreementError:
    """The AgreementError for digests that differ: the first statement in which the two jobs do.
    Both parties call this.

    Each sends digests of the beginnings of its list of statements, and then words for the one
    statement at which they part; where that stands in a file is not sent.
    """
    peer.send(
        Message(
            Kind.PLAN,
            peer.session,
            body={"statements": len(listing.statements)},
            buffers=(listing.short,),
        )
    )
    message = await expect(peer, Kind.PLAN)
    number = listing.first_difference(bytes(message.buffers[0]) if message.buffers else b"")
    if number is None:
        return AgreementError(
            f"{peer.role} derives another plan from the same job; install the same versions of this"
            " software, Python and NumPy at both"
        )
    mine = [
        "".join(c if c.isprintable() else "?" for c in text[:MOST_WORDS])
        for text in words(listing, number)
    ]
    peer.send(Message(Kind.PLAN, peer.session, body={"words": mine, "rank": rank(listing, number)}))
    body = (await expect(peer, Kind.PLAN)).body or {}
    theirs, their_rank = body.get("words"), body.get("rank")
    if (
        not isinstance(theirs, list)
        or len(theirs) != DETAILS
        or not all(
            isinstance(text, str) and len(text) <= MOST_WORDS and text.isprintable()
            for text in theirs
        )
        or type(their_rank) is not int
        or not 0 <= their_rank < RANKS
    ):
        raise ProtocolError(f"{peer.role} did not say how its job differs")
    me = next(role for role in ROLES if role != peer.role)
    text = difference(listing, number, me, peer.role, theirs, their_rank)
    return AgreementError(
        f"{text}; the two jobs differ, and both must start the same", told="the two jobs differ"
    )
