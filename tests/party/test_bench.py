"""The benchmark's own parts: choosing workloads, the stopwatch, the tables; and one workload
between real processes.
"""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from party.bench.dealer import KINDS, throughput
from party.bench.measuring import WorkloadFigures, reference_seconds
from party.bench.products import PEAKS, ProductErrors, products
from party.bench.suite import suite
from party.bench.workloads import WORKLOADS, chosen
from party.jobs.samples import classes, halves, pictures, uniform
from party.jobs.single import Single
from party.observing import StepObserver
from party.runner import Progress
from party.stopwatch import Stopwatch
from protocol.errors import ConfigError, JobError
from protocol.tracing import trace


def test_workloads_are_chosen_by_name_or_beginning():
    assert chosen(("matmul", "mul-1M")) == ["matmul-512", "matmul-1024", "mul-1M"]
    assert chosen(()) == [*WORKLOADS, "dealer"]
    with pytest.raises(ConfigError, match="there is no workload 'muul'"):
        chosen(("muul",))


def test_sizes_scale():
    assert WORKLOADS["mul-1M"].resized(0.1, None).parameters == {
        "operation": "mul",
        "size": "100000",
    }
    assert WORKLOADS["mul-1M"].resized(1.0, 50).size == 50
    seed = WORKLOADS["seed-10k"].resized(0.01, None)
    assert (seed.steps, seed.iterations) == (100, 300)
    assert WORKLOADS["mlp"].resized(0.1, None) == WORKLOADS["mlp"]


def test_samples_are_the_same_for_everybody():
    rows = uniform((6, 3), 2.0)
    assert np.array_equal(np.asarray(rows), np.asarray(rows))
    assert np.abs(np.asarray(rows)).max() <= 2.0
    assert np.asarray(pictures(4, 10)).shape == (4, 10)
    assert np.array_equal(np.asarray(classes(rows, 4)).sum(axis=1), np.ones(6))
    assert set(np.asarray(halves(rows)).ravel()) <= {0.0, 1.0}


def test_an_operation_that_is_not_offered():
    job = Single()
    job.operation = "divide"
    with pytest.raises(JobError, match="there is no operation 'divide'"):
        trace(job, {})


class FakeRunner:
    """As much of a runner as a stopwatch sees."""

    def __init__(self, steps: int) -> None:
        self.progress = Progress(0, steps)
        self.met = 0

    async def meet(self) -> None:
        self.met += 1

    async def run(self, observer: StepObserver) -> None:
        for step in range(self.progress.steps):
            await observer.before(step)
            observer.after(step + 1)


class Stock:
    waits, waited, bytes_received, stock = 2, 0.5, 0, 0


def test_the_stopwatch_lets_a_third_run_freely_and_meets_before_each_of_the_rest():
    runner, watch = FakeRunner(18), Stopwatch(2)
    watch.running(runner, Stock(), None, None)
    asyncio.run(runner.run(watch))
    found = watch.figures()
    assert len(found["seconds"]) == len(found["cpu_seconds"]) == 6  # of nine repeats
    assert found["free_seconds"] > 0.0
    assert found["meetings"] == runner.met == 400 + 6
    assert (found["waits_for_material"], found["waited_for_material"]) == (2, 0.5)
    assert found["rtt_us"] > 0.0
    assert found["peak_rss_mb"] > 1.0


def test_the_reference_is_the_same_work_in_float64():
    job = Single()
    job.size = 1000
    inputs = {name: np.asarray(each.default) for name, each in job.inputs.items()}
    assert (
        0.0
        < reference_seconds(
            trace(job, {name: each.shape for name, each in inputs.items()}), inputs, 3
        )
        < 1.0
    )


@pytest.mark.parametrize("peak", PEAKS)
def test_no_product_is_wrong(peak):
    found = products(peak, 100_000)
    assert (found.n, found.wrong) == (100_000, 0)
    assert found.max_error <= 2.0**-15


def test_the_dealers_throughput():
    found = throughput("product", 0.01)
    assert found.n == KINDS["product"][2]
    assert min(*found.bytes_per_second, *found.per_second) > 0.0


@pytest.mark.system
def test_a_workload_between_three_processes(capsys):
    assert suite(["mul-1M"], 0.001, None, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == set(WorkloadFigures.__dataclass_fields__)
    assert (found["n"], found["rounds"], found["bytes_sent"], found["dealt_bytes"]) == (
        1000,
        1,
        16_000,
        8_000,
    )
    assert found["seconds_min"] <= found["seconds_median"] < 1.0
    assert found["reference_seconds"] > 0.0
    assert found["rtt_us"] > 1.0


def test_each_row_is_printed_when_it_is_there(monkeypatch, capsys):
    seen = []

    def found(peak, count):
        seen.append(capsys.readouterr().out)
        return ProductErrors(f"up to {peak}", 1000, peak, 1e-6, 0)

    monkeypatch.setattr("party.bench.suite.PEAKS", (1.0, 2.0, 3.0))
    monkeypatch.setattr("party.bench.suite.products", found)
    assert suite(["products"], 0.1, None, as_json=False) == 0
    assert seen[0] == "" and "Products" in seen[1] and "up to 1" in seen[1] and "up to 2" in seen[2]
    widths = {len(line) for text in seen for line in text.splitlines() if "1,000" in line}
    assert len(widths) == 1
