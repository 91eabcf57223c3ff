"""`python -m party --role alice|bob`: take part in one session."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol import kernels
from protocol.channel import parse_shape
from protocol.config import Config
from protocol.errors import ConfigError, DataError, OutOfRangeError
from protocol.graph import Array
from protocol.guard import sentence
from protocol.jobs import Input, Job, bind
from protocol.keyring import PLAINTEXT, needed_key, other_key, own_key
from protocol.log import Log
from protocol.prg import fresh_seed
from protocol.processes import run_until_signalled
from protocol.signals import held, reacting, unwind

from ..agreement import Intent
from ..bench.stopwatch import Stopwatch
from ..checkpoint import Store
from ..data import check_output, default_tensor, load_tensor, parse_assignments, save_results
from ..display import Terminal, shown
from ..links import PEER, Addresses
from ..loading import check_tensors, load_job, parameters
from ..material import Material, open_material
from ..runner import Halted
from ..session import Report, Run
from ..settings import network


def run(settings: Config) -> int:
    """Load, meet, compute, report. Returns the exit code."""
    role = settings.role
    if role not in PEER:
        raise ConfigError("say which party this is: --role alice or --role bob")
    log = Log(role, settings.log_format, settings.quiet, settings.session)
    if settings.out is not None:
        check_output(settings.out)
    job = load_job(settings.job, parameters(settings.param))
    terminal = Terminal(role, log, settings.quiet)
    store = None if settings.state is None else Store(settings.state, settings.session, role)
    if settings.fresh:
        if store is None:
            raise ConfigError("--fresh sets the state of a session aside; say where that is: --state DIR")
        if (aside := store.set_aside()) is not None:
            terminal.note(f"the state of session {settings.session} was moved to {aside}", "aside")
    inputs = own_inputs(job, role, parse_assignments(settings.data), fresh_seed if store is None else store.key)
    to = addresses(settings, role)
    if settings.insecure_plaintext:
        log(PLAINTEXT, "plaintext", "warning")
    material = None if settings.material is None else _material(settings, role)
    intent = Intent(
        role,
        Path(settings.job).name,
        job,
        job.iterations if settings.iterations is None else settings.iterations,
        settings.reveal or job.reveal,
        {name: array.shape for name, array in inputs.items()},
        "from the dealer" if material is None else f"the file {material.id[:8]}",
        settings.guard == "on",
        network(settings),
        settings.accept_out_of_range,
    )
    if settings.measure is not None:
        terminal.watch = Stopwatch(settings.measure)
    work = Run(intent, to, inputs, terminal, store, settings.checkpoint_every, material)

    kernels.ready(terminal.note)
    kernels.set_threads(settings.threads)

    def reload() -> None:
        work.reload(addresses(settings.reread(), role))
        terminal.note("the keys of the others were read again", "reloaded")

    with terminal.shown():
        try:
            report = run_until_signalled(work.run(), work.halt, reload)
        except Halted:
            terminal.note("stopped after a step, as asked; the same command goes on from there", "halted")
            return 0
    with reacting(unwind):
        finish(settings, intent, report, terminal)
    return 0


def own_inputs(job: Job, role: str, files: dict[str, Path], key: Callable[[], bytes] = fresh_seed) -> dict[str, Array]:
    """This party's tensors, from files or the job's defaults, checked; what is to be drawn is, by this key."""
    mine = {name: declared for name, declared in job.inputs.items() if declared.owner == role}
    check_tensors(job, files, "--data")
    for name in files:
        if name not in mine:
            raise DataError(
                f"--data {name}=…: {role} does not bring a tensor {name}; it is {job.inputs[name].owner}'s to bring"
            )
    arrays = {
        name: load_tensor(name, files[name], declared) if name in files else default_tensor(name, declared, key)
        for name, declared in mine.items()
    }
    _check_rows(mine, arrays, files)
    return arrays


def _check_rows(mine: dict[str, Input], arrays: dict[str, Array], files: dict[str, Path]) -> None:
    """Axes of one name must have one length; the sentence names the files."""
    try:
        bind(mine, {name: array.shape for name, array in arrays.items()})
    except DataError as error:
        named = "; ".join(f"{name} is from {files.get(name, 'the job’s default')}" for name in mine)
        raise DataError(f"{error} ({named})") from None


def addresses(settings: Config, role: str) -> Addresses:
    """Addresses and keys of the two others."""
    peer, dealer = str(settings.peer), str(settings.dealer) if settings.material is None else None
    keys = own_key(role, settings.key, [peer] if dealer is None else [peer, dealer], settings.insecure_plaintext)
    shared = keys is not None and settings.key is None
    return Addresses(
        settings.session,
        peer,
        dealer,
        settings.timeout,
        settings.wait,
        keys,
        needed_key(PEER[role], settings.peer_key, shared, "--peer-key") if keys else None,
        needed_key("dealer", settings.dealer_key, shared, "--dealer-key") if keys and dealer else None,
        parse_shape(settings.link) if settings.link else None,
        parse_shape(settings.dealer_link) if settings.dealer_link else None,
    )


def _material(settings: Config, role: str) -> Material:
    """The file that takes the dealer's place, opened with this party's key."""
    keys = own_key(role, settings.key, (), False)
    dealer = other_key("dealer", settings.dealer_key, settings.key is None)
    return open_material(settings.material, role, settings.session, keys, dealer)


def finish(settings: Config, intent: Intent, report: Report, terminal: Terminal) -> None:
    """Write and print what was learnt, and what it cost. OutOfRangeError instead if it is out of range and nobody accepts that."""
    rate = report.rounds / report.seconds if report.seconds else 0.0
    learnt = ", ".join(f"{name} {array.shape}" for name, array in report.results.items())
    terminal.note(f"revealed to {intent.role}: {learnt or 'nothing'}", "revealed")
    terminal.note(
        f"done in {report.seconds:.2f} s online: {report.rounds:,} rounds ({rate:,.0f} a second), "
        f"{report.bytes_sent:,} bytes sent, {report.bytes_received:,} received, {report.dealt_bytes:,} dealt; "
        f"waited for material {report.waits_for_material} times",
        "done",
    )
    if report.beyond:
        if not settings.accept_out_of_range:
            raise OutOfRangeError(sentence(report.beyond))
        terminal.note(sentence(report.beyond), "out of range")
    if settings.out is not None:
        if report.results:
            with held():  # it ends by itself in a moment, and this is what it was started for
                save_results(settings.out, report.results)
            terminal.note(f"wrote {settings.out}", "written")
        else:
            terminal.note(f"nothing was revealed to {intent.role}, so {settings.out} is not written")
    if settings.json:
        measured = {} if terminal.watch is None else {"measured": terminal.watch.figures()}
        print(json.dumps(summary(intent, report) | measured))
    elif settings.out is None or not terminal.for_programs:  # a service's output ends in a log
        for name, array in report.results.items():
            print(f"{name} =\n{shown(array)}")
        if not report.results:
            print(f"nothing was revealed to {intent.role}")
    sys.stdout.flush()


def summary(intent: Intent, report: Report) -> dict[str, Any]:
    """The report as plain data; bytes are payload bytes."""
    return {
        "job": intent.job_name,
        "role": intent.role,
        "iterations": intent.iterations,
        "steps": report.history.steps[-1] if report.history.steps else intent.iterations,
        "seconds": report.seconds,
        "setup_seconds": report.setup_seconds,
        "rounds": report.rounds,
        "messages": report.messages,
        "bytes_sent": report.bytes_sent,
        "dealt_bytes": report.dealt_bytes,
        "waits_for_material": report.waits_for_material,
        "waited_for_material": report.waited_for_material,
        "waited_for_peer": report.waited_for_peer,
        "computed": report.computed,
        "step_seconds": report.step_seconds,
        "attempts": report.attempts,
        "recomputed": report.recomputed,
        "out_of_range": list(report.beyond),
        "history": {
            "steps": report.history.steps,
            **{name: [each.tolist() for each in found] for name, found in report.history.values.items()},
        },
        "results": {name: array.tolist() for name, array in report.results.items()},
    }
