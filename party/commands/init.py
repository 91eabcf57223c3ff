"""`python -m party init`: a job's TOML file, from options, and from answers to what they leave
open."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from protocol.config import nearest
from protocol.errors import ConfigError
from protocol.estimators import (
    BY_NAME,
    LeastSquares,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
)
from protocol.estimators.networks import MultilayerPerceptron
from protocol.files import durable
from protocol.jobs import ROLES
from protocol.parameters import parameters_of
from protocol.settings import Setting

from ..command_settings import InitSettings
from ..formats.job_schema import LEARNERS
from ..formats.job_toml import job_from
from ..loading import checked, parameters

T = TypeVar("T")


def run(settings: InitSettings) -> int:
    """Ask for what the options leave open, write the job's file, and print commands that plan it,
    try it out and run it. Exit code 0; MpcError, with nothing written, for answers that make no
    job."""
    path = settings.out
    if path.suffix != ".toml":
        raise ConfigError(f"--out {path}: the name of a job's file ends in .toml")
    if path.exists() and not settings.fresh:
        raise ConfigError(
            f"--out {path} is there already; name another, or write over it with --fresh"
        )
    text = composed(settings)
    job = checked(job_from(text, path))
    try:
        with durable(path) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise ConfigError(
            f"--out {path} cannot be written ({error.strerror}); name another place"
        ) from None
    print(
        f"party: wrote {path}; the other party needs the same file. What it costs, for 1000 rows,"
        " how it is tried out alone, and how to run it:",
        file=sys.stderr,
    )
    shapes = {
        name: "x".join(
            str(n) if isinstance(n, int) else "1000" if at == 0 else "10"
            for at, n in enumerate(each.shape)
        )
        for name, each in job.inputs.items()
        if each.default is None
    }
    print(
        f"python -m party plan --job {path}"
        f" {' '.join(f'--shape {name}={shape}' for name, shape in shapes.items())}"
    )
    brings = {each.owner for each in job.inputs.values() if each.default is None}
    both = "".join(f" --table {role}={role}.csv" for role in ROLES if role in brings)
    print(f"python -m party --simulate --job {path}{both}")
    for role in ROLES:
        table = f" --table {role}.csv" if role in brings else ""
        print(f"python -m party --role {role} --job {path}{table}")
    return 0


def composed(settings: InitSettings) -> str:
    """The file's text."""
    ask = _Asking(settings)
    what = f"What is to be learnt? {', '.join(BY_NAME)}"
    name = ask(InitSettings.estimator, what, "logistic-regression", _known)
    kind = BY_NAME[name]
    columns: dict[str, Any] = {}
    if not settings.both:
        for option in (InitSettings.alice, InitSettings.bob):
            what = (
                f"Columns of {option.name}: names, or how many there are; nothing if she or he has"
                " none"
            )
            if found := ask(option, what, "", _columns):
                columns[option.name] = found
    if not columns:
        columns["both"] = ask(
            InitSettings.both,
            "Columns of which each has rows of her or his own (or give --alice, --bob)",
            None,
            _columns,
        )
    classifies = issubclass(kind, (LogisticRegression, MLPClassifier))
    regresses = issubclass(kind, (LeastSquares, MLPRegressor))
    asked_for = (
        InitSettings.label
        if classifies
        else InitSettings.target
        if regresses
        else InitSettings.groups
        if name == "group-statistics"
        else None
    )
    where = "" if asked_for is None else asked_for.name
    for option in (InitSettings.label, InitSettings.target, InitSettings.groups):
        if option is not asked_for and settings.value(option) is not None:
            raise ConfigError(
                f"{option.option} has no use in {name}{f'; give --{where}' if where else ''}"
            )
    if asked_for is not None:
        owner = "" if "both" in columns else "bob:" if "bob" in columns else "alice:"
        given = ask(
            asked_for,
            f"Column of {'classes' if where != 'target' else 'targets'}, with its owner, as in"
            " bob:NAME",
            f"{owner}{where}" if sys.stdin.isatty() or settings.yes else None,
            str,
        )
        role, colon, column = given.rpartition(":")
        columns[where] = ({"owner": role} if colon else {}) | {"column": column}
        if where != "target":
            what = "Its classes, in order, or how many (0, 1, 2 …)"
            columns[where]["classes"] = ask(InitSettings.classes, what, None, _columns)
    steps = ask(
        InitSettings.steps,
        "Preparation of columns, in order: fill, standardise, min-max, log1p; of one alone,"
        " one-hot:NAME, days:NAME, fill:NAME; or none",
        # means of groups are asked for in the columns' own units
        "standardise" if where in ("label", "target") and "both" not in columns else "none",
        _steps,
    )
    if steps:
        columns["steps"] = steps
    rows: dict[str, Any] = {}
    others = [columns[where].get("owner")] if where else []
    if len({name for name in (*columns, *others) if name in ROLES}) == 2:
        what = (
            "Column of ids by which rows are matched; or order, where both have the same rows in"
            " the same order"
        )
        ids = ask(InitSettings.match, what, None, str)
        rows["match" if ids == "order" else "key"] = ids
    if hasattr(kind, "held_out"):
        what = "Part of the rows that is held out to see how good it is"
        rows["held_out"] = ask(InitSettings.held_out, what, "0.2", float)
    ask.used()
    model = {"estimator": name} | _typed(kind, parameters(settings.param))
    what = f"Who learns the result: {', '.join(LEARNERS)}"
    learner = ask(InitSettings.reveal, what, "both", _learner)
    reveal = {"weights" if hasattr(kind, "weights") else "results": learner}
    return "# Both parties hold this file.\n" + "".join(
        f"\n[{section}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in content.items())
        for section, content in {
            "rows": rows,
            "columns": columns,
            "model": model,
            "reveal": reveal,
        }.items()
        if content
    )


