"""What the dealer reports to Prometheus (`--metrics`): sessions, workers, stock. It has the names
of sessions, and nothing about what they compute."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.web.measures import Measure, Sample

from .service import Service

SESSIONS = Measure("mpc_dealer_sessions", False, "sessions that are open")
MOST = Measure("mpc_dealer_max_sessions", False, "sessions that may be open at a time")
OPENED = Measure("mpc_dealer_opened_sessions", True, "sessions that were opened")
PARTIES = Measure("mpc_dealer_parties", False, "parties that are connected", ("role",))
STREAMS = Measure(
    "mpc_dealer_epochs", True, "streams of material that were begun, one for each attempt at a run"
)
REFUSED = Measure("mpc_dealer_refused", True, "connections and parties that were turned away")
FAILED = Measure(
    "mpc_dealer_failures", True, "sessions that ended because material could not be made"
)
CHUNKS = Measure("mpc_dealer_chunks", True, "chunks of material that were sent")
DEALT = Measure("mpc_dealer_dealt_bytes", True, "bytes of material that were sent")
CREDIT = Measure(
    "mpc_dealer_credit_wait_seconds",
    True,
    "seconds that material was ready, and its party had enough",
)
WORKERS = Measure("mpc_dealer_workers", False, "threads that make material, here or in a cluster")
BUSY = Measure(
    "mpc_dealer_busy_workers", False, "of them at work; of a cluster, chunks that are ordered there"
)
QUEUE = Measure("mpc_dealer_queued_tasks", False, "tasks that wait for a worker")
WORK = Measure(
    "mpc_dealer_work_seconds",
    True,
    "seconds that workers worked, all together; those of a cluster, without the way there and back",
)
AGAIN = Measure(
    "mpc_dealer_reordered_chunks",
    True,
    "chunks that were ordered from a cluster again, since its scheduler was lost with them; what a"
    " lost worker had in hand the cluster itself gives to another",
)
AHEAD = Measure("mpc_dealer_ahead_bytes", False, "material that is made and not yet acknowledged")
LIMIT = Measure(
    "mpc_dealer_max_stock_bytes", False, "material that may be held ahead, all sessions together"
)
DECLARED = Measure(
    "mpc_dealer_declared_memory_bytes",
    False,
    "memory that the open sessions need at most, as their plans declare, with twice the stock",
)
HELD = Measure(
    "mpc_dealer_held_memory_bytes",
    False,
    "of it in use: plans, masks of setups, material ahead",
)
MEMORY = Measure(
    "mpc_dealer_max_memory_bytes", False, "memory that sessions may declare, all together"
)
STEP = Measure("mpc_dealer_session_step", False, "steps that material was sent for", ("session",))
STEPS = Measure("mpc_dealer_session_planned_steps", False, "steps that are planned", ("session",))


def samples(service: Service) -> Iterator[Sample]:
    """All measures, with their present values."""
    tally, workers, stock, sessions = (
        service.tally,
        service.workers,
        service.stock,
        service.sessions,
    )
    yield SESSIONS, (), len(sessions)
    yield MOST, (), service.settings.max_sessions
    yield OPENED, (), tally.sessions
    for role in ("alice", "bob"):
        yield PARTIES, (role,), sum(role in session.links for session in sessions)
    yield STREAMS, (), tally.streams
    yield REFUSED, (), tally.refused
    yield FAILED, (), tally.failed
    yield CHUNKS, (), tally.chunks
    yield DEALT, (), tally.bytes
    yield CREDIT, (), tally.waited_for_credit
    yield WORKERS, (), workers.threads
    yield BUSY, (), workers.busy
    yield QUEUE, (), workers.queue
    yield WORK, (), workers.seconds
    yield AGAIN, (), workers.again
    yield AHEAD, (), stock.ahead
    yield LIMIT, (), stock.total
    yield DECLARED, (), stock.needed()
    yield HELD, (), stock.held
    yield MEMORY, (), stock.memory
    for session in sessions:
        if session.steps is not None:
            yield STEP, (session.name,), session.sent
            yield STEPS, (session.name,), session.steps
