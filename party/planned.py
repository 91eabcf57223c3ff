"""A plan as a value: what a run will cost, exactly, before anything runs, and how long it should
take over a given link."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from protocol.channel import LinkShape
from protocol.cost import LAN, Network
from protocol.errors import ConfigError
from protocol.graph import Phase
from protocol.jobs import ROLES, Job
from protocol.matching import matching
from protocol.plan import Plan, make_plan
from protocol.planfile import save_plan
from protocol.predict import PredictedTime, predict
from protocol.sealed_material import Extent, Layout
from protocol.tables import tables
from protocol.views import Shape
from protocol.wording import counted, recurring, size, span

from .formats.frames import Frame
from .formats.preparation import Fitted, fit
from .given import Given
from .inputs import default_tensor, read_inputs
from .intent import LEARNERS
from .loading import check_tensors
from .own_code import trace_job

PERFECT = LinkShape()
COUNTS = ("rounds", "messages", "alice sends", "bob sends", "dealt to bob")
ELSEWHERE = (
    "These times are over the links of the prediction; --rtt, --bandwidth and --dealer-bandwidth"
    " (in Python, network) choose for them"
)
USUAL = (
    "For the usual network, a local one, comparisons are by bits alone, for so the least is dealt,"
    " even where another way is a little shorter"
)
WIDEST = 1000  # columns that a table may ask for
LABELS = ("before", "each iteration", "each check", "after")  # by phase


@dataclass(frozen=True, kw_only=True, repr=False)
class Planned:
    """What a job costs: exact counts of rounds, payload bytes and reveals; printed, the table and
    sentences of `python -m party plan`."""

    name: str
    plan: Plan
    link: LinkShape = PERFECT  # between the parties, for the prediction
    dealer_link: LinkShape = PERFECT

    @property
    def rounds(self) -> int:
        """Exchanges, one after the other; the run may end early at a check, so this is an upper
        bound."""
        return self.plan.rounds

    @property
    def bytes_sent(self) -> dict[str, int]:
        """Payload bytes that each party sends to the other, by role."""
        return {role: self.plan.bytes_sent(party) for party, role in enumerate(ROLES)}

    @property
    def dealt_bytes(self) -> dict[str, int]:
        """Payload bytes that the dealer sends to each party, by role: a seed, and to bob
        corrections."""
        return {"alice": 32, "bob": self.plan.dealt_bytes + 32}

    @property
    def reveals(self) -> list[str]:
        """What is revealed, to whom, and what it is made of: a line each."""
        return self.plan.reveals

    @property
    def predicted(self) -> PredictedTime:
        """Predicted seconds over the links."""
        return self.prediction(self.plan)

    @property
    def network(self) -> Network:
        """Both links in one record, as a plan is made for."""
        link = self.link
        return Network(link.rtt, link.bandwidth, self.dealer_link.bandwidth, link.jitter)

    @property
    def choosing(self) -> list[str]:
        """Why what was chosen may take longer here than what was not, in sentences."""
        chosen_for = self.plan.traced.network
        said = [USUAL] if self.plan.comparisons and chosen_for == LAN else []
        return said + [ELSEWHERE] * (self.network != chosen_for)

    def prediction(self, plan: Plan) -> PredictedTime:
        """Seconds over the same links, of another plan for the same job."""
        return predict(plan, self.link, self.dealer_link)

    def over(self, link: LinkShape, dealer_link: LinkShape | None = None) -> Planned:
        """The same over other links; the dealer's is like the one between the parties if it is not
        given."""
        return replace(self, link=link, dealer_link=dealer_link or link)

    def material_bytes(self, spare: float = 0.1) -> dict[str, int]:
        """What `python -m dealer precompute` writes for each party, with so much more rows than
        steps."""
        extent = Extent.of(self.plan.dealing, spare)
        return {role: Layout(self.plan.dealing, extent, role).size for role in ROLES}

    def save(self, path: str | Path) -> None:
        """Write the part from which `python -m dealer precompute --plan` works."""
        save_plan(Path(path), self.plan.dealing)

    def as_data(self) -> dict[str, Any]:
        """Plain data, as `python -m party plan --json` prints it."""
        plan, predicted = self.plan, self.predicted
        return {
            "job": self.name,
            "iterations": plan.dealing.steps,
            "rounds": self.rounds,
            "messages": 2 * self.rounds,
            "bytes_sent": self.bytes_sent,
            "dealt_bytes": self.dealt_bytes,
            "per_iteration": {
                "rounds": plan.costs[Phase.STEP].rounds,
                "bytes_sent": list(plan.costs[Phase.STEP].sent),
            },
            "check_every": plan.dealing.schedule.every,
            "memory_bytes": {"party": plan.party_memory, "dealer": plan.dealer_memory},
            "predicted_seconds": predicted.seconds,
            "predicted_step_seconds": predicted.step_seconds,
            "digest": plan.digest,
            "reveals": self.reveals,
            "kept": {name: list(each.dims) for name, each in plan.kept.items()},
            "fraction_bits": plan.traced.numerics.fraction_bits,
            "choice": plan.traced.choice,
            "comparisons": [self._way(way) for way in plan.comparisons],
            "assumptions": plan.traced.assumptions,
            "warnings": plan.lowering.warnings,
        }

    @property
    def text(self) -> str:
        """The table, and what follows from it in sentences."""
        page = io.StringIO()
        self.show(
            Console(file=page, width=100, highlight=False, soft_wrap=True, force_jupyter=False)
        )
        return page.getvalue().rstrip()

    def __repr__(self) -> str:
        return self.text

    def show(self, console: Console) -> None:
        """Print `text` on a console, as wide as that is."""
        plan = self.plan
        every = plan.dealing.schedule.every
        console.print(f"job {self.name}: {counted(plan.dealing.steps, 'iteration')}", markup=False)
        self._show_counts(console)
        if every:
            console.print(
                f"A check comes after {recurring(every, 'iteration')} and after the last; the"
                " run may end at any, so these are upper bounds."
            )
        console.print(
            "Bytes are payload. Alice is dealt a 32-byte seed; so is Bob, besides the above."
        )
        console.print(
            f"Memory: about {size(plan.party_memory)} of tensors and material at a party,"
            f" {size(plan.dealer_memory)} at the dealer."
        )
        predicted = self.predicted
        each = ""
        if steps := plan.dealing.steps:
            each = f", {span(predicted.step_seconds / steps)} an iteration, with checks and waits"
        both, dealer = (
            f"{link}" if link != PERFECT else "a link without latency or limit"
            for link in (self.link, self.dealer_link)
        )
        if self.dealer_link != self.link:
            both = f"{both}, and {dealer} to the dealer"
        console.print(f"Predicted: {span(predicted.seconds)} online over {both}{each}.")
        if plan.kept:
            console.print(f"Kept: {plan.keeps}.", markup=False)
        for line in self.reveals:
            console.print(f"It reveals {line}.", markup=False)
        console.print(f"Fraction bits: {plan.traced.choice}.", markup=False)
        for n, way in enumerate(plan.comparisons):
            how = "would be" if n else f"are made, for {plan.traced.network},"
            console.print(f"Comparisons {how} {self._way(way)}.", markup=False)
        for text in self.choosing if plan.comparisons else ():
            console.print(f"{text}.")
        for text in plan.notes:
            console.print(f"Note: {text}.", markup=False)

    def _way(self, way: Plan) -> str:
        """How comparisons join in a plan, and what a run costs so."""
        return (
            f"{way.lowering.joins}: {counted(way.rounds, 'round')},"
            f" {max(map(way.bytes_sent, (0, 1))):,} bytes sent by a party, {way.dealt_bytes:,}"
            f" dealt, {span(self.prediction(way).seconds)}"
        )

    def _show_counts(self, console: Console) -> None:
        """A table of exact counts; where that would not fit, a sentence for each row."""
        plan = self.plan
        table = Table(*(Column(each, justify="right", no_wrap=True) for each in ("", *COUNTS)))
        table.columns[0].justify = "left"
        rows: list[tuple[str, int, int, int, int, int]] = [
            (label, cost.rounds, 2 * cost.rounds, *cost.sent, cost.dealt)
            for label, (cost, times) in zip(LABELS, plan.executions, strict=True)
            if label != LABELS[Phase.CHECK] or times
        ]
        alice, bob = map(plan.bytes_sent, (0, 1))
        rows.append(("in all", plan.rounds, 2 * plan.rounds, alice, bob, plan.dealt_bytes))
        for label, *counts in rows:
            table.add_row(label, *(f"{n:,}" for n in counts), end_section=label == LABELS[-1])
        if Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum <= (
            console.width
        ):
            console.print(table)
            return
        for label, rounds, messages, alice, bob, dealt in rows:
            console.print(
                f"{label}: {counted(rounds, 'round')}, {counted(messages, 'message')}, alice sends"
                f" {counted(alice, 'byte')}, bob sends {bob:,}, dealt to bob {dealt:,}"
            )


def network(rtt: float | None, bandwidth: float | None, dealer_bandwidth: float | None) -> Network:
    """What is planned for: a local network, as far as nothing else is said."""
    given = {"rtt": rtt, "bandwidth": bandwidth, "dealer_bandwidth": dealer_bandwidth}
    return replace(LAN, **{name: value for name, value in given.items() if value is not None})


def planned(
    job: Job,
    name: str,
    files: Given,
    shapes: Mapping[str, Shape],
    *,
    iterations: int | None = None,
    reveal: str | None = None,
    guard: bool = True,
    network: Network = LAN,
    option: str = "--shape",
    learnt: Mapping[str, Fitted] = MappingProxyType({}),
) -> Planned:
    """The plan of `job` for tensors that are given as for a run, or known by their shapes.

    option: where a shape can be said. learnt: what preparation learnt with the model that the job
        begins with.
    """
    traced = trace_job(job, known_shapes(job, files, shapes, option, learnt), iterations, network)
    return Planned(name=name, plan=make_plan(traced, 0, LEARNERS[reveal or job.reveal], guard))


def known_shapes(
    job: Job,
    files: Given,
    given: Mapping[str, Shape],
    option: str = "--shape",
    learnt: Mapping[str, Fitted] = MappingProxyType({}),
) -> dict[str, Shape]:
    """Shapes from files, as they are given, from the job's own numbers, from axes of one name, or
    from its defaults."""
    check_tensors(job, given, option)
    read: dict[str, Shape] = {}
    for role in ROLES:
        own = read_inputs(job, role, files, learnt)
        read |= {name: array.shape for name, array in own.arrays.items()}
        read |= {
            name: (len(frame), *_widths(job, name, frame)) for name, frame in own.pending.items()
        }
    shapes, axes = read | dict(given), dict[str, int]()
    if (rows := matching(job)) is not None:  # at most so many are common
        matched = {name: shape for name, shape in shapes.items() if name in rows.tensors}
        most = min((shape[0] for shape in matched.values() if shape), default=0)
        most = rows.rows if isinstance(rows.rows, int) else most
        shapes |= {name: (most, *shape[1:]) for name, shape in matched.items()}
    for name, shape in shapes.items():
        axes |= {
            axis: n
            for axis, n in zip(job.inputs[name].shape, shape, strict=False)
            if isinstance(axis, str)
        }
    for name, declared in job.inputs.items():
        found = tuple(axes.get(n, 0) if isinstance(n, str) else n for n in declared.shape)
        if name in shapes:
            continue
        if all(n in axes or isinstance(n, int) for n in declared.shape):
            shapes[name] = found
        elif declared.default is not None:
            shapes[name] = default_tensor(name, declared).shape
        else:
            raise ConfigError(
                f"the shape of {name} is not known here: give {option} {name}=ROWSxCOLUMNS"
            )
    return shapes


def _widths(job: Job, name: str, frame: Frame) -> tuple[int, ...]:
    """What becomes of the columns of a table whose rows are to be matched."""
    declared = tuple(length for length in job.inputs[name].shape[1:] if isinstance(length, int))
    if declared:
        return declared
    parts = {
        table.tensor(role): table.part(role)
        for table in tables(job).values()
        for role in table.owners
    }
    return (len(fit(frame, parts[name].steps).names),)
