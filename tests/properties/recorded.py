"""Sessions of one process that crash at chosen openings, and a recorder of what is opened under
which mask."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import protocol.channel.sockets
import protocol.dealing
from dealer.service import Service
from dealer.service import Settings as DealerSettings
from dealer.store import names, precompute
from party.attempts import Run
from party.checkpoint import Store
from party.intent import Intent
from party.links import Addresses
from party.local import free_address
from party.material_file import Material
from party.runner import Runner
from party.view import RunView
from protocol.channel import KeyPair
from protocol.errors import MaterialError, MpcError
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.log import Log
from protocol.machine import Machine
from protocol.ops import dropout
from protocol.plan import make_plan
from protocol.sealed_material import Extent
from protocol.tracing import trace

KEYS = {role: KeyPair.generate(role) for role in ("alice", "bob", "dealer")}
OWNERS = {role: KEYS[role].public for role in ("alice", "bob")}
ITERATIONS = 60


class Minibatches(Job):
    """Rows that are bound to their step modulo five, a setup of two rounds, and a finish with
    openings of its own."""

    iterations = ITERATIONS
    x = Input("bob", shape=(10, 3), low=-1, high=1, default=np.linspace(-1, 1, 30).reshape(10, 3))
    y = Input("bob", shape=(10, 1), low=-1, high=1, default=np.linspace(1, -1, 10).reshape(10, 1))
    w = Input("alice", shape=(3, 1), low=-8, high=8, default=[[1.0], [-2.0], [0.5]])

    def setup(self, v):
        v.gram = (v.x.T @ v.x) * 0.1

    def step(self, v):
        x, y = v.x.minibatch(4), v.y.minibatch(4)
        v.w = v.w - 0.05 * (x.T @ (x @ v.w - y)) - 0.01 * (v.gram @ v.w)

    def finish(self, v):
        v.reveal(w=v.w, square=(v.x @ v.w) ** 2)


class Shuffled(Minibatches):
    """Rows that are bound to their own step, and no other; and all else that changes with it."""

    def step(self, v):
        x, y = v.x.minibatch(4, shuffle=7), v.y.minibatch(4, shuffle=7)
        rate = v.schedule(lambda step: 0.05 / (1 + 0.01 * step))
        v.w = v.w - rate * (x.T @ dropout(x @ v.w - y, 0.25, 3)) - 0.01 * (v.gram @ v.w)


class Crash(BaseException):
    """This party is dead from here on."""


class Recorder:
    """Every masked opening: (key, word of its keystream) → what was sent under it; and what each
    row was used for."""

    def __init__(self) -> None:
        self.opened: dict[tuple[bytes, int], set[bytes]] = defaultdict(set)
        self.used: dict[tuple[bytes, int], set[tuple[int, Phase, int]]] = defaultdict(set)
        self.openings = self.crash_in = 0
        self.runs = 0
        self.contexts: list = []
        self._streams: dict[int, tuple[weakref.ref, list[bytes], int, int]] = {}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        expand, begin, send, load = (
            protocol.dealing._rows,
            Machine.begin,
            Machine.send,
            Machine.load,
        )
        exchange = Runner._exchange

        def recorded(dealing, keys, party, phase, first, count, *bounds):
            found = expand(dealing, keys, party, phase, first, count, *bounds)
            owner = found if found.base is None else found.base
            size = dealing.phases[phase].steps_per_chunk
            found_under = [keys(phase, row // size) for row in range(first, first + count)]
            self._streams[id(owner)] = (
                weakref.ref(owner),
                found_under,
                first,
                bounds[0] & ~1 if bounds else 0,
            )
            return found

        def loaded(machine, *inputs):
            self.runs += 1
            machine._run = self.runs
            load(machine, *inputs)

        def began(machine, phase, step, material):
            masks = machine.plan.dealing.phases[phase].masks
            registers = machine.plan.lowering.phases[phase].mask_registers
            machine._places = {
                register: self.place(words)
                for register, words in zip(registers, material, strict=False)
                if words.size
            }
            assert len(masks) == len(registers)
            for key, word in machine._places.values():
                self.used[key, word].add((machine._run, phase, step))
            begin(machine, phase, step, material)

        def sent(machine, number):
            message = send(machine, number)
            if self.crash_in:
                self.crash_in -= 1
                if not self.crash_in:
                    raise Crash
            machine._about_to_open = [
                (machine._places[each.mask], machine.registers[each.target].tobytes())
                for each in machine._now.rounds[number].sent
                if each.mask != each.share and each.place is not None
            ]
            return message

        async def exchanged(runner, words, expected):
            for place, value in runner._machine._about_to_open:  # from here on the peer may have it
                self.opened[place].add(value)
                self.openings += 1
            return await exchange(runner, words, expected)

        monkeypatch.setattr(protocol.dealing, "_rows", recorded)
        for name, function in (("load", loaded), ("begin", began), ("send", sent)):
            monkeypatch.setattr(Machine, name, function)
        monkeypatch.setattr(Runner, "_exchange", exchanged)

    def place(self, words: np.ndarray) -> tuple[bytes, int]:
        """The key of the keystream that these words are part of, and the number of the first in
        it."""
        owner = words
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        reference, keys, first, start = self._streams[id(owner)]
        assert reference() is owner
        offset = (words.__array_interface__["data"][0] - owner.__array_interface__["data"][0]) // 8
        row, column = divmod(offset, owner.shape[1])
        return keys[row], (first + row << 32) + start + column

    def violations(self) -> list[str]:
        found = [
            f"word {word} of a keystream was opened with {len(v)} values"
            for (_, word), v in self.opened.items()
            if len(v) > 1
        ]
        for (_, word), uses in self.used.items():
            if len({(phase, step if phase == Phase.STEP else 0) for _, phase, step in uses}) > 1:
                found.append(f"word {word} was used in two places of the plan: {uses}")
            if len(uses) > 1 and any(phase != Phase.SETUP for _, phase, _ in uses):
                found.append(f"word {word} was used by several attempts: {uses}")
        return found


class Scene:
    """Two parties, their folders, and a dealer for when there is no file."""

    def __init__(self, folder: Path, job: Job, recorder: Recorder, spare: float) -> None:
        self.folder, self.job, self.recorder, self.spare = folder, job, recorder, spare
        self.inputs = {name: np.asarray(each.default, float) for name, each in job.inputs.items()}
        self.shapes = {name: array.shape for name, array in self.inputs.items()}
        self.dealing = make_plan(trace(job, self.shapes, ITERATIONS), 0, (0, 1)).dealing
        self.made = folder / "none"
        self.results: list[dict] = []
        self.refused = 0

    def precompute(self, name: str) -> None:
        self.made = self.folder / name
        precompute(
            self.dealing,
            Extent.of(self.dealing, self.spare),
            "s",
            self.made,
            KEYS["dealer"],
            OWNERS,
        )

    def journals(self, role: str) -> list[Path]:
        twins = (self.folder / "home" / "mpc-playground" / "material").glob(f"*.{role}.used")
        return [*self.made.glob(f"*.{role}.*.used"), *twins]

    def open(self, role: str) -> Material:
        return Material(names(self.made, "s")[role], role, "s", KEYS[role], KEYS["dealer"].public)

    def run(
        self, role: str, peer: str, dealer: str | None, material: Material | None, stateful: bool
    ) -> Run:
        mine = {
            name: array
            for name, array in self.inputs.items()
            if self.job.inputs[name].owner == role
        }
        label = "from the dealer" if material is None else material.id
        shapes = {name: self.shapes[name] for name in mine}
        intent = Intent(
            role=role,
            job=self.job,
            iterations=ITERATIONS,
            reveal="both",
            shapes=shapes,
            material=label,
        )
        store = Store(self.folder / f"state-{role}", "s", role) if stateful else None
        to = Addresses(session="s", peer=peer, dealer=dealer, timeout=5.0, wait=10.0)
        return Run(intent, to, mine, RunView(), store, interval=0.02, material=material)

    async def life(self, crash_in: int, live: bool, stateful: bool = True) -> bool:
        """Start both, until they are done or one crashes; whether they are done."""
        self.recorder.crash_in = crash_in
        peer, dealer, service = free_address(), free_address() if live else None, None
        materials: dict[str, Material] = {}
        tasks = []
        try:
            if dealer is not None:
                service = asyncio.create_task(
                    Service(
                        DealerSettings(listen=dealer, keys=None, allow=None), Log("dealer")
                    ).run()
                )
            else:
                for role in ("alice", "bob"):
                    materials[role] = self.open(role)
            runs = [
                self.run(role, peer, dealer, materials.get(role), stateful)
                for role in ("alice", "bob")
            ]
            tasks = [asyncio.create_task(run.run()) for run in runs]
            done, pending = await asyncio.wait(
                tasks, timeout=30, return_when=asyncio.FIRST_EXCEPTION
            )
            assert not pending or any(task.exception() for task in done), "a party hangs"
            if pending and not any(
                isinstance(task.exception(), Crash | MaterialError) for task in done
            ):
                # the peer of who crashed may notice first
                done |= (await asyncio.wait(pending, timeout=10))[0]
            errors = [error for task in done if (error := task.exception()) is not None]
            # the other has lost its peer, maybe in the same moment
            if any(isinstance(error, Crash) for error in errors):
                return False
            if any(isinstance(error, MaterialError) for error in errors):
                self.refused += 1
                return False
            for error in errors:
                raise error
            self.results = [task.result().results for task in tasks]
            return True
        except MaterialError:  # of a file, when it is opened
            self.refused += 1
            return False
        finally:
            self.recorder.crash_in = 0
            for task in [*tasks, *([service] if service else [])]:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(Crash, MpcError, asyncio.CancelledError):
                    await task
            if service is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await service
            for material in materials.values():
                material.close()
            # a killed process leaves no socket open; a crash in here does
            for context in self.recorder.contexts:
                context.destroy(linger=0)

    def right(self) -> None:
        assert self.results[0].keys() == self.results[1].keys()
        plain = trace(self.job, self.shapes, ITERATIONS).graph.run_clear(self.inputs, ITERATIONS)
        for name, value in plain.items():
            assert np.abs(self.results[0][name] - value).max() < 1e-3
            assert (self.results[0][name] == self.results[1][name]).all()
