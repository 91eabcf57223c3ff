"""The sections of a job's TOML file as records, checked by msgspec; what is wrong is said with the
key and its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, get_origin

import msgspec
from msgspec import Meta, Struct, field

from protocol.config import nearest

Role = Literal["alice", "bob"]
LEARNERS = ("alice", "bob", "both", "none")
Count = Annotated[int, Meta(ge=1)]
Names = Count | Annotated[list[str], Meta(min_length=1)] | dict[str, str]


KINDS = {  # as msgspec calls them, and as TOML has them
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "array": "a list",
    "object": "a table { … }",
}


class RowsSection(Struct, forbid_unknown_fields=True):
    """[rows]: how rows of both are brought together, and which part is held out for scores."""

    match: Literal["order"] | None = None
    key: str | dict[str, str] | None = None
    held_out: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    seed: Annotated[int, Meta(ge=0)] = 0


class Label(Struct, forbid_unknown_fields=True):
    """The column of classes, and its owner where both bring columns. classes: how many, or their
    names in order."""

    column: str
    classes: Annotated[int, Meta(ge=2)] | Annotated[list[str | int | float], Meta(min_length=2)]
    owner: Role | None = None


class Target(Struct, forbid_unknown_fields=True):
    """The column of numbers that a regression learns, and how its owner prepares it."""

    column: str
    owner: Role | None = None
    steps: list[str | dict[str, Any]] = field(default_factory=list)


class ColumnsSection(Struct, forbid_unknown_fields=True):
    """[columns]: who brings which, as names or a number of them; `both` where each party brings
    rows of the same columns. shape: of a picture or a sequence that a row of columns is. low, high:
    the range that all must keep to."""

    alice: Names | None = None
    bob: Names | None = None
    both: Names | None = None
    shape: Annotated[list[Count], Meta(min_length=1)] | None = None
    label: Label | None = None
    target: Target | None = None
    groups: Label | None = None
    steps: list[str | dict[str, Any]] = field(default_factory=list)
    low: float | None = None
    high: float | None = None


class ModelSection(Struct, forbid_unknown_fields=True):
    """[model]: an estimator by name, whose parameters stand beside it, or layers and a loss. owner:
    who brings the weights that training begins with; "joint": drawn by both."""

    estimator: str | None = None
    layers: Annotated[list[str], Meta(min_length=1)] | None = None
    loss: str | dict[str, Any] | None = None
    owner: Literal["alice", "bob", "joint"] = "joint"


class Early(Struct, forbid_unknown_fields=True):
    """early_stopping: after how many checks without a better metric the training ends."""

    patience: Count = 3
    metric: str | None = None
    restore_best: bool = False


class TrainSection(Struct, forbid_unknown_fields=True):
    """[train]: how layers are trained; `batch` in rows."""

    optimiser: str | dict[str, Any] = "sgd"
    batch: Count = 32
    epochs: Count = 10
    early_stopping: Early | None = None


SECTIONS: dict[str, type[Struct]] = {
    "rows": RowsSection,
    "columns": ColumnsSection,
    "model": ModelSection,
    "train": TrainSection,
}
S = TypeVar("S", bound=Struct)


class Wrong(Exception):
    """What is wrong in a file: the path of the key, and the end of the sentence."""

    def __init__(self, path: Sequence[str], text: str) -> None:
        super().__init__(text)
        self.path = tuple(path)


def line_of(text: str, path: Sequence[str]) -> int:
    """The line, from 1, where a key is given, or else what it belongs to; 0 where neither is
    there."""
    section: list[str] = []
    best, deepest = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            found = section = _parts(header[1])
        elif given := re.match(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[\w-]+)*)\s*=", line):
            found = [*section, *_parts(given[1])]
        else:
            continue
        if deepest < len(found) <= len(path) and found == [*path[: len(found)]]:
            best, deepest = number, len(found)
    return best


def _parts(key: str) -> list[str]:
    """A dotted key, part by part."""
    return [part.strip(" \t\"'") for part in key.split(".")]


def section(kind: type[S], name: str, content: Mapping[str, Any]) -> S:
    """A section as its record; Wrong says what msgspec found, in a sentence of ours."""
    try:
        return msgspec.convert(content.get(name, {}), kind)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        path = [name, *re.findall(r"\.(\w+)", where)]
        if unknown := re.match(r"Object contains unknown field `(.*)`", text):
            known = _keys(kind, path[1:])
            raise Wrong(
                [*path, unknown[1]],
                f"is no key here{nearest(unknown[1], known)} (there are {', '.join(known)})",
            ) from None
        if text.startswith("Invalid enum value"):
            choices = (each for each in _types(kind, path[1:]) if get_origin(each) is Literal)
            allowed = (word for each in choices for word in each.__args__)
            text += f" (there are {', '.join(map(str, allowed))})"
            if path[-1] == "owner":
                text += "; where both have rows of their own, leave it out"
        if kinds := re.fullmatch(r"Expected `([\w| ]+)`, got `(\w+)`", text):
            wanted = [KINDS[each] for each in kinds[1].split(" | ") if each in KINDS]
            text = f"takes {' or '.join(wanted)}, not {KINDS.get(kinds[2], kinds[2])}"
            if "array" in kinds[1] and kinds[2] == "str" and path:
                text += f', as in {path[-1]} = ["…"]'
        if needed := re.match(r"Object missing required field `(.*)`", text):
            text = f"needs {needed[1]} = … too"
        raise Wrong(
            path, text[0].lower() + text[1:].replace("`", "").replace(" | null", "")
        ) from None


def _types(kind: Any, path: Iterable[str]) -> tuple[Any, ...]:
    """What the field under `path` may be."""
    found: tuple[Any, ...] = (kind,)
    for name in path:
        kind = next((each for each in found if hasattr(each, "__struct_fields__")), kind)
        inner = {each.name: each.type for each in msgspec.structs.fields(kind)}.get(name)
        found = (
            inner,
            *(each for each in getattr(inner, "__args__", ()) if get_origin(inner) is not Literal),
        )
    return found


def _keys(kind: Any, path: Iterable[str]) -> tuple[str, ...]:
    """The keys of the record that is found under `path`."""
    kind = next((each for each in _types(kind, path) if hasattr(each, "__struct_fields__")), kind)
    found: tuple[str, ...] = kind.__struct_fields__
    return found
