"""`python -m party lab`: what latency and bandwidth cost a job, measured here, as tables and
pictures."""

from __future__ import annotations

from protocol.config import Config

from ..lab.laboratory import laboratory


def run(settings: Config) -> int:
    return laboratory(settings)
