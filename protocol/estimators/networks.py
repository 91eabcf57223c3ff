"""Multi-layer perceptrons and small convolutional networks from parameters that are called as
scikit-learn's.

How many columns there are has to be said, for the two parties draw first weights of that shape
before they meet: `features`, and `classes` or `targets`. How many rows there are follows from the
data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import TypeVar

from ..errors import JobError
from ..jobs import ROLES, Bundle, Input, Parameter
from ..labels import Labels
from ..limits import ABOVE_0, COUNT, FEW, NOT_BELOW_0, PART, one_of
from ..nn import (
    MSE,
    SGD,
    Adam,
    Conv2d,
    CrossEntropy,
    Dense,
    EarlyStop,
    Flatten,
    Layer,
    MaxPool2d,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    Training,
    accuracy,
    auc,
    r2,
)
from ..nn.metrics import Metric
from ..nn.optimisers import LearningRate, Optimiser
from ..tables import Table

B = TypeVar("B", bound=Bundle)
RANGE = 16.0  # of columns, which should have a deviation near 1
ACTIVATIONS: dict[str, type[Layer] | None] = {
    "relu": ReLU,
    "tanh": Tanh,
    "logistic": Sigmoid,
    "identity": None,
}


def sizes(given: str, what: str) -> tuple[int, ...]:
    """(64, 32) of "64,32"; JobError for what is none of the kind."""
    try:
        found = tuple(int(each) for each in given.split(",") if each.strip())
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise JobError(f"{what} = {given!r}: whole numbers above 0, as in '64,32'")
    return found


def named(name: str, bundle: B) -> B:
    """A bundle that is an attribute of an instance, and not of its class."""
    bundle.__set_name__(object, name)
    return bundle


class MultilayerPerceptron(Training):
    """What the estimators of this file share.

    hidden_layer_sizes, activation, alpha, batch_size, learning_rate ("constant", or "invscaling"
    with power_t), learning_rate_init, max_iter (epochs), shuffle, random_state, solver ("sgd" with
    momentum and nesterovs_momentum, "adam" with beta_1, beta_2 and epsilon), early_stopping (which
    ends with the best weights), n_iter_no_change and validation_fraction mean what they mean in
    scikit-learn's MLPClassifier; defaults are for few steps. Metrics are revealed after every
    epoch, of the rows held out for validation, to whom accuracy, auc and r2 say, "alice", "bob",
    "both" or "none"; a regressor's loss to both. minimum: the fewest rows that are learnt from, or
    that a metric is of. initial: who draws the first weights, "alice",
    "bob" or "joint".
    """

    features = Parameter(0)
    hidden_layer_sizes = Parameter("100")
    activation = Parameter("relu", one_of(*ACTIVATIONS))
    alpha = Parameter(0.0001, NOT_BELOW_0)
    batch_size = Parameter(32, COUNT)
    learning_rate = Parameter("constant", one_of("constant", "invscaling"))
    learning_rate_init = Parameter(0.05, ABOVE_0)
    power_t = Parameter(0.5, NOT_BELOW_0)
    max_iter = Parameter(20, COUNT)
    random_state = Parameter(0)
    solver = Parameter("sgd", one_of("sgd", "adam"))
    beta_1 = Parameter(0.9, PART)
    beta_2 = Parameter(0.999, PART)
    epsilon = Parameter(1e-4, ABOVE_0)
    momentum = Parameter(0.9, PART)
    nesterovs_momentum = Parameter(True)
    early_stopping = Parameter(False)
    n_iter_no_change = Parameter(10, COUNT)
    validation_fraction = Parameter(0.1, PART)
    initial = Parameter("joint", one_of(*ROLES, "joint"))
    minimum = FEW

    def stated(self) -> dict[str, Input | Bundle]:
        return super().stated() | {"x": self.x, "y": self.y, "model": self.model}

    def layers(self) -> list[Layer]:
        """Of the model; the outputs are logits, or predictions."""
        return self._dense(self._size("features"))

    def _dense(self, width: int) -> list[Layer]:
        """Dense layers from so many entries on."""
        hidden = self.hidden_layer_sizes
        widths = (
            width,
            *(sizes(hidden, "hidden_layer_sizes") if hidden else ()),
            self.outputs,
        )
        found: list[Layer] = []
        for number, (before, after) in enumerate(pairwise(widths)):
            found += [*(self._activated() if number else []), Dense(before, after)]
        return found

    @property
    def outputs(self) -> int:
        """Of the last layer."""
        raise NotImplementedError

    def _activated(self) -> list[Layer]:
        kind = ACTIVATIONS[self.activation]
        return [] if kind is None else [kind()]

    def _size(self, name: str) -> int:
        value = getattr(self, name)
        if type(value) is not int or value < 1:
            raise JobError(f"{name} = {value!r}: say how many there are, as in --param {name}=10")
        return value

    @cached_property
    def x(self) -> Input | Table:  # type: ignore[override]
        """Bob's, unless a subclass says otherwise."""
        return named("x", Table("bob", columns=self._size("features"), low=-RANGE, high=RANGE))

    @cached_property
    def model(self) -> Layer:  # type: ignore[override]
        return named("model", Sequential(*self.layers(), owner=self.initial))

    @property
    def optimiser(self) -> Optimiser:  # type: ignore[override]
        first, power, decay = self.learning_rate_init, self.power_t, self.alpha / self.batch_size
        rate: LearningRate = (
            first if self.learning_rate == "constant" else lambda step: first / (step + 1) ** power
        )
        if self.solver == "adam":
            return Adam(rate, (self.beta_1, self.beta_2), self.epsilon, weight_decay=decay)
        nesterov = self.nesterovs_momentum and self.momentum > 0.0
        return SGD(rate, self.momentum, nesterov=nesterov, weight_decay=decay)

    @property
    def batch(self) -> int:  # type: ignore[override]
        return self.batch_size

    @property
    def epochs(self) -> int:  # type: ignore[override]
        return self.max_iter

    @property
    def held_out(self) -> float:  # type: ignore[override]
        return self.validation_fraction

    @property
    def seed(self) -> int:  # type: ignore[override]
        return self.random_state

    @property
    def metrics(self) -> Mapping[str, Metric]:  # type: ignore[override]
        return {name: self.measures[name] for name in self.to}

    @property
    def to(self) -> Mapping[str, str]:  # type: ignore[override]
        """As the attributes that are called like metrics say it; the loss to both."""
        said = {name: getattr(self, name) for name in self.measures}
        found = {name: who if isinstance(who, str) else "both" for name, who in said.items()}
        return {
            name: who for name, who in found.items() if who != "none" and self.validation_fraction
        }

    @property
    def measures(self) -> Mapping[str, Metric]:
        """What can be revealed after every epoch; early stopping is by the first."""
        raise NotImplementedError

    @property
    def early(self) -> EarlyStop | None:  # type: ignore[override]
        if not self.early_stopping:
            return None
        metric = next(iter(self.measures))
        return EarlyStop(metric, self.n_iter_no_change, smaller=metric == "loss", restore_best=True)


