"""What a run gave, as a user of the library has it: arrays by name, what was learnt while it ran,
and what it cost."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.errors import ConfigError, DataError, OutOfRangeError
from protocol.extras import needed
from protocol.graph import Array
from protocol.guard import sentence
from protocol.wording import counted, span

from .display import flat
from .exporting import Exportable
from .report import Report
from .shared import SharedModel


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """What a run, its simulation or its plaintext twin gave: a mapping of `values`, as in
    result["weights"], "weights" in result and dict(result).

    values: what was revealed to this party at the end, float64 by name; of a simulation or a twin,
    what was revealed to anybody.

    history: what each check revealed, by name, a list entry each; `steps` says after how many
    steps.

    model: this party's half of what stays shared, if the run was asked to keep it:
    `result.model.save("m.share")`.

    rows: where rows were matched by ids, the common rows as places in this party's table, from 0,
    in the order of whatever has an entry for each row.

    scored: where `scores` are of rows held out, these rows, an entry each: as places in this
    party's table where rows were matched, else in x, alice's rows first where each brought some.

    report: seconds, rounds, bytes and more, as measured.
    """

    values: dict[str, Array]
    history: dict[str, list[Array]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    model: SharedModel | None = None
    rows: NDArray[np.int64] | None = None
    scored: NDArray[np.int64] | None = None
    report: Report
    exportable: Exportable | None = None

    @staticmethod
    def of(
        report: Report, accept_out_of_range: bool = False, exportable: Exportable | None = None
    ) -> Result:
        """The result that a report stands for; OutOfRangeError where values left their range,
        unless that is accepted."""
        out_of_range(report, accept_out_of_range)
        history = report.history
        return Result(
            values=report.results,
            history=history.values,
            steps=history.steps,
            model=report.model,
            rows=report.rows,
            scored=report.scored,
            report=report,
            exportable=exportable,
        )

    def __getitem__(self, name: str) -> Array:
        """The array of that name; DataError that says which there are."""
        if name not in self.values:
            there = ", ".join(self.values) or "nothing"
            raise DataError(f"{name} was not revealed to this party; what was: {there}")
        return self.values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __bool__(self) -> bool:
        """True, where nothing was revealed too."""
        return True

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def keys(self) -> KeysView[str]:
        """The names of what was revealed."""
        return self.values.keys()

    def items(self) -> ItemsView[str, Array]:
        """Names and arrays of what was revealed."""
        return self.values.items()

    def export(self, path: str | Path) -> list[str]:
        """Write the model, whose weights were revealed to this party, as ONNX with its tables'
        preparation, as `--out MODEL.onnx` does. Returns sentences about what was written.

        ConfigError, DataError or JobError where that cannot be done.
        """
        if Path(path).suffix.lower() != ".onnx":
            raise ConfigError(
                f"export({str(path)!r}): say where the model goes, a path that ends in .onnx"
            )
        if self.exportable is None:
            raise ConfigError(
                "there is no model in this result: what was predicted has none; export what a"
                " training gave"
            )
        return self.exportable.write(Path(path), self.values)

    @property
    def remarks(self) -> list[str]:
        """Sentences about how far a training has come, that its loss still fell, say; none where
        nothing that was revealed tells."""
        if self.exportable is None:
            return []
        return self.exportable.job.remarks(self.values, self.history)

    def to_pandas(self, name: str) -> Any:
        """The array of that name as a pandas Series (one axis, or one column) or DataFrame."""
        with needed("to_pandas", "tables", DataError):
            import pandas
        array = self[name]
        if array.ndim > 2:
            raise DataError(
                f"{name} has {array.ndim} axes, and a table has two; take .values[{name!r}]"
            )
        return (
            pandas.DataFrame(array)
            if array.ndim == 2 and array.shape[1] != 1
            else pandas.Series(array.ravel(), name=name)
        )

    def __repr__(self) -> str:
        """Names and shapes, small arrays whole, and the cost in a line."""
        said = (
            f"{span(self.report.seconds)}: {counts(self.report)}"
            if self.report.rounds
            else f"{span(self.report.seconds)} in the clear"
        )
        lines = [
            f"{name} {array.shape}" + (f" {flat(array)}" if array.size <= 8 else "")
            for name, array in self.values.items()
        ]
        lines += [
            f"{name}, at check {len(found)}: {flat(found[-1])}"
            for name, found in self.history.items()
        ]
        lines = lines or ["nothing was revealed to this party"]
        return "\n  ".join([f"<Result of {said}>", *lines, *self.remarks])


def out_of_range(report: Report, accepted: bool) -> str:
    """What to say of values that left their range, "" where none has; OutOfRangeError unless that
    is accepted."""
    if report.beyond and not accepted:
        raise OutOfRangeError(sentence(report.beyond))
    return sentence(report.beyond) if report.beyond else ""


def counts(report: Report) -> str:
    """Rounds and bytes of a run, in a line."""
    rate = report.rounds / report.seconds if report.seconds else 0.0
    return (
        f"{counted(report.rounds, 'round')} ({rate:,.0f} a second),"
        f" {counted(report.bytes_sent, 'byte')} sent, {report.bytes_received:,} received,"
        f" {report.dealt_bytes:,} dealt"
    )
