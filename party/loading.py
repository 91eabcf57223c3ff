"""Jobs by name or from a user's file, with their parameters set.

A job file is Python and runs with all rights of the process: it is this party's own (own_code.py).
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from protocol import estimators
from protocol.config import nearest
from protocol.errors import ConfigError, DataError, JobError
from protocol.jobs import Job
from protocol.networks import prediction
from protocol.nn.supervised import Supervised
from protocol.origin import source
from protocol.parameters import KINDS, parameters_of
from protocol.tables import Table

from .formats.job_toml import job_of
from .jobs.breast_cancer import BreastCancer
from .jobs.cnn import Cnn
from .jobs.diabetes import Diabetes
from .jobs.digits import DigitsCnn, DigitsMlp
from .jobs.image_analysis import PrivateImageAnalysis
from .jobs.lenet import LeNet
from .jobs.logreg import Logreg
from .jobs.mlp import Mlp, MlpCrossEntropy
from .jobs.mnist import Mnist
from .jobs.seed import Seed
from .jobs.single import Single
from .jobs.xor import Xor
from .own_code import blame, named, ours

T = TypeVar("T")
AnyJob = Job | type[Job] | str
# what a job may set of what every job has
_OWN = (
    "iterations",
    "fraction_bits",
    "precision",
    "integer_bits",
    "range_margin",
    "reveal",
)

BUILTIN: dict[str, type[Job]] = {
    "seed": Seed,
    "xor": Xor,
    "logreg": Logreg,
    "mlp": Mlp,
    "mlp-ce": MlpCrossEntropy,
    "cnn": Cnn,
    "lenet": LeNet,
    "single": Single,
}
DEMOS: dict[str, type[Job]] = {  # on data that scikit-learn ships, or that is made for the purpose
    "breast-cancer": BreastCancer,
    "diabetes": Diabetes,
    "digits-mlp": DigitsMlp,
    "digits-cnn": DigitsCnn,
    "private-image-analysis": PrivateImageAnalysis,
    "mnist": Mnist,
}
NAMED = BUILTIN | estimators.BY_NAME | DEMOS  # estimators are for a party's own data


def load_job(name_or_path: str, params: Mapping[str, str] | None = None) -> Job:
    """The job of that name, the one in that .py or .toml file, or the network in that .json file,
    with `params` (--param NAME=VALUE) set."""
    if name_or_path in NAMED:
        kind = NAMED[name_or_path]
    elif name_or_path.endswith(".py"):
        kind = _from_file(Path(name_or_path))
    elif name_or_path.endswith(".toml"):
        kind = job_of(Path(name_or_path))
    elif name_or_path.endswith(".json"):
        kind = prediction(Path(name_or_path))
    elif name_or_path.endswith(".onnx"):
        raise JobError(
            f"{name_or_path} is a model: import it first, with `python -m party import"
            f" {name_or_path}`"
        )
    else:
        near = nearest(name_or_path, NAMED)
        raise JobError(
            f"there is no job {name_or_path!r}{near} (built in: {', '.join(NAMED)}; your own is"
            " given as a path that ends in .py or .toml, an imported network as one that ends in"
            " .json)"
        )
    return checked(kind, params or {})


def any_job(given: AnyJob) -> Job:
    """The job that a user of the library gives: a class, an instance, a name or a path."""
    return load_job(given) if isinstance(given, str) else checked(given)


def checked(job: Job | type[Job], params: Mapping[str, str] = {}) -> Job:
    """A job, made if it is given as its class, with `params` set. JobError where its attributes are
    not what a job's are."""
    kind = job if isinstance(job, type) else type(job)
    if not issubclass(kind, Job):
        raise JobError(
            "a job is a class derived from Job, one of its instances, a name or a file, not"
            f" {kind.__name__}"
        )
    with blame(source(kind)):
        made = job() if isinstance(job, type) else job
    for name, text in params.items():
        _set(made, name, text)
    try:
        _ = made.numerics  # which checks its ranges and parameters
        _check_attributes(made)
        _check_learnt(made)
    except JobError as error:
        if ours(source(kind)):
            raise
        raise JobError(f"{named(source(kind))}: {error}") from None
    return made


