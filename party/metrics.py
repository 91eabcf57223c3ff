"""What a party tells Prometheus of its run (`--metrics`): counts, bytes, seconds. No value of
anything, revealed or not."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.graph import Phase
from protocol.web.measures import Measure, Sample

from .seen import Seen

ATTEMPTS = Measure(
    "mpc_attempts", True, "attempts at the run: more than one where a link or a process was lost"
)
STEP = Measure("mpc_step", False, "steps that are done")
PLANNED = Measure("mpc_planned_steps", False, "steps that are planned; the run may end earlier")
STEPS = Measure("mpc_steps", True, "steps computed, with those that were computed again")
ROUNDS = Measure("mpc_rounds", True, "rounds exchanged with the other party")
MESSAGES = Measure("mpc_round_messages", True, "messages of rounds", ("direction",))
BYTES = Measure("mpc_round_bytes", True, "bytes of rounds, as the plan counts them", ("direction",))
PHASE = Measure(
    "mpc_phase_seconds",
    True,
    "seconds of rounds in each phase of the plan; setup is what is opened before the first step,"
    " not the report's setup_seconds of links, agreement and plan",
    ("phase",),
)
WAITED = Measure(
    "mpc_waited_seconds", True, "seconds of them in which somebody else was waited for", ("whom",)
)
WAITS = Measure("mpc_waits_for_material", True, "times that the rounds had to wait for the dealer")
RECEIVED = Measure("mpc_material_received_bytes", True, "bytes of material that arrived")
CONSUMED = Measure(
    "mpc_material_consumed_bytes",
    True,
    "bytes of them that were used up; the chunk in use is not yet",
)
STOCK = Measure(
    "mpc_material_stock_steps", False, "steps that material is here for, beyond the chunk in use"
)
CHECKS = Measure("mpc_checks", True, "checks that revealed what they had to")
GUARDED = Measure("mpc_guarded_ranges", False, "ranges that the plan assumes, and the run watches")
LEFT = Measure(
    "mpc_left_ranges", False, "of what values left, and the run went on as it was told to accept"
)
CONNECTED = Measure("mpc_link_connected", False, "1 while the link is there", ("link",))
LINK_MESSAGES = Measure(
    "mpc_link_messages", True, "messages of any kind over a link", ("link", "direction")
)
LINK_BYTES = Measure(
    "mpc_link_bytes",
    True,
    "bytes over a link, with headers and what was sent again",
    ("link", "direction"),
)
RECONNECTS = Measure(
    "mpc_link_reconnects", True, "times that a link was interrupted and made again", ("link",)
)
RESENT = Measure("mpc_link_resent_messages", True, "messages that were sent again", ("link",))


def samples(seen: Seen) -> Iterator[Sample]:
    """Every measure with its labels and its present value."""
    counts, progress, plan = seen.counts, seen.progress, seen.plan
    yield ATTEMPTS, (), counts.attempts
    yield STEPS, (), counts.steps
    yield ROUNDS, (), counts.rounds
    yield MESSAGES, ("sent",), counts.rounds
    yield MESSAGES, ("received",), counts.rounds
    yield BYTES, ("sent",), counts.bytes_sent
    yield BYTES, ("received",), counts.bytes_received
    for phase in Phase:
        yield PHASE, (phase.name.lower(),), getattr(counts, phase.name.lower())
    yield WAITED, ("peer",), counts.waited_for_peer
    yield WAITED, ("dealer",), counts.waited_for_material
    yield WAITS, (), counts.waits_for_material
    yield RECEIVED, (), counts.material_bytes
    yield CONSUMED, (), counts.material_bytes - seen.stock_bytes
    yield STOCK, (), seen.stock
    yield CHECKS, (), seen.checks
    yield LEFT, (), len(seen.beyond)
    if progress is not None:
        yield STEP, (), progress.step
        yield PLANNED, (), progress.steps
    if plan is not None:
        yield GUARDED, (), sum(map(len, plan.guards.values())) if plan.guarded else 0
    for link in seen.links:
        yield CONNECTED, (link.whom,), link.state == "connected"
    for whom, links in seen.counters.items():
        yield LINK_MESSAGES, (whom, "sent"), sum(each.messages_sent for each in links)
        yield LINK_MESSAGES, (whom, "received"), sum(each.messages_received for each in links)
        yield LINK_BYTES, (whom, "sent"), sum(each.wire_bytes_sent for each in links)
        yield LINK_BYTES, (whom, "received"), sum(each.wire_bytes_received for each in links)
        yield RECONNECTS, (whom,), sum(each.reconnects for each in links) + len(links) - 1
        yield RESENT, (whom,), sum(each.resent for each in links)
