"""A plan as a page: rounds on a time line, bytes by operation, what is dealt, memory, and what else
could have been planned."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from protocol.breakdown import OperationCost, kinds, parts
from protocol.correlations.kind import Correlation
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.plan import Plan
from protocol.wording import counted, size, span

from ..planned import Planned
from .charts import bar, folded, key, table
from .markup import Content, page, tag, write
from .timing import NAMES, other_links, time_lines, where_time_goes

ABOUT = {  # of kinds that stand in a file with others
    "digits": "A comparison begins: what the digits of a mask are at least, as shared bits.",
    "join": "A comparison goes on: products of mask bits, by which several digits become one.",
    "bit": "A comparison ends: the mask bit of its outcome, as a shared number.",
    "gate": "A comparison chooses: a mask times the mask bit of the outcome that it is kept by.",
    "truncate": "Truncation: shifts of a mask, and of its wrap bit.",
    "shifted-mask": "A mask shifted as what is open under it, for a product that needs no round.",
    "monomials": "An elementwise polynomial without an opening: products of powers of masks.",
    "contraction": "A matrix product with such a polynomial: each of those times one more mask.",
}


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
    over = (
        "a perfect link" if planned.link.free and planned.dealer_link.free else f"a link of {link}"
    )
    return page(
        title,
        tag("h1", title),
        tag(
            "p",
            f"Exact counts from the plan, before anything runs, and a prediction for {over}.",
            class_="quiet",
        ),
        _tiles(planned),
        where_time_goes(planned),
        *time_lines(planned),
        *_operations(plan),
        *_dealt(plan),
        *_memory(planned),
        *_alternatives(planned),
        *other_links(planned),
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
    plan, predicted, sent = (
        planned.plan,
        planned.predicted,
        [planned.plan.bytes_sent(party) for party in (0, 1)],
    )
    steps = plan.dealing.steps
    each = (
        f"{span(predicted.step_seconds / steps)} each, with checks and waits"
        if steps
        else "no iterations"
    )
    each_sends = (
        f"{sent[0]:,} B" if sent[0] == sent[1] else f"alice {sent[0]:,} B, bob {sent[1]:,} B"
    )
    tiles = [
        (
            "Predicted, online",
            span(predicted.seconds),
            f"{counted(steps, 'iteration')}, {each}" if steps else each,
        ),
        ("Rounds", f"{plan.rounds:,}", f"{counted(2 * plan.rounds, 'message')}"),
        ("Sent by a party", size(max(sent)), each_sends),
        ("Dealt", size(plan.dealt_bytes), f"to bob {plan.dealt_bytes:,} B; a seed of 32 B to each"),
    ]
    return tag(
        "dl",
        *(tag("div", tag("dt", a), tag("dd", b, tag("small", c))) for a, b, c in tiles),
        class_="tiles",
    )


# ---- bytes ---------------------------------------------------------------------------------------


def _operations(plan: Plan) -> list[Content]:
    found: list[tuple[float, OperationCost, Phase, int]] = []
    for phase in Phase:
        times = plan.dealing.count(phase)
        for part in parts(plan, phase) if times else ():
            found.append((times * (max(part.sent) + part.dealt), part, phase, times))
    found.sort(key=lambda row: -row[0])
    most = found[0][0] if found else 1.0
    rows = [
        (
            part.name,
            tag("code", part.where) if part.where else "",
            NAMES[phase].lower(),
            size(times * max(part.sent)),
            size(times * part.dealt),
            bar(("bob", times * max(part.sent)), ("dealer", times * part.dealt), whole=most),
        )
        for _, part, phase, times in found
    ]
    return [
        tag("h2", "Bytes by operation"),
        tag(
            "p",
            "Of the whole run: what one party sends the other, and what the dealer sends to Bob.",
        ),
        key(("bob", "sent by a party"), ("dealer", "dealt")),
        *folded(
            "Bytes by operation",
            ("Operation", "where", "when", "sent", "dealt", ""),
            rows,
            "tttnnb",
        ),
    ]


def _dealt(plan: Plan) -> list[Content]:
    total: dict[str, tuple[int, int]] = {}
    about: dict[str, str] = {}
    for phase in Phase:
        times = plan.dealing.count(phase)
        about |= {spec.kind: _about(type(spec)) for spec in plan.dealing.phases[phase].correlations}
        for kind in kinds(plan, phase):
            count, dealt = total.get(kind.name, (0, 0))
            total[kind.name] = count + times * kind.count, dealt + times * kind.dealt
    ordered = sorted(
        ((name, *counts) for name, counts in total.items() if counts[0]), key=lambda row: -row[2]
    )
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
        tag(
            "p",
            "Functions of random masks, made before there is anything to hide, and each used once.",
        ),
        table(
            "What the dealer makes",
            ("Correlation", "what it is", "tensors", "dealt", ""),
            rows,
            "ttnnb",
        ),
    ]


def _about(kind: type[Correlation]) -> str:
    """What a kind of correlation is: in words of its own where its file has several, or else the
    first sentence of the file."""
    if kind.kind in ABOUT:
        return ABOUT[kind.kind]
    text = sys.modules[kind.__module__].__doc__ or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def _memory(planned: Planned) -> list[Content]:
    files = planned.material_bytes()
    held = [
        ("Memory of a party: tensors and material", planned.plan.party_memory, "bob"),
        ("Memory of the dealer, for this session", planned.plan.dealer_memory, "dealer"),
        *((f"Disk, if the material is made ahead: {role}", files[role], role) for role in ROLES),
    ]
    most = max(count for _, count, _ in held)
    rows = [(name, size(count), bar((colour, count), whole=most)) for name, count, colour in held]
    return [tag("h2", "Memory and disk"), table("Memory and disk", ("", "about", ""), rows, "tnb")]


# ---- what else there is --------------------------------------------------------------------------


def _alternatives(planned: Planned) -> list[Content]:
    """Plans that differ in one respect. Their seconds are predicted as those of the run are."""
    plan = planned.plan
    head = tag("h2", "The way that is taken, and others")
    found: list[Content] = []
    if plan.comparisons:
        joins = [(str(way.lowering.joins), way) for way in plan.comparisons]
        found += _compared("Comparisons", ("How comparisons join",), "t", joins, planned)
    if plan.precisions:
        bits = [
            (f"{way.traced.numerics.fraction_bits}", f"{error:.1e}", way)
            for way, error in plan.precisions
        ]
        headings = "Fraction bits", "error, of its range"
        found += _compared("Fraction bits", headings, "nn", bits, planned)
    if not found:
        said = "nothing is compared, and the job states its fraction bits."
        return [head, tag("p", f"There was nothing to choose: {said}")]
    said = f"What is taken was chosen for {plan.traced.network}."
    if planned.choosing:
        said += "".join(f" {text}." for text in planned.choosing)
    elif any(
        planned.prediction(way).seconds < planned.predicted.seconds for way in plan.comparisons
    ):
        said += (
            " The choice counts the slower of rounds and dealing in every phase. The times here let"
            " what is dealt for one phase come beside the rounds of another, so a way that was not"
            " taken may be a little shorter."
        )
    return [head, tag("p", said), *found]


def _compared(
    caption: str,
    headings: tuple[str, ...],
    kinds: str,
    ways: Sequence[tuple[*tuple[str, ...], Plan]],
    planned: Planned,
) -> list[Content]:
    seconds = [planned.prediction(way).seconds for *_, way in ways]
    rows: list[tuple[Content, ...]] = [
        (
            *words,
            f"{way.rounds:,}",
            size(max(map(way.bytes_sent, (0, 1)))),
            size(way.dealt_bytes),
            span(each),
            bar(("bob", each), whole=max(seconds)),
        )
        for (*words, way), each in zip(ways, seconds, strict=True)
    ]
    chosen = [way is planned.plan for *_, way in ways].index(True)
    columns = (*headings, "rounds", "sent", "dealt", "takes", "")
    return [table(caption, columns, rows, f"{kinds}nnnnb", chosen)]


def _words(plan: Plan) -> list[Content]:
    found: list[Content] = [tag("h2", "What is revealed"), _list(plan.reveals or ["nothing"])]
    if plan.kept:
        found.append(tag("p", f"Kept: {plan.keeps}."))
    notes = plan.notes
    return [*found, tag("h2", "What is assumed"), _list(notes)] if notes else found


def _list(lines: Sequence[str]) -> Element:
    return tag("ul", *(tag("li", line) for line in lines))
