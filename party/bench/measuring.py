"""One workload, measured: three real processes, the same work in float64, and the dealer by
itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from protocol.contract import Dealing
from protocol.dealing import Deal
from protocol.errors import MpcError
from protocol.graph import Array, Phase
from protocol.prg import fresh_seed
from protocol.tracing import Traced

from ..api import plan as make_plan
from ..inputs import default_tensor
from ..loading import load_job
from ..local import Trio
from .workloads import Workload

PATIENCE = 600.0


@dataclass(frozen=True, kw_only=True)
class WorkloadFigures:
    """What is known of a workload, for one repeat. Bytes are payload; those sent are one party's,
    the larger of the two.
    """

    name: str
    n: int
    seconds_median: float
    seconds_min: float
    repeats: int
    rounds: int
    bytes_sent: int
    dealt_bytes: int
    dealer_seconds: float  # one worker, nothing else running
    waits_for_material: int  # of all repeats in free run
    waited_for_material: float  # seconds, the same
    free_seconds: float  # a repeat in free run, the dealer at work beside it
    cpu_seconds: float  # of the busier party
    peak_rss_mb: float  # of the larger party, in free run
    rtt_us: float
    reference_seconds: float
    ratio: float

    def as_data(self) -> dict[str, Any]:
        """All fields, for a line of JSON."""
        return asdict(self)


def measure(workload: Workload) -> WorkloadFigures:
    """Run it; MpcError if a process fails, or the counts are not those of the plan."""
    job = load_job(workload.job, workload.parameters)
    inputs = {name: default_tensor(name, declared) for name, declared in job.inputs.items()}
    plan = make_plan(job, iterations=workload.iterations).plan
    reports = _run(workload)
    alice, bob = (reports[role]["measured"] for role in ("alice", "bob"))
    for party, role in enumerate(("alice", "bob")):
        meetings = reports[role]["measured"]["meetings"]
        expected = (plan.rounds + meetings, plan.bytes_sent(party) + 96 * meetings)
        if (reports[role]["rounds"], reports[role]["bytes_sent"]) != expected:
            raise MpcError(
                f"{workload.name}: {role} did not send what the plan says: a fault of this program"
            )
    cost, steps = plan.costs[Phase.STEP], workload.steps
    if workload.name == "exchange":
        seconds, rounds, sent, dealt = alice["exchange_seconds"], 1, 96, 0
    else:
        seconds = [max(pair) for pair in zip(alice["seconds"], bob["seconds"], strict=True)]
        rounds, sent, dealt = steps * cost.rounds, steps * max(cost.sent), steps * cost.dealt
    reference = reference_seconds(plan.traced, inputs, steps)
    middle = median(seconds)
    return WorkloadFigures(
        name=workload.name,
        n=workload.size,
        seconds_median=middle,
        seconds_min=min(seconds),
        repeats=len(seconds),
        rounds=rounds,
        bytes_sent=sent,
        dealt_bytes=dealt,
        dealer_seconds=dealer_seconds(plan.dealing, steps) if dealt else 0.0,
        waits_for_material=bob["waits_for_material"],
        waited_for_material=bob["waited_for_material"],
        free_seconds=max(alice["free_seconds"], bob["free_seconds"]),
        cpu_seconds=max(median(alice["cpu_seconds"]), median(bob["cpu_seconds"])),
        peak_rss_mb=max(alice["peak_rss_mb"], bob["peak_rss_mb"]),
        rtt_us=max(alice["rtt_us"], bob["rtt_us"]),
        reference_seconds=reference,
        ratio=middle / reference if reference else 0.0,
    )


def _run(workload: Workload) -> dict[str, dict[str, Any]]:
    common = [
        # several times the steps that a job is made for, for its cost and not for what comes of it
        "--accept-out-of-range",
        "--json",
        "--quiet",
        "--wait",
        "60s",
        "--job",
        workload.job,
        "--iterations",
        str(workload.iterations),
    ]
    common += ["--measure", str(workload.steps)]
    for name, value in workload.parameters.items():
        common += ["--param", f"{name}={value}"]
    with Trio("bench") as trio:
        trio.start("dealer", ["--quiet"])
        for role in ("bob", "alice"):
            trio.start(role, common)
        trio.wait(PATIENCE)
        return trio.reports()


def reference_seconds(traced: Traced, inputs: dict[str, Array], steps: int) -> float:
    """The same steps in float64 with NumPy: the best of three long runs less the best of three
    short ones."""
    repeats = max(1, 8 // steps)

    def best(count: int) -> float:
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            traced.graph.run_clear(inputs, count)
            times.append(time.perf_counter() - begun)
        return min(times)

    return max((best(1 + repeats * steps) - best(1)) / repeats, 1e-7)


def dealer_seconds(dealing: Dealing, steps: int, workers: int = 1, least: float = 0.5) -> float:
    """What `workers` threads need to make the material of `steps` steps, measured for about `least`
    seconds.
    """
    deal, batch = (
        Deal(dealing, fresh_seed(), fresh_seed()),
        dealing.phases[Phase.STEP].steps_per_chunk,
    )
    batch = min(batch, steps)
    deal.corrections(Phase.STEP, 0, batch)
    with ThreadPoolExecutor(workers) as pool:
        begun, made, running = time.perf_counter(), 0, []
        while time.perf_counter() - begun < least or made < workers:
            running.append(pool.submit(deal.corrections, Phase.STEP, batch * made, batch))
            made += 1
            if len(running) > workers:
                running.pop(0).result()
        for each in running:
            each.result()
        return (time.perf_counter() - begun) / (made * batch) * steps
