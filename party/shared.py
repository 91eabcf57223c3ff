"""A model that stays shared: a file at each party with its own shares of the weights, of which
one alone says nothing.

    x·2^scale = share of alice + share of bob  mod 2^bits         for each tensor x of the model

Both files are of one run, which has given the model an id that both know. Shares of one
*generation* fit together, and no others: those that the run left are the first, every re-sharing
makes the next, of tag T' from that of tag T. A file can hold two, the newest and the one before it,
for as long as the peer may not have the newest; both go by the newest that both hold.

*Re-sharing.* Each party sends the other 32 fresh bytes. From both, and the ids, they expand the
same words z, uniform modulo 2^bits; alice takes share + z, bob share − z. Their sum is what it was,
and a share of the one generation together with the other party's of another is as good as random:
whoever has stolen the one learns nothing from the other. What a run leaves is re-shared too, so
that a file is uniform even where nothing has been computed with what a party brought.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from protocol.errors import AgreementError, ConfigError, DataError, ProtocolError, ShareError
from protocol.files import exposed
from protocol.history import History
from protocol.jobs import ROLES, Job
from protocol.machine import Machine
from protocol.nn import Training
from protocol.nn.prediction import architecture
from protocol.nn.supervised import Supervised
from protocol.ops.stored import Stored
from protocol.origin import source
from protocol.prg import SEED_BYTES, derive, keystream
from protocol.ring import Words, ring

from . import checked
from .formats.preparation import Fitted
from .own_code import blame

MAGIC = b"mpc-share-1\n"
Keeper = Callable[[Machine, str, History, bytes, Mapping[str, Fitted]], "SharedModel"]
"""What makes a half of the model of a finished run: from its ticket, its history, what both drew
for the shares, and what preparation learnt here, by tensor."""
_ELSEWHERE = {
    ".onnx": "is a model in the clear: `python -m party import {}` makes a job of it for both",
    ".json": "is a network, and so a job: give it with --job",
}
"""What to do with files that are models too."""
_FIELDS = ("label", "dims", "scale_in", "bits", "low", "high", "proven")


@dataclass(frozen=True)
class Generation:
    """One party's shares, which add up with the peer's shares of the same generation and no
    other."""

    number: int
    tag: str
    shares: Mapping[str, Words] = field(repr=False)

    def body(self) -> list[Any]:
        """As it is written to the share's file; shares as bytes."""
        return [self.number, self.tag, [*self.shares], checked.packed([*self.shares.values()])]

    @staticmethod
    def read(raw: list[Any]) -> Generation:
        """What `body` gave; ValueError if it is of another version."""
        number, tag, names, words = raw
        return Generation(number, tag, dict(zip(names, checked.unpacked(words), strict=True)))


