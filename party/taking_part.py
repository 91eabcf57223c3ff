"""A run as a command takes part in it: what the options say, from the first word to the file of
results."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from protocol.errors import ConfigError, MpcError
from protocol.jobs import Job
from protocol.keyring import PLAINTEXT
from protocol.log import configure
from protocol.processes import run_until_signalled
from protocol.signals import Halted, held, reacting, unwind
from protocol.wording import counted, span

from .api import Party
from .attempts import Run
from .command_settings import PredictSettings, RunSettings
from .data import check_output, save_results
from .declining import declining
from .display import Terminal, shown
from .exporting import Exportable, check_model
from .given import given
from .predicting import in_words
from .report import Report
from .result import counts, out_of_range
from .rows import Places
from .settings import OutputSettings, PeerSettings
from .shared import SharedModel, put
from .stopwatch import Stopwatch
from .view import RunViews

TakingPart = RunSettings | PredictSettings
Export = Callable[[Path], list[str]]
"""Writes the model of a run as ONNX; sentences about it."""
IdsOf = Callable[[Places], tuple[str, list[str]] | None]
"""The column of ids, and the ids of rows of this party's table; None where it has none."""


def role_of(settings: PeerSettings) -> str:
    """Which party this is."""
    if settings.role is None:
        raise ConfigError("say which party this is: --role alice or --role bob")
    return settings.role


def share(file: Path | None) -> Path:
    """The file that --model names."""
    if file is None:
        raise ConfigError("say which model: --model FILE, this party's share of it")
    return file


def take_part(
    settings: TakingPart,
    job: Job,
    model: SharedModel | None,
    *,
    watch: Stopwatch | None = None,
    **more: Any,
) -> int:
    """One run of `job`, which begins with `model`; `more` is for `Party.prepare`. Returns the exit
    code."""
    role = role_of(settings)
    log, lines = configure(role, settings.log_format, settings.quiet, settings.session)
    check_out(settings.out, job)
    terminal = Terminal(role, log, lines, settings.quiet)
    view = terminal if watch is None else RunViews(terminal, watch)
    party = Party.of(settings)
    with declining(party.role, party.addresses):
        work = party.prepare(
            job, given(settings), model=model, view=view, fresh=settings.fresh, **more
        )
    if settings.insecure_plaintext:
        log(PLAINTEXT, "plaintext", "warning")

    def reload() -> None:
        work.reload(Party.of(settings.reread()).addresses())
        terminal.note("the keys of the others were read again", "reloaded")

    with terminal.shown():
        try:
            report = run_until_signalled(work.run(), work.halt, reload)
        except Halted:
            terminal.note(
                "stopped after a step, as asked; the same command goes on from there", "halted"
            )
            return 0
    with reacting(unwind):
        finish(
            settings, work, report, terminal, {} if watch is None else {"measured": watch.figures()}
        )
    return 0


def finish(
    settings: TakingPart, work: Run, report: Report, terminal: Terminal, measured: dict[str, Any]
) -> None:
    """Write and print what was learnt, and what it cost. OutOfRangeError instead if it is out of
    range and nobody accepts that."""
    intent = work.intent
    report = replace(report, results=in_words(intent.job, report.results))
    learnt = ", ".join(f"{name} {array.shape}" for name, array in report.results.items())
    terminal.note(f"revealed to {intent.role}: {learnt or 'nothing'}", "revealed")
    terminal.note(
        f"done in {span(report.seconds)} online: {counts(report)}; waited for material"
        f" {counted(report.waits_for_material, 'time')}",
        "done",
    )
    if beyond := out_of_range(report, settings.accept_out_of_range):
        terminal.note(beyond, "out of range")
    for remark in intent.job.remarks(report.results, report.history.values):
        terminal.note(f"note: {remark}")
    keep = settings.keep if isinstance(settings, RunSettings) else None
    if report.model is not None and keep is not None:
        with held():
            put(report.model, keep, settings.model)
        terminal.note(
            f"wrote {intent.role}'s share of the model {report.model.name} to {keep}",
            "written",
        )
    job = settings.job or type(intent.job).__name__
    put_out(
        settings,
        intent.role,
        report,
        terminal,
        {"job": Path(job).name} | summary(intent.role, intent.iterations, report) | measured,
        lambda path: Exportable.of(intent.job, work.brought, work.preparation()).write(
            path, report.results
        ),
        work.ids_of,
    )


