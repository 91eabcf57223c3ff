"""A party's own tensors: from files and tables, checked against what the job declares, or from the job's defaults.

Every fault ends in one DataError that names the tensor, the file and what to do. It may name lines and positions, never values:
the data are secret.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from protocol.config import Config, nearest
from protocol.draws import Draw
from protocol.errors import ConfigError, DataError
from protocol.fixedpoint import Array, check
from protocol.jobs import ROLES, Input, Job, bind
from protocol.nn.prediction import Prediction
from protocol.preparation import chosen as matches
from protocol.prg import fresh_seed
from protocol.tables import Part, Table, tables

from .formats.arrays import Read, read_tensor
from .formats.frames import Frame, frame_of, listed
from .formats.frames import read as read_table
from .formats.preparation import Fitted, fit
from .loading import check_tensors
from .rows import Cut, Places


@dataclass(frozen=True, repr=False)
class Given:
    """What tensors and tables are brought from: a `Path` is a file, anything else an array or a frame.

    data: by tensor, or by table. tables: the same, and under the name of a party, or "", what all of its tables take columns from.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    header: bool | None = None  # whether text files have one; None: as they look
    option: str = "data"  # what a sentence calls the place where `data` was given

    def arguments(self) -> list[str]:
        """The options of a command that say so, of files."""
        data = [part for name, path in self.data.items() for part in ("--data", f"{name}={path}")]
        named = [f"{name}={path}" if name else str(path) for name, path in self.tables.items()]
        header = [] if self.header is None else ["--header", "yes" if self.header else "no"]
        return [*data, *(part for text in named for part in ("--table", text)), *header]

    def of(self, job: Job, role: str) -> Given:
        """What one party brings, of what is given for both; ConfigError for a name that means nothing in the job."""
        owners = {name: {declared.owner} for name, declared in job.inputs.items()}
        named = {name: set(table.owners) for name, table in tables(job).items()}
        known = {"": set(ROLES), **{each: {each} for each in ROLES}, **named}
        known |= {table.tensor(each): {each} for table in tables(job).values() for each in table.owners}
        check_tensors(job, self.data.keys() - named.keys(), self.option)
        for name in self.tables:
            if name not in known:
                raise ConfigError(
                    f"--table {name}=…: the job {type(job).__name__} has no table {name}{nearest(name, known)} "
                    f"(it has: {', '.join(named) or 'none; --data NAME=FILE brings a tensor'})"
                )
        data = {name: each for name, each in self.data.items() if role in (owners | named)[name]}
        return replace(
            self, data=data, tables={name: each for name, each in self.tables.items() if role in known[name]}
        )


@dataclass
class Inputs:
    """`arrays` by tensor; a sentence for each that was read; what preparation learnt, by tensor: secret, and kept with a model."""

    arrays: dict[str, Array] = field(default_factory=dict, repr=False)
    read: list[str] = field(default_factory=list)
    fitted: dict[str, Fitted] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)  # tensors from files whose first line may be a header


def assigned(texts: Iterable[str], option: str, plain: bool = False) -> dict[str, Path]:
    """["x=train.npy", …] → {"x": Path("train.npy"), …}; a .npz without a name stands for all arrays in it.

    plain: a file without a name stands for itself, under "".
    """
    found: dict[str, Path] = {}
    for text in texts if plain else (each for given in texts for each in _arrays_of(given)):
        name, equals, path = text.partition("=")
        if plain and not equals:
            name, path = "", text
        elif not (name and equals and path):
            raise ConfigError(
                f"{option} {text!r} is not an assignment; write {option} NAME=FILE, as in {option} x=train.npy"
            )
        if name in found:
            what = f"tensor {name}" if name else "a table"
            raise ConfigError(f"{option} gives {what} twice, {found[name]} and {path}; keep one")
        found[name] = Path(path)
    return found


