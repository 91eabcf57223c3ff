"""Every operation: what it costs for an element, and how right it is. In one process; numbers do not depend
on that.

"Wrong" is a result that is off by more than 1% of itself, or of 1 where it is smaller than that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from protocol.graph import Array, Phase
from protocol.jobs import Input, Variables, trace
from protocol.plan import make_plan
from protocol.simulate import simulate

from ..jobs.samples import uniform
from ..jobs.single import BINARY, LARGE, UNARY, Single

ELEMENTS = 65_536
ROWS = 256  # of the matrices
PRODUCTS = 10_000_000
PEAKS = (1_000.0, 10_000.0)
BATCH = 1_000_000


class Whole(Single):
    """Reveal the operation's whole result, once, at no more than its own scale."""

    iterations = 0
    peak = 0.0

    @property
    def inputs(self) -> dict[str, Input]:
        found = super().inputs
        if not self.peak:
            return found
        return {name: Input(each.owner, each.shape, -self.peak, self.peak) for name, each in found.items()}

    def setup(self, v: Variables) -> None:
        pass

    def step(self, v: Variables) -> None:
        pass

    def finish(self, v: Variables) -> None:
        v.reveal(out=self.result(v))


@dataclass(frozen=True)
class Facts:
    """One operation. Bytes for each element of the result; those sent are one party's, the larger of the
    two.
    """

    name: str
    n: int
    peak: float  # inputs are uniform in ± peak
    rounds: int
    bytes_sent: float
    dealt_bytes: float
    max_error: float
    wrong: int

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def names() -> list[str]:
    return [*UNARY, *BINARY]


def facts(operation: str, size: int | None = None) -> Facts:
    """Measure one operation; costs are those of a step of the job `single`, where every operand is opened
    anew.
    """
    job = Whole()
    job.operation = operation
    job.size = (ROWS if operation == "matmul" else ELEMENTS) if size is None else size
    peak = (UNARY | BINARY)[operation][0]
    inputs = _inputs(job, peak, 1)
    got, true = _results(job, inputs)
    single = Single()
    single.operation, single.size = operation, job.size
    cost = make_plan(trace(single, {name: each.shape for name, each in inputs.items()}, 1), 0, (0, 1)).costs[Phase.STEP]
    n = math.prod(job.dims)
    error = np.abs(got - true)
    wrong = int((error > 0.01 * np.maximum(np.abs(true), 1.0)).sum())
    return Facts(operation, n, peak, cost.rounds, max(cost.sent) / n, cost.dealt / n, float(error.max()), wrong)


def products(peak: float, count: int = PRODUCTS) -> Facts:
    """`count` products of numbers up to `peak` at 16 fraction bits: peers lose the truncation of some, and
    are then off by 10⁹.
    """
    worst, wrong = 0.0, 0
    for seed in range(-(-count // BATCH)):
        job = Whole()
        job.size, job.peak = min(BATCH, count), peak
        got, true = _results(job, _inputs(job, peak, seed))
        error = np.abs(got - true)
        worst = max(worst, float(error.max()))
        wrong += int((error > 0.01 * np.maximum(np.abs(true), 1.0)).sum())
    plain = facts("mul", 1024)
    return Facts(f"mul up to {peak:,.0f}", count, peak, plain.rounds, plain.bytes_sent, plain.dealt_bytes, worst, wrong)


def _inputs(job: Single, peak: float, seed: int) -> dict[str, Array]:
    """Multiples of 2^-f, so that what is measured is the operation and not the encoding."""
    unit = 2.0**job.fraction_bits
    samples = {name: uniform(job.dims, peak, 2 * seed + n) for n, name in enumerate(job.inputs)}
    return {name: np.rint(np.asarray(sample) * unit) / unit for name, sample in samples.items()}


def _sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


# What a series or a polynomial stands for, by operation.
TRUE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid,
    "sigmoid-fourier": _sigmoid,
    "sigmoid-accurate": _sigmoid,
    "sigmoid-derivative": lambda x: _sigmoid(x) * _sigmoid(-x),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: x * (0.5 + np.vectorize(math.erf)(x / math.sqrt(2.0)) / 2.0),
    "tanh": np.tanh,
    "reciprocal": lambda x: 1.0 / (x + LARGE),
}


def _results(job: Single, inputs: dict[str, Array]) -> tuple[Array, Array]:
    """As computed, and true: the function, and not what approximates it."""
    got = simulate(job, inputs, 0).results[0]["out"]
    if job.operation in TRUE:
        return got, TRUE[job.operation](inputs["x"])
    graph = trace(job, {name: each.shape for name, each in inputs.items()}, 0).graph
    return got, graph.run_clear(inputs, 0)["out"]
