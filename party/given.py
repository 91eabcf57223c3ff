"""What a run is given: the options of a command, or the arguments of the library, by tensor and by
table."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from protocol.config import nearest
from protocol.errors import ConfigError, DataError
from protocol.jobs import ROLES, Job
from protocol.tables import tables

from .loading import check_tensors
from .settings import InputSettings

WHOSE = "--table alice=FILE and --table bob=FILE bring all tables of each"


@dataclass(frozen=True, repr=False)
class Given:
    """What tensors and tables are brought from: a `Path` is a file, anything else an array or a
    frame.

    data: by tensor, or by table. tables: the same, and under the name of a party, or "", what all
        of its tables take columns from.
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
        """What one party brings, of what is given for both; DataError or ConfigError for a name of
        a tensor or of a table that means nothing in the job."""
        owners = {name: {declared.owner} for name, declared in job.inputs.items()}
        named = {name: set(table.owners) for name, table in tables(job).items()}
        known = {"": set(ROLES), **{each: {each} for each in ROLES}, **named}
        known |= {
            table.tensor(each): {each} for table in tables(job).values() for each in table.owners
        }
        check_tensors(job, self.data.keys() - named.keys(), self.option)
        for name in self.tables:
            if name not in known:
                raise ConfigError(
                    f"--table {name}=…: the job {type(job).__name__} has no table"
                    f" {name}{nearest(name, known)} (it has:"
                    f" {', '.join(named) or 'none; --data NAME=FILE brings a tensor'})"
                    f"{f'; {WHOSE}' if named else ''}"
                )
        data = {name: each for name, each in self.data.items() if role in (owners | named)[name]}
        return replace(
            self,
            data=data,
            tables={name: each for name, each in self.tables.items() if role in known[name]},
        )


def assigned(texts: Iterable[str], option: str, plain: bool = False) -> dict[str, Path]:
    """["x=train.npy", …] → {"x": Path("train.npy"), …}; a .npz without a name stands for all arrays
    in it.

    plain: a file without a name stands for itself, under "".
    """
    found: dict[str, Path] = {}
    for text in texts if plain else (each for given in texts for each in _arrays_of(given)):
        name, equals, path = text.partition("=")
        if plain and not equals:
            name, path = "", text
        elif not (name and equals and path):
            raise ConfigError(
                f"{option} {text!r} is not an assignment; write {option} NAME=FILE, as in {option}"
                " x=train.npy"
            )
        if name in found:
            what, way = (f"tensor {name}", "keep one") if name else ("a table", WHOSE)
            raise ConfigError(f"{option} gives {what} twice, {found[name]} and {path}; {way}")
        found[name] = Path(path)
    return found


def _arrays_of(text: str) -> list[str]:
    """weights.npz → an assignment for each of its arrays; any other text as it is."""
    if "=" in text or not text.lower().endswith(".npz"):
        return [text]
    try:
        with zipfile.ZipFile(text) as archive:
            return [
                f"{name.removesuffix('.npy')}={text}:{name.removesuffix('.npy')}"
                for name in archive.namelist()
            ]
    except (OSError, zipfile.BadZipFile):
        raise DataError(
            f"--data {text}: there is no such file, or it is no .npz; check the path"
        ) from None


def given(settings: InputSettings) -> Given:
    """What the options of a command name."""
    tables = assigned(settings.table, "--table", plain=True)
    return Given(assigned(settings.data, "--data"), tables, header_of(settings.header), "--data")


def header_of(said: str) -> bool | None:
    """Whether text files have a header, as --header says; None: as they look."""
    return None if said == "auto" else said == "yes"


def handed(data: Any, tensors: Mapping[str, Any]) -> Given:
    """What a user of the library hands over: tensors by name; or a table from which all tables of
    the job take columns; or that already.

    A text is the path of a file; None is as good as nothing.
    """
    if isinstance(data, Given):
        return data
    named = {**(data if isinstance(data, Mapping) else {}), **tensors}
    found = {
        name: Path(each) if isinstance(each, str) else each
        for name, each in named.items()
        if each is not None
    }
    tables: dict[str, Any] = {role: found.pop(role) for role in ROLES if role in found}
    table = Path(data) if isinstance(data, str) else data
    if not (table is None or isinstance(table, Mapping)):
        tables[""] = table
    return Given(found, tables)
