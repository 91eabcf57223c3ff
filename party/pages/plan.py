"""A plan as a page: rounds on a time line, bytes by operation, what is dealt, memory, and the ways that were not taken."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from protocol.breakdown import Part, kinds, parts, rounds
from protocol.channel import Shape
from protocol.channel.shaping import PROFILES
from protocol.cost import PACE, Network, PhaseCost, dealing_seconds, online_seconds, run_seconds
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.plan import Plan

from ..planned import Planned
from .amounts import size, span, unit
from .charts import Crossing, Curve, bar, curves, even, key, table, time_line
from .markup import Child, page, tag, write

LONGEST = 12  # rows of a table that are shown at once
NAMES = {Phase.SETUP: "Before", Phase.STEP: "Each iteration", Phase.CHECK: "Each check", Phase.FINISH: "After"}
RATES = {"no limit": 0.0, "100 Mbit/s": 100e6, "10 Mbit/s": 10e6}  # of the curves


def save(planned: Planned, path: Path) -> None:
    """Write the page of `planned`; ConfigError where that fails."""
    write(path, plan_page(planned), "--html")


def plan_page(planned: Planned) -> str:
    """One HTML file that needs nothing else."""
    plan = planned.plan
    title = f"What a run of {Path(planned.name).name} costs"
    link = (
        f"{planned.link}"
        if planned.link == planned.dealer_link
        else f"{planned.link}; to the dealer {planned.dealer_link}"
    )
    over = "a perfect link" if planned.link.free and planned.dealer_link.free else f"a link of {link}"
    return page(
        title,
        tag("h1", title),
        tag("p", f"Exact counts from the plan, before anything runs, and a prediction for {over}.", class_="quiet"),
        _tiles(planned),
        _whole_run(planned),
        *_time_lines(planned),
        *_operations(plan),
        *_dealt(plan),
        *_memory(planned),
        *_alternatives(plan),
        *_links(planned),
        *_words(plan),
        tag(
            "p",
            "Digest of the plan: ",
            tag("code", plan.digest),
            ". Both parties compare it before a run.",
            class_="small quiet",
        ),
    )


def _tiles(planned: Planned) -> Element:
    plan, predicted, sent = planned.plan, planned.predicted, [planned.plan.bytes_sent(party) for party in (0, 1)]
    steps = plan.dealing.steps
    each = f"{span(predicted.step_seconds / steps)} an iteration" if steps else "no iterations"
    each_sends = f"{sent[0]:,} B" if sent[0] == sent[1] else f"alice {sent[0]:,} B, bob {sent[1]:,} B"
    tiles = [
        ("Predicted, online", span(predicted.seconds), f"{steps:,} iterations, {each}" if steps else each),
        ("Rounds", f"{plan.rounds:,}", f"{2 * plan.rounds:,} messages"),
        ("Sent by a party", size(max(sent)), each_sends),
        ("Dealt", size(plan.dealt_bytes), f"to bob {plan.dealt_bytes:,} B; a seed of 32 B to each"),
    ]
    return tag("dl", *(tag("div", tag("dt", a), tag("dd", b, tag("small", c))) for a, b, c in tiles), class_="tiles")


# ---- time --------------------------------------------------------------------------------------------------------


class _Share(NamedTuple):
    """A part of the online phase."""

    colour: str
    name: str
    seconds: float


def _split(cost: PhaseCost, network: Network) -> tuple[float, float, float]:
    """Seconds of latency, of bytes crossing, and of the processes' own work in one execution."""
    idle = PACE.scaled(0.0)
    crossing = online_seconds(cost, replace(network, rtt=0.0, jitter=0.0), idle)
    both = online_seconds(cost, network, idle)
    return both - crossing, crossing, online_seconds(cost, network) - both


def _network(planned: Planned) -> Network:
    return Network(planned.link.rtt, planned.link.bandwidth, planned.dealer_link.bandwidth, planned.link.jitter)


def _whole_run(planned: Planned) -> Element:
    """Where the time of the run goes: latency, bytes, the processes' own work, and waiting for the dealer."""
    plan, network = planned.plan, _network(planned)
    counted = [(plan.costs[phase], plan.dealing.count(phase)) for phase in Phase]
    split = [(times, *_split(cost, network)) for cost, times in counted]
    latency, crossing, own = (sum(row[0] * row[n] for row in split) for n in (1, 2, 3))
    shares = [
        _Share("kind-1", "latency", latency),
        _Share("kind-2", "bytes crossing the link", crossing),
        _Share("kind-3", "the processes' own work", own),
        _Share("wait", "bob waiting for the dealer", planned.predicted.waited_for_material),
    ]
    whole = sum(each.seconds for each in shares) or 1.0
    long = bar(*((each.colour, each.seconds) for each in shares), whole=whole)
    long.set("class", "bar whole")
    texts = [(each.colour, f"{each.name}: {span(each.seconds)} ({each.seconds / whole:.0%})") for each in shares]
    return tag("section", tag("h2", "Where the time goes"), long, key(*texts))


