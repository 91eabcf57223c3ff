"""A party's own tensors: from files and tables, checked against what the job declares, or from the
job's defaults.

Every fault ends in one DataError that names the tensor, the file and what to do. It may name lines
and positions, never values: the data are secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from protocol.draws import Draw
from protocol.errors import ConfigError, DataError
from protocol.fixedpoint import Array, check
from protocol.inputs import bind
from protocol.jobs import Input, Job
from protocol.nn.supervised import Supervised
from protocol.preparation import Standardise
from protocol.prg import fresh_seed
from protocol.tables import tables
from protocol.together import FAINTEST
from protocol.wording import counted

from .collinear import said_of_collinear
from .columns import beyond, own_tables
from .formats.arrays import Read, read_tensor
from .formats.frames import Frame, listed, shown_shape, shown_size
from .formats.preparation import Fitted
from .given import Given
from .rows import Cut, Places


@dataclass
class Inputs:
    """One party's tensors, and what is to be said of them.

    arrays: by tensor. pending: tables as they were read, by tensor, as long as it is not
    known which of their rows count. read: a sentence for each that was read; said: more
    of what the job makes of them. fitted: what preparation learnt, by tensor: secret, and kept with
    a model.
    """

    arrays: dict[str, Array] = field(default_factory=dict, repr=False)
    pending: dict[str, Frame] = field(default_factory=dict, repr=False)
    read: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    fitted: dict[str, Fitted] = field(default_factory=dict)
    # tensors from files whose first line may be a header
    unsure: list[str] = field(default_factory=list)


def own_inputs(
    job: Job,
    role: str,
    given: Given,
    key: Callable[[], bytes] = fresh_seed,
    learnt: Mapping[str, Fitted] = MappingProxyType({}),
    rows: Places | None = None,
) -> Inputs:
    """This party's tensors, as given or by the job's defaults, checked against what the job
    declares.

    given: of both parties, or of this one. key: 32 secret bytes, from which a default that is drawn
    follows. learnt: what preparation learnt in an earlier run, by tensor, used instead of learning
    again. rows: the places of the rows that count, in order, where rows are matched; None: all
    rows.
    """
    own = given.of(job, role)
    for name in given.data.keys() - own.data.keys():
        owner = job.inputs[name].owner if name in job.inputs else "the other party"
        raise DataError(
            f"{given.option} {name}=…: {role} does not bring a tensor {name}; it is {owner}'s to"
            " bring"
        )
    for name in given.tables.keys() - own.tables.keys():
        raise DataError(
            f"--table {name}=…: {role} brings nothing of that; it is the other party's to bring"
        )
    named = {
        table.tensor(role): name for name, table in tables(job).items() if role in table.owners
    }
    if given.tables and not named:
        raise ConfigError(
            f"--table: {role} brings no table in the job {type(job).__name__}; --data NAME=FILE"
            " brings tensors"
        )
    cut = Cut.of(job, rows)
    found = read_inputs(job, role, own, learnt, rows)
    mine = {
        name: cut.declared(name)
        for name, declared in job.inputs.items()
        if declared.owner == role and name not in found.pending
    }
    for name in mine.keys() - found.arrays.keys():
        if name in named:
            way = f"bring it with --table FILE, or --table {named[name]}=FILE"
            if given.option == "data":
                way = (
                    f"give a frame or the path of a file for all tables, or {named[name]}=… for"
                    " this one"
                )
            raise DataError(f"{name} is a table of named columns; {way}")
        found.arrays[name] = cut.rows_of(name, default_tensor(name, mine[name], key))
    found.arrays = {name: found.arrays[name] for name in mine}
    _check_rows(mine, found, own)
    _check_deviations(job, found)
    _check_classes(job, found, cut)
    return found


def read_inputs(
    job: Job,
    role: str,
    given: Given,
    learnt: Mapping[str, Fitted] = MappingProxyType({}),
    rows: Places | None = None,
) -> Inputs:
    """Those of this party's tensors that are given, without defaults and without checks across
    tensors; arguments as of `own_inputs`."""
    given, found, cut = given.of(job, role), Inputs(), Cut.of(job, rows)
    known = tables(job)
    for name, prepared in own_tables(job, role, given, cut, learnt).items():
        found.read.append(f"{name}: {prepared}")
        if prepared.fitted is None:
            found.pending[name] = prepared.frame
            continue
        array = prepared.fitted.apply(prepared.frame)
        where = _where(prepared.frame.source, prepared.frame.about)
        declared = cut.declared(name)
        try:
            found.arrays[name] = _checked(name, array, declared, where, "table")
        except DataError:
            table = known[name.partition(".")[0]]
            if said := beyond(job, table, prepared, array, declared, where):
                raise DataError(f"tensor {name}: {said}") from None
            raise
        found.fitted[name] = prepared.fitted
    rest = {
        name: each
        for name, each in given.data.items()
        if name in job.inputs and name not in found.arrays | found.pending
    }
    for name, each in rest.items():
        read = _read(name, each, given)
        where = _where(str(each), read.about) if isinstance(each, Path) else "as given"
        array = cut.rows_of(name, np.asarray(read.array))
        found.arrays[name] = _checked(
            name, array, cut.declared(name), where, read.kind, not cut.pending(name)
        )
        if read.unsure:
            found.unsure.append(name)
        if isinstance(each, Path):
            found.read.append(
                f"{name}: {shown_size(found.arrays[name].shape)} from {each}{read.about}"
            )
    return found


def _where(source: str, about: str) -> str:
    """What a sentence about the numbers of a source calls it, and whether it was read without a
    header."""
    headless = "read without a header, which --header yes says it has"
    return f"{source}, {headless}" if "without a header" in about else source


def _read(name: str, given: Any, of: Given) -> Read:
    """A file; or an array, a list, or a frame of pandas or polars by the order of its columns."""
    if isinstance(given, Path):
        return read_tensor(name, given, of.header)
    try:
        # a copy: it may change
        return Read(np.array(given.to_numpy() if hasattr(given, "to_numpy") else given), "given")
    except ValueError:
        raise DataError(
            f"tensor {name} has rows of different lengths; make all rows alike"
        ) from None


def load_tensor(name: str, path: Path, declared: Input) -> Array:
    """The tensor in a file, checked against its Input."""
    read = read_tensor(name, path)
    return _checked(name, read.array, declared, str(path), read.kind)


def default_tensor(name: str, declared: Input, key: Callable[[], bytes] = fresh_seed) -> Array:
    """The value that the job itself gives for an Input; where it is to be drawn, by this secret
    key."""
    if declared.default is None:
        raise DataError(
            f"tensor {name} has no default in the job; bring it with --data {name}=FILE, or --data"
            " FILE.npz, which has it by its name"
        )
    if isinstance(declared.default, Draw):
        shape = tuple(length for length in declared.shape if isinstance(length, int))
        if len(shape) != len(declared.shape):
            raise DataError(
                f"tensor {name} has axes of unknown length, so it cannot be drawn; declare their"
                " lengths in the job"
            )
        drawn = declared.default.array(key(), name, shape)
        return drawn.clip(declared.low, declared.high)
    try:
        found = np.asarray(declared.default)
    except ValueError:
        raise DataError(
            f"tensor {name} (the job's default) has rows of different lengths; mend the job"
        ) from None
    return _checked(name, found, declared, "the job's default", "default")


# ---- checks --------------------------------------------------------------------------------------


def _checked(
    name: str, found: Any, declared: Input, where: str, kind: str, values: bool = True
) -> Array:
    """The tensor in the shape and range that the Input declares; DataError if it cannot be brought
    there.

    where: its source, for the sentence. kind: of the source. Text does not tell a row from a
    column, nor an IDX file or a table pictures from rows: the declared shape decides. values:
    whether entries are checked too, and not the shape alone.
    """
    actual = np.asarray(found)
    want = declared.shape
    rest = tuple(length for length in want[1:] if isinstance(length, int))
    if actual.ndim == 1 and len(want) == 2 and (want[1] == 1 or isinstance(want[1], str)):
        actual = actual[:, None]
    elif (
        kind == "text"
        and len(want) < 2
        and sum(length != 1 for length in actual.shape) <= len(want)
    ):
        actual = actual.reshape((-1,) * len(want))
    elif (
        kind in ("idx", "table")
        and want
        and len(rest) == len(want) - 1
        and actual.shape[1:] != rest
    ):
        actual = (
            actual.reshape(len(actual), *rest) if prod(rest) == prod(actual.shape[1:]) else actual
        )
    sizes = zip(want, actual.shape, strict=False)
    if actual.ndim != len(want) or any(isinstance(w, int) and w != got for w, got in sizes):
        raise DataError(
            f"tensor {name} ({where}) has shape {shown_shape(actual.shape)}; the job declares"
            f" {shown_shape(want)}: bring data of that shape"
        )
    if not actual.size:
        raise DataError(
            f"tensor {name} ({where}) holds no values; its shape is {shown_shape(actual.shape)}:"
            " bring some rows"
        )
    if not values:
        return actual
    return check(name, actual, declared.low, declared.high, where, declared.row_sum)


def _check_rows(mine: Mapping[str, Input], found: Inputs, given: Given) -> None:
    """DataError, naming the files, where axes that the job gives one name have different
    lengths."""
    try:
        bind(mine, {name: array.shape for name, array in found.arrays.items()})
    except DataError as error:
        sources = {name: _origin(_source(name, each.owner, given)) for name, each in mine.items()}
        sources |= {
            name: f"{sources[name]}, without a header unless --header yes says so"
            for name in found.unsure
        }
        named = "; ".join(f"{name} is {source}" for name, source in sources.items())
        raise DataError(f"{error} ({named})") from None


def _check_deviations(job: Job, found: Inputs) -> None:
    """DataError for a column that varies, but by less than the job can tell from a constant: its
    result would be 0. Where rows of both count together, which may vary more than those of each, a
    sentence instead; and one of a column that does not vary."""
    known = tables(job)
    for name, array in found.arrays.items():
        whole = name.partition(".")[0]
        table = known.get(whole)
        names = list(found.fitted[name].names) if name in found.fitted else []
        if array.ndim != 2:
            continue
        if table is not None and table.shared:
            places = [names.index(each) for each in table.shared if each in names]
            step, here = table.steps[-1], array[:, places].astype(np.float64)
            size = here.std(axis=0) if isinstance(step, Standardise) else np.ptp(here, axis=0)
            for n in np.flatnonzero((np.ptp(here, axis=0) > 0) & (size < FAINTEST)):
                found.said.append(
                    f"{name}: column {names[places[n]]} varies in the rows here by less than a part"
                    " in 2,048 of the range that the job declares for it; if it does in the rows of"
                    " both, it counts as constant: declare a narrower range"
                )
            continue
        alone = table is None or not table.horizontal
        if alone and (collinear := said_of_collinear(job, whole, names, array)):
            found.said.append(f"{name}: {collinear}")
        finest = job.finest(whole, len(array))
        became = "" if table is not None and table.horizontal else _of_constants(job, whole, finest)
        if not finest and not became:
            continue
        vary = array.min(axis=0) != array.max(axis=0)
        if became and not vary.all():
            same = [names[n] if names else str(n + 1) for n in np.flatnonzero(~vary)]
            found.said.append(
                f"{name}: columns that are constant here, with {became}: {listed(same)}"
            )
        if not finest:
            continue
        faint = np.flatnonzero(vary & (array.std(axis=0) < finest))
        if not faint.size:
            continue
        column, values = names[faint[0]] if names else faint[0] + 1, array[:, faint[0]]
        if table is not None and table.horizontal:
            found.said.append(
                f"{name}: column {column} has a deviation below {finest:.2g} in the rows here; if"
                " it has in the rows of both, it counts as constant, and its result is 0: bring it"
                " in smaller units"
            )
            continue
        said = f"has a deviation below {finest:.2g}, with which it counts as constant here;"
        way = "standardise it, or bring it in smaller units"
        if {*np.unique(values)} == {0.0, 1.0}:
            ones = int(values.sum())
            fewer = min(ones, len(values) - ones)
            said = f"is {int(ones == fewer)} in {counted(fewer, 'row')} of {len(values):,}, and so"
            said, way = f"{said} counts as constant here;", "put rare categories together into one"
        raise DataError(f"tensor {name}: column {column} {said} {way}")


def _of_constants(job: Job, name: str, finest: float) -> str:
    """What a job makes of a constant column of its input or table `name`; "" of one that is as good
    as any."""
    if isinstance(job, Supervised):
        return "the coefficient 0" if name == "x" and getattr(job, "fit_intercept", False) else ""
    return "std and corr 0" if finest else ""


def _check_classes(job: Job, found: Inputs, cut: Cut) -> None:
    """DataError where all rows that are learnt from are of one class; where rows of both are, a
    sentence on those here."""
    if not isinstance(job, Supervised) or not job.classifies:
        return
    for name in ("y", "y.alice", "y.bob"):
        if name not in found.arrays or cut.pending(name):
            continue
        whole = found.arrays[name]
        learnt = whole[job.training_rows(len(whole))] if name == "y" else whole
        if len(learnt) < job.minimum or (learnt != learnt[0]).any():
            continue  # too few are refused in any case
        if not np.isin(learnt[0], (0.0, 1.0)).all():
            continue  # likelihoods
        if name != "y":
            found.said.append(
                f"{name}: all {counted(len(learnt), 'row')} here are of one class; where those of"
                " the other are too, nothing is learnt"
            )
            continue
        raise DataError(
            f"tensor {name}: all {counted(len(learnt), 'row')} to learn from are of one class, and"
            " two are needed: bring rows of another class too, or see whether the job names the"
            " classes as the file has them"
        )


def _source(tensor: str, owner: str, given: Given) -> Any:
    """What a tensor, or the table that it is a part of, was given as; None if nothing was."""
    table = tensor.partition(".")[0]
    found = [given.data[name] for name in (tensor, table) if name in given.data]
    found += [given.tables[name] for name in (tensor, table, owner, "") if name in given.tables]
    return next(iter(found), None)


def _origin(given: Any) -> str:
    """Where a tensor came from, for a sentence."""
    if given is None:
        return "from the job’s default"
    if isinstance(given, Frame):
        return f"from {given.source}"
    return f"from {given}" if isinstance(given, Path) else "as given"
