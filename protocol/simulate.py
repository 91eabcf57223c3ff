"""All three roles in one process, in lockstep, for tests and notebooks: plan, machines and material
are those of a real run. And the plaintext twin of a run, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from .beforehand import watcher
from .contract_codec import pack, unpack
from .cost import LAN, Network
from .dealing import Deal, alice_material, bob_material, dealt_part, own_masks
from .errors import DataError, OutOfRangeError
from .fixedpoint import check
from .graph import Array, Phase
from .guard import sentence
from .history import History
from .jobs import Job
from .machine import Machine
from .plan import Plan, make_plan, make_plans
from .prg import attempt_seed, fresh_seed, fresh_ticket, join_tickets
from .ring import Words
from .tracing import trace


@dataclass
class Simulation:
    """The results of a simulated run by party, its plan, and what was counted."""

    results: list[dict[str, Array]]
    plan: Plan
    rounds: int = 0
    bytes_sent: list[int] = field(default_factory=lambda: [0, 0])
    dealt_bytes: int = 0
    beyond: tuple[str, ...] = ()  # what left its range
    steps: int = 0  # that were done
    # what checks revealed, by party and label
    history: list[dict[str, list[Array]]] = field(default_factory=list)
    # shares of what stays shared, by party
    kept: list[dict[str, Words]] = field(default_factory=list, repr=False)
    checked: list[int] = field(default_factory=list)  # after how many steps each check was


def twin(
    job: Job,
    inputs: Mapping[str, Array],
    iterations: int | None = None,
    learners: tuple[int, ...] = (0, 1),
) -> tuple[dict[str, Array], History, int]:
    """The job in float64 with NumPy, in the clear: its results, what its checks revealed, and the
    number of steps it took.

    It is checked after the same steps as the secure run, and ends early where that does. history:
    the results of checks that either party gets.
    """
    inputs = _numbers(job, inputs)
    traced = trace(job, {name: array.shape for name, array in inputs.items()}, iterations)
    history = History()
    if not traced.graph.reveals_of(Phase.CHECK):
        found = traced.graph.run_clear(inputs, traced.iterations, watched=watcher(traced.graph))
        return found, history, traced.iterations
    plan = make_plan(traced, 0, learners)
    every = plan.dealing.schedule.every

    def checked(steps: int, found: dict[str, Array]) -> tuple[bool, bool]:
        history.note(steps, found)
        improved = history.improved(plan)
        return history.over(plan), improved

    found = traced.graph.run_clear(inputs, traced.iterations, every, checked, watcher(traced.graph))
    return found, history, traced.iterations


def simulate(
    job: Job,
    inputs: Mapping[str, Array],
    iterations: int | None = None,
    learners: tuple[int, ...] = (0, 1),
    observe: Callable[[int, Words], None] | None = None,
    guard: bool = True,
    accept_out_of_range: bool = False,
    shares: Sequence[Mapping[str, Words]] = ({}, {}),
    network: Network = LAN,
) -> Simulation:
    """Run `job`, planned for `network`, on the inputs of both parties. `observe(sender, words)`
    sees every message between them.

    shares: each party's own, of what the job begins with (`Job.begin_with`): an earlier run's
        `kept`.

    DataError for inputs that are no finite numbers, or of another shape. OutOfRangeError where
    values left the range that was declared, proven or assumed for them, unless that is accepted.
    """
    inputs = _numbers(job, inputs)
    shapes = {name: array.shape for name, array in inputs.items()}
    traced = trace(job, shapes, iterations, network)
    return execute(
        make_plans(traced, learners, guard), inputs, observe, accept_out_of_range, shares
    )


def _numbers(job: Job, inputs: Mapping[str, Any]) -> dict[str, Array]:
    """The inputs of both parties, checked as a party's own are, apart from their ranges."""
    if missing := sorted(job.inputs.keys() - inputs.keys()):
        raise DataError(
            f"job {type(job).__name__} is brought nothing for {', '.join(missing)}; give an array"
            " for each of its inputs"
        )
    return {name: check(name, array, -inf, inf) for name, array in inputs.items()}


