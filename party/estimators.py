"""Estimators with scikit-learn's face: constructor, fit, predict, predict_proba, score, get_params,
set_params; `sklearn.clone` takes them.

    from party import LogisticRegression, Party

    model = LogisticRegression(  # the same at both parties
        features={"alice": ["age", "income"], "bob": ["visits"]}, key="patient", weights="none",
        target={"bob": "default"}, classes=["no", "yes"], steps=["standardise"])
    model.fit(frame, session=Party("bob"))  # each its own frame; notebook: await model.fit_async(…)
    risks = model.predict_proba(new, session=Party("bob"))
    model.model_.save("default.bob")  # this party's half: the model stays shared

The model stays shared, and nobody learns the weights unless `weights` names who does. Alone, on
data of both, session="simulate" does the same through the real protocol in this process:
LogisticRegression(session="simulate").fit(X, y). Parameters are those of the estimators by name
(`protocol.estimators`), which have scikit-learn's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from protocol import estimators
from protocol.errors import ConfigError
from protocol.estimators.networks import MultilayerPerceptron
from protocol.graph import Array
from protocol.labels import Labels
from protocol.nn.supervised import Supervised
from protocol.tables import Table

from .estimating import classes_in
from .estimator import Estimator, Session
from .waiting import wait_for


class Classifier(Estimator):
    """classes: those of the target, in order, or how many (0, 1, 2 …); simulated with y, those that
    it has."""

    kind: ClassVar[type[Supervised]] = estimators.LogisticRegression
    _mixin = "ClassifierMixin"

    def _outcome(
        self,
        owner: str | None,
        column: Any,
        x: Any,
        y: Any,
        rows: Mapping[str, Any],
        body: dict[str, Any],
    ) -> Table:
        classes = self.get_params()["classes"]
        if classes is None:
            classes = classes_in(x, y, column)
        if classes is None:
            raise ConfigError(
                'classes=["no", "yes"] says which the target has, in order, where it is no column'
                " of what is given here; both parties say the same"
            )
        self.classes_ = np.asarray(range(classes) if isinstance(classes, int) else classes)
        if issubclass(self.kind, MultilayerPerceptron):
            body["classes"] = len(self.classes_)
        binary = len(self.classes_) == 2 and not issubclass(self.kind, MultilayerPerceptron)
        return Labels(owner, column, classes=classes, one_hot=not binary, **rows)

    def _named(self, found: Array) -> Any:
        return self.classes_[found.ravel().round().astype(int)]

    def predict_proba(self, X: Any = None, session: Session | None = None) -> Array | None:
        """Of each class, (rows, classes); None where they are for the other party."""
        return wait_for(self.predict_proba_async(X, session))

    async def predict_proba_async(
        self, X: Any = None, session: Session | None = None
    ) -> Array | None:
        """The same for coroutines and notebooks."""
        found = await self._told("probabilities", X, session)
        return found if found is None or found.shape[1] > 1 else np.hstack([1.0 - found, found])

    def _score(self, y: NDArray[Any], found: NDArray[Any]) -> float:
        return float((y.ravel() == found).mean())


class Regressor(Estimator):
    """The target is a number."""

    kind: ClassVar[type[Supervised]] = estimators.LinearRegression
    _mixin = "RegressorMixin"

    def _outcome(
        self,
        owner: str | None,
        column: Any,
        x: Any,
        y: Any,
        rows: Mapping[str, Any],
        body: dict[str, Any],
    ) -> Table:
        width = 1 if np.ndim(y) < 2 else np.shape(y)[1]
        if issubclass(self.kind, MultilayerPerceptron):
            body["targets"] = width
        return Table(owner, width if column is None else [column], **rows)

    def _learnt(self, values: Mapping[str, Array]) -> None:
        super()._learnt(values)
        if len(getattr(self, "coef_", ())) == 1:  # one target
            self.coef_, self.intercept_ = self.coef_[0], float(self.intercept_[0])

    def _score(self, y: NDArray[Any], found: NDArray[Any]) -> float:
        return float(1.0 - ((y.reshape(found.shape) - found) ** 2).mean() / y.var())


class LogisticRegression(Classifier):
    """Of two classes and of several; see `protocol.estimators.LogisticRegression` for its
    parameters."""


class LinearRegression(Regressor):
    """Least squares; see `protocol.estimators.LinearRegression`."""


class Ridge(Regressor):
    """Least squares with a penalty; see `protocol.estimators.Ridge`."""

    kind = estimators.Ridge


class MLPClassifier(Classifier):
    """See `protocol.estimators.MLPClassifier`; columns should have a deviation near 1."""

    kind = estimators.MLPClassifier


class MLPRegressor(Regressor):
    """See `protocol.estimators.MLPRegressor`; columns and target should have a deviation near 1."""

    kind = estimators.MLPRegressor
