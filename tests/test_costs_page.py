"""What the page of costs and the README count is what the plans count; what they measure, no test
can hold them to."""

from __future__ import annotations

import re
from pathlib import Path

from party import plan
from party.bench.workloads import WORKLOADS, Workload
from party.loading import load_job
from protocol.cost import LAN, Network
from protocol.graph import Phase
from protocol.plan import Plan

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "deploy" / "docs" / "costs.md").read_text()


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose first line begins with this cell."""
    (table,) = re.findall(rf"^\| {header} .*\n\|[- |]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def planned(
    name: str, steps: int, *, guard: bool = True, network: Network = LAN, **more: str
) -> Plan:
    return plan(load_job(name, more), iterations=steps, guard=guard, network=network).plan


def counted(workload: Workload) -> list[str]:
    """Rounds, bytes sent by one party, and dealt, of one repeat, as the page writes them."""
    found = planned(workload.job, workload.iterations, **workload.parameters)
    cost, steps = found.costs[Phase.STEP], workload.steps
    rounds = f"{cost.rounds} × {steps:,}" if steps > 1 else str(cost.rounds)
    sizes = (steps * max(cost.sent) / 1e6, steps * cost.dealt / 1e6)
    return [rounds, *(f"{size:.2f} MB" for size in sizes)]


def test_every_workload_has_a_row_and_is_counted_right():
    exchange, *others = rows("workload")
    assert exchange[0] == "exchange of 96 bytes"
    for row, workload in zip(others, list(WORKLOADS.values())[1:], strict=True):
        assert re.split(r"[ ,-]", row[0])[0] == re.split("-", workload.name)[0]
        assert row[5:8] == counted(workload), row[0]


def test_what_the_guard_costs_is_counted_right():
    for name, checks, rounds, sent, dealt in rows("run"):
        job, steps = re.fullmatch(r"(\w+), ([\d,]+)(?: steps)?", name).groups()
        on, off = (planned(job, int(steps.replace(",", "")), guard=each) for each in (True, False))
        assert int(checks) == on.dealing.schedule.checks
        for told, guarded, bare in (
            (rounds, on.rounds, off.rounds),
            (sent, on.bytes_sent(0), off.bytes_sent(0)),
            (dealt, on.dealt_bytes, off.dealt_bytes),
        ):
            amount, unit, more = re.fullmatch(r"([\d.,]+)( MB)? \(\+ ([\d.]+)%\)", told).groups()
            digits = amount.partition(".")[2]
            shown = f"{guarded / 1e6:.{len(digits)}f}" if unit else f"{guarded:,}"
            assert (amount, more) == (shown, f"{100 * (guarded / bare - 1):.1f}"), name


def test_the_rounds_that_the_readme_names():
    text = " ".join((ROOT / "README.md").read_text().split())
    rounds = {
        name: planned("mlp", 8, network=network).costs[Phase.STEP].rounds
        for name, network in (("near", LAN), ("far", Network(rtt=0.04)))
    }
    assert f"two hidden layers {rounds['near']} ({rounds['far']} if told of a slow link)" in text
    softmax = counted(WORKLOADS["softmax-1000x10"])[0]
    assert planned("seed", 8).costs[Phase.STEP].rounds == 2
    assert "The demo's job takes two a step, a ReLU network with two hidden layers" in text
    assert f"a softmax {softmax}." in text