def _arrays_of(text: str) -> list[str]:
    """weights.npz → an assignment for each of its arrays; any other text as it is."""
    if "=" in text or not text.lower().endswith(".npz"):
        return [text]
    try:
        with zipfile.ZipFile(text) as archive:
            return [f"{name.removesuffix('.npy')}={text}:{name.removesuffix('.npy')}" for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        raise DataError(f"--data {text}: there is no such file, or it is no .npz; check the path") from None


def given(settings: Config) -> Given:
    """What the options of a command name."""
    header = None if settings.header == "auto" else settings.header == "yes"
    return Given(assigned(settings.data, "--data"), assigned(settings.table, "--table", plain=True), header, "--data")


def handed(data: Any, tensors: Mapping[str, Any]) -> Given:
    """What a user of the library hands over: tensors by name; or a table from which all tables of the job take columns.

    A text is the path of a file; None is as good as nothing.
    """
    named = {**(data if isinstance(data, Mapping) else {}), **tensors}
    found = {name: Path(each) if isinstance(each, str) else each for name, each in named.items() if each is not None}
    table = Path(data) if isinstance(data, str) else data
    return Given(found, {} if table is None or isinstance(table, Mapping) else {"": table})


def own_inputs(
    job: Job,
    role: str,
    given: Given,
    key: Callable[[], bytes] = fresh_seed,
    learnt: Mapping[str, Fitted] = MappingProxyType({}),
    rows: Places | None = None,
) -> Inputs:
    """This party's tensors, as given or by the job's defaults, checked; what is to be drawn is, by this key.

    learnt: what preparation learnt from the rows of an earlier run, by tensor; these are prepared alike.
    rows: where rows are matched, the places of those that count, in order; None: all that there are.
    """
    own = given.of(job, role)
    for name in given.data.keys() - own.data.keys():
        owner = job.inputs[name].owner if name in job.inputs else "the other party"
        raise DataError(f"{given.option} {name}=…: {role} does not bring a tensor {name}; it is {owner}'s to bring")
    for name in given.tables.keys() - own.tables.keys():
        raise DataError(f"--table {name}=…: {role} brings nothing of that; it is the other party's to bring")
    named = {table.tensor(role): name for name, table in tables(job).items() if role in table.owners}
    if given.tables and not named:
        raise ConfigError(
            f"--table: {role} brings no table in the job {type(job).__name__}; --data NAME=FILE brings tensors"
        )
    cut = Cut.of(job, rows)
    found = read_inputs(job, role, own, learnt, rows)
    mine = {name: cut.declared(name) for name, declared in job.inputs.items() if declared.owner == role}
    for name in mine.keys() - found.arrays.keys():
        if name in named:
            raise DataError(
                f"{name} is a table of named columns; bring it with --table FILE, or --table {named[name]}=FILE"
            )
        found.arrays[name] = cut.rows_of(name, default_tensor(name, mine[name], key))
    found.arrays = {name: found.arrays[name] for name in mine}
    _check_rows(mine, found, own)
    return found


def read_inputs(
    job: Job,
    role: str,
    given: Given,
    learnt: Mapping[str, Fitted] = MappingProxyType({}),
    rows: Places | None = None,
) -> Inputs:
    """Those of this party's tensors that are given."""
    given, found, cut = given.of(job, role), Inputs(), Cut.of(job, rows)
    for name, prepared in own_tables(job, role, given, cut, learnt).items():
        array = prepared.fitted.apply(prepared.frame)
        found.arrays[name] = _checked(name, array, cut.declared(name), prepared.frame.source, "table")
        found.fitted[name] = prepared.fitted
        found.read.append(f"{name}: {prepared}")
    rest = {name: each for name, each in given.data.items() if name in job.inputs and name not in found.arrays}
    for name, each in rest.items():
        read = _read(name, each, given)
        where = str(each) if isinstance(each, Path) else "as given"
        array = cut.rows_of(name, np.asarray(read.array))
        found.arrays[name] = _checked(name, array, cut.declared(name), where, read.kind)
        if read.unsure:
            found.unsure.append(name)
        if isinstance(each, Path):
            found.read.append(f"{name}: {_size(found.arrays[name].shape)} from {where}{read.about}")
    return found


def _read(name: str, given: Any, of: Given) -> Read:
    """A file; or an array, a list, or a frame of pandas or polars by the order of its columns."""
    if isinstance(given, Path):
        return read_tensor(name, given, of.header)
    try:
        return Read(
            np.array(given.to_numpy() if hasattr(given, "to_numpy") else given), "given"
        )  # a copy: it may change
    except ValueError:
        raise DataError(f"tensor {name} has rows of different lengths; make all rows alike") from None


def load_tensor(name: str, path: Path, declared: Input) -> Array:
    """The tensor in a file, checked against its Input."""
    read = read_tensor(name, path)
    return _checked(name, read.array, declared, str(path), read.kind)


def default_tensor(name: str, declared: Input, key: Callable[[], bytes] = fresh_seed) -> Array:
    """The value that the job itself gives for an Input; where it is to be drawn, by this secret key."""
    if declared.default is None:
        raise DataError(
            f"tensor {name} has no default in the job; bring it with --data {name}=FILE, or --data FILE.npz, which has it by its name"
        )
    if isinstance(declared.default, Draw):
        shape = tuple(length for length in declared.shape if isinstance(length, int))
        if len(shape) != len(declared.shape):
            raise DataError(
                f"tensor {name} has axes of unknown length, so it cannot be drawn; declare their lengths in the job"
            )
        drawn = declared.default.array(key(), name, shape)
        return drawn.clip(declared.low, declared.high)
    try:
        found = np.asarray(declared.default)
    except ValueError:
        raise DataError(f"tensor {name} (the job's default) has rows of different lengths; mend the job") from None
    return _checked(name, found, declared, "the job's default", "default")


# ---- tables --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """A party's part of a table: its columns as they were read, under the job's names, and the steps with what they learnt."""

    frame: Frame
    fitted: Fitted
    unused: Sequence[str]

    def __str__(self) -> str:
        names = self.frame.names
        shown = listed(names, 3) if len(names) <= 3 else f"{listed(names[:1])} … {listed(names[-1:])}"
        became = f", which become {len(self.fitted.names):,}" if len(self.fitted.names) != len(names) else ""
        rest = f"; not used: {listed(self.unused)}" if self.unused else ""
        size = _size((len(self.frame), len(names)))
        return f"{size} ({shown}){became} from {self.frame.source}{self.frame.about}{rest}"


def own_tables(
    job: Job, role: str, given: Given, cut: Cut, learnt: Mapping[str, Fitted] = MappingProxyType({})
) -> dict[str, Prepared]:
    """What this party brings of the job's tables, by tensor."""
    declared = {name: table for name, table in tables(job).items() if role in table.owners}
    groups: dict[Any, dict[str, Part]] = {}  # tables that take columns from one source
    sources: dict[Any, Any] = {}
    for name, table in declared.items():
        if (source := source_of(table, role, given)) is not None:
            key = source if isinstance(source, Path) else id(source)
            groups.setdefault(key, {})[name], sources[key] = table.part(role), source
    found = {}
    for key, parts in groups.items():
        source = sources[key]
        frame = read_table(source, given.header) if isinstance(source, Path) else frame_of(source)
        keys = {declared[name].key[role] for name in parts if declared[name].key}
        chosen = choose(frame, parts, keys)
        taken = {n for columns in chosen.values() for _, n in columns}
        unused = [name for n, name in enumerate(frame.names) if n not in taken and name not in keys]
        for name, columns in chosen.items():
            tensor, steps = declared[name].tensor(role), parts[name].steps
            own = cut.rows_of(tensor, frame.select(columns))
            if (known := learnt.get(tensor)) is None:
                learns = any(step.learns for step in steps)
                if learns and isinstance(job, Prediction):
                    raise DataError(
                        f"{tensor} is prepared with numbers that were learnt from rows of the training, and {role}'s half of the "
                        "model has none: whoever brought those brings new ones"
                    )
                known = fit(own.take(job.training_rows(len(own)) if learns else np.arange(0)), steps)
            found[tensor] = Prepared(own, known, unused)
    return found


def choose(frame: Frame, parts: Mapping[str, Part], keys: Collection[str] = ()) -> dict[str, list[tuple[str, int]]]:
    """Which columns of a frame each of these tables takes, by the names that the job calls them and where they stand.

    Columns of ids, `keys`, are taken by a table that names them alone.
    """
    named = {name: part.columns for name, part in parts.items() if isinstance(part.columns, tuple)}
    if not frame.named and len(parts) == len(named) == 1:
        ((name, columns),) = named.items()
        if len(columns) == len(frame.names):  # an array, by position
            return {name: [(own, n) for n, (own, _) in enumerate(columns)]}
    exact = {source for columns in named.values() for _, source in columns if source in frame.names}
    found: dict[str, list[tuple[str, int]]] = {}
    for name, columns in named.items():
        found[name] = []
        for own, source in columns:
            if source in exact:
                found[name].append((own, frame.index(source)))
                continue
            matching = [each for each in matches([source], frame.names) if each not in exact]
            if not matching:
                raise DataError(
                    f"table {name} of {parts[name].owner}: {frame.source} has no column {source!r}"
                    f"{nearest(source, frame.names)} (it has: {listed(frame.names)})"
                )
            found[name] += [(each, frame.index(each)) for each in matching]
    taken = {n for columns in found.values() for _, n in columns}
    rest = [n for n, name in enumerate(frame.names) if n not in taken and name not in keys]
    for name, part in parts.items():
        if isinstance(part.columns, int) and part.columns != len(rest):
            raise DataError(
                f"table {name}: {frame.source} has {len(rest)} columns that no other table of the job takes, "
                f"and {name} takes {part.columns}; name the columns in the job, or bring a file with these alone"
            )
        if isinstance(part.columns, int):
            found[name] = [(str(n), at) for n, at in enumerate(rest)]
        elif part.columns is None:
            found[name] = [(frame.names[at], at) for at in rest]
    return {name: found[name] for name in parts}


def source_of(table: Table, role: str, given: Given) -> Any:
    """What brings this party's part of a table; None if nothing does."""
    for name in (table.tensor(role), table.name):
        if name in given.data:
            return given.data[name]
    names = (table.tensor(role), table.name, role, "")
    return next((given.tables[each] for each in names if each in given.tables), None)


# ---- checks --------------------------------------------------------------------------------------------


def _checked(name: str, found: Any, declared: Input, where: str, kind: str) -> Array:
    """As the Input wants it. `kind`: what it was read from; files of some kinds do not tell a row from a column, or a picture from a row."""
    actual = np.asarray(found)
    want = declared.shape
    rest = tuple(length for length in want[1:] if isinstance(length, int))
    if actual.ndim == 1 and len(want) == 2 and want[1] == 1:
        actual = actual[:, None]
    elif kind == "text" and len(want) < 2 and sum(length != 1 for length in actual.shape) <= len(want):
        actual = actual.reshape((-1,) * len(want))
    elif kind in ("idx", "table") and want and len(rest) == len(want) - 1 and actual.shape[1:] != rest:
        actual = actual.reshape(len(actual), *rest) if prod(rest) == prod(actual.shape[1:]) else actual
    sizes = zip(want, actual.shape, strict=False)
    if actual.ndim != len(want) or any(isinstance(w, int) and w != got for w, got in sizes):
        raise DataError(
            f"tensor {name} ({where}) has shape {_shape(actual.shape)}; the job declares {_shape(want)}: "
            "bring data of that shape"
        )
    if not actual.size:
        raise DataError(
            f"tensor {name} ({where}) holds no values; its shape is {_shape(actual.shape)}: bring some rows"
        )
    return check(name, actual, declared.low, declared.high, where)


def _shape(shape: Iterable[int | str]) -> str:
    parts = [str(length) for length in shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _size(shape: Sequence[int]) -> str:
    """ "569 rows, 30 columns"; of anything but tables the shape."""
    if len(shape) != 2:
        return f"shape {_shape(shape)}"
    rows, columns = shape
    return f"{rows:,} row{'s' * (rows != 1)}, {columns:,} column{'s' * (columns != 1)}"


def _check_rows(mine: Mapping[str, Input], found: Inputs, given: Given) -> None:
    """Axes of one name must have one length; the sentence names the files."""
    try:
        bind(mine, {name: array.shape for name, array in found.arrays.items()})
    except DataError as error:
        table = given.tables.get("")
        sources = {name: _origin(given.data.get(name, given.tables.get(name, table))) for name in mine}
        sources |= {name: f"{sources[name]}, without a header unless --header yes says so" for name in found.unsure}
        named = "; ".join(f"{name} is {source}" for name, source in sources.items())
        raise DataError(f"{error} ({named})") from None


def _origin(given: Any) -> str:
    if given is None:
        return "from the job’s default"
    if isinstance(given, Frame):
        return f"from {given.source}"
    return f"from {given}" if isinstance(given, Path) else "as given"