@dataclass(frozen=True, kw_only=True)
class SharedModel:
    """One party's half of a model that stays shared, and all that is known about the model."""

    id: str
    role: str
    keys: tuple[str, ...]  # alice's public key and bob's; () where there were none
    job: str  # the class that trained it, …
    file: str  # where that was, as it was given …
    parameters: Mapping[str, Any]  # and its --param
    architecture: str  # a digest of what it computes, if that is known
    steps: int  # of training
    tensors: tuple[Stored, ...]
    # what preparation learnt from this party's tables, by tensor: as secret as they are
    fitted: Mapping[str, str] = field(repr=False)
    generations: tuple[Generation, ...]  # the newest first
    path: Path | None = field(default=None, compare=False)  # where it was read

    @property
    def learnt(self) -> dict[str, Fitted]:
        """What preparation learnt from this party's tables, by tensor."""
        return {name: Fitted.from_json(each) for name, each in self.fitted.items()}

    @property
    def name(self) -> str:
        """The first eight digits of the id, for sentences."""
        return self.id[:8]

    def __str__(self) -> str:
        return f"the share {self.path or f'of the model {self.name}'}"

    # ---- the file --------------------------------------------------------------------------------

    def body(self) -> dict[str, Any]:
        """As it is written to its file, as plain data."""
        plain = {
            each: getattr(self, each)
            for each in ("id", "role", "job", "file", "architecture", "steps")
        }
        return plain | {
            "keys": list(self.keys),
            "parameters": dict(self.parameters),
            "fitted": dict(self.fitted),
            "tensors": [[getattr(each, name) for name in _FIELDS] for each in self.tensors],
            "generations": [each.body() for each in self.generations],
        }

    def save(self, path: str | Path) -> None:
        """In place of what is there; ConfigError if that cannot be done."""
        try:
            checked.write(Path(path), MAGIC, self.body())
        except OSError as error:
            raise ConfigError(
                f"the share {path} cannot be written ({error.strerror}); mend that and give the"
                " same command again"
            ) from None

    @staticmethod
    def read(path: str | Path) -> SharedModel:
        """ShareError if that is not a share as it was written, or not for its owner alone."""
        path = Path(path)
        try:
            model = replace(SharedModel.of(checked.read(path, MAGIC)), path=path)
            if mode := exposed(path.stat()):
                raise ShareError(
                    f"{model} can be read by others (mode {mode}): `chmod 600` it, and then"
                    " `rotate` at both parties unless you are sure that nobody did"
                )
            return model
        except (KeyError, TypeError, ValueError):
            raise ShareError(
                f"the share {path} is not one of this version; keep the model again"
            ) from None
        except OSError as error:
            raise ShareError(
                f"the share {path} cannot be read ({error.strerror}); check --model"
            ) from None
        except checked.Damaged as fault:
            advice = _ELSEWHERE.get(
                path.suffix.lower(), f"{fault}; give the file that --keep wrote, or a copy of it"
            )
            raise ShareError(f"the share {path} {advice.format(path)}") from None

    @staticmethod
    def of(body: Mapping[str, Any]) -> SharedModel:
        """What `body` gave; KeyError, TypeError or ValueError if it is of another version."""
        tensors = tuple(Stored(label, tuple(dims), *rest) for label, dims, *rest in body["tensors"])
        generations = tuple(Generation.read(each) for each in body["generations"])
        return SharedModel(
            **{**body, "keys": tuple(body["keys"]), "tensors": tensors, "generations": generations}
        )

    def check(self, role: str, keys: tuple[str, ...]) -> None:
        """ShareError if it is not this party's, or was shared under other keys than
        `Addresses.public_keys` gives now."""
        if self.role != role:
            raise ShareError(
                f"{self} is {self.role}'s, and this party is {role}; give the other file of the two"
            )
        for who, was, now in zip(ROLES, self.keys or ("", ""), keys or ("", ""), strict=True):
            if was != now:
                said, found = (f"{line[:16]}…" if line else "none" for line in (was, now))
                raise ShareError(
                    f"{self} belongs to alice and bob as they were known then: {who}'s key was"
                    f" {said}, and is {found} now; give that one with"
                    f" {'--key' if who == role else '--peer-key'}, or, if it was replaced, `rotate"
                    " --new-keys` at both"
                )

    # ---- generations -----------------------------------------------------------------------------

    def offer(self) -> list[Any]:
        """What the peer is sent of it: the id, and number and tag of each generation."""
        return [self.id, [[each.number, each.tag] for each in self.generations]]

    def common(self, theirs: object, who: str) -> Generation:
        """The newest generation that the peer holds too; AgreementError if there is none."""
        if (
            not isinstance(theirs, list)
            or len(theirs) != 2
            or not isinstance(theirs[0], str)
            or not isinstance(theirs[1], list)
            or not theirs[1]
            or not all(
                isinstance(each, list) and len(each) == 2 and type(each[0]) is int
                for each in theirs[1]
            )
        ):
            raise ProtocolError(f"{who} did not say which share it has")
        if theirs[0] != self.id:
            shown = theirs[0][:8] if theirs[0].isalnum() else "another"
            raise AgreementError(
                f"the two shares are not of one model: {self.role}'s is of {self.name}, {who}'s of"
                f" {shown}; give the two files that one run wrote"
            )
        for each in self.generations:
            if [each.number, each.tag] in theirs[1]:
                return each
        raise AgreementError(
            f"the two shares do not fit together: {self.role} has generation"
            f" {self.generations[0].number}, and {who} {theirs[1][0][0]}; an older file is of no"
            " use once both have rotated: give the two newest"
        )

    def rotated(self, old: Generation, seed: bytes) -> SharedModel:
        """With shares of the next generation in front of the old ones, by what both have sent."""
        tag = derive(seed, "tag", self.id, old.tag).hex()
        shares = reshared(
            old.shares, self.tensors, self.role, derive(seed, "shares", self.id, old.tag)
        )
        return replace(self, generations=(Generation(old.number + 1, tag, shares), old))

    def settled(self, generation: Generation) -> SharedModel:
        """The same with no generation but this one."""
        return replace(self, generations=(generation,))


def reshared(
    shares: Mapping[str, Words], tensors: tuple[Stored, ...], role: str, key: bytes
) -> dict[str, Words]:
    """Other shares of the same tensors; the peer makes the ones that fit them from the same key (16
    bytes)."""
    found = {}
    for each in tensors:
        arithmetic, own = ring(each.limbs), shares[each.label]
        z = keystream(derive(key, each.label), 0, 1, own.size)[0].reshape(own.shape)
        moved = arithmetic.add(own, z) if role == ROLES[0] else arithmetic.sub(own, z)
        found[each.label] = arithmetic.low_bits(moved, each.bits)
    return found


