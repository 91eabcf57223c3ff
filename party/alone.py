"""What one process does with a job by itself, on the tensors of both parties: plan it, run it in
the clear, simulate it."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from protocol.channel import parse_shape
from protocol.cost import LAN, Network
from protocol.errors import OutOfRangeError
from protocol.graph import Array
from protocol.history import History
from protocol.jobs import Job
from protocol.matching import matching
from protocol.origin import source
from protocol.simulate import Simulation, twin
from protocol.simulate import simulate as simulated

from .exporting import Exportable
from .formats.preparation import Fitted
from .given import Given, handed
from .intent import LEARNERS, who_learns
from .keyed import all_inputs
from .loading import AnyJob, any_job
from .own_code import blame
from .planned import Planned, planned
from .report import Report
from .result import Result
from .rows import Places, scored, shapes_of
from .shared import SharedModel, begin, keeping
from .view import RunView

# what is drawn is no secret here, and drawn alike by each, so that results can be compared
KEY = bytes(32)


def plan(
    job: AnyJob,
    data: Any = None,
    /,
    *,
    iterations: int | None = None,
    reveal: str | None = None,
    keep: bool = False,
    model: SharedModel | str | Path | None = None,
    guard: bool = True,
    network: Network = LAN,
    link: str | None = None,
    dealer_link: str | None = None,
    **tensors: Any,
) -> Planned:
    """What a run of `job` costs. A tensor is a shape, as in x=(1000, 20), or given as for a run;
    some shapes the job knows itself.

    `link`, as "rtt=40ms,bandwidth=100mbit" or "ocean", is what the prediction is for; `network` is
    what is planned for. `keep` and `model` are those of the run (`Party.run`). ConfigError for a
    shape that is not known, ShareError for a model of another job.
    """
    work, given = copy.copy(any_job(job)), handed(data, tensors)
    half = SharedModel.read(model) if isinstance(model, (str, Path)) else model
    work.kept = ()
    if keep:
        keeping(work)
    if half is not None:
        begin(work, half)
    shapes = {name: each for name, each in given.data.items() if _is_shape(each)}
    given = replace(
        given, data={name: each for name, each in given.data.items() if name not in shapes}
    )
    found = planned(
        work,
        job if isinstance(job, str) else type(work).__name__,
        given,
        shapes,
        iterations=iterations,
        reveal=who_learns(work, reveal),
        guard=guard,
        network=network,
        option="plan(…):",
        learnt={} if half is None else half.learnt,
    )
    return found.over(
        parse_shape(link or "none"), parse_shape(dealer_link) if dealer_link else None
    )


def _is_shape(given: Any) -> bool:
    return isinstance(given, tuple) and all(isinstance(length, int) for length in given)


def plain(
    job: AnyJob,
    data: Any = None,
    /,
    *,
    iterations: int | None = None,
    view: RunView | None = None,
    **tensors: Any,
) -> Result:
    """The plaintext twin of a run: the same job in float64 with NumPy, on the tensors of both
    parties; nothing is hidden.

    `view` is told what was read.
    """
    work, inputs, model = _all(job, data, tensors, view)
    begun = time.monotonic()
    with blame(source(type(work)), limited=False):
        values, history, steps = twin(work, inputs, iterations, LEARNERS[work.reveal])
    for name, array in values.items():
        if not np.isfinite(array).all():
            raise OutOfRangeError(
                f"{name} is not finite, in float64 too: what is computed grows without end; bring"
                " the inputs to a common scale (standardise them), or lower the rate of a training"
            )
    report = Report(
        results=values,
        scored=_scored(work, inputs, values),
        history=history,
        iterations=steps,
        seconds=time.monotonic() - begun,
    )
    return Result.of(report, exportable=model)


def simulate(
    job: AnyJob,
    data: Any = None,
    /,
    *,
    iterations: int | None = None,
    reveal: str | None = None,
    guard: bool = True,
    accept_out_of_range: bool = False,
    view: RunView | None = None,
    **tensors: Any,
) -> Result:
    """Both parties and a dealer in this process, through the real protocol, on the tensors of both:
    to try a job out.

    `view` is told what was read. OutOfRangeError where values left the range assumed for them,
    unless that is accepted. The report's bytes are alice's.
    """
    work, inputs, model = _all(job, data, tensors, view)
    begun = time.monotonic()
    with blame(source(type(work)), limited=False):
        found = simulated(
            work,
            inputs,
            iterations,
            LEARNERS[who_learns(work, reveal)],
            None,
            guard,
            accept_out_of_range,
        )
    if view is not None:
        view.note(f"fraction bits: {found.plan.traced.choice}")
    report = report_of(found, time.monotonic() - begun)
    report.scored = _scored(work, inputs, report.results)
    return Result.of(report, accept_out_of_range, model)


def _scored(work: Job, inputs: Mapping[str, Array], results: Mapping[str, Array]) -> Places | None:
    """As a run's, but of matched rows, whose order here is no run's, nothing."""
    if matching(work) is not None:
        return None
    return scored(work, shapes_of(inputs), None, results)


def report_of(found: Simulation, seconds: float) -> Report:
    """What both have learnt, and what it cost; bytes are alice's."""
    return Report(
        results=found.results[0] | found.results[1],
        history=History(found.checked, found.history[0] | found.history[1]),
        beyond=found.beyond,
        iterations=found.plan.dealing.steps,
        seconds=seconds,
        rounds=found.rounds,
        messages=2 * found.rounds,
        bytes_sent=found.bytes_sent[0],
        bytes_received=found.bytes_sent[1],
        dealt_bytes=found.dealt_bytes,
    )


def _all(
    job: AnyJob, data: Any, tensors: Mapping[str, Any], view: RunView | None
) -> tuple[Job, dict[str, Array], Exportable]:
    """A job, the tensors of both, and its model; `data` as `handed` takes it, or what a command was
    given."""
    work, fitted = any_job(job), dict[str, Fitted]()
    given = data if isinstance(data, Given) else handed(data, tensors)
    inputs = all_inputs(work, given, lambda: KEY, note=(view or RunView()).note, fitted=fitted)
    return work, inputs, Exportable.of(work, inputs, fitted)
