"""A job as a TOML file: who has which columns, how they are prepared, what is learnt from them, and
who learns the outcome.

    [rows]
    key = "patient"                        # rows are matched by ids; or match = "order"
    held_out = 0.25
    [columns]
    alice = ["age", "income"]
    bob = ["visits"]
    label = { owner = "bob", column = "default", classes = ["no", "yes"] }
    steps = ["standardise", { do = "clip", low = -4, high = 4 }]
    [model]
    estimator = "logistic-regression"      # or layers = ["dense 16", "relu", "dense 2"] and [train]
    C = 1.0
    [reveal]
    weights = "none"

Both parties hold the same file. What is wrong in it is named with its line, and what would be
right.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from protocol import nn
from protocol.config import nearest
from protocol.errors import JobError
from protocol.estimators import (
    BY_NAME,
    LeastSquares,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
)
from protocol.estimators.layout import built
from protocol.estimators.networks import MultilayerPerceptron
from protocol.jobs import Job
from protocol.labels import Labels
from protocol.limits import FEW, FEWEST
from protocol.matching import matching
from protocol.parameters import KINDS, Parameter, parameters_of
from protocol.tables import BOTH, Table
from protocol.views import Shape

from .job_choices import METRICS, optimiser
from .job_choices import loss as chosen_loss
from .job_columns import classes_of, features, key_of, made_in, need, outcome
from .job_schema import (
    LEARNERS,
    SECTIONS,
    ColumnsSection,
    Early,
    ModelSection,
    RowsSection,
    TrainSection,
    Wrong,
    line_of,
    section,
)

T = TypeVar("T")


def job_of(path: Path) -> type[Job]:
    """The job that a file describes; JobError names the line and the key."""
    try:
        return job_from(path.read_bytes().decode(), path)
    except OSError as error:
        raise JobError(
            f"the job file {path} cannot be read ({error.strerror}); check --job"
        ) from None
    except UnicodeDecodeError:
        raise JobError(f"{path} is not UTF-8 text; save it as such") from None


def job_from(text: str, path: Path) -> type[Job]:
    """The same, of the text of the file `path`."""
    try:
        return _job(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise JobError(f"{path} is no TOML: {error}") from None
    except Wrong as wrong:
        place = line_of(text, wrong.path)
        raise JobError(
            f"{path}{f':{place}' if place else ''}: {'.'.join(wrong.path)}: {wrong}"
        ) from None
    except JobError as error:
        raise JobError(f"{path}: {error}") from None


def _job(content: Mapping[str, Any]) -> type[Job]:
    for name, value in content.items():
        if name not in {*SECTIONS, "reveal"}:
            raise Wrong(
                [name],
                f"there is no such section{nearest(name, SECTIONS)} (there are"
                f" {', '.join([*SECTIONS, 'reveal'])})",
            )
        if not isinstance(value, dict):
            raise Wrong([name], f"is a section: write [{name}] in a line of its own")
    model_keys = ModelSection.__struct_fields__
    own = content.get("model", {})
    parameters = {name: value for name, value in own.items() if name not in model_keys}
    rows, columns = (
        section(RowsSection, "rows", content),
        section(ColumnsSection, "columns", content),
    )
    model = section(
        ModelSection,
        "model",
        {"model": {name: value for name, value in own.items() if name in model_keys}},
    )
    reveal = content.get("reveal", {})
    if (model.estimator is None) == (model.layers is None):
        raise Wrong(
            ["model"],
            f"give estimator = {next(iter(BY_NAME))!r} or the like, or layers = ['dense 1']; one of"
            " the two",
        )
    horizontal = columns.both is not None
    if rows.key is not None and horizontal:
        raise Wrong(
            ["rows", "key"],
            "matches rows of one party with rows of the other; here rows of both are taken, all of"
            " them",
        )
    if model.estimator == "cnn-classifier":
        columns, parameters = _pictures(columns, parameters)
    x = features(rows, columns)
    if model.layers is None:
        if "train" in content:
            raise Wrong(
                ["train"],
                "an estimator's parameters belong in [model], under scikit-learn's names: max_iter,"
                " batch_size",
            )
        made = _estimator(
            str(model.estimator), model, parameters, rows, columns, x, horizontal, reveal
        )
    else:
        train = section(TrainSection, "train", content)
        made = _network(model, rows, columns, x, horizontal, train, reveal, parameters)
    if rows.key is not None:
        made_in("rows", lambda: matching(made()))  # there are ids at both
    return made


def _pictures(
    columns: ColumnsSection, parameters: dict[str, Any]
) -> tuple[ColumnsSection, dict[str, Any]]:
    """A flat table's columns in the shape that input_shape says, or the other way round."""
    given = parameters.get("input_shape") or columns.shape
    try:
        shape = [int(n) for n in (given.split(",") if isinstance(given, str) else given or ())]
    except (TypeError, ValueError):
        shape = []
    if len(shape) != 3 or min(shape) < 1 or (columns.shape or shape) != shape:
        raise Wrong(
            ["model", "input_shape"],
            "is channels, height and width of the pictures that the columns are, as in input_shape"
            ' = "1,8,8" for 64 columns (party init: --param input_shape=1,8,8)',
        )
    return structs.replace(columns, shape=shape), {
        **parameters,
        "input_shape": ",".join(map(str, shape)),
    }


