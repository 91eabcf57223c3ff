"""`python -m party bench`: seconds, bytes and errors of every workload on this machine."""

from __future__ import annotations

from ..bench.suite import suite
from ..bench.workloads import chosen
from ..command_settings import BenchSettings


def run(settings: BenchSettings) -> int:
    """Measure the chosen workloads and print tables, or with --json an object a line. Exit code 1
    if a product was off by more than 1%; else 0."""
    return suite(chosen(settings.workloads), settings.scale, settings.size, settings.json)
