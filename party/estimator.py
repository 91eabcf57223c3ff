"""What all estimators with scikit-learn's face do: take parameters, fit together with the other
party, predict by the model that stays shared."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from protocol.config import nearest
from protocol.errors import ConfigError
from protocol.estimators.networks import MultilayerPerceptron
from protocol.graph import Array
from protocol.jobs import ROLES
from protocol.nn.prediction import prediction
from protocol.nn.supervised import Supervised
from protocol.parameters import parameters_of
from protocol.preparation import Step
from protocol.tables import BOTH, Table

from .api import Party
from .estimating import (
    UnknownParameter,
    check_kind,
    check_rows,
    given_to_fit,
    made,
    names_of,
    not_fitted,
    seen,
)
from .formats.job_choices import steps
from .formats.job_schema import Wrong
from .rehearsing import Rehearsed, aside, rehearse
from .result import Result
from .waiting import wait_for

Session = Party | Literal["simulate"]
FOLLOWS = ("features", "classes", "targets", "penalty")
"""Parameters of jobs that follow from what is declared of the data."""
REVEALED = ("coef_", "intercept_", "coefs_", "intercepts_")
DATA: dict[str, Any] = {
    "features": None,
    "target": None,
    "classes": None,
    "owner": "bob",
    "key": None,
    "match": None,
    "steps": (),
    "session": None,
}


class Estimator:
    """What the estimators share.

    features: names of columns, or how many there are, of `owner`, "alice", "bob", or "both" for
        rows of both; {"alice": […], "bob": […]} for columns of both; None for all columns but the
        target. target: the column that is learnt, {"bob": "default"} where it is not the owner's.
        key: the column of ids by which rows are matched, {"alice": "patient", "bob": "pid"} where
        they call it differently, or match="order". steps: preparation, as
        in a job's file ("standardise") or of `protocol.tables`. session: a `Party`, or "simulate".
        All the rest are parameters of the job of this name.
    """

    kind: ClassVar[type[Supervised]]
    _mixin: ClassVar[str]  # of sklearn.base: what scikit-learn takes it for

    def __init_subclass__(cls) -> None:
        known = {
            name: value for name, value in cls.kind().parameters.items() if name not in FOLLOWS
        }
        cls._defaults = DATA | known
        named = [
            inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, default=value)
            for each, value in cls._defaults.items()
        ]
        first = named[0].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        cls.__signature__ = inspect.Signature([first, *named[1:]])  # type: ignore[attr-defined]

    _defaults: ClassVar[dict[str, Any]]

    def __init__(self, features: Any = None, **parameters: Any) -> None:
        vars(self).update(self._defaults)
        self.set_params(features=features, **parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """By name, as they were given."""
        return {name: getattr(self, name) for name in self._defaults}

    def set_params(self, **parameters: Any) -> Self:
        """UnknownParameter, a ConfigError and a ValueError, for one that there is not."""
        for name, value in parameters.items():
            if name not in self._defaults:
                raise UnknownParameter(
                    f"{type(self).__name__} has no parameter {name}{nearest(name, self._defaults)}"
                    f" (it has: {', '.join(self._defaults)})"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = {
            name: value
            for name, value in self.get_params().items()
            if repr(value) != repr(self._defaults[name])
        }
        arguments = ", ".join(f"{name}={value!r}" for name, value in changed.items())
        return f"{type(self).__name__}({arguments})"

    # ---- fit -------------------------------------------------------------------------------------

    def fit(self, X: Any = None, y: Any = None, session: Session | None = None) -> Self:
        """Train with the peer, who calls this too; at alice and at bob with a frame of their own,
        or with none.

        X: a frame of pandas or polars, an array, or the path of a table. y: the target, where it is
            not a column of X.
        """
        return wait_for(self.fit_async(X, y, session))

    async def fit_async(self, X: Any = None, y: Any = None, session: Session | None = None) -> Self:
        """The same for coroutines and notebooks, beside other work."""
        where, given = self._session(session), given_to_fit(X, y)
        job = self._job(X, y, alone=not isinstance(where, Party))
        result: Result
        if isinstance(where, Party):
            result = await where.run(job, given, keep=True)
            self.model_: Any = result.model
        else:
            result, self.model_ = await aside(partial(rehearse, job, given))
        self.job_, self.result_ = job, result
        self._seen(X, job)
        self.history_ = {
            name: np.array([float(each) for each in found])
            for name, found in result.history.items()
        }
        self._learnt(result.values)
        for remark in result.remarks:
            warnings.warn(remark, stacklevel=1)
        return self

    def export(self, path: str | Path) -> list[str]:
        """Write the model as ONNX, where its weights were revealed to this party; see
        `Result.export`."""
        result: Result = self._fitted("result_")
        return result.export(path)

    def __getattr__(self, name: str) -> Any:
        """Asked for what is not there: coefficients that nobody revealed, say."""
        if name in REVEALED and "result_" in vars(self):
            raise AttributeError(
                f"{name}: the weights were not revealed to this party, for the model stays shared;"
                f" {type(self).__name__}(weights='both'), at both, reveals them"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _fitted(self, name: str) -> Any:
        if not hasattr(self, name):
            raise not_fitted(f"this {type(self).__name__} has no model yet; call fit first")
        return getattr(self, name)

    def _session(self, session: Session | None) -> Session:
        where = self.session if session is None else session
        if not isinstance(where, Party) and where != "simulate":
            raise ConfigError(
                'say where this runs: session=Party("bob", …) with a peer, or session="simulate"'
                " alone"
            )
        return where

    def _job(self, x: Any, y: Any, alone: bool) -> Supervised:
        """What both parties run, as the parameters declare it; `alone`, what they leave open
        follows from the data."""
        given = self.get_params()
        try:
            done: list[Step] = [
                each if isinstance(each, Step) else steps(["steps"], [each])[0]
                for each in given["steps"]
            ]
        except Wrong as wrong:
            raise ConfigError(f"steps: {wrong}") from None
        names, features, owner = names_of(x), given["features"], given["owner"]
        owners = features if isinstance(features, Mapping) else {owner: features}
        if owner not in (*ROLES, "both") or not {*owners} <= {*ROLES, "both"}:
            raise ConfigError(
                f"owner={owner!r}, features={features!r}: rows and columns are alice's, bob's, or"
                " those of both"
            )
        whose, column = (
            next(iter(given["target"].items()))
            if isinstance(given["target"], Mapping)
            else (None, given["target"])
        )
        whose = whose or (owner if owner in owners else next(iter(owners)))
        key = given["key"]
        keys = key if isinstance(key, Mapping) else dict.fromkeys(ROLES, key)
        if (
            features is None
            and alone
            and x is not None
            and issubclass(self.kind, MultilayerPerceptron)
        ):
            owners = {
                owner: (
                    [name for name in names if name not in (column, keys.get(owner))]
                    if names
                    else np.shape(x)[1]
                )
            }
        role, of = next(iter(owners.items()))
        body: dict[str, Any] = {name: value for name, value in given.items() if name not in DATA}
        known = parameters_of(self.kind)
        for name, value in body.items():
            check_kind(f"{type(self).__name__}({name}={value!r})", value, known[name])
        body["x"] = (
            Table(columns=owners["both"], steps=done, rows=BOTH)
            if "both" in owners
            else (
                Table(**owners, match=given["match"], steps=done, key=key)
                if len(owners) == 2
                else Table(role, of, steps=done, key=keys.get(role))
            )
        )
        rows: dict[str, Any] = {"rows": BOTH} if "both" in owners else {"key": keys.get(whose)}
        body["y"] = self._outcome(None if "both" in owners else whose, column, x, y, rows, body)
        if issubclass(self.kind, MultilayerPerceptron):
            width = body["x"].shape[1]
            if not isinstance(width, int):
                raise ConfigError(
                    "features: a network's first weights are drawn before the parties meet, so name"
                    " the columns"
                )
            body["features"] = width
        return made(self.kind, body)

    def _outcome(
        self,
        owner: str | None,
        column: Any,
        x: Any,
        y: Any,
        rows: Mapping[str, Any],
        body: dict[str, Any],
    ) -> Table:
        raise NotImplementedError

    def _seen(self, x: Any, job: Supervised) -> None:
        """Put down the columns before preparation, as scikit-learn does, where all are known."""
        assert isinstance(job.x, Table)
        count, names = seen(job.x, self.model_.learnt, bool(names_of(x)))
        if count is not None:
            self.n_features_in_ = count
        if names:
            self.feature_names_in_ = np.array(names, dtype=object)

    def _learnt(self, values: Mapping[str, Array]) -> None:
        """Put down what was revealed to this party, as scikit-learn calls it."""
        layers = sorted({int(name.split(".")[1]) for name in values if name.startswith("model.")})
        if layers:
            self.coefs_ = [values[f"model.{n}.weight"].T for n in layers]
            self.intercepts_ = [values[f"model.{n}.bias"] for n in layers]
        elif "coef" in values:
            self.coef_: Array = values["coef"].T
            self.intercept_: Any = values.get("intercept", np.zeros(len(self.coef_)))

    # ---- predict ---------------------------------------------------------------------------------

    def predict(self, X: Any = None, session: Session | None = None) -> Any:
        """What the model says of new rows: of this party, or X=None of the peer; columns of both
        are brought by both.

        Whoever brings the rows, or else has the target, learns it; the other gets None. The model
        stays shared.
        """
        return wait_for(self.predict_async(X, session))

    async def predict_async(self, X: Any = None, session: Session | None = None) -> Any:
        """The same for coroutines and notebooks."""
        found = await self._told("predictions", X, session)
        return None if found is None else self._named(found)

    async def _told(self, kind: str, x: Any, session: Session | None) -> Array | None:
        where, given, model = self._session(session), given_to_fit(x, None), self._fitted("model_")
        if isinstance(model, Rehearsed):
            check_rows(x, getattr(self, "n_features_in_", None))
        if isinstance(where, Party) == isinstance(model, Rehearsed):
            raise ConfigError("a model predicts where it was trained: with a Party, or simulated")
        if isinstance(where, Party):
            found = await where.predict(model, given, job=self.job_, kind=kind)
        else:
            owner = prediction(self.job_, "bob").to["predictions"]
            found = await aside(
                partial(model.predict, given, owner if owner in ROLES else "bob", kind)
            )
        return found.values.get(kind)

    def _named(self, found: Array) -> Any:
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found

    def score(self, X: Any, y: Any, session: Session | None = None) -> float:
        """How good predictions of X are, for y that this party has in the clear: accuracy, or
        R²."""
        if (found := self.predict(X, session)) is None:
            raise ConfigError(
                "the other party has been told what is predicted, as it brought the rows or has the"
                " target; score there"
            )
        return self._score(np.asarray(y), np.asarray(found))

    def _score(self, y: NDArray[Any], found: NDArray[Any]) -> float:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of an estimator that it is given."""
        made: Any = importlib.import_module("sklearn.base")
        face = (getattr(made, self._mixin), made.BaseEstimator)
        return type("Face", face, {})().__sklearn_tags__()
