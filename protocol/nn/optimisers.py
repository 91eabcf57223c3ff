"""How a step changes the weights, given their gradients. Arguments and formulas are those of
torch.optim.

State, such as momentum, is carried as any variable is: secret, from step to step, called by the
weight's name and its own.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from ..arguments import flags, instead, positive, ranges
from ..errors import JobError
from ..ops import Secret, clip, rsqrt
from ..ops.tensor import bounded
from .schedules import Schedule

LearningRate = float | Callable[[int], float]
ROUNDED = 1e-12  # how far below 0 the last rates of a line may be, by rounding
Scheduled = Callable[[Callable[[int], float]], Any]


class Optimiser:
    """Subclass this: `state` and `moved`."""

    lr: LearningRate
    weight_decay: float
    clip_value: float | None

    def __post_init__(self) -> None:
        instead(self, "lr", self.lr)
        if not callable(self.lr):
            positive(self, lr=self.lr)
        else:
            try:
                inspect.signature(self.lr).bind(0)
            except TypeError as error:
                raise JobError(
                    f"{type(self).__name__}: lr is a number, or a function of the step, which this"
                    f" one is not ({error})"
                ) from None
        ranges(self, 0.0, math.inf, weight_decay=self.weight_decay)
        if self.clip_value is not None:
            positive(self, clip_value=self.clip_value)

    def over(self, epoch: int, epochs: float) -> Self:
        """With the rates of the steps of a training where it has a `Schedule`. epoch: steps of one;
        epochs: of the training."""
        if not isinstance(self.lr, Schedule):
            return self
        return replace(self, lr=self.lr.over(epoch, epochs))  # type: ignore[type-var]

    def state(self) -> Sequence[str]:
        """The names of what is carried for each weight; each begins with zeros."""
        return ()

    def moved(self, p: Secret, g: Secret, state: dict[str, Secret], scheduled: Scheduled) -> Secret:
        """The weight after a step; `state` is updated in place. `scheduled` makes a function of
        the step a public number."""
        raise NotImplementedError

    def rate(self, step: int) -> float:
        """The rate of a step, the first being 0; JobError where a function gives none."""
        if not callable(self.lr):
            return self.lr
        found = self.lr(step)
        found = 0.0 if isinstance(found, float) and -ROUNDED <= found < 0.0 else found
        ranges(type(self).__name__, 0.0, math.inf, **{f"lr({step})": found})
        return found

    def penalised(self, p: Secret, g: Secret) -> Secret:
        """The gradient clipped, and with the weight decay of the weight."""
        if self.clip_value is not None:
            g = clip(g, -self.clip_value, self.clip_value)
        return g + p * self.weight_decay if self.weight_decay else g

    def start(self, v: Any, names: Sequence[str]) -> None:
        """In setup: the state of the variables v[name], unless an earlier run has left it."""
        for name in names:
            for each in self.state():
                if f"{name}.{each}" not in v:
                    v[f"{name}.{each}"] = v.zeros(v[name].shape)

    def step(self, v: Any, names: Sequence[str], gradients: Sequence[Secret]) -> None:
        """Change the variables v[name], given the gradient of the loss by each."""
        for name, g in zip(names, gradients, strict=True):
            state = {each: v[f"{name}.{each}"] for each in self.state()}
            v[name] = self.moved(v[name], g, state, v.schedule)
            for each, value in state.items():
                v[f"{name}.{each}"] = value


@dataclass(frozen=True)
class SGD(Optimiser):
    """Stochastic gradient descent.

    lr: the rate, a `Schedule`, or a function that gives it for each step, the first being 0.
        clip_value: what a gradient's entries are clipped to, in absolute value; the rounds of a
        comparison.
    """

    lr: LearningRate = 0.001
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    clip_value: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges(self, 0.0, 1.0, momentum=self.momentum, dampening=self.dampening)
        flags(self, nesterov=self.nesterov)
        if self.nesterov and (not self.momentum or self.dampening):
            raise JobError("SGD: nesterov needs a momentum, and no dampening")

    def state(self) -> Sequence[str]:
        return ("momentum",) if self.momentum else ()

    def _undamped(self, step: int) -> float:
        """What part of a gradient the momentum takes: of the first all, as PyTorch has it."""
        return 1.0 - self.dampening if step else 1.0

    def moved(self, p: Secret, g: Secret, state: dict[str, Secret], scheduled: Scheduled) -> Secret:
        g = self.penalised(p, g)
        if self.momentum:
            fresh = g * scheduled(self._undamped) if self.dampening else g
            state["momentum"] = state["momentum"] * self.momentum + fresh
            g = g + state["momentum"] * self.momentum if self.nesterov else state["momentum"]
        moved: Secret = p - (scheduled(self.rate) if callable(self.lr) else self.lr) * g
        return moved


# what gradients are multiplied by where their squares are kept: a power of two, which costs nothing
ZOOM = 128.0
LEAST = 2.0**-18  # of what a root is taken of


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam, with √(v̂ + eps²) where PyTorch divides by √v̂ + eps: larger by up to eps, and found by
    `ops.rsqrt`.

    eps: gradients far below it move a weight in proportion, those above it by about lr. In fixed
        point a gradient is off by a unit in the last place or so, which a smaller eps would take
        for a gradient: its default is 1e-4, PyTorch's 1e-8, and 2^-16 is the least. While few
        steps are done, v̂ is known less exactly, and eps is no less than 2^-16 / √(1 − beta_2^step):
        5e-4 in the first. weight_decay is added to the gradient. Gradients beyond 8 (root mean
        square) are beyond the range of `rsqrt`, and the guard counts them.

    Kingma and Ba, "Adam: a method for stochastic optimization", 2015.
    """

    lr: LearningRate = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-4
    weight_decay: float = 0.0
    clip_value: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise JobError(f"{type(self).__name__}: betas are two numbers, not {self.betas!r}")
        ranges(self, 0.0, 1.0, **{f"betas[{n}]": beta for n, beta in enumerate(self.betas)})
        least = math.sqrt(LEAST) / ZOOM
        ranges(self, 0.0, math.inf, eps=self.eps)
        if not least <= self.eps < 1.0:
            raise JobError(
                f"{type(self).__name__}: eps is a number from {least:.2g} on and below 1, not"
                f" {self.eps:g}: a gradient is exact to some {least:.0e} here, and below that a"
                " weight would be moved by roundings; the default is 1e-4"
            )

    def state(self) -> Sequence[str]:
        return ("exp_avg", "exp_avg_sq")

    def moved(self, p: Secret, g: Secret, state: dict[str, Secret], scheduled: Scheduled) -> Secret:
        (first, second), zoom = self.betas, ZOOM
        near = self.penalised(p, g) * zoom
        mean = state["exp_avg"] = state["exp_avg"] * first + near * (1.0 - first)
        square = state["exp_avg_sq"] = state["exp_avg_sq"] * second + (near * near) * (1.0 - second)

        def least(step: int) -> float:
            return max((self.eps * zoom) ** 2 * (1.0 - second ** (step + 1)), LEAST)

        def rate(step: int) -> float:
            return (
                self.rate(step)
                * math.sqrt(1.0 - second ** (step + 1))
                / (1.0 - first ** (step + 1))
            )

        root = rsqrt(bounded(bounded(square, 0.0, math.inf) + scheduled(least), LEAST, math.inf))
        # by Cauchy and Schwarz, and twice that for roundings
        reach = (
            2.0
            * (1.0 - first)
            / math.sqrt((1.0 - second) * max(1.0 - first * first / max(second, 1e-9), 1e-9))
        )
        moved: Secret = p - scheduled(rate) * bounded(mean * root, -reach, reach)
        return moved


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight_decay shrinks the weight itself, by lr · weight_decay a step (Loshchilov
    and Hutter, 2019)."""

    weight_decay: float = 0.01

    def moved(self, p: Secret, g: Secret, state: dict[str, Secret], scheduled: Scheduled) -> Secret:
        decay = self.weight_decay
        kept = p * (
            scheduled(lambda step: 1.0 - self.rate(step) * decay)
            if callable(self.lr)
            else 1.0 - self.lr * decay
        )
        return Adam.moved(replace(self, weight_decay=0.0), kept, g, state, scheduled)
