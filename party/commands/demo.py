"""`python -m party demo`: dealer, alice and bob as three real processes on this machine, and a
check of what they computed."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, runtime_checkable

import numpy as np
from rich.console import Console

from protocol.draws import Draw
from protocol.errors import ConfigError
from protocol.graph import Array, Phase
from protocol.history import History
from protocol.jobs import ROLES, Job
from protocol.matching import matching
from protocol.nn.supervised import Supervised
from protocol.ops.coarse import Coarse
from protocol.tables import tables
from protocol.variables import GUARDS
from protocol.wording import counted, span

from ..bench.suite import suite
from ..bench.workloads import chosen
from ..command_settings import DemoSettings
from ..display import shown
from ..given import Given, given
from ..intent import LEARNERS
from ..jobs import private_inference
from ..keyed import all_inputs
from ..lab.laboratory import small
from ..loading import load_job, parameters
from ..local import Trio
from ..own_code import trace_job
from ..parsers import ratio
from ..taking_part import check_out

# what the largest difference from the plaintext twin must stay below, of the twin's largest entry
# where that is above 1
AGREEMENT = 1e-3


@runtime_checkable
class Scored(Protocol):
    """A job that can say how good its results are. `tolerances`, beside it: how far each measure
    may be from the twin's."""

    def measure(
        self, results: Mapping[str, Array], inputs: Mapping[str, Array]
    ) -> dict[str, float]:
        """Measures of these results by name, as accuracy, from the tensors of both parties."""


@runtime_checkable
class Supplied(Protocol):
    """A job that brings data to be shown on, written into a folder: tensors by name, and tables by
    the name of a party or their own."""

    def files(self, folder: Path) -> dict[str, Path]:
        """Write the data into the folder; a path for each tensor, and for each table under its name
        or its party's."""


def run(settings: DemoSettings) -> int:
    """Run the job as three processes, compute its float64 twin, and print both (--json: one
    object). Exit code 1 if a weight or a measure is further from the twin's than it may be; else
    0."""
    if settings.job == "bench":
        return _bench(settings)
    if settings.job == "lab":
        return small(settings.out, settings.json, settings.quiet)
    if settings.job == private_inference.NAME:
        with TemporaryDirectory() as folder:
            prepared = private_inference.prepare(Path(folder))
            return _demonstrate(settings.but(job=str(prepared.job), data=prepared.data), prepared)
    return _demonstrate(settings)


