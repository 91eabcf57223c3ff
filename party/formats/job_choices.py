"""What a job's file may choose by name, with options: steps of preparation, losses, metrics,
optimisers and schedules of their rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from protocol import nn, preparation
from protocol.config import nearest
from protocol.errors import JobError
from protocol.nn.losses import Loss
from protocol.nn.metrics import Metric
from protocol.nn.optimisers import Optimiser

from .job_schema import Wrong

T = TypeVar("T")
LOSSES: dict[str, type[Loss]] = {
    "logistic": nn.BinaryCrossEntropy,
    "cross-entropy": nn.CrossEntropy,
    "mse": nn.MSE,
    "huber": nn.Huber,
}
METRICS: dict[str, Metric] = {"accuracy": nn.accuracy, "auc": nn.auc, "r2": nn.r2}  # and the loss
OPTIMISERS: dict[str, tuple[type[Optimiser], dict[str, Any]]] = {
    "sgd": (nn.SGD, {"lr": 0.05, "momentum": 0.9}),
    "adam": (nn.Adam, {}),
    "adamw": (nn.AdamW, {}),
}
SCHEDULES: dict[str, type[nn.Schedule]] = {
    "step": nn.StepLR,
    "exponential": nn.ExponentialLR,
    "cosine": nn.CosineAnnealingLR,
}
STEPS = {
    "standardise": preparation.Standardise,
    "min-max": preparation.MinMax,
    "clip": preparation.Clip,
    "log1p": preparation.Log1p,
    "days": preparation.Days,
    "fill": preparation.Fill,
    "one-hot": preparation.OneHot,
}


def named(
    path: Sequence[str],
    given: object,
    key: str,
    kinds: Mapping[str, type[T]],
    what: str,
    beside: Sequence[str] = (),
    **more: Any,
) -> T:
    """One of `kinds`, by its name or with options: { do = "clip", low = -4 }, where `key` is "do".

    beside: options that are read elsewhere. more: what the file may not say.
    """
    options = dict(given) if isinstance(given, Mapping) else {key: given}
    name = options.pop(key, None)
    if not isinstance(name, str) or name not in kinds:
        raise Wrong(
            path,
            f"{name!r} is no {what}{nearest(str(name), kinds)} (there are {', '.join(kinds)}); "
            f"with options it is written {{ {key} = {next(iter(kinds))!r}, … }}",
        )
    fields = dataclasses.fields(kinds[name])  # type: ignore[arg-type]
    known = [*beside, *(each.name for each in fields if each.init and each.name not in more)]
    for option in options:
        if option not in known:
            said = f" (there are {', '.join(known)})" if known else ""
            raise Wrong(
                [*path, option], f"{name!r} takes no such option{nearest(option, known)}{said}"
            )
    for each in fields:
        if type(each.default) is bool and type(options.get(each.name, False)) is not bool:
            raise Wrong([*path, each.name], f"is true or false, as in {each.name} = true")
    try:
        return kinds[name](**more, **options)
    except (JobError, TypeError, ValueError) as error:
        raise Wrong(path, str(error)) from None


def steps(path: Sequence[str], given: Sequence[str | Mapping[str, Any]]) -> list[preparation.Step]:
    """Steps of preparation, each by name or { do = name, … } with options; `Wrong` names the key at
    `path` for one that there is not."""
    return [named(path, each, "do", STEPS, "step") for each in given]


def loss(given: str | Mapping[str, Any]) -> tuple[str, Loss]:
    """ "logistic", or { name = "logistic", method = "accurate" }: its name, and itself."""
    made = named(["model", "loss"], given, "name", LOSSES, "loss")
    return next(name for name, kind in LOSSES.items() if type(made) is kind), made


def optimiser(given: str | Mapping[str, Any]) -> Optimiser:
    """ "adam", or { name = "sgd", lr = 0.1, momentum = 0.9, schedule = "cosine" }; where no name is
    given, sgd."""
    path, options = (
        ["train", "optimiser"],
        dict(given) if isinstance(given, Mapping) else {"name": given},
    )
    name, schedule = options.get("name", "sgd"), options.pop("schedule", None)
    usual = OPTIMISERS[name][1] if isinstance(name, str) and name in OPTIMISERS else {}
    kinds = {each: kind for each, (kind, _) in OPTIMISERS.items()}
    made = named(path, {"name": name} | usual | options, "name", kinds, "optimiser", ["schedule"])
    if schedule is None:
        return made
    return dataclasses.replace(
        made, lr=named([*path, "schedule"], schedule, "name", SCHEDULES, "schedule", lr=made.lr)
    )  # type: ignore[type-var]
