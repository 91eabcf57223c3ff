"""`python -m party plan`: what a run will cost, exactly, before anything runs; and how long it
should take over a given link."""

from __future__ import annotations

import json
from dataclasses import replace

from rich.console import Console

from protocol.channel import LinkShape, parse_shape
from protocol.errors import ConfigError
from protocol.jobs import Job

from ..command_settings import PlanSettings
from ..given import given
from ..loading import load_job, parameters
from ..pages.plan import save as save_page
from ..planned import network, planned
from ..predicting import learners, predicted
from ..shared import SharedModel, begin, check_place


def run(settings: PlanSettings) -> int:
    """Trace the job and print its plan: rounds, bytes, reveals, errors, predicted seconds; --json
    as one object, --html as a page, --save for the dealer. Nothing is sent. Exit code 0."""
    model = None if settings.model is None else SharedModel.read(settings.model)
    job = (
        _prediction(settings, model)
        if settings.predict
        else load_job(settings.job, parameters(settings.param))
    )
    if model is not None:
        begin(job, model)
    if settings.keep is not None:
        check_place(settings.keep, job, settings.model, lasting=True)
    plan = planned(
        job,
        settings.job,
        given(settings),
        dict(settings.shape),
        iterations=settings.iterations,
        reveal=settings.reveal,
        guard=settings.guard == "on",
        network=network(settings.rtt, settings.bandwidth, settings.dealer_bandwidth),
        learnt={} if model is None else model.learnt,
    ).over(*_links(settings))
    if settings.save is not None:
        plan.save(settings.save)
    if settings.html is not None:
        save_page(plan, settings.html)
    on_disk = plan.material_bytes(settings.spare)
    if settings.json:
        print(json.dumps(plan.as_data() | {"material_bytes": on_disk}))
    else:
        plan.show(Console(highlight=False, soft_wrap=True))
        print(
            f"Material made ahead: {on_disk['alice']:,} bytes on disk for alice and"
            f" {on_disk['bob']:,} for bob, with {settings.spare:.0%} more rows than steps, for what"
            " a crash makes do again."
        )
        if settings.save is not None:
            print(
                f"Wrote {settings.save}, from which `python -m dealer precompute --plan"
                f" {settings.save}` works."
            )
        if settings.html is not None:
            print(f"Wrote {settings.html}, for a browser.")
    return 0


def _prediction(settings: PlanSettings, model: SharedModel | None) -> Job:
    """What `predict` would run: on rows of this party where it has given some, or else of the
    peer's."""
    if model is None:
        raise ConfigError(
            "--predict plans what a model says of new rows; say which: --model FILE, this party's"
            " share of it"
        )
    if settings.keep is not None:
        raise ConfigError("--keep: a prediction trains nothing that could be kept")
    given = parameters(settings.param)
    job = None if settings.job == PlanSettings.job.default else load_job(settings.job, given)
    return predicted(
        model, job, given, bool(settings.data or settings.table), learners(settings.predict)
    )


def _links(settings: PlanSettings) -> tuple[LinkShape, LinkShape]:
    """The links that the prediction is for: between the parties, and to the dealer; as far as
    nothing else is said, what is planned for."""
    given = {"rtt": settings.rtt, "bandwidth": settings.bandwidth}
    own = {name: value for name, value in given.items() if value is not None}
    told = bool(own) or settings.dealer_bandwidth is not None
    whole = network(settings.rtt, settings.bandwidth, settings.dealer_bandwidth)
    link = LinkShape(whole.rtt, 0.0, whole.bandwidth) if told else LinkShape()
    if settings.link:
        link = replace(parse_shape(settings.link), **own)
    if settings.dealer_link:
        return link, parse_shape(settings.dealer_link)
    return link, replace(link, bandwidth=whole.dealer_bandwidth) if told else link