def _demonstrate(settings: DemoSettings, judge: Any = None) -> int:
    """Run the job; `judge`, the job itself if there is none, says how good its results are."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    job = load_job(settings.job, parameters(settings.param))
    judge = judge or job
    files = given(settings)
    learners = LEARNERS[settings.reveal or job.reveal]
    if settings.out is not None:
        if not learners:
            raise ConfigError(
                f"--out {settings.out}: nothing is revealed to anybody, so there is nothing to"
                " write"
            )
        check_out(settings.out, job)
    stand_in: str | None = None  # what the data are, where they are not those of the job's name
    with TemporaryDirectory() as folder:
        if isinstance(job, Supplied) and not files.data and not files.tables:
            found, named = job.files(Path(folder)), {*ROLES, *tables(job)}
            brought = {name: path for name, path in found.items() if name not in named}
            files = replace(
                files,
                data=brought,
                tables={name: path for name, path in found.items() if name in named},
            )
            stand_in = getattr(job, "stand_in", None)
        inputs = all_inputs(job, files)
        data = dict(files.data)
        if not settings.quiet:
            console.print(
                f"demo: job {settings.job}, three processes on this machine, every link encrypted"
            )
            if stand_in:
                console.print(f"demo: the data are {stand_in}")
        for name, declared in job.inputs.items():
            # drawn here, so that the twin has it too
            if isinstance(declared.default, Draw) and name not in data:
                data[name] = Path(folder) / f"{name}.npy"
                np.save(data[name], inputs[name])
        reports = _run_trio(
            settings, job, replace(files, data=data), _writer(job, learners, settings.out)
        )
        if matching(job) is not None:  # in the order that the two found
            order = {role: np.array(report["rows"]) for role, report in reports.items()}
            inputs = all_inputs(job, replace(files, data=data), order=order)
    iterations = reports["alice"]["steps"]
    graph = trace_job(job, {name: array.shape for name, array in inputs.items()}, iterations).graph
    history = History()
    every = next(iter(reports["alice"]["history"]["steps"]), 0)
    best = reports["alice"]["best"]
    plain = graph.run_clear(
        inputs, iterations, every, lambda n, found: (history.note(n, found)[0], n == best)
    )
    grains = {
        name: node.op.grain for name, node in graph.revealed.items() if isinstance(node.op, Coarse)
    }
    summary = _summary(reports, plain, grains)
    if metrics := _metrics(judge, inputs, reports, plain, history.values):
        summary |= {"metrics": metrics, "tolerances": dict(getattr(judge, "tolerances", {}))}
    if stand_in:
        summary["data"] = stand_in
    if settings.json:
        print(json.dumps(summary))
    else:
        _show(summary, reports, plain)
        if stand_in:
            print(f"The data were {stand_in}.")
    sys.stdout.flush()
    return 1 if _fault(summary) else 0


def _writer(job: Job, learners: tuple[int, ...], out: Path | None) -> str:
    """Who writes the results: who learns the weights, where a job says that; of both, for a model,
    whoever knows how its rows are prepared."""
    told = [ROLES[party] for party in learners] or ["alice"]
    if isinstance(job, Supervised) and (who := job.learner("weights")) in told:
        return who
    if out is not None and out.suffix.lower() == ".onnx":
        owners = [role for each in tables(job).values() for role in each.owners]
        return next((role for role in owners if role in told), told[0])
    return told[0]


def _bench(settings: DemoSettings) -> int:
    """`--job bench`; `--param only=NAME,NAME` and `--param scale=0.1` choose."""
    given = parameters(settings.param)
    if extra := given.keys() - {"only", "scale"}:
        raise ConfigError(
            f"--param {min(extra)}: the benchmark knows only=NAME,NAME and scale=FACTOR"
        )
    names = chosen(tuple(name for name in given.get("only", "").split(",") if name))
    return suite(names, ratio(given.get("scale", "1")), None, settings.json)


def _run_trio(
    settings: DemoSettings, job: Job, files: Given, writer: str
) -> dict[str, dict[str, Any]]:
    common = [
        "--job",
        settings.job,
        "--reveal",
        settings.reveal or job.reveal,
        "--json",
        "--wait",
        "60s",
    ]
    common += [
        "--guard",
        settings.guard,
        *(["--accept-out-of-range"] if settings.accept_out_of_range else []),
    ]
    if settings.iterations is not None:
        common += ["--iterations", str(settings.iterations)]
    for text in settings.param:
        common += ["--param", text]
    if settings.rtt is not None:
        common += ["--rtt", f"{1e6 * settings.rtt!r}us"]
    for option, rate in (
        ("--bandwidth", settings.bandwidth),
        ("--dealer-bandwidth", settings.dealer_bandwidth),
    ):
        if rate is not None:
            common += [option, f"{rate!r}bit" if rate else "none"]
    for option, link in (("--link", settings.link), ("--dealer-link", settings.dealer_link)):
        if link:
            common += [option, link]
    with Trio() as trio:
        trio.start("dealer")
        for role in ("bob", "alice"):
            extra = files.of(job, role).arguments()
            if role == writer and settings.out is not None:
                extra += ["--out", str(settings.out)]
            shown = role == "alice" and not settings.quiet
            trio.start(role, [*common, *extra], shown)
        trio.wait(settings.timeout)
        return trio.reports()


def _summary(
    reports: dict[str, dict[str, Any]], plain: dict[str, Array], grains: dict[str, float]
) -> dict[str, Any]:
    """One object for both parties: payload bytes, seconds of the slower one, errors beyond the
    grain that a reveal asked for."""
    alice, bob = reports["alice"], reports["bob"]
    learnt = [report["results"] for report in (alice, bob) if report["results"]]
    errors = [
        (
            max(
                0.0,
                float(np.abs(np.asarray(results[name]) - plain[name]).max(initial=0.0))
                - grains.get(name, 0.0),
            ),
            float(np.abs(plain[name]).max(initial=1.0)),
        )
        for results in learnt
        for name in results
    ]
    first = next(iter(plain))

    def one(results: dict[str, Any]) -> Any:
        return results.get("weights", results.get(first))

    return {
        "job": alice["job"],
        "iterations": alice["iterations"],
        "seconds": max(alice["seconds"], bob["seconds"]),
        "setup_seconds": max(alice["setup_seconds"], bob["setup_seconds"]),
        "rounds": alice["rounds"],
        "messages": alice["messages"],
        "bytes_sent": {"alice": alice["bytes_sent"], "bob": bob["bytes_sent"]},
        "dealt_bytes": {"alice": alice["dealt_bytes"], "bob": bob["dealt_bytes"]},
        "waits_for_material": bob["waits_for_material"],
        "weights": {"alice": one(alice["results"]), "bob": one(bob["results"])},
        "predictions": (learnt[0] if learnt else {}).get("predictions"),
        "plain": {
            "weights": plain.get("weights", plain[first]).tolist(),
            "predictions": plain["predictions"].tolist() if "predictions" in plain else None,
        },
        "results": {"alice": alice["results"], "bob": bob["results"]},
        "equal": all(
            alice["results"][name] == bob["results"][name] for name in _common(alice, bob)
        ),
        "grains": grains,
        "max_abs_weight_error": max((error for error, _ in errors), default=0.0),
        "relative_error": max((error / peak for error, peak in errors), default=0.0),
    }


def _metrics(
    judge: Any,
    inputs: dict[str, Array],
    reports: dict[str, dict[str, Any]],
    plain: dict[str, Array],
    checked: dict[str, list[Array]],
) -> dict[str, dict[str, float]]:
    """How good what came out is, and the twin's: the numbers of the last check, and what a judge
    with `scores` makes of the results."""
    found: dict[str, dict[str, float]] = {}
    secure = {
        name: np.asarray(each)
        for report in reports.values()
        for name, each in report["results"].items()
    }
    histories = {
        name: each for report in reports.values() for name, each in report["history"].items()
    }
    for of, results, history in (("secure", secure, histories), ("plain", plain, checked)):
        last = {
            name: np.asarray(each[-1]) for name, each in history.items() if name in checked and each
        }
        found[of] = {
            name: float(value)
            for name, value in last.items()
            if value.ndim == 0 and name != GUARDS[Phase.CHECK]
        }
        if isinstance(judge, Scored) and results.keys() >= plain.keys():
            found[of] |= judge.measure(results, inputs)
    return found if found["secure"] else {}


def _common(alice: dict[str, Any], bob: dict[str, Any]) -> list[str]:
    """The tensors that both learnt: a job may reveal others to one of them alone."""
    return [name for name in alice["results"] if name in bob["results"]]


def _fault(summary: dict[str, Any]) -> str | None:
    """What is wrong with what came out, if anything is."""
    tolerances = summary.get("tolerances", {})
    if not summary["equal"]:
        return "alice and bob obtained different results"
    for name, allowed in tolerances.items():
        secure, plain = (summary["metrics"][of].get(name, math.nan) for of in ("secure", "plain"))
        if not abs(secure - plain) <= allowed:
            return (
                f"{name} is {secure:.4g}, {plain:.4g} for the plaintext twin, and {allowed:g}"
                " between them is allowed"
            )
    # of what a long training ends with, the weights may differ, and what they are good for may not
    if tolerances:
        return None
    if not summary["relative_error"] <= AGREEMENT:  # nan is more than anything
        return (
            f"the results differ from the plaintext twin by {summary['max_abs_weight_error']:.2g},"
            f" and {AGREEMENT:g} is allowed, or so much of the largest entry"
        )
    return None


def _show(
    summary: dict[str, Any], reports: dict[str, dict[str, Any]], plain: dict[str, Array]
) -> None:
    def lines(name: str, of: Sequence[str]) -> None:
        for role in of:
            if name in reports[role]["results"]:
                print(f"{name}, as {role} obtained it: {_flat(reports[role]['results'][name])}")
        print(f"{name}, plaintext twin: {_flat(plain[name])}")

    if fault := _fault(summary):
        print(f"FAILED: {fault}.\n")
    for name in plain:
        lines(name, ("alice", "bob"))
    print()
    results = [summary["results"][role] for role in ROLES]
    if all(results):
        common = _common(reports["alice"], reports["bob"])
        if common:
            what = (
                "results"
                if all(len(common) == len(each) for each in results)
                else "values of what both learn"
            )
            print(f"Alice and Bob obtained {'equal' if summary['equal'] else 'DIFFERENT'} {what}.")
        else:
            print("Alice and Bob obtained different tensors: nothing is revealed to both.")
    elif summary["results"]["alice"] or summary["results"]["bob"]:
        print(f"Only {'alice' if summary['results']['alice'] else 'bob'} obtained the results.")
    else:
        print("Nothing was revealed.")
    for name, value in summary.get("metrics", {}).get("secure", {}).items():
        print(f"{name}: {value:.4g}; plaintext twin: {summary['metrics']['plain'][name]:.4g}")
    beyond = " beyond the fraction bits that its reveals ask for" if summary["grains"] else ""
    print(
        f"Largest difference from the plaintext twin{beyond}: {summary['max_abs_weight_error']:.2g}"
    )
    print(
        f"{span(summary['seconds'])} online, {counted(summary['rounds'], 'round')},"
        f" {summary['messages']:,} messages; sent {summary['bytes_sent']['alice']:,} and"
        f" {summary['bytes_sent']['bob']:,} bytes, dealt {summary['dealt_bytes']['alice']:,} and"
        f" {summary['dealt_bytes']['bob']:,} (alice, bob); waited for material"
        f" {counted(summary['waits_for_material'], 'time')}"
    )


def _flat(values: Any) -> str:
    return shown(values, digits=6, most=40).replace("\n", " ")