def check_out(path: Path | None, job: Job) -> None:
    """ConfigError if what this job reveals cannot be written there: arrays, or a model."""
    if path is not None and _is_model(path):
        check_model(job)
        path = path.with_suffix(".npz")
    if path is not None:
        check_output(path)


def put_out(
    settings: OutputSettings,
    who: str,
    report: Report,
    terminal: Terminal,
    said: dict[str, Any],
    export: Export,
    ids_of: IdsOf = lambda places: None,
) -> None:
    """Results to the file that was asked for, and to standard output as text, or with all that is
    `said` as JSON."""
    if settings.out is not None:
        if report.results:
            with held():  # it ends by itself in a moment, and this is what it was started for
                wrote = (
                    save_model(settings.out, report, export)
                    if _is_model(settings.out)
                    else save_report(settings.out, report, ids_of)
                )
            terminal.note(f"wrote {wrote}", "written")
        else:
            terminal.note(f"nothing was revealed to {who}, so {settings.out} is not written")
    if settings.json:
        print(json.dumps(said))
    elif settings.out is None or not terminal.for_programs:  # a service's output ends in a log
        for name, array in report.results.items():
            print(f"{name} =\n{shown(array)}")
        if not report.results:
            print(f"nothing was revealed to {who}")
        elif report.rows is not None:
            print(
                f"rows, from 0, of {who}'s table that these are of, where there is one for"
                f" each:\n{shown(report.rows)}"
            )
        if report.scored is not None:
            print(f"rows, from 0, that the scores are of:\n{shown(report.scored)}")
    sys.stdout.flush()


def save_report(path: Path, report: Report, ids_of: IdsOf = lambda places: None) -> str:
    """Results, and which rows they are of where that is known, all to a .npz. Elsewhere the first
    result alone, and in a file beside it its rows if it has an entry for each; a .csv has the ids
    of these, where there are any. The names of the files, and of results that are not written."""
    places = {
        name: each
        for name, each in (("rows", report.rows), ("scored", report.scored))
        if each is not None
    }
    if path.suffix.lower() == ".npz":
        save_results(path, places | report.results)
        return str(path)
    first, *others = [*report.results] or [""]
    wrote = f"{path}: {first}" if others else str(path)
    rows = report.scored if first == "scores" and report.scored is not None else report.rows
    if rows is not None and (not first or report.results[first].shape[:1] != rows.shape):
        rows = None
    save_results(path, report.results, None if rows is None else ids_of(rows))
    if rows is not None:
        beside = path.with_suffix(f".rows{path.suffix}")
        save_results(beside, {"rows": rows})
        wrote += f", and {beside}: which rows, from 0, it is of"
    if others:
        wrote += f"; not {', '.join(others)}, for which a .npz has room"
    return wrote


def _is_model(path: Path) -> bool:
    return path.suffix.lower() == ".onnx"


def save_model(path: Path, report: Report, export: Export) -> str:
    """The model as ONNX, its tables' preparation included. Where that cannot be, the results as
    they are, so that nothing is lost."""
    try:
        return "; ".join(export(path))
    except MpcError as error:
        # and not the .npz of weights that may stand beside it
        instead = path.with_name(f"{path.name}.npz")
        save_report(instead, report)
        raise type(error)(
            f"{error}; the results are in {instead}, and export makes a model of them"
        ) from None


def summary(role: str, iterations: int | None, report: Report) -> dict[str, Any]:
    """The report as plain data; bytes are payload bytes."""
    planned = iterations if report.iterations is None else report.iterations
    return {
        "role": role,
        "iterations": planned,
        "steps": report.history.steps[-1] if report.history.steps else planned,
        "best": report.history.best,
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
        "model": None if report.model is None else report.model.id,
        **({} if report.rows is None else {"rows": report.rows.tolist()}),
        **({} if report.scored is None else {"scored": report.scored.tolist()}),
        "history": {
            "steps": report.history.steps,
            **{
                name: [each.tolist() for each in found]
                for name, found in report.history.values.items()
            },
        },
        "results": {name: array.tolist() for name, array in report.results.items()},
    }
