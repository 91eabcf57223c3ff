"""What two parties tell each other before anything secret moves, and how they find the first thing that differs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from protocol import __version__
from protocol.channel import Connection
from protocol.errors import AgreementError, LinkError, MpcError, ProtocolError
from protocol.jobs import ROLES, Job
from protocol.plan import Plan, make_plan
from protocol.views import Shape
from protocol.wire import PROTOCOL_VERSION, Kind, Message

from .loading import trace_job

LEARNERS = {"alice": (0,), "bob": (1,), "both": (0, 1), "none": ()}


@dataclass(frozen=True)
class Intent:
    """What one party was started with, as far as the other must have been started with the same."""

    role: str
    job_name: str
    job: Job
    iterations: int
    reveal: str
    shapes: dict[str, Shape]

    def body(self) -> dict[str, Any]:
        return {
            "must agree": {
                "software version": __version__,
                "protocol version": PROTOCOL_VERSION,
                "job": self.job_name,
                "iterations": self.iterations,
                "reveal": self.reveal,
                **{f"parameter {name}": value for name, value in self.job.parameters.items()},
            },
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "ticket": secrets.token_hex(8),
        }


async def expect(connection: Connection, kind: Kind, timeout: float | None = None) -> Message:
    """The next message, which must be of `kind`; a peer that gives up instead is quoted."""
    message = await connection.receive(timeout)
    if message.kind is Kind.ABORT:
        raise stopped(connection, message)
    if message.kind is not kind:
        raise ProtocolError(f"{connection.role} sent {message.kind.name} where {kind.name} was expected")
    return message


def stopped(connection: Connection, message: Message) -> MpcError:
    reason = (message.body or {}).get("reason")
    text = reason if isinstance(reason, str) and reason.isprintable() else "no reason given"
    return LinkError(f"{connection.role} stopped: {text}")


async def agree(peer: Connection, intent: Intent) -> tuple[Plan, str]:
    """Exchange intentions and plans; the common plan and the attempt's ticket. AgreementError names the first difference."""
    mine = intent.body()
    peer.send(Message(Kind.HELLO, peer.session, body=mine))
    theirs = (await expect(peer, Kind.HELLO)).body or {}
    other = theirs.get("must agree")
    if not isinstance(other, dict) or not isinstance(theirs.get("ticket"), str) or not isinstance(theirs.get("shapes"), dict):
        raise ProtocolError(f"{peer.role} sent a greeting that does not say what it was started with")
    ours = mine["must agree"]
    for key in [*ours, *(key for key in other if key not in ours)]:
        if ours.get(key) != other.get(key):
            raise AgreementError(
                f"the parties were started differently: {key} is {ours.get(key)!r} for {intent.role} "
                f"and {other.get(key)!r} for {peer.role}; start both with the same"
            )
    shapes = intent.shapes | _peer_shapes(peer, intent.job, theirs["shapes"])
    traced = trace_job(intent.job, shapes, intent.iterations)
    plan = make_plan(traced, ROLES.index(intent.role), LEARNERS[intent.reveal])
    await _compare(peer, plan)
    tickets = (mine["ticket"], theirs["ticket"]) if intent.role == "alice" else (theirs["ticket"], mine["ticket"])
    return plan, "-".join(tickets)


def _peer_shapes(peer: Connection, job: Job, raw: dict[str, Any]) -> dict[str, Shape]:
    wanted = {name for name, declared in job.inputs.items() if declared.owner == peer.role}
    shapes: dict[str, Shape] = {}
    for name, shape in raw.items():
        if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 1 << 40 for n in shape):
            raise ProtocolError(f"{peer.role} sent a shape that is none for tensor {name!r}")
        shapes[name] = tuple(shape)
    if set(shapes) != wanted:
        raise ProtocolError(f"{peer.role} brings {sorted(shapes)}; the job wants {sorted(wanted)} from it")
    return shapes


async def _compare(peer: Connection, plan: Plan) -> None:
    own = Message(Kind.PLAN, peer.session, body={"digest": plan.digest}, buffers=("\n".join(plan.outline).encode(),))
    peer.send(own)
    message = await expect(peer, Kind.PLAN)
    if (message.body or {}).get("digest") == plan.digest:
        return
    theirs = bytes(message.buffers[0]).decode(errors="replace").split("\n") if message.buffers else []
    for mine, other in zip([*plan.outline, "nothing more"], [*theirs, "nothing more"], strict=False):
        if mine != other:
            raise AgreementError(
                f"the two job definitions differ: here the plan has «{mine}», at {peer.role} «{other[:200]}»; use the same job file"
            )
    raise AgreementError("the two plans differ in the dealer's part; use the same job file and the same version")