def _from_file(path: Path) -> type[Job]:
    try:
        if path.exists() and not path.is_file():
            raise JobError(f"the job file {path} is no file; check --job")
        source = path.read_bytes()
    except OSError as error:
        raise JobError(
            f"the job file {path} cannot be read ({error.strerror}); check --job"
        ) from None
    file = path.resolve()
    name = f"_mpc_job_{hashlib.blake2b(bytes(file), digest_size=8).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    with blame(file):
        # not spec.loader: its bytecode cache misses a change within one second, and litters the
        # directory
        exec(compile(source, str(file), "exec"), module.__dict__)
    return _only_job(path, module)


def _only_job(path: Path, module: ModuleType) -> type[Job]:
    found = {
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Job) and each.__module__ == module.__name__
    }
    if len(found) != 1:
        there = ", ".join(sorted(each.__name__ for each in found)) or "none"
        raise JobError(f"{path} must define exactly one subclass of Job; it defines {there}")
    return found.pop()


def _check_attributes(job: Job) -> None:
    """JobError for an attribute that is one of Job's own misspelt, or that hides one."""
    for name in job.inputs:
        if hasattr(Job, name):
            raise JobError(
                f"{name} = Input(…): {name} is a name of every job's own; give the tensor another"
            )
    for name, value in sorted((_plain(job) | job.parameters).items()):
        close = difflib.get_close_matches(name, _OWN, 1, 0.8)
        if close and name not in _OWN:
            raise JobError(
                f"{name} = {value!r}: {close[0]!r} is what a job has; call yours otherwise"
            )
    for name in ("setup", "step", "finish"):
        if not callable(getattr(job, name)):
            raise JobError(
                f"{name} must be a method of the job, not {type(getattr(job, name)).__name__}"
            )


def _check_learnt(job: Job) -> None:
    """JobError where a column that is to be learnt is among those that it is learnt from."""
    x, y = (job.stated().get(name) for name in "xy")
    if not (isinstance(job, Supervised) and isinstance(x, Table) and isinstance(y, Table)):
        return
    for part in y.parts:
        columns = x.part(part.owner).columns if part.owner in x.owners else ()
        for _, column in part.columns if isinstance(part.columns, tuple) else ():
            if isinstance(columns, tuple) and column in (source for _, source in columns):
                raise JobError(
                    f"{type(job).__name__}: x of {part.owner} has {column!r}, which is what is to"
                    " be learnt; leave it out"
                )


def _set(job: Job, name: str, text: str) -> None:
    """One --param."""
    known = parameters_of(type(job))
    if name in ("iterations", "reveal"):
        raise JobError(f"--param {name} is not a parameter of the job; use --{name}")
    if name in (plain := _plain(job)) and not ours(source(type(job))):
        raise JobError(
            f"--param {name}: {name} is a plain attribute of the job {type(job).__name__}, and no"
            f" parameter; write {name} = Parameter({plain[name]!r}) in its class"
        )
    if name not in known:
        raise JobError(
            f"--param {name}: the job {type(job).__name__} has no such"
            f" parameter{nearest(name, known)} (it has: {', '.join(known)})"
        )
    try:
        value = known[name].read(text)
    except ValueError as wanted:
        raise JobError(
            f"--param {name}={text!r}: the job {type(job).__name__} needs {wanted}"
        ) from None
    setattr(job, name, value)


def _plain(job: Job) -> dict[str, Any]:
    """The numbers, texts and flags that are attributes of the job and no parameters, by name."""
    there = {name for kind in type(job).__mro__ for name in vars(kind)} | {*vars(job)}
    found = {name: inspect.getattr_static(job, name) for name in there - {*job.parameters}}
    return {name: value for name, value in found.items() if type(value) in KINDS and name[0] != "_"}


def parameters(texts: Iterable[str]) -> dict[str, str]:
    """The values of --param NAME=VALUE …, by name; ConfigError for any other form."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise ConfigError(f"--param {text}: write NAME=VALUE, each name once")
        found[name] = value
    return found


def check_tensors(job: Job, names: Iterable[str], option: str) -> None:
    """DataError for a name that is no tensor of the job. option: where it was given, for the
    sentence."""
    for name in names:
        if name not in job.inputs and name in job.parameters:
            raise DataError(
                f"{option} {name}=…: {name} is a parameter of the job {type(job).__name__} and no"
                f" tensor: --param {name}=… sets it, in Python job = {type(job).__name__}();"
                f" job.{name} = …"
            )
        if name not in job.inputs:
            raise DataError(
                f"{option} {name}=…: the job {type(job).__name__} has no tensor"
                f" {name}{nearest(name, job.inputs)} (it has: {', '.join(job.inputs)})"
            )
