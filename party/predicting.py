"""Which prediction a party wants of a model that stays shared, as a job: whose the rows are, and
who learns what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from protocol.config import nearest
from protocol.errors import ConfigError, JobError
from protocol.graph import Array
from protocol.jobs import Job
from protocol.labels import Labels
from protocol.nn.prediction import KINDS, Prediction, prediction
from protocol.nn.supervised import Supervised

from .formats.text import number
from .links import PEER
from .loading import load_job
from .shared import SharedModel

WHO = ("alice", "bob", "both")


def predicted(
    model: SharedModel,
    job: Job | None,
    parameters: Mapping[str, str],
    brings: bool,
    to: Mapping[str, str] | None = None,
    kind: str = "predictions",
) -> Prediction:
    """What `model` says of the rows of this party, if it brings any, or else of its peer's.

    job: what trained the model; where it is not given, the file that it was trained from, with its
        parameters and then these. to: who learns which of the `KINDS`; without it, who would learn
        the predictions learns what `kind` says; see `prediction`.
    """
    if job is None:
        if not model.file:
            raise ConfigError(f"{model} does not say which job trained it; give that with --job")
        try:
            job = load_job(model.file, {**model.parameters, **parameters})
        except JobError as error:
            raise JobError(
                f"{error} ({model} was trained from that; --job says where it is now)"
            ) from None
    if not isinstance(job, Supervised):
        raise ConfigError(
            f"the job {type(job).__name__} learns no y from x, so it has no predictions; run it"
            " with --model"
        )
    for each, who in (to or {}).items():
        if each not in KINDS:
            raise ConfigError(
                f"there are no {each!r} to learn{nearest(each, KINDS)} (there are:"
                f" {', '.join(KINDS)})"
            )
        if who not in WHO:
            raise ConfigError(
                f"{each} are learnt by {', '.join(WHO[:-1])} or {WHO[-1]}, not by {who!r}"
            )
    return prediction(job, model.role if brings else PEER[model.role], to, kind)


def in_words(job: Job, results: Mapping[str, Array]) -> dict[str, Any]:
    """What a prediction revealed, its numbers of classes replaced by what the table of the training
    calls these."""
    labels = job.training.y if isinstance(job, Prediction) else None
    if not isinstance(job, Prediction) or not isinstance(labels, Labels):
        return dict(results)
    names = np.array(labels.classes)
    if all(number(each) is not None for each in labels.classes):
        names = names.astype(float)
    outcome: Any = job.training.outcome
    return {
        name: names[array.round().astype(int)]
        if name in ("classes", "predictions") and hasattr(outcome(array), "classes")
        else array
        for name, array in results.items()
    }


def learners(texts: Iterable[str]) -> dict[str, str]:
    """["classes=bob", …] → {"classes": "bob"}; "bob" alone means predictions=bob."""
    found: dict[str, str] = {}
    for text in texts:
        kind, equals, who = text.partition("=")
        kind, who = (kind, who) if equals else ("predictions", kind)
        if kind in found:
            raise ConfigError(f"it is said twice who learns the {kind}; keep one")
        found[kind] = who
    return found