class MLPClassifier(MultilayerPerceptron):
    """x (n, features); y one-hot (n, classes), or labels in a table."""

    classes = Parameter(0)
    accuracy = Parameter("both")
    auc = Parameter("none")
    loss = CrossEntropy(limit=24.0)

    @property
    def outputs(self) -> int:
        return self._size("classes")

    @property
    def measures(self) -> Mapping[str, Metric]:
        return {"accuracy": accuracy, "auc": auc}

    @cached_property
    def y(self) -> Input | Table:  # type: ignore[override]
        return named("y", Labels("bob", classes=self._size("classes")))


class MLPRegressor(MultilayerPerceptron):
    """x (n, features); y (n, targets), of a deviation near 1."""

    targets = Parameter(1)
    r2 = Parameter("none")
    loss = MSE()

    @property
    def outputs(self) -> int:
        return self._size("targets")

    @property
    def measures(self) -> Mapping[str, Metric]:
        return {"loss": MSE(), "r2": r2}

    @cached_property
    def y(self) -> Input | Table:  # type: ignore[override]
        return named("y", Table("bob", columns=self._size("targets"), low=-RANGE, high=RANGE))


class CNNClassifier(MLPClassifier):
    """Of pictures x (n, *input_shape): for each of `channels` a 3 × 3 convolution, 2 × 2
    max-pooling and the activation; then dense layers.

    input_shape: channels, height and width, as in "1,28,28". hidden_layer_sizes: of dense layers
        before the last; "" for none.
    """

    input_shape = Parameter("")
    channels = Parameter("8,16")
    hidden_layer_sizes = ""

    @cached_property
    def x(self) -> Input | Table:  # type: ignore[override]
        return named("x", Table("bob", shape=self._picture(), low=-RANGE, high=RANGE))

    def _picture(self) -> tuple[int, ...]:
        found = sizes(self.input_shape, "input_shape")
        if len(found) != 3:
            raise JobError(
                f"input_shape = {self.input_shape!r}: channels, height and width, as in '1,28,28'"
            )
        return found

    def layers(self) -> list[Layer]:
        depth, *axes = self._picture()
        found: list[Layer] = []
        for width in sizes(self.channels, "channels"):
            if min(axes) < 2:
                raise JobError(
                    f"channels = {self.channels!r}: pictures of {self.input_shape} are too small to"
                    " be halved so often"
                )
            found += [Conv2d(depth, width, 3, padding=1), MaxPool2d(2), *self._activated()]
            depth, axes = width, [length // 2 for length in axes]
        return [*found, Flatten(), *self._dense(depth * prod(axes))]