def _estimator(
    name: str,
    model: ModelSection,
    parameters: Mapping[str, Any],
    rows: RowsSection,
    columns: ColumnsSection,
    x: Table,
    horizontal: bool,
    reveal: Mapping[str, Any],
) -> type[Job]:
    if name not in BY_NAME:
        raise Wrong(
            ["model", "estimator"],
            f"{name!r} is none{nearest(name, BY_NAME)} (there are {', '.join(BY_NAME)})",
        )
    kind = BY_NAME[name]
    for key in ("loss", "layers"):
        if getattr(model, key) is not None:
            raise Wrong(["model", key], "is for a model of layers; an estimator has its own")
    classifies = issubclass(kind, (LogisticRegression, MLPClassifier))
    regresses = issubclass(kind, (LeastSquares, MLPRegressor))
    grouped = name == "group-statistics"
    need(
        columns,
        "label" if classifies else "target" if regresses else "groups" if grouped else None,
        name,
    )
    body: dict[str, Any] = {"x": x}
    if classifies or regresses:
        binary = issubclass(kind, LogisticRegression) and classes_of(columns) == 2
        body["y"] = outcome(columns, horizontal, rows, one_hot=not binary)
    if columns.groups is not None:
        groups = columns.groups
        body["groups"] = made_in(
            "columns",
            lambda: Labels(
                groups.owner,
                groups.column,
                classes=groups.classes,
                rows=BOTH if horizontal else "n",
                key=key_of(rows, groups.owner),
            ),
        )
    known = parameters_of(kind)
    if issubclass(kind, MultilayerPerceptron):
        body |= {
            "random_state": rows.seed,
            "validation_fraction": rows.held_out,
            "initial": model.owner,
        }
        if columns.shape is None:
            body["features"] = _width(x)
        body |= {"classes": classes_of(columns)} if classifies else {}
    elif "held_out" in known:
        body |= {"held_out": rows.held_out, "seed": rows.seed}
    elif rows.held_out:
        raise Wrong(["rows", "held_out"], f"{name} holds no rows out: it has no use here")
    for key, value in parameters.items():
        body[key] = _parameter(
            key, value, {each: known[each] for each in known if each not in body}
        )
        limit = known[key].limit
        if limit is not None and not limit.allows(body[key]):
            raise Wrong(["model", key], f"is {limit.words}, not {value!r}")
    made = type(kind.__name__, (kind,), body | _reveals(kind, reveal))
    try:
        made().stated()  # its layers too
    except JobError as error:
        key, _, rest = str(error).partition(": ")
        key = key.partition(" = ")[0]
        raise Wrong(
            ["model", key] if key in parameters else ["model"],
            rest if key in parameters else str(error),
        ) from None
    return made


def _parameter(name: str, value: Any, known: Mapping[str, Parameter[Any]]) -> Any:
    if name not in known:
        there = [*known, "estimator"]
        raise Wrong(
            ["model", name],
            f"is no parameter here{nearest(name, there)} (there are {', '.join(there)})",
        )
    try:
        return known[name].fitted(value)
    except JobError:
        default, wanted = known[name].default, KINDS | {bool: "true or false"}
        raise Wrong(
            ["model", name],
            f"is {wanted[known[name].kind]}, as in {name} ="
            f" {str(default).lower() if type(default) is bool else repr(default)}",
        ) from None


def _width(x: Table) -> int:
    width = x.shape[1]
    if not isinstance(width, int):
        raise Wrong(
            ["columns"],
            "for a network the number of columns must follow from this file, since its first"
            " weights are drawn before the parties meet: name the columns, or give their number"
            " (bob = 20), and one-hot steps their categories",
        )
    return width


