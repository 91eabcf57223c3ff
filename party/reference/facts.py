"""What an entry of the table costs and how exact it is: the plan and a run of a step that computes
it of fresh tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from protocol.cost import LAN, Network, PhaseCost
from protocol.errors import JobError
from protocol.graph import Array, Graph, Phase
from protocol.jobs import Input, Job, Variables
from protocol.nodes import Source
from protocol.ops import Secret, gradient
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace

from ..jobs.samples import uniform
from .entry import FRACTION_BITS, UNIT, Argument, Entry

FAR = Network(rtt=0.04)  # where a round is worth what is dealt to save it


class Example(Job):
    """A step that opens every operand anew, and the result."""

    fraction_bits = FRACTION_BITS
    iterations = 1

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    @property
    def inputs(self) -> dict[str, Input]:
        operands = enumerate(self.entry.operands)
        return {
            f"x{n}": Input(("alice", "bob")[n % 2], (*each.shape,), each.low, each.high)
            for n, each in operands
        }

    def setup(self, v: Variables) -> None:
        v.out = v.zeros(traced(self.entry)[1].shape)

    def step(self, v: Variables) -> None:
        for name in self.inputs:
            v[name] = v[name][...]  # carried, so that the step opens it
        v.out = first(self.entry.secure(*(v[name] for name in self.inputs)))

    def finish(self, v: Variables) -> None:
        v.reveal(out=v.out)


@dataclass(frozen=True)
class Facts:
    """One row. Bytes are those of the whole example: what one party sends to the other, and what is
    dealt to bob."""

    name: str
    meaning: str
    range: str
    shape: str
    rounds: int
    rounds_far: int  # over a link of 40 ms
    sent: int
    dealt: int
    most_error: float  # promised …
    most_relative: float  # … and this part of the true result
    error: float  # measured; NaN if it was not
    derivative: bool

    def as_data(self) -> dict[str, Any]:
        """All fields, for JSON: null for an error that was not measured."""
        return {key: None if value != value else value for key, value in asdict(self).items()}


def first(found: Any) -> Secret:
    """The first of what `split` and the like return."""
    return found[0] if isinstance(found, (list, tuple)) else found  # type: ignore[no-any-return]


def traced(entry: Entry) -> tuple[list[Secret], Secret]:
    """The operands and the result, in a graph of their own."""
    graph = Graph()
    graph.phase = Phase.STEP
    leaves = [graph.add(Source(f"x{n}", each.shape, n % 2), interval=each.interval) for n, each in
              enumerate(entry.operands)]  # fmt: skip
    operands = [Secret(graph, leaf) for leaf in leaves]
    return operands, first(entry.secure(*operands))


def differentiable(entry: Entry) -> bool:
    """Whether `gradient` goes through it, from the sum of its result to every operand."""
    operands, out = traced(entry)
    try:
        gradient(out.sum(), operands)
    except JobError:
        return False
    return True


def samples(operands: tuple[Argument, ...]) -> dict[str, Array]:
    """Multiples of a unit: a grid with both ends, and random ones between them, so that no entry is
    met by the like of it."""
    found: dict[str, Array] = {}
    for n, each in enumerate(operands):
        count = int(np.prod(each.shape))
        if each.among:
            values = np.resize(each.among, count)
        else:
            random = np.asarray(uniform((count,), 0.5, n + 1)) + 0.5
            values = each.low + (each.high - each.low) * np.where(
                np.arange(count) % 2 == n % 2, random, np.linspace(0.0, 1.0, count)
            )
            values = np.clip(np.rint(values / UNIT) * UNIT, each.low, each.high)
        found[f"x{n}"] = values.reshape(each.shape)
    return found


def error(entry: Entry, inputs: Mapping[str, Array]) -> tuple[float, bool]:
    """The largest of a run on these, and whether every one is within what is promised."""
    run = simulate(Example(entry), inputs, 1)
    got = run.results[0]["out"]
    if entry.clear is None:
        true = run.plan.traced.graph.run_clear(inputs, 1)["out"]
    else:
        true = np.asarray(first(entry.clear(*inputs.values())), np.float64)
    if got.shape != true.shape:
        raise TypeError(f"{entry.name} has shape {got.shape}, and {true.shape} was expected")
    off = np.abs(got - true)
    return float(off.max(initial=0.0)), bool(np.all(off <= entry.bound(true)))


def cost(entry: Entry, network: Network = LAN) -> PhaseCost:
    """Rounds and bytes of one step of the example, where rounds are weighed against dealt bytes for
    this network."""
    job = Example(entry)
    shapes = {f"x{n}": each.shape for n, each in enumerate(entry.operands)}
    found = trace(job, shapes, 1, network)
    return make_plan(found, 0, (0, 1)).costs[Phase.STEP]


def facts(entry: Entry, measured: bool = True) -> Facts:
    """The row of an entry: its costs from plans near and far; its error from a run, if it is to be
    `measured`."""
    near, far = cost(entry), cost(entry, FAR)
    return Facts(
        name=entry.name,
        meaning=entry.meaning,
        range=entry.range,
        shape=", ".join("×".join(map(str, each.shape)) or "1" for each in entry.operands),
        rounds=near.rounds,
        rounds_far=far.rounds,
        sent=max(near.sent),
        dealt=near.dealt,
        most_error=entry.error,
        most_relative=entry.relative,
        error=error(entry, samples(entry.operands))[0] if measured else float("nan"),
        derivative=differentiable(entry),
    )