def _time_lines(planned: Planned) -> list[Child]:
    plan, network = planned.plan, _network(planned)
    found: list[Child] = [
        tag("h2", "Rounds on a time line"),
        tag(
            "p",
            "In a round each party sends one message and goes on when the other's has come. A band is a message on its way: its slope is "
            "latency, its width the time that its bytes take. The numbers above are those of the rounds in the tables.",
        ),
    ]
    main = Phase.STEP if plan.dealing.steps and plan.costs[Phase.STEP].rounds else Phase.FINISH
    for phase in (main, *(each for each in Phase if each != main)):
        cost, times = plan.costs[phase], plan.dealing.count(phase)
        if not cost.rounds or not times:
            continue
        seconds = online_seconds(cost, network)
        often = f", {times:,} times" if times > 1 else ""
        heads = tag("b", NAMES[phase]), f": {_count(cost.rounds, 'round')}, {span(seconds)}{often}"
        opened = "open" if phase == main else None
        found.append(tag("details", tag("summary", *heads), *_phase(plan, phase, network), open=opened))
    return found


def _phase(plan: Plan, phase: Phase, network: Network) -> list[Element]:
    cost, each = plan.costs[phase], rounds(plan, phase)
    crossings, times, now = [], [], 0.0
    for one in each:
        latency, sending, own = _split(PhaseCost(1, one.sent, 0), network)
        crossings.append(Crossing(now + own, sending, now + own + latency + sending))
        times.append(own + latency + sending)
        now += times[-1]
    end = online_seconds(cost, network)
    dealing = dealing_seconds(cost.dealt, network) if cost.dealt else 0.0
    dealt = f", for which the dealer needs {span(dealing)}" if dealing else ""
    said = f"{NAMES[phase]}: {_count(len(each), 'round')} between alice and bob in {span(end)}{dealt}."
    rows = [
        (f"{n}", _opened(one.opens, one.reveals), f"{max(one.sent):,}", span(seconds))
        for n, (one, seconds) in enumerate(zip(each, times, strict=True), 1)
    ]
    headings = ("Round", "opens, masked; or reveals", "bytes each way", "takes")
    return [
        tag("figure", time_line(crossings, end, dealing, said), tag("figcaption", said)),
        *_cut(f"Rounds, {NAMES[phase].lower()}", headings, rows, "ttnn", 20),
    ]


def _opened(opens: Sequence[str], reveals: Sequence[str]) -> str:
    parts = [", ".join(opens)] if opens else []
    return "; ".join([*parts, f"reveals {', '.join(reveals)}"] if reveals else parts)


# ---- bytes -------------------------------------------------------------------------------------------------------


def _operations(plan: Plan) -> list[Child]:
    found: list[tuple[float, Part, Phase, int]] = []
    for phase in Phase:
        times = plan.dealing.count(phase)
        for part in parts(plan, phase) if times else ():
            found.append((times * (max(part.sent) + part.dealt), part, phase, times))
    found.sort(key=lambda row: -row[0])
    most = found[0][0] if found else 1.0
    rows = [
        (
            part.name,
            tag("code", part.line) if part.line else "",
            NAMES[phase].lower(),
            size(times * max(part.sent)),
            size(times * part.dealt),
            bar(("bob", times * max(part.sent)), ("dealer", times * part.dealt), whole=most),
        )
        for _, part, phase, times in found
    ]
    return [
        tag("h2", "Bytes by operation"),
        tag("p", "Of the whole run: what one party sends the other, and what the dealer sends to Bob."),
        key(("bob", "sent by a party"), ("dealer", "dealt")),
        *_cut("Bytes by operation", ("Operation", "line", "when", "sent", "dealt", ""), rows, "tttnnb"),
    ]


def _dealt(plan: Plan) -> list[Child]:
    total: dict[str, tuple[int, int]] = {}
    about: dict[str, str] = {}
    for phase in Phase:
        times = plan.dealing.count(phase)
        about |= {spec.kind: _about(spec) for spec in plan.dealing.phases[phase].correlations}
        for kind in kinds(plan, phase):
            count, dealt = total.get(kind.name, (0, 0))
            total[kind.name] = count + times * kind.count, dealt + times * kind.dealt
    ordered = sorted(((name, *counts) for name, counts in total.items() if counts[0]), key=lambda row: -row[2])
    most = ordered[0][2] if ordered else 1
    rows = [
        (
            name,
            tag("span", about[name], class_="small quiet"),
            f"{count:,}",
            size(dealt),
            bar(("dealer", dealt), whole=most),
        )
        for name, count, dealt in ordered
    ]
    return [
        tag("h2", "What the dealer makes"),
        tag("p", "Functions of random masks, made before there is anything to hide, and each used once."),
        table("What the dealer makes", ("Correlation", "what it is", "tensors", "dealt", ""), rows, "ttnnb"),
    ]


