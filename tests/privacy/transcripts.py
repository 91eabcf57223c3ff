"""Transcripts of many runs, and whether what travels is uniform.

Every byte of every masked word that a party receives is tested with a chi-square test for each of
its two hexadecimal digits (16 cells, 15 degrees of freedom), over RUNS runs with the same inputs
and fresh seeds, and all bytes of a party together (256 cells). The bound for T statistics is that
of Laurent and Massart (2000), P(χ²_d ≥ d + 2√(dx) + 2x) ≤ e^−x with x = ln(T / FALSE_ALARM): the
false alarms of one test function together have probability below FALSE_ALARM, those of the files
that use this below 1e-6. A bit that is set in fewer than one run of six, or in more than five, is
found; in an opening without its mask most bits never change."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol.cost import LAN
from protocol.graph import Phase
from protocol.jobs import Job
from protocol.plan import Plan
from protocol.simulate import Simulation, simulate

FALSE_ALARM = 1e-8  # of each test function; there are fewer than 100
RUNS = 240  # 15 to a cell


@dataclass
class Recorder:
    """All messages of many runs, by sender: [run][round] → words."""

    runs: list[list[list[np.ndarray]]] = field(default_factory=list)
    results: list[Simulation] = field(default_factory=list)

    def run(
        self,
        job: Job,
        arrays: dict[str, Any],
        iterations: int,
        learners=(0, 1),
        guard: bool = True,
        shares=({}, {}),
        network=LAN,
    ) -> None:
        seen: list[list[np.ndarray]] = [[], []]
        self.runs.append(seen)

        def observe(sender: int, words: np.ndarray) -> None:
            seen[sender].append(words)

        self.results.append(
            simulate(job, arrays, iterations, learners, observe, guard, True, shares, network)
        )

    @property
    def plan(self) -> Plan:
        return self.results[0].plan

    @property
    def shape(self) -> list[list[list[int]]]:
        return [[[len(words) for words in sent] for sent in run] for run in self.runs]

    def masked(self, sender: int) -> np.ndarray:
        """(runs, words) of everything masked that `sender` sent, in order."""
        layout = masked_words(self.plan)
        rows = [
            np.concatenate([m[: layout[n]] for n, m in enumerate(run[sender])]) for run in self.runs
        ]
        return np.stack(rows)


def masked_words(plan: Plan) -> list[int]:
    """Words of masked openings in each message: reveals stand behind them, in the last messages."""
    found = []
    for phase in Phase:
        rounds = [stage.openings for stage in plan.lowering.phases[phase].stages if stage.openings]
        for openings in rounds:
            kinds = [o.mask is None for o in openings]
            assert kinds == sorted(kinds), "a reveal stands before a masked opening"
        words = [sum(o.field.words for o in openings if o.mask is not None) for openings in rounds]
        found += words * plan.dealing.count(phase)
    return found


def digits(words: np.ndarray) -> np.ndarray:
    """(samples, positions) of words → (samples, 16·positions) of hexadecimal digits."""
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)
    return np.concatenate([octets & 15, octets >> 4], axis=1)


def uniform(samples: np.ndarray, cells: int, false_alarm: float) -> None:
    """Each column is uniform over `cells` values; all together raise a false alarm with this
    probability."""
    expected = len(samples) / cells
    assert expected >= 15
    counts = np.stack([(samples == value).sum(axis=0) for value in range(cells)])
    statistics = ((counts - expected) ** 2 / expected).sum(axis=0)
    x = math.log(statistics.size / false_alarm)
    limit = (cells - 1) + 2 * math.sqrt((cells - 1) * x) + 2 * x
    worst = int(statistics.argmax())
    assert statistics[worst] <= limit, (
        f"position {worst}: χ² {statistics[worst]:.0f}, limit {limit:.0f}"
    )


def fresh(words: np.ndarray) -> None:
    """No masked word ever comes twice, in any run. False alarm: n²/2^65 < 3e-8 for n < 900,000
    words."""
    assert words.size < 900_000
    assert len(np.unique(words)) == words.size


def defaults(job: Job) -> dict[str, np.ndarray]:
    return {name: np.asarray(each.default, np.float64) for name, each in job.inputs.items()}
