"""`python -m party --role alice|bob`: take part in one session."""

from __future__ import annotations

from pathlib import Path

from protocol.errors import ConfigError
from protocol.log import configure
from protocol.web.options import WatchSettings
from protocol.wording import span

from ..api import Party, plain, simulate
from ..command_settings import RunSettings
from ..declining import declining
from ..display import Terminal
from ..given import given
from ..loading import load_job, parameters
from ..result import counts, out_of_range
from ..shared import Named, SharedModel, check_place
from ..stopwatch import Stopwatch
from ..taking_part import check_out, put_out, role_of, summary, take_part


def run(settings: RunSettings) -> int:
    """Meet the peer and the dealer, compute, write and print the results; with --plain or
    --simulate alone in this process. Exit code 0, also where a signal stopped it after a step that
    is on disk; else that of the error."""
    if settings.plain or settings.simulate:
        return _alone(settings)
    role = role_of(settings)
    job = load_job(settings.job, parameters(settings.param))
    if settings.keep is not None:
        check_place(settings.keep, job, settings.model, settings.state is not None)
    with declining(role, lambda: Party.of(settings).addresses()):
        model = None if settings.model is None else SharedModel.read(settings.model)
    return take_part(
        settings,
        job,
        model,
        watch=None if settings.measure is None else Stopwatch(settings.measure),
        iterations=settings.iterations,
        reveal=settings.reveal,
        keep=settings.keep is not None,
        named=Named(settings.job, parameters(settings.param)),
    )


def _alone(settings: RunSettings) -> int:
    """The same command on the tensors of both parties, in the clear or simulated. Links, keys and
    state mean nothing then."""
    how = "plain" if settings.plain else "simulate"
    if settings.plain and settings.simulate:
        raise ConfigError(
            "--plain and --simulate are two ways to run a job alone; give one of them"
        )
    if settings.keep is not None or settings.model is not None:
        raise ConfigError(
            f"--{how} runs without a peer, and --keep and --model are for a model that two parties"
            " share"
        )
    for setting in WatchSettings.declared.values():  # what a file says is for other runs as well
        if settings.origin(setting.name) == "option":
            raise ConfigError(
                f"{setting.option} shows a run with a peer, and --{how} runs without one; leave out"
                " one of them"
            )
    terminal = Terminal(how, *configure(how, settings.log_format, settings.quiet), settings.quiet)
    job = load_job(settings.job, parameters(settings.param))
    check_out(settings.out, job)
    data = given(settings)
    if settings.plain:
        found = plain(job, data, iterations=settings.iterations, view=terminal)
        terminal.note(f"done in {span(found.report.seconds)} in the clear, with float64", "done")
    else:
        found = simulate(
            job,
            data,
            iterations=settings.iterations,
            reveal=settings.reveal,
            guard=settings.guard == "on",
            accept_out_of_range=settings.accept_out_of_range,
            view=terminal,
        )
        terminal.note(
            f"done in {span(found.report.seconds)}, dealer, alice and bob in one process:"
            f" {counts(found.report)}",
            "done",
        )
        if beyond := out_of_range(found.report, settings.accept_out_of_range):
            terminal.note(beyond, "out of range")
    for remark in found.remarks:
        terminal.note(f"note: {remark}")
    said = {"job": Path(settings.job).name} | summary(how, None, found.report)
    put_out(settings, "anybody", found.report, terminal, said, found.export)
    return 0
