"""The time that a plan takes, as parts of a page: where it goes, every round on a time line, and
the same over other links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from protocol.breakdown import rounds
from protocol.channel import LinkShape
from protocol.channel.shaping import PROFILES
from protocol.cost import PACE, Network, PhaseCost, dealing_seconds, online_seconds
from protocol.graph import Phase
from protocol.plan import Plan
from protocol.predict import predict
from protocol.wording import counted, span, unit

from ..planned import Planned
from .charts import Crossing, Curve, bar, curves, even, folded, key, table, time_line
from .markup import Content, tag

NAMES = {
    Phase.SETUP: "Before",
    Phase.STEP: "Each iteration",
    Phase.CHECK: "Each check",
    Phase.FINISH: "After",
}
RATES = {"no limit": 0.0, "100 Mbit/s": 100e6, "10 Mbit/s": 10e6}  # of the curves


def _split(cost: PhaseCost, network: Network) -> tuple[float, float, float]:
    """Seconds of latency, of bytes crossing, and of the processes' own work in one execution."""
    idle = PACE.scaled(0.0)
    crossing = online_seconds(cost, replace(network, rtt=0.0, jitter=0.0), idle)
    both = online_seconds(cost, network, idle)
    return both - crossing, crossing, online_seconds(cost, network) - both


def where_time_goes(planned: Planned) -> Element:
    """Where the time of the run goes: latency, bytes, the processes' own work, and waiting for the
    dealer."""
    plan, network = planned.plan, planned.network
    split = [(times, *_split(cost, network)) for cost, times in plan.executions]
    latency, crossing, own = (sum(row[0] * row[n] for row in split) for n in (1, 2, 3))
    waited = planned.predicted.waited_for_material
    shares = {
        "kind-1": ("latency", latency),
        "kind-2": ("bytes crossing the link", crossing),
        "kind-3": ("the processes' own work", own),
        "wait": ("bob waiting for the dealer", waited),
    }
    whole = latency + crossing + own + waited or 1.0
    long = bar(*((colour, seconds) for colour, (_, seconds) in shares.items()), whole=whole)
    long.set("class", "bar whole")
    texts = [
        (colour, f"{name}: {span(seconds)} ({seconds / whole:.0%})")
        for colour, (name, seconds) in shares.items()
    ]
    return tag("section", tag("h2", "Where the time goes"), long, key(*texts))


def time_lines(planned: Planned) -> list[Content]:
    """For every phase with rounds: a picture of its messages on the way, latency as slope and bytes
    as width, at the rates of the plan's network."""
    plan, network = planned.plan, planned.network
    found: list[Content] = [
        tag("h2", "Rounds on a time line"),
        tag(
            "p",
            "In a round each party sends one message and goes on when the other's has come. A band"
            " is a message on its way: its slope is latency, its width the time that its bytes"
            " take. The numbers above are those of the rounds in the tables.",
        ),
    ]
    main = Phase.STEP if plan.dealing.steps and plan.costs[Phase.STEP].rounds else Phase.FINISH
    for phase in (main, *(each for each in Phase if each != main)):
        cost, times = plan.costs[phase], plan.dealing.count(phase)
        if not cost.rounds or not times:
            continue
        seconds = online_seconds(cost, network)
        often = f", {times:,} times" if times > 1 else ""
        heads = tag("b", NAMES[phase]), f": {counted(cost.rounds, 'round')}, {span(seconds)}{often}"
        opened = "open" if phase == main else None
        found.append(
            tag("details", tag("summary", *heads), *_phase(plan, phase, network), open=opened)
        )
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
    between = f"{counted(len(each), 'round')} between alice and bob in {span(end)}"
    said = f"{NAMES[phase]}: {between}{dealt}."
    rows = [
        (f"{n}", _opened(one.opens, one.reveals), f"{max(one.sent):,}", span(seconds))
        for n, (one, seconds) in enumerate(zip(each, times, strict=True), 1)
    ]
    headings = ("Round", "opens, masked; or reveals", "bytes each way", "takes")
    return [
        tag("figure", time_line(crossings, end, dealing, said), tag("figcaption", said)),
        *folded(f"Rounds, {NAMES[phase].lower()}", headings, rows, "ttnn", 20),
    ]


def _opened(opens: Sequence[str], reveals: Sequence[str]) -> str:
    parts = [", ".join(opens)] if opens else []
    return "; ".join([*parts, f"reveals {', '.join(reveals)}"] if reveals else parts)


def other_links(planned: Planned) -> list[Content]:
    """The dealer's link is what it was stated to be, or like the one between the parties where it
    was like that."""
    plan, alike = planned.plan, planned.dealer_link == planned.link
    far = max(0.2, 1.25 * planned.link.rtt)
    distances = [far * n / 40 for n in range(41)]

    def to_dealer(link: LinkShape) -> LinkShape:
        return link if alike else planned.dealer_link

    def seconds(link: LinkShape) -> float:
        return predict(plan, link, to_dealer(link)).seconds

    stated = planned.predicted.seconds
    found = {
        name: [seconds(LinkShape(rtt, 0.0, rate)) for rtt in distances]
        for name, rate in RATES.items()
    }
    high = max(stated, *(each[-1] for each in found.values()))
    name, factor = unit(high)
    lines = [
        Curve(rate, [(1e3 * rtt, s / factor) for rtt, s in zip(distances, each, strict=True)])
        for rate, each in found.items()
    ]
    said = (
        "The run's time against the round-trip time, from"
        f" {span(min(min(each) for each in found.values()))} to {span(high)}."
    )
    rows = [
        (name, f"{shape}", f"{to_dealer(shape)}", span(seconds(shape)))
        for name, shape in PROFILES.items()
        if name != "none"
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
                "Curves are of bandwidths between the parties. The dealer's link"
                f" {'is like theirs' if alike else f'stays {planned.dealer_link}'}; the dot is the"
                " stated link.",
            ),
        ),
        table(
            "Other links", ("Link", "between the parties", "to the dealer", "takes"), rows, "tttn"
        ),
    ]