class _Asking:
    """An option's value, or the answer to a question; ConfigError where there is nobody to ask."""

    def __init__(self, settings: InitSettings) -> None:
        self._settings = settings
        self._asked: set[Setting[str | None]] = set()

    def used(self) -> None:
        """ConfigError for an option of the data that was given, and that nothing has asked for."""
        for option in (
            InitSettings.both,
            InitSettings.alice,
            InitSettings.bob,
            InitSettings.classes,
            InitSettings.match,
            InitSettings.held_out,
        ):
            if self._settings.value(option) is not None and option not in self._asked:
                why = (
                    "; --both is for rows of both, --alice and --bob for columns of each"
                    if option.name in ROLES
                    else ""
                )
                raise ConfigError(
                    f"{option.option} has no use here, with what else is said{why}; leave it out"
                )

    def __call__(
        self,
        option: Setting[str | None],
        question: str,
        default: str | None,
        parse: Callable[[str], T],
    ) -> T:
        self._asked.add(option)
        given = self._settings.value(option)
        if given is None and self._settings.yes and default is not None:
            given = default
        if given is None and not sys.stdin.isatty():
            if default is not None:
                return parse(default)
            raise ConfigError(f"say {option.option}: {question[0].lower()}{question[1:]}")
        while given is None:
            print(
                f"{question}{f' [{default}]' if default else ''}: ",
                end="",
                file=sys.stderr,
                flush=True,
            )
            answer = sys.stdin.readline()
            if not answer:
                raise ConfigError("the answers ended before the questions did; nothing was written")
            if not answer.strip() and default is None:
                continue
            try:
                return parse(answer.strip() or str(default))
            except (ValueError, ConfigError) as error:
                print(f"  {error}", file=sys.stderr)
        try:
            return parse(given)
        except ValueError:
            raise ConfigError(f"{option.option} {given}: cannot be used; {question}") from None


def _known(text: str) -> str:
    if text not in BY_NAME:
        raise ConfigError(
            f"{text!r} is no estimator{nearest(text, BY_NAME)} (there are {', '.join(BY_NAME)})"
        )
    return text


def _learner(text: str) -> str:
    if text not in LEARNERS:
        raise ConfigError(f"{text!r} is none of {', '.join(LEARNERS)}")
    return text


def _columns(text: str) -> list[str] | int:
    """ "age, income" as names, quoted as in a CSV file where they have commas or quotes, "20" as a
    number of columns, "" as none."""
    if text.strip().isdigit():
        return int(text)
    try:
        rows = [*csv.reader([text], skipinitialspace=True, strict=True)]
    except csv.Error:
        raise ConfigError(
            f"{text}: a name with a comma or a quote stands in quotes, as in a CSV file:"
            ' age,"income, ""net"""'
        ) from None
    return [each.strip() for row in rows for each in row if each.strip()]


def _steps(text: str) -> list[str | dict[str, str]]:
    """ "fill, one-hot:city, standardise" as a job's file has it."""
    found = _columns(text)
    if found == ["none"] or not isinstance(found, list):
        return []
    parts = [each.partition(":") for each in found]
    return [{"do": do, "columns": column} if column else do for do, _, column in parts]


def _typed(kind: Any, given: Mapping[str, str]) -> dict[str, Any]:
    """--param NAME=VALUE as TOML has them; what is wrong with them is said when the job is made."""
    known = parameters_of(kind)
    if issubclass(kind, MultilayerPerceptron) and "features" in given:
        raise ConfigError("--param features: it follows from the columns")
    found: dict[str, Any] = {}
    for name, text in given.items():
        try:
            found[name] = known[name].read(text) if name in known else text
        except ValueError as wanted:
            raise ConfigError(f"--param {name}={text}: {wanted} is needed") from None
    return found


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
