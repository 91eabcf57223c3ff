"""`python -m party bench`: seconds, bytes and errors of every workload on this machine."""

from __future__ import annotations

from ..bench.suite import suite
from ..bench.workloads import chosen
from ..command_settings import BenchSettings


def run(settings: BenchSettings) -> int:
    return suite(chosen(settings.workloads), settings.scale, settings.size, settings.json)
