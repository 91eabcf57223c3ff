"""What this party brings to a run: files, arrays and frames, the job's defaults, and what it draws; checked before anything else runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from protocol.errors import DataError
from protocol.graph import Array
from protocol.jobs import ROLES, Input, Job, bind
from protocol.prg import fresh_seed

from .data import default_tensor, given_tensor, load_tensor
from .loading import check_tensors

OPTION = "--data"


def own_inputs(
    job: Job, role: str, given: Mapping[str, Any], key: Callable[[], bytes] = fresh_seed, option: str = OPTION
) -> dict[str, Array]:
    """The tensors of `role`: what is given (a `Path` is a file), or the job's default; what is to be drawn is, by this secret key.

    DataError for what cannot be read, is another party's, or is not as the job declares it; `option` is where it was given.
    """
    mine = {name: declared for name, declared in job.inputs.items() if declared.owner == role}
    check_tensors(job, given, option)
    for name in given:
        if name not in mine:
            raise DataError(
                f"{option} {name}=…: {role} does not bring a tensor {name}; it is {job.inputs[name].owner}'s to bring"
            )
    arrays = {name: _tensor(name, given.get(name), declared, key) for name, declared in mine.items()}
    _check_rows(mine, arrays, given)
    return arrays


def all_inputs(
    job: Job, given: Mapping[str, Any], key: Callable[[], bytes] = fresh_seed, option: str = OPTION
) -> dict[str, Array]:
    """The tensors of both parties, where one process has them all."""
    check_tensors(job, given, option)
    found: dict[str, Array] = {}
    for role in ROLES:
        mine = {name: each for name, each in given.items() if job.inputs[name].owner == role}
        found |= own_inputs(job, role, mine, key, option)
    return found


def _tensor(name: str, given: Any, declared: Input, key: Callable[[], bytes]) -> Array:
    if given is None:
        return default_tensor(name, declared, key)
    return load_tensor(name, given, declared) if isinstance(given, Path) else given_tensor(name, given, declared)


def _check_rows(mine: dict[str, Input], arrays: dict[str, Array], given: Mapping[str, Any]) -> None:
    """Axes of one name must have one length; the sentence names the files."""
    try:
        bind(mine, {name: array.shape for name, array in arrays.items()})
    except DataError as error:
        named = "; ".join(f"{name} is {_origin(given.get(name))}" for name in mine)
        raise DataError(f"{error} ({named})") from None


def _origin(given: Any) -> str:
    if given is None:
        return "from the job’s default"
    return f"from {given}" if isinstance(given, Path) else "as given"
