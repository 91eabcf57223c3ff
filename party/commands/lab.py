"""`python -m party lab`: what latency and bandwidth cost a job, measured here, as tables and
pictures."""

from __future__ import annotations

from ..command_settings import LabSettings
from ..lab.laboratory import laboratory


def run(settings: LabSettings) -> int:
    """Measure the job over every link of the grid, write tables and pictures to --out, and print
    where they are (--json: what was found). Exit code 0."""
    return laboratory(settings)
