"""The dealer's own throughput: material by kind, with one worker and with two."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from protocol.graph import Phase

from ..api import plan
from ..loading import load_job
from .measuring import dealer_seconds

ELEMENTS = 16_384
KINDS = {  # what is dealt for → (job, parameters, elements of a step)
    "product": ("single", {"operation": "mul", "size": str(ELEMENTS)}, ELEMENTS),
    "matrix product": ("single", {"operation": "matmul", "size": "256"}, 256 * 256),
    "powers, degree 9": ("single", {"operation": "poly9", "size": str(ELEMENTS)}, ELEMENTS),
    "waves": ("single", {"operation": "sigmoid-fourier", "size": str(ELEMENTS)}, ELEMENTS),
    "comparison": ("single", {"operation": "ltz", "size": str(ELEMENTS)}, ELEMENTS),
    "gate": ("single", {"operation": "relu", "size": str(ELEMENTS)}, ELEMENTS),
    "seed step": ("seed", {}, 1),
    "mlp step": ("mlp", {}, 1),
}


@dataclass(frozen=True)
class Throughput:
    """Bytes to Bob a second, and elements (or steps) a second, by number of workers."""

    name: str
    n: int
    bytes_per_second: tuple[float, float]
    per_second: tuple[float, float]

    def as_data(self) -> dict[str, Any]:
        """All fields, for a line of JSON."""
        return asdict(self)


def throughput(kind: str, least: float = 0.5) -> Throughput:
    """Measure the dealer alone on one of KINDS, in this process: chunks of the size that it would
    stream, made by one worker and by two for at least `least` seconds each."""
    job_name, params, elements = KINDS[kind]
    dealing = plan(load_job(job_name, params), iterations=1 << 20).plan.dealing
    steps = dealing.phases[Phase.STEP].steps_per_chunk
    one, two = (dealer_seconds(dealing, steps, workers, least) / steps for workers in (1, 2))
    size = 8 * dealing.phases[Phase.STEP].dealt_words
    return Throughput(
        f"dealer: {kind}", elements, (size / one, size / two), (elements / one, elements / two)
    )