def execute(
    plans: Sequence[Plan],
    inputs: Mapping[str, Array],
    observe: Callable[[int, Words], None] | None = None,
    accept_out_of_range: bool = False,
    shares: Sequence[Mapping[str, Words]] = ({}, {}),
) -> Simulation:
    """Run what Alice and Bob have planned, as `simulate` does."""
    machines = [Machine(plan, party) for party, plan in enumerate(plans)]
    for machine, own in zip(machines, shares, strict=True):
        machine.load(inputs, own)
    dealing = unpack(pack(plans[0].dealing))  # what a dealer would refuse is refused here
    tickets = join_tickets(fresh_ticket(), fresh_ticket())
    seeds = [attempt_seed(fresh_seed(), "simulation", tickets, 1) for _ in machines]
    dealer = Deal(dealing, *seeds)
    run = Simulation([], plans[0])
    histories = [History(), History()]
    over = False
    for phase, start, total in dealing.schedule.runs():
        if phase == Phase.FINISH:
            for machine in machines:
                machine.recall()
        elif over:
            continue
        batch = dealing.batch(phase, start)
        for first in range(start, start + total, batch):
            count = min(batch, start + total - first)
            material: list[list[Words]] = [[], []]
            if not machines[0].in_parts(phase):
                corrections = dealer.corrections(phase, first, count)
                run.dealt_bytes += corrections.nbytes
                material = [
                    alice_material(dealing, seeds[0], phase, first, count),
                    bob_material(dealing, seeds[1], phase, first, count, corrections),
                ]
            for offset in range(count):
                for machine, rows in zip(machines, material, strict=True):
                    machine.begin(phase, first + offset, [row[offset] for row in rows])
                for number in range(machines[0].rounds(phase)):
                    run.dealt_bytes += _supply(machines, dealer, seeds, first, number)
                    messages = [machine.send(number).copy() for machine in machines]
                    for sender, message in enumerate(messages):
                        run.bytes_sent[sender] += message.nbytes
                        if observe:
                            observe(sender, message)
                        machines[1 - sender].receive(number, message)
                    run.rounds += 1
                run.dealt_bytes += _supply(
                    machines, dealer, seeds, first, machines[0].rounds(phase)
                )
                for machine in machines:
                    machine.end()
        if phase == Phase.STEP:
            run.steps = start + total
        if phase == Phase.CHECK:
            for history, machine in zip(histories, machines, strict=True):
                history.add(machine, run.steps, accept_out_of_range)
                if history.improved(plans[0]):
                    machine.remember()
            ends = [history.over(plan) for history, plan in zip(histories, plans, strict=True)]
            assert ends[0] == ends[1]
            over = ends[0]
    run.results = [machine.results() for machine in machines]
    run.kept = [machine.kept() for machine in machines]
    run.history = [history.values for history in histories]
    run.checked = histories[0].steps
    run.beyond = max(
        (
            (*history.beyond, *machine.beyond())
            for history, machine in zip(histories, machines, strict=True)
        ),
        key=len,
    )
    if run.beyond and not accept_out_of_range:
        raise OutOfRangeError(sentence(run.beyond))
    return run


def _supply(
    machines: list[Machine], dealer: Deal, seeds: Sequence[bytes], step: int, number: int
) -> int:
    """Give both machines the material that comes in parts before this round. Returns the bytes
    dealt for it."""
    dealing, phase, size = dealer.dealing, machines[0].phase, 0
    for loads in zip(*(machine.loads(number) for machine in machines), strict=True):
        part = loads[0].part
        corrections = None if part is None else dealer.corrections(phase, step, 1, part)
        size += 0 if corrections is None else corrections.nbytes
        for party, (machine, load) in enumerate(zip(machines, loads, strict=True)):
            material = [*own_masks(dealing, seeds[party], party, phase, step, load.masks)]
            if part is not None:
                material += dealt_part(
                    dealing, seeds[party], phase, step, part, corrections if party else None
                )
            machine.supply(load, material)
    return size
