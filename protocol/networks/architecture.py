"""What a network computes, without its weights: plain data that both parties hold, as JSON in a
file.

The weights are named here, with their shapes and limits, and stand elsewhere. Whoever has this file
learns all that is in it: the operators and how they are joined, sizes, public constants (shapes,
limits of a Clip), and ranges, which are powers of two.

A file comes from another party, so nothing in it is trusted: `read` checks every field, and names
what it finds.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from ..errors import JobError
from ..files import durable

FORMAT = "mpc-network-1"
LARGEST = float(np.finfo(np.float32).max)
MOST = 256 << 20  # bytes of a file
NAME = r"^[A-Za-z_][A-Za-z0-9_.\-]*$"
DTYPES = {"int64": np.int64, "float64": np.float64, "bool": np.bool_}

Name = Annotated[str, msgspec.Meta(pattern=NAME, max_length=200)]
Length = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Plain data: no field that is not declared, and none of another type."""


class InputTensor(Struct, frozen=True):
    """A tensor that comes in: axes of a name have a length that the data bring. Its values lie in
    [low, high]."""

    shape: tuple[Length | Name, ...]
    low: float
    high: float
    owner: Literal["alice", "bob"] = "bob"


class Weight(Struct, frozen=True):
    """A secret tensor of the network, whose entries lie in [−limit, limit]. `typical`: about how
    large they are, about 0."""

    shape: tuple[Length, ...]
    limit: float
    typical: float | None = None


class PublicArray(Struct, frozen=True):
    """A public array, in C order; a limit that is infinite is the largest number."""

    dtype: Literal["int64", "float64", "bool"]
    shape: tuple[int, ...]
    values: tuple[bool | int | float, ...]

    @classmethod
    def of(cls, array: Any) -> PublicArray:
        """From a NumPy array of whole numbers, truth values or floats. ±∞ become
        ±LARGEST, NaN 0."""
        kind: Any = {"i": "int64", "u": "int64", "b": "bool", "f": "float64"}[array.dtype.kind]
        finite = (
            np.nan_to_num(np.asarray(array, DTYPES[kind]), posinf=LARGEST, neginf=-LARGEST)
            if kind == "float64"
            else array
        )
        return cls(kind, array.shape, tuple(np.asarray(finite, DTYPES[kind]).ravel().tolist()))

    @property
    def array(self) -> Any:
        """The NumPy array."""
        return np.array(self.values, DTYPES[self.dtype]).reshape(self.shape)


class NetworkNode(Struct, frozen=True):
    """One operation. `inputs` and `outputs` are names of tensors, "" for one that is left out.
    `within`: how large outputs may be."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = {}
    within: dict[str, float] = {}
    name: str = ""

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.operator} {self.name or next(filter(None, self.outputs), '')!r}"


class Architecture(Struct, frozen=True):
    """A whole network. `nodes` are in an order in which they can be computed; `classes` names what
    whole numbers of an output mean."""

    inputs: dict[Name, InputTensor]
    weights: dict[Name, Weight]
    constants: dict[str, PublicArray]
    nodes: tuple[NetworkNode, ...]
    outputs: dict[Name, str]
    classes: dict[str, tuple[str, ...]] = {}
    reveal: Literal["alice", "bob", "both", "none"] = "bob"
    format: str = FORMAT

    @property
    def text(self) -> bytes:
        """The one text of this data."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @property
    def digest(self) -> str:
        """BLAKE2b of the canonical text, 16 bytes in hexadecimal: equal for equal architectures."""
        return hashlib.blake2b(self.text, digest_size=16).hexdigest()


def write(path: Path, network: Architecture) -> None:
    """May raise OSError."""
    with durable(path) as stream:
        stream.write(network.text)


def read(path: Path) -> Architecture:
    """JobError in one sentence for anything but the file of a network."""
    try:
        if not path.is_file():
            raise JobError(f"the network {path} does not exist or is no file; check the path")
        with path.open("rb") as stream:
            raw = stream.read(MOST + 1)
    except OSError as error:
        raise JobError(
            f"the network {path} cannot be read ({error.strerror}); see to its permissions"
        ) from None
    if len(raw) > MOST:
        raise JobError(
            f"the network {path} is larger than {MOST >> 20} MiB: weights do not belong into it"
        )
    try:
        network = msgspec.json.decode(raw, type=Architecture)
        _check(network)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise JobError(
            f"{path} is not the file of a network, as `python -m party import` writes it:"
            f" {' '.join(str(error).split())}"
        ) from None
    except JobError as error:
        raise JobError(f"the network {path}: {error}") from None
    return network


def _check(network: Architecture) -> None:
    """JobError where the parts do not fit together."""
    if network.format != FORMAT:
        raise JobError(
            f"it is of the format {network.format!r}, and this program reads {FORMAT}: import the"
            " model again"
        )
    known = {"", *network.inputs, *network.weights, *network.constants}
    if len(known) != 1 + len(network.inputs) + len(network.weights) + len(network.constants):
        raise JobError("a name stands for two tensors")
    for name, constant in network.constants.items():
        if min(constant.shape, default=0) < 0 or math.prod(constant.shape) != len(constant.values):
            raise JobError(
                f"the constant {name} has {len(constant.values)} values for the shape"
                f" {constant.shape}"
            )
    for entry in network.inputs.values():
        if not (math.isfinite(entry.high - entry.low) and entry.low < entry.high):
            raise JobError("an input needs a range low < high")
    for weight in network.weights.values():
        if not (math.isfinite(weight.limit) and weight.limit > 0.0):
            raise JobError("the limit of a weight is a number above 0")
        if weight.typical is not None and not 0.0 < weight.typical <= weight.limit:
            raise JobError("what is typical of a weight is a number above 0 and up to its limit")
    for node in network.nodes:
        if missing := [name for name in node.inputs if name not in known]:
            raise JobError(f"{node.label} takes {missing[0]!r}, which nothing before it makes")
        if not node.outputs or any(name in known for name in node.outputs if name):
            raise JobError(f"{node.label} makes no tensor, or one that is there already")
        if not all(limit > 0.0 and math.isfinite(limit) for limit in node.within.values()):
            raise JobError(f"{node.label}: a limit of a range is a number above 0")
        known |= set(node.outputs)
    if not network.inputs or not network.outputs or not set(network.outputs.values()) <= known:
        raise JobError("it lacks an input, an output, or what an output names")


def named(text: str, taken: Any = ()) -> str:
    """A name that is allowed here, made of a model's own, and not yet taken."""
    base = re.sub(r"[^A-Za-z0-9_.\-]", "_", text)[:160].strip(".") or "tensor"
    base = base if re.match(NAME, base) else f"_{base}"
    found, count = base, 1
    while found in taken:
        count += 1
        found = f"{base}_{count}"
    return found