def joined(mine: bytes, theirs: object, role: str, who: str) -> bytes:
    """What both have sent, as one secret of 32 bytes."""
    if not isinstance(theirs, bytes) or len(theirs) != SEED_BYTES:
        raise ProtocolError(f"{who} did not send its part of the randomness for new shares")
    first, second = (mine, theirs) if role == ROLES[0] else (theirs, mine)
    return hashlib.blake2b(first + second, digest_size=SEED_BYTES, person=b"mpc-share").digest()


# ---- what a run does with it ---------------------------------------------------------------------


def begin(job: Job, model: SharedModel) -> None:
    """Have `job` begin with the model; ShareError if it was trained as another."""
    names = {each.label for each in model.tensors}
    needed = (*job.uses, *job.renews)
    ours = names & {*job.declared, *needed}
    bundles = {name.partition(".")[0] for name in ours if "." in name}
    missing = [
        name for name in job.declared if name.partition(".")[0] in bundles and name not in names
    ]
    missing += [name for name in needed if name not in names]
    known = _architecture(job)
    if isinstance(job, Supervised) and not isinstance(job, Training) and not job.renews:
        raise ShareError(
            f"{type(job).__name__} is fitted anew from its rows, and begins with no model;"
            f" `predict` is what {model} is for"
        )
    try:
        if not ours or missing or (known and model.architecture and known != model.architecture):
            raise DataError("this job has another network, or none")
        job.begin_with(model.tensors, model.steps)
    except DataError as error:
        raise ShareError(
            f"{model} is of a model that the job {model.job} trained, with "
            f"{', '.join(sorted(names)[:4])}{', …' * (len(names) > 4)}: {error}; give that job"
        ) from None


def keeping(job: Job) -> None:
    """Have a run of `job` keep what it says; ConfigError if that is nothing."""
    if not job.keep:
        raise ConfigError(
            f"--keep: the job {type(job).__name__} does not say what can stay shared; name its"
            " variables there: keep = ('w',)"
        )
    job.kept = job.keep


def check_place(path: Path, job: Job, begins: Path | None, lasting: bool) -> None:
    """Have a run of this job keep its model; ConfigError if that cannot be at `path`, for a run
    that begins with the share at `begins`.

    lasting: whether the run has a state folder, so that a model that is there may be its own.
    """
    keeping(job)
    if not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"--keep {path} is no place for a file; name one in a folder that exists")
    if lasting and path == begins:
        raise ConfigError(
            f"--keep {path} would take the place of what the run begins with, and --state may need"
            " that again; name another"
        )
    if path.exists() and path != begins and not lasting:
        raise ConfigError(f"--keep {path}: there is a file already; move it away, or name another")


def put(model: SharedModel, path: Path, begins: Path | None) -> None:
    """Write what a run has kept, and over nothing but itself and what the run began with."""
    if path.exists() and path != begins:
        try:
            own = SharedModel.read(path).id == model.id
        except DataError:
            own = False
        if not own:
            raise ConfigError(
                f"--keep {path}: there is another file; move it away, and give the same command"
                " again"
            )
    model.save(path)


def _architecture(job: Job) -> str:
    with blame(source(type(job))):
        return architecture(job)


class Named(NamedTuple):
    """How a job was given: --job and --param, or neither."""

    file: str = ""
    parameters: Mapping[str, str] = MappingProxyType({})


def keeper(
    role: str,
    keys: tuple[str, ...],
    job: Job,
    named: Named = Named(),  # noqa: B008, a tuple
    before: SharedModel | None = None,
) -> Keeper:
    """What makes the half that `role` has of the model of a finished run, which began with
    `before`."""
    known = _architecture(job)

    def keep(
        machine: Machine,
        ticket: str,
        history: History,
        salt: bytes,
        fitted: Mapping[str, Fitted],
    ) -> SharedModel:
        plan = machine.plan
        tensors = tuple(plan.kept.values())
        done = plan.dealing.steps if history.trained is None else history.trained
        shares = reshared(machine.kept(), tensors, role, derive(salt, "shares", ticket))
        return SharedModel(
            id=derive(b"model", ticket).hex(),
            role=role,
            keys=keys,
            job=type(job).__name__,
            file=str(Path(named.file).resolve()) if Path(named.file).is_file() else named.file,
            parameters=dict(named.parameters),
            architecture=known,
            steps=done + (0 if before is None else before.steps),
            tensors=tensors,
            fitted={name: each.to_json() for name, each in fitted.items()},
            generations=(Generation(1, derive(salt, "tag", ticket).hex(), shares),),
        )

    return keep
