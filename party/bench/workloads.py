"""The workloads of the benchmark: which job, how large, how many of its steps make one repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from protocol.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`size` is that of the job's parameter `sized` ("": the number of steps)."""

    name: str
    job: str
    size: int
    params: tuple[tuple[str, str], ...] = ()
    sized: str = "size"
    steps: int = 1  # of the job, in one repeat
    free: int = 3  # repeats in free run, the first of them to warm up
    held: int = 7  # repeats with the material at hand

    def resized(self, scale: float, size: int | None) -> Workload:
        """The same at another size. Networks have the size that their job gives them."""
        if self.name == "exchange":
            return self
        chosen = max(1, round(self.size * scale)) if size is None else size
        if self.sized:
            return replace(self, size=chosen)
        return replace(self, size=chosen, steps=chosen) if self.steps > 1 else self

    @property
    def iterations(self) -> int:
        """Iterations of the job in one run: all repeats, free and held."""
        return (self.free + self.held) * self.steps

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the job is given with `--param`, its size included."""
        return dict(self.params) | ({self.sized: str(self.size)} if self.sized else {})


def _single(name: str, operation: str, size: int, held: int = 7) -> Workload:
    return Workload(
        name=name, job="single", size=size, params=(("operation", operation),), held=held
    )


WORKLOADS = {
    each.name: each
    for each in (
        Workload(
            name="exchange", job="single", size=12, params=(("operation", "mul"),), sized="size"
        ),
        _single("mul-1M", "mul", 1_000_000, 9),
        _single("matmul-512", "matmul", 512, 9),
        _single("matmul-1024", "matmul", 1024),
        _single("poly9-100k", "poly9", 100_000),
        _single("sigmoid-100k-interpolated", "sigmoid", 100_000),
        _single("sigmoid-100k-fourier", "sigmoid-fourier", 100_000),
        _single("sigmoid-100k-accurate", "sigmoid-accurate", 100_000),
        _single("exp-100k", "exp", 100_000),
        _single("softmax-1000x10", "softmax", 10_000),
        _single("reciprocal-100k", "reciprocal", 100_000),
        _single("maxpool", "maxpool", 64 * 8 * 28 * 28),
        _single("ltz-1M", "ltz", 1_000_000, 5),
        _single("relu-1M", "relu", 1_000_000, 5),
        Workload(name="seed-10k", job="seed", size=10_000, sized="", steps=10_000, free=1, held=2),
        Workload(name="logreg", job="logreg", size=78, sized="", steps=78, free=2, held=4),
        Workload(name="mlp", job="mlp", size=128, sized="", free=6, held=14),
        Workload(name="mlp-ce", job="mlp-ce", size=128, sized="", free=6, held=14),
        Workload(name="cnn", job="cnn", size=64, sized="", free=6, held=14),
        Workload(name="lenet", job="lenet", size=64, sized="", free=3, held=7),
        Workload(
            name="digits-epoch", job="digits-mlp", size=44, sized="", steps=44, free=2, held=4
        ),
    )
}
OTHERS = ("dealer", "products")


def chosen(names: tuple[str, ...]) -> list[str]:
    """The workloads called by these names, or by the beginning of one; all but `products` if there
    are none.
    """
    found: list[str] = []
    for name in names or (*WORKLOADS, "dealer"):
        matching = [each for each in (*WORKLOADS, *OTHERS) if each == name] or [
            each for each in (*WORKLOADS, *OTHERS) if each.startswith(f"{name}-")
        ]
        if not matching:
            raise ConfigError(
                f"there is no workload {name!r}; there are {', '.join((*WORKLOADS, *OTHERS))}"
            )
        found += [each for each in matching if each not in found]
    return found
