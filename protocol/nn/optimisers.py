"""How a step changes the parameters, given their gradients. Arguments and formulas are those of torch.optim.

State, such as momentum, is carried as any variable is: secret, from step to step, called by the parameter's name and its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..ops import Secret, clip
from .layer import flags, ranges

Rate = float | Callable[[int], float]


class Optimiser:
    """Subclass this: `state` and `moved`."""

    lr: Rate

    def state(self) -> Sequence[str]:
        """The names of what is carried for each parameter; each begins with zeros."""
        return ()

    def moved(self, p: Secret, g: Secret, state: dict[str, Secret], rate: Any) -> Secret:
        """The parameter after a step; `state` is updated in place. `rate`: this step's, a public number."""
        raise NotImplementedError

    def start(self, v: Any, names: Sequence[str]) -> None:
        """In setup: the state of the variables v[name], unless an earlier run has left it."""
        for name in names:
            for each in self.state():
                if f"{name}.{each}" not in v:
                    v[f"{name}.{each}"] = v.zeros(v[name].shape)

    def step(self, v: Any, names: Sequence[str], gradients: Sequence[Secret]) -> None:
        """Change the variables v[name], given the gradient of the loss by each."""
        rate = v.schedule(self.lr) if callable(self.lr) else self.lr
        for name, g in zip(names, gradients, strict=True):
            state = {each: v[f"{name}.{each}"] for each in self.state()}
            v[name] = self.moved(v[name], g, state, rate)
            for each, value in state.items():
                v[f"{name}.{each}"] = value


@dataclass(frozen=True)
class SGD(Optimiser):
    """Stochastic gradient descent.

    lr: the rate, or a function that gives it for each step, the first being 0. clip_value: what a gradient's entries are clipped to,
    in absolute value; four rounds.
    """

    lr: Rate = 0.001
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    clip_value: float | None = None

    def __post_init__(self) -> None:
        ranges(self, 0.0, math.inf, weight_decay=self.weight_decay, **({} if callable(self.lr) else {"lr": self.lr}))
        ranges(self, 0.0, 1.0, momentum=self.momentum)
        ranges(self, 0.0, math.inf, **({} if self.clip_value is None else {"clip_value": self.clip_value}))
        flags(self, nesterov=self.nesterov)

    def state(self) -> Sequence[str]:
        return ("momentum",) if self.momentum else ()

    def moved(self, p: Secret, g: Secret, state: dict[str, Secret], rate: Any) -> Secret:
        if self.clip_value is not None:
            g = clip(g, -self.clip_value, self.clip_value)
        if self.weight_decay:
            g = g + p * self.weight_decay
        if self.momentum:
            state["momentum"] = state["momentum"] * self.momentum + g * (1.0 - self.dampening)
            g = g + state["momentum"] * self.momentum if self.nesterov else state["momentum"]
        moved: Secret = p - rate * g
        return moved
