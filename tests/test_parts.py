"""A step of which nobody holds all material at once: it is dealt and computed in parts, and is the
same step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from nn.test_layers import drawn

from protocol import contract, simulate
from protocol.contract import Dealing
from protocol.dealing import ALICE, BOB, Deal, alice_material, bob_material, dealt_part, own_masks
from protocol.jobs import Input
from protocol.machine import Machine
from protocol.nn import (
    SGD,
    Conv2d,
    CrossEntropy,
    Dense,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    Training,
    accuracy,
)
from protocol.plan import Plan, make_plan
from protocol.schedule import Phase
from protocol.tracing import trace

SEEDS = bytes([1]) * 32, bytes([2]) * 32
RANDOM = np.random.default_rng(3)


class Pictures(Training):
    x = Input("bob", (24, 1, 8, 8), 0, 1)
    y = Input("bob", (24, 3), 0, 1)
    model = Sequential(
        Conv2d(1, 4, 3, padding=1), MaxPool2d(2), ReLU(), Flatten(), Dense(64, 3), owner="alice"
    )
    loss, optimiser = CrossEntropy(limit=24), SGD(lr=0.1)
    batch, epochs, held_out = 8, 2, 0.25
    metrics = {"accuracy": accuracy}


INPUTS = drawn(Pictures(), x=RANDOM.random((24, 1, 8, 8)), y=np.eye(3)[RANDOM.integers(0, 3, 24)])


def planned(party: int = 0) -> Plan:
    return make_plan(
        trace(Pictures(), {name: each.shape for name, each in INPUTS.items()}), party, (0, 1)
    )


@pytest.fixture
def dealing(monkeypatch) -> Dealing:
    monkeypatch.setattr(contract, "PART_BYTES", 20_000)
    found = planned().dealing
    assert min(len(found.phases[phase].parts) for phase in (Phase.STEP, Phase.CHECK)) > 4
    return found


def run(plans: list[Plan], monkeypatch) -> tuple[simulate.Simulation, list[bytes]]:
    """A run with the same randomness each time, and what was sent."""
    seeds, sent = iter(SEEDS), list[bytes]()
    monkeypatch.setattr(simulate, "fresh_ticket", lambda: "0" * 32)
    monkeypatch.setattr(simulate, "fresh_seed", lambda: next(seeds))
    return simulate.execute(plans, INPUTS, lambda _, words: sent.append(words.tobytes())), sent


@pytest.mark.parametrize("size", [20_000, 1_000])
def test_a_run_in_parts_is_the_same_run(size, monkeypatch):
    """Word by word: only when things are computed is another. Keys are by chunk, so a chunk has one
    step here."""
    monkeypatch.setattr(contract, "CHUNK_BYTES", 1)
    monkeypatch.setattr(contract, "PART_BYTES", size)
    plans = [planned(party) for party in (0, 1)]
    found, sent = run(plans, monkeypatch)
    assert len(plans[0].dealing.phases[Phase.STEP].parts) > 3
    monkeypatch.setattr(contract, "PART_BYTES", 1 << 40)
    phases = tuple(replace(each) for each in plans[0].dealing.phases)
    whole = replace(plans[0].dealing, phases=phases)
    assert [len(each.parts) for each in phases] == [1] * 4
    expected, same = run([replace(plan, dealing=whole) for plan in plans], monkeypatch)
    assert sent == same
    assert (found.rounds, found.dealt_bytes) == (expected.rounds, expected.dealt_bytes)
    for name, value in expected.results[0].items():
        assert np.array_equal(found.results[0][name], value), name


def test_parts_are_what_the_whole_is_made_of(dealing):
    deal = Deal(dealing, *SEEDS)
    for phase in Phase:
        own, step = dealing.phases[phase], dealing.count(phase) - 1
        whole = deal.corrections(phase, step, 1)
        parts = [deal.corrections(phase, step, 1, part) for part in range(len(own.parts))]
        assert np.array_equal(np.concatenate(parts, axis=1), whole)
        numbers = range(len(own.masks))
        for party, rows in (
            (ALICE, alice_material(dealing, SEEDS[0], phase, step, 1)),
            (BOB, bob_material(dealing, SEEDS[1], phase, step, 1, whole)),
        ):
            found = [*own_masks(dealing, SEEDS[party], party, phase, step, numbers)]
            for number, words in enumerate(parts):
                found += dealt_part(
                    dealing, SEEDS[party], phase, step, number, words if party else None
                )
            assert all(np.array_equal(a, b[0]) for a, b in zip(found, rows, strict=True))


def loaded(machine: Machine, phase: Phase) -> Iterator[tuple[int, int]]:
    """Bytes at hand after each load of a step, and bytes of it loaded so far; every word is the
    same zero."""
    own, total = machine.plan.dealing.phases[phase], 0
    machine.begin(phase, 0, [])
    for number in range(machine.rounds(phase) + 1):
        for load in machine.loads(number):
            words = [np.zeros(own.masks[mask].full_shape, np.uint64) for mask in load.masks]
            if load.part is not None:
                part = own.parts[load.part]
                specs = own.correlations[part.first : part.end]
                words += [
                    np.zeros(field.full_shape, np.uint64) for spec in specs for field in spec.fields
                ]
            total += sum(each.nbytes for each in words)
            machine.supply(load, words)
            yield (
                sum(each.nbytes for each in machine.registers if isinstance(each, np.ndarray)),
                total,
            )
        if number < machine.rounds(phase):
            machine.send(number)
            machine.receive(number, np.zeros(machine.expects(number), np.uint64))


def test_registers_are_emptied_and_parts_come_in_order(dealing):
    machine = Machine(planned(), 0)
    machine.load(INPUTS)
    setup = dealing.phases[Phase.SETUP]
    machine.begin(
        Phase.SETUP,
        0,
        [np.zeros(field.full_shape, np.uint64) for field in (*setup.masks, *setup.dealt)],
    )
    for number in range(machine.rounds(Phase.SETUP)):
        machine.send(number)
        machine.receive(number, np.zeros(machine.expects(number), np.uint64))
    machine.end()
    before = sum(each.nbytes for each in machine.registers if isinstance(each, np.ndarray))
    held, total = zip(*loaded(machine, Phase.STEP), strict=True)
    assert total[-1] == 8 * (
        dealing.phases[Phase.STEP].mask_words + dealing.phases[Phase.STEP].dealt_words
    )
    assert max(held) - before <= 0.7 * total[-1]
    parts = [load.part for n in range(machine.rounds(Phase.STEP) + 1) for load in machine.loads(n)]
    assert [part for part in parts if part is not None] == [
        *range(len(dealing.phases[Phase.STEP].parts))
    ]
