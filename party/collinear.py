"""Columns of one owner of which one is nearly a combination of the others: what a regression makes
of these, the owner is told before the run, and nobody else."""

from __future__ import annotations

import numpy as np

from protocol.fixedpoint import Array
from protocol.jobs import Job

from .formats.frames import listed

ENOUGH = 20_000  # rows that are looked at, of more
EXACT = 1e-12  # an eigenvalue of correlations that roundings make of 0
PART = 0.05  # of the largest coefficient of a combination, below which a column is not named


def said_of_collinear(job: Job, name: str, columns: list[str], rows: Array) -> str:
    """A sentence about these rows of the input or table `name`; "" where the job tells their
    columns apart."""
    part = job.least_eigenvalue(name)
    if not part or len(rows) < 2:
        return ""
    some = rows[:: max(1, len(rows) // ENOUGH)].astype(np.float64)
    vary = np.flatnonzero(np.ptp(some, axis=0) > 0)
    least = part * len(vary)
    if not 1 < len(vary) < len(some):
        return ""
    scaled = (some[:, vary] - some[:, vary].mean(axis=0)) / some[:, vary].std(axis=0)
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    if values[0] >= least:
        return ""
    parts = np.abs(vectors[:, 0])
    named = [columns[n] if columns else str(n + 1) for n in vary[parts > PART * parts.max()]]
    if values[0] < EXACT:
        return (
            f"of the columns {listed(named)} each is a combination of the others: of all"
            " coefficients that serve, the smallest are learnt; leave one of them out"
        )
    return (
        f"of the columns {listed(named)} each is nearly a combination of the others: their"
        " coefficients come out smaller than the best, as of a ridge; leave one of them out, or let"
        " both parties agree on a larger condition"
    )