def _about(spec: object) -> str:
    """The first sentence of the file that a kind of correlation stands in."""
    text = sys.modules[type(spec).__module__].__doc__ or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def _memory(planned: Planned) -> list[Child]:
    files = planned.material_bytes()
    held = [
        ("Memory of a party: tensors and material", planned.plan.party_memory, "bob"),
        ("Memory of the dealer, for this session", planned.plan.dealer_memory, "dealer"),
        *((f"Disk, if the material is made ahead: {role}", files[role], role) for role in ROLES),
    ]
    most = max(count for _, count, _ in held)
    rows = [(name, size(count), bar((colour, count), whole=most)) for name, count, colour in held]
    return [tag("h2", "Memory and disk"), table("Memory and disk", ("", "about", ""), rows, "tnb")]


# ---- what else there is ------------------------------------------------------------------------------------------


def _alternatives(plan: Plan) -> list[Child]:
    ways, tried = plan.comparisons, plan.traced.tried
    found: list[Child] = []
    if ways:
        most = max(way.seconds for way in ways)
        rows = [
            (
                str(way.joins),
                f"{way.rounds:,}",
                size(way.sent),
                size(way.dealt),
                span(way.seconds),
                bar(("bob", way.seconds), whole=most),
            )
            for way in ways
        ]
        found += [
            tag("p", f"How comparisons join, planned for {plan.traced.network}: the first way is taken."),
            table("Comparisons", ("Comparisons", "rounds", "sent", "dealt", "takes", ""), rows, "tnnnnb", 0),
        ]
    if tried:
        most = max(one.seconds for one in tried)
        rows = [
            (
                f"{one.fraction_bits}",
                f"{one.rounds:,}",
                size(one.bytes),
                f"{one.error:.1e}",
                span(one.seconds),
                bar(("bob", one.seconds), whole=most),
            )
            for one in tried
        ]
        chosen = [one.fraction_bits for one in tried].index(plan.traced.numerics.fraction_bits)
        headings = ("Fraction bits", "rounds", "bytes", "error, of its range", "takes", "")
        found += [
            tag("p", f"Fraction bits, chosen: {plan.traced.choice}."),
            table("Fraction bits", headings, rows, "tnnnnb", chosen),
        ]
    elif not ways:
        found = [tag("p", "There was nothing to choose: nothing is compared, and the job states its fraction bits.")]
    return [tag("h2", "Ways that were not taken"), *found]


def _links(planned: Planned) -> list[Child]:
    plan = planned.plan
    costs = [(plan.costs[phase], plan.dealing.count(phase)) for phase in Phase]
    far = max(0.2, 1.25 * planned.link.rtt)
    distances = [far * n / 40 for n in range(41)]

    def seconds(rtt: float, rate: float) -> float:
        return run_seconds(costs, Network(rtt, rate, rate))

    stated = run_seconds(costs, _network(planned))
    found = {name: [seconds(rtt, rate) for rtt in distances] for name, rate in RATES.items()}
    high = max(stated, *(each[-1] for each in found.values()))
    name, factor = unit(high)
    lines = [
        Curve(rate, [(1e3 * rtt, s / factor) for rtt, s in zip(distances, each, strict=True)])
        for rate, each in found.items()
    ]
    said = f"The run's time against the round-trip time, from {span(seconds(0, 0))} to {span(high)}."
    rows = [
        (name, str(shape), span(run_seconds(costs, _over(shape)))) for name, shape in PROFILES.items() if name != "none"
    ]
    return [
        tag("h2", "The same plan over other links"),
        tag(
            "figure",
            curves(
                lines,
                even("round-trip time, ms", 0.0, 1e3 * far),
                even(f"time of the run, {name}", 0.0, high / factor),
                said,
                (1e3 * planned.link.rtt, stated / factor, span(stated)),
            ),
            tag(
                "figcaption",
                "Curves are of bandwidths, the dealer's link like the one between the parties; the dot is the stated link.",
            ),
        ),
        table("Other links", ("Link", "is", "takes"), rows, "ttn"),
    ]


def _over(link: Shape) -> Network:
    return Network(link.rtt, link.bandwidth, link.bandwidth, link.jitter)


def _words(plan: Plan) -> list[Child]:
    found: list[Child] = [tag("h2", "What is revealed"), _list(plan.reveals or ["nothing"])]
    if plan.kept:
        found.append(tag("p", f"Kept: {plan.keeps}."))
    notes = [*plan.traced.assumptions, *plan.lowering.warnings]
    return [*found, tag("h2", "What is assumed"), _list(notes)] if notes else found


def _list(lines: Sequence[str]) -> Element:
    return tag("ul", *(tag("li", line) for line in lines))


def _cut(
    label: str, headings: Sequence[str], rows: Sequence[Sequence[Child]], columns: str, longest: int = LONGEST
) -> list[Element]:
    """A table, and the end of a long one folded away."""
    found = [table(label, headings, rows[:longest], columns)]
    if rows[longest:]:
        rest = table(f"{label}, the rest", headings, rows[longest:], columns)
        found.append(tag("details", tag("summary", f"{len(rows) - longest:,} more"), rest))
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