def _network(
    model: ModelSection,
    rows: RowsSection,
    columns: ColumnsSection,
    x: Table,
    horizontal: bool,
    train: TrainSection,
    reveal: Mapping[str, Any],
    more: Mapping[str, Any],
) -> type[Job]:
    known_keys = [*ModelSection.__struct_fields__, "minimum"]
    for key in more:
        if key not in known_keys:
            said = f"is no key here{nearest(key, known_keys)} (there are {', '.join(known_keys)})"
            raise Wrong(["model", key], said)
    if not FEWEST.allows(minimum := more.get("minimum", FEW)):
        raise Wrong(["model", "minimum"], f"is {FEWEST.words}, not {minimum!r}")
    usual_loss = "mse" if columns.label is None else "cross-entropy"
    loss, made_loss = chosen_loss(usual_loss if model.loss is None else model.loss)
    need(
        columns,
        "label" if loss in ("logistic", "cross-entropy") else "target",
        f"a network with the loss {loss}",
    )
    if loss == "logistic" and classes_of(columns) != 2:
        raise Wrong(["model", "loss"], 'logistic is for two classes; write loss = "cross-entropy"')
    shape: Shape = tuple(columns.shape) if columns.shape is not None else (_width(x),)
    outputs = classes_of(columns) if loss == "cross-entropy" else 1
    assert model.layers is not None
    try:
        layers, made = built(model.layers, shape)
    except JobError as error:
        raise Wrong(["model", "layers"], str(error)) from None
    if made != (outputs,):
        raise Wrong(
            ["model", "layers"],
            f'what they make of a row has the shape {made}; end with "dense {outputs}"',
        )
    known = {"loss": made_loss} | METRICS
    for name in ("r2",) if columns.label is not None else ("accuracy", "auc"):
        del known[name]
    told = {name: reveal[name] for name in known if name in reveal}
    usual = "accuracy" if columns.label is not None else "loss"
    if told and not rows.held_out:
        raise Wrong(["reveal", next(iter(told))], "is of rows held out: give held_out in [rows]")
    early = _early(train.early_stopping, usual, known)
    if early is not None and not rows.held_out:
        raise Wrong(["train", "early_stopping"], "looks at rows held out: give held_out in [rows]")
    measured = (
        {}
        if not rows.held_out
        else {usual: "both"} | ({early.metric: "both"} if early else {}) | told
    )
    measured = {name: _learner(name, who) for name, who in measured.items()}
    if early is not None and measured[early.metric] != "both":
        raise Wrong(
            ["reveal", early.metric], 'early_stopping is decided by both, so both learn it: "both"'
        )
    measured = {name: who for name, who in measured.items() if who != "none"}
    body = {
        "x": x,
        "y": outcome(columns, horizontal, rows, one_hot=loss == "cross-entropy"),
        "model": nn.Sequential(*layers, owner=model.owner),
        "loss": made_loss,
        "optimiser": optimiser(train.optimiser),
        "batch": train.batch,
        "epochs": train.epochs,
        "held_out": rows.held_out,
        "seed": rows.seed,
        "minimum": minimum,
        "metrics": {name: known[name] for name in measured},
        "to": measured,
        "early": early,
    }
    return type("Network", (nn.Training,), body | _reveals(nn.Training, reveal, known))


def _early(given: Early | None, usual: str, known: Collection[str]) -> nn.EarlyStop | None:
    if given is None:
        return None
    metric = given.metric or usual
    if metric not in known:
        raise Wrong(["train", "early_stopping"], f"looks at {', '.join(known)}, not at {metric!r}")
    return nn.EarlyStop(
        metric, given.patience, smaller=metric == "loss", restore_best=given.restore_best
    )


def _reveals(
    kind: type[Job], given: Mapping[str, Any], metrics: Collection[str] = ()
) -> dict[str, Any]:
    """Who learns what, as the job's attributes; `metrics` are said elsewhere."""
    attributes = {
        name: name
        for name in ("weights", *METRICS, "scores", "converged")
        if isinstance(getattr(kind, name, None), str)
    } or {"results": "reveal"}
    there = [*attributes, *metrics]
    for name, value in given.items():
        if name not in there:
            raise Wrong(
                ["reveal", name],
                f"is not revealed by this model{nearest(name, there)} (there are:"
                f" {', '.join(there)})",
            )
        _learner(name, value)
    return {attributes[name]: value for name, value in given.items() if name in attributes}


def _learner(name: str, value: Any) -> str:
    if value not in LEARNERS:
        raise Wrong(["reveal", name], f"who learns it is one of {', '.join(LEARNERS)}, in quotes")
    return str(value)
