"""Learning rates as public functions of how far a training is, called as in
torch.optim.lr_scheduler; they count epochs, and parts of them.

    optimiser = SGD(lr=CosineAnnealingLR(0.1, warmup=1), momentum=0.9)

A `Training` knows how many steps an epoch has. Elsewhere say it:
SGD(lr=CosineAnnealingLR(0.1).over(epoch=40, epochs=10)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ..arguments import positive, ranges, sizes
from ..errors import JobError


@dataclass(frozen=True)
class Schedule:
    """Subclass this: `after`. lr: the rate to begin with. warmup: epochs before that, in which the
    rate grows to it in a line."""

    lr: float
    warmup: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        positive(self, lr=self.lr)
        ranges(self, 0.0, math.inf, warmup=self.warmup)

    def after(self, epoch: float, epochs: float) -> float:
        """The rate after so many epochs of so many, fractions included; those of the warm-up do not
        count."""
        raise NotImplementedError

    def over(self, epoch: int, epochs: float) -> Callable[[int], float]:
        """The rate of each step, the first being 0. epoch: steps of one; epochs: of the whole
        training."""
        sizes(self, epoch=epoch)
        positive(self, epochs=epochs)

        def rate(step: int) -> float:
            done = step / epoch - self.warmup
            if done < 0.0:
                return self.lr * (step + 1) / (self.warmup * epoch + 1)
            return self.after(done, max(epochs - self.warmup, 1 / epoch))

        return rate

    def __call__(self, step: int) -> float:
        raise JobError(
            f"{type(self).__name__} counts epochs, and nobody here knows how long one is: "
            f"lr={type(self).__name__}({self.lr:g}).over(epoch=40, epochs=10) says so in steps"
        )


@dataclass(frozen=True)
class StepLR(Schedule):
    """After every `step_size` epochs, gamma times what it was."""

    step_size: int = 10
    gamma: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes(self, step_size=self.step_size)
        positive(self, gamma=self.gamma)

    def after(self, epoch: float, epochs: float) -> float:
        return float(self.lr * self.gamma ** (epoch // self.step_size))


@dataclass(frozen=True)
class ExponentialLR(Schedule):
    """gamma times what it was after each epoch, a little less with every step."""

    gamma: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, gamma=self.gamma)

    def after(self, epoch: float, epochs: float) -> float:
        return float(self.lr * self.gamma**epoch)


@dataclass(frozen=True)
class CosineAnnealingLR(Schedule):
    """Half a cosine, from lr down to eta_min at the end of the training (Loshchilov and Hutter,
    2017)."""

    eta_min: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges(self, 0.0, math.inf, eta_min=self.eta_min)

    def after(self, epoch: float, epochs: float) -> float:
        part = math.cos(math.pi * min(epoch / epochs, 1.0))
        return self.eta_min + (self.lr - self.eta_min) * 0.5 * (1.0 + part)
