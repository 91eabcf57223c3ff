"""`python -m party plan`: what a run will cost, exactly, before anything runs; and how long it should take over a given link."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from protocol.channel import Shape, parse_shape
from protocol.config import Config
from protocol.errors import ConfigError
from protocol.graph import Phase
from protocol.jobs import ROLES, Job
from protocol.matching import matching
from protocol.material import Extent, Layout
from protocol.plan import Plan, make_plan
from protocol.planfile import save_plan
from protocol.predict import predict
from protocol.views import Shape as TensorShape

from ..agreement import LEARNERS
from ..inputs import Given, default_tensor, given, read_inputs
from ..loading import check_tensors, load_job, parameters, trace_job
from ..settings import network
from ..shared import SharedModel, begin, check_place


def run(settings: Config) -> int:
    job = load_job(settings.job, parameters(settings.param))
    if settings.model is not None:
        begin(job, SharedModel.read(settings.model))
    if settings.keep is not None:
        check_place(settings.keep, job, settings.model, lasting=True)
        job.kept = job.keep
    plan = make_plan(
        trace_job(
            job,
            shapes_of(job, given(settings), dict(settings.shape)),
            settings.iterations,
            network(settings),
        ),
        0,
        LEARNERS[settings.reveal or job.reveal],
        settings.guard == "on",
    )
    link = parse_shape(settings.link or "rtt=0ms")
    if settings.rtt is not None or settings.bandwidth is not None:
        link = Shape(
            settings.rtt if settings.rtt is not None else link.rtt,
            link.jitter,
            settings.bandwidth if settings.bandwidth is not None else link.bandwidth,
        )
    dealer = parse_shape(settings.dealer_link) if settings.dealer_link else link
    if settings.dealer_bandwidth is not None:
        dealer = Shape(dealer.rtt, dealer.jitter, settings.dealer_bandwidth)
    if settings.save is not None:
        save_plan(settings.save, plan.dealing)
    on_disk = material_bytes(plan, settings.spare)
    if settings.json:
        print(json.dumps(as_data(settings.job, plan, link, dealer) | {"material_bytes": on_disk}))
    else:
        show(settings.job, plan, link, dealer)
        print(
            f"Material made ahead: {on_disk['alice']:,} bytes on disk for alice and {on_disk['bob']:,} for bob, "
            f"with {settings.spare:.0%} more rows than steps, for what a crash makes do again."
        )
        if settings.save is not None:
            print(f"Wrote {settings.save}, from which `python -m dealer precompute --plan {settings.save}` works.")
    return 0


def shapes_of(job: Job, files: Given, given: Mapping[str, TensorShape]) -> dict[str, TensorShape]:
    """Shapes from files, from --shape, from the job's own numbers, from axes of one name, or from its defaults."""
    check_tensors(job, given, "--shape")
    read = {name: array.shape for role in ROLES for name, array in read_inputs(job, role, files).arrays.items()}
    if (rows := matching(job)) is not None:  # at most so many are common
        most = min((shape[0] for name, shape in read.items() if name in rows.tensors), default=0)
        most = rows.rows if isinstance(rows.rows, int) else most
        read |= {name: (most, *shape[1:]) for name, shape in read.items() if name in rows.tensors}
    shapes, axes = read | dict(given), dict[str, int]()
    for name, shape in shapes.items():
        axes |= {axis: n for axis, n in zip(job.inputs[name].shape, shape, strict=False) if isinstance(axis, str)}
    for name, declared in job.inputs.items():
        found = tuple(axes.get(n, 0) if isinstance(n, str) else n for n in declared.shape)
        if name in shapes:
            continue
        if all(n in axes or isinstance(n, int) for n in declared.shape):
            shapes[name] = found
        elif declared.default is not None:
            shapes[name] = default_tensor(name, declared).shape
        else:
            raise ConfigError(f"the shape of {name} is not known here: give --shape {name}=ROWSxCOLUMNS")
    return shapes


def material_bytes(plan: Plan, spare: float) -> dict[str, int]:
    """What `python -m dealer precompute` will write for each party."""
    extent = Extent.of(plan.dealing, spare)
    return {role: Layout(plan.dealing, extent, role).size for role in ROLES}


def as_data(name: str, plan: Plan, link: Shape, dealer: Shape) -> dict[str, Any]:
    predicted = predict(plan, link, dealer)
    return {
        "job": name,
        "iterations": plan.dealing.steps,
        "rounds": plan.rounds,
        "messages": 2 * plan.rounds,
        "bytes_sent": {"alice": plan.bytes_sent(0), "bob": plan.bytes_sent(1)},
        "dealt_bytes": {"alice": 32, "bob": plan.dealt_bytes + 32},
        "per_iteration": {"rounds": plan.costs[Phase.STEP].rounds, "bytes_sent": list(plan.costs[Phase.STEP].sent)},
        "check_every": plan.dealing.schedule.every,
        "memory_bytes": {"party": plan.party_memory, "dealer": plan.dealer_memory},
        "predicted_seconds": predicted.seconds,
        "predicted_step_seconds": predicted.step_seconds,
        "digest": plan.digest,
        "reveals": plan.reveals,
        "kept": {name: list(each.dims) for name, each in plan.kept.items()},
        "fraction_bits": plan.traced.numerics.fraction_bits,
        "choice": plan.traced.choice,
        "assumptions": plan.traced.assumptions,
        "warnings": plan.lowering.warnings,
    }


def show(name: str, plan: Plan, link: Shape, dealer: Shape) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"job {name}: {plan.dealing.steps:,} iterations", title_justify="left")
    for heading in ("", "rounds", "messages", "alice sends", "bob sends", "dealt to bob"):
        table.add_column(heading, justify="right" if heading else "left")
    every = plan.dealing.schedule.every
    labels = ("before", "each iteration", "each check", "after")
    for phase, label in zip(Phase, labels, strict=True):
        if phase == Phase.CHECK and not every:
            continue
        cost = plan.costs[phase]
        row = (cost.rounds, 2 * cost.rounds, *cost.sent, cost.dealt)
        table.add_row(label, *(f"{n:,}" for n in row))
    table.add_section()
    total = (plan.rounds, 2 * plan.rounds, plan.bytes_sent(0), plan.bytes_sent(1), plan.dealt_bytes)
    table.add_row("in all", *(f"{n:,}" for n in total))
    console.print(table)
    if every:
        console.print(
            f"A check comes after every {every:,} iterations and after the last; the run may end at any, so these are upper bounds."
        )
    console.print("Bytes are payload. Alice is dealt a 32-byte seed; so is Bob, besides the above.")
    console.print(
        f"Memory: about {plan.party_memory / 1e6:.1f} MB of tensors and material at a party, "
        f"{plan.dealer_memory / 1e6:.1f} MB at the dealer."
    )
    predicted = predict(plan, link, dealer)
    each = f", {1000 * predicted.step_seconds / plan.dealing.steps:.3g} ms an iteration" if plan.dealing.steps else ""
    both = f"{link}" if dealer == link else f"{link}, and {dealer} to the dealer"
    console.print(f"Predicted: {predicted.seconds:.2f} s online over {both}{each}.")
    if plan.kept:
        console.print(f"Kept: {plan.keeps}.", markup=False)
    for line in plan.reveals:
        console.print(f"It reveals {line}.", markup=False)
    if plan.traced.choice:
        console.print(f"Fraction bits, chosen: {plan.traced.choice}.", markup=False)
    for text in [*plan.traced.assumptions, *plan.lowering.warnings]:
        console.print(f"Note: {text}.")
