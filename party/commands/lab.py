"""`python -m party lab`: what latency and bandwidth cost a job, measured here, as tables and
pictures."""

from __future__ import annotations

from ..command_settings import LabSettings
from ..lab.laboratory import laboratory


def run(settings: LabSettings) -> int:
    return laboratory(settings)
