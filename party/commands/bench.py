"""`python -m party bench`: seconds, bytes and errors of every workload on this machine."""

from __future__ import annotations

from protocol.config import Config

from ..bench.suite import suite
from ..bench.workloads import chosen


def run(settings: Config) -> int:
    return suite(chosen(settings.workloads), settings.scale, settings.size, settings.json)
