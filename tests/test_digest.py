"""The digest binds the program: whatever a job says changes it, and nothing else does."""

from __future__ import annotations

import copy
import dataclasses
import enum
import hashlib
import importlib
import itertools
import math
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import protocol.ops
from party.loading import BUILTIN, load_job
from protocol import views
from protocol.describe import reveals, words
from protocol.digest import Listing, canonical
from protocol.errors import JobError
from protocol.graph import Phase
from protocol.jobs import Input, Job, Parameter
from protocol.nodes import Op
from protocol.ops import concatenate, dropout, maximum, sigmoid, take, where, within
from protocol.tracing import trace
from protocol.views import View


class Everything(Job):
    """One of each kind of operation."""

    x = Input("bob", ("n", 4), low=-1, high=1, default=np.zeros((6, 4)))
    y = Input("bob", ("n", 1), default=np.zeros((6, 1)))
    w = Input("alice", (4, 1), low=-2, high=2, default=np.zeros((4, 1)))
    rate = Parameter(0.25)

    def setup(self, v):
        v.shifted = v.x @ np.array([[1.0, 0.5], [0, 1], [0, 0], [2, 2]]) + np.array([0.5, 0.75])

    def step(self, v):
        out = sigmoid(v.x.minibatch(2) @ v.w) + sigmoid(v.x.minibatch(2) @ v.w, "fourier")
        v.w -= self.rate * v.x.minibatch(2).T @ (out * 0.5 - v.y.minibatch(2))
        x = dropout(v.x.minibatch(2, shuffle=3), 0.25, 7) + v.schedule(lambda step: 0.5 * step)
        v.w -= v.schedule(lambda step: 0.25 / (1 + step)) * take(x, [1, 0, 1], 0).cumsum(1).sum(
            axis=0
        ).reshape(4, 1)

    def finish(self, v):
        v.reveal(
            w=v.w, best=maximum(v.x, -v.x)[1:3].mean(), both=concatenate([v.y, v.w]), cube=v.y**3
        )
        v.reveal(chosen=where(v.x > 0.5, v.x, 0.25), bits=4)
        v.reveal(small=within(v.x @ v.w, -0.5, 0.5) * v.y)


def listing_of(job: Job, iterations: int | None = None) -> Listing:
    return trace(
        job, {name: np.shape(each.default) for name, each in job.inputs.items()}, iterations
    ).listing


def mutants(value: Any) -> Iterator[Any]:
    """The same value with one thing changed, for every thing in it."""
    if isinstance(value, enum.Enum):
        yield from (each for each in type(value) if each is not value)
    elif isinstance(value, bool) or value is None:
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, -value - 1, float(value))
    elif isinstance(value, float):
        yield from (math.nextafter(value, 9e9), math.nextafter(value, -9e9), str(value))
    elif isinstance(value, str):
        yield from (value + "x", value.encode())
    elif isinstance(value, tuple):
        for n, each in enumerate(value):
            yield from ((*value[:n], other, *value[n + 1 :]) for other in mutants(each))
        yield from ((*value, 1), (value,), value[1:] if value else (None,))
    elif isinstance(value, np.ndarray):
        yield from (value.astype(np.float32), value[None], np.append(value, 1.0))
        for n in range(value.size):
            other = value.copy()
            other.flat[n] = math.nextafter(other.flat[n], 9e9)
            yield other
    else:
        for each in (each for each in dataclasses.fields(value) if each.init):
            for other in mutants(getattr(value, each.name)):
                changed = copy.copy(value)
                object.__setattr__(changed, each.name, other)
                yield changed


def operations() -> list[type[Op]]:
    """Every class of operation that can be in a graph."""
    for module in pkgutil.iter_modules(protocol.ops.__path__):
        importlib.import_module(f"protocol.ops.{module.name}")
    found: list[type[Op]] = []
    waiting: list[type[Op]] = [Op]
    while waiting:
        kind = waiting.pop()
        below = kind.__subclasses__()
        waiting += below
        if kind.__module__.startswith("protocol.") and (
            not below or "__dataclass_fields__" in vars(kind)
        ):
            found.append(kind)
    return sorted(set(found), key=lambda kind: kind.__qualname__)


def sample(hint: Any) -> Any:
    """A value of an attribute that is annotated so."""
    if get_origin(hint) is tuple:
        return tuple(sample(each) for each in get_args(hint) if each is not Ellipsis)
    if get_origin(hint) is np.ndarray:
        return np.array([0.5, -1.0])
    if hint is View:
        return views.Transpose((2, 3), (1, 0))
    if args := [each for each in get_args(hint) if each is not type(None)]:
        return sample(args[0])
    if dataclasses.is_dataclass(hint):
        return made(hint)
    return {int: 3, float: 0.5, bool: False, str: "a"}[hint]


def made(kind: Any) -> Any:
    hints = get_type_hints(kind)
    op = object.__new__(kind)
    for each in (each for each in dataclasses.fields(kind) if each.init):
        object.__setattr__(op, each.name, sample(hints[each.name]))
    return op


def test_operations_are_found_and_no_two_share_a_name():
    names = [kind.__qualname__ for kind in operations()]
    assert {
        "Add",
        "AddPublic",
        "Compare",
        "MatMul",
        "Poly",
        "Source",
        "Structure",
        "Coarse",
    } <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", operations(), ids=lambda kind: kind.__qualname__)
def test_every_attribute_of_every_operation_is_in_the_digest(kind):
    """By reflection: an operation that is added is tested, and one whose attributes have no
    canonical form fails."""
    assert "__dataclass_fields__" in vars(kind), (
        "an operation is a dataclass, so that its attributes are known"
    )
    op = made(kind)
    own = canonical(op)
    assert own == canonical(copy.deepcopy(op))
    seen = {canonical(other) for other in mutants(op)}
    assert own not in seen
    assert bool(seen) == bool(dataclasses.fields(kind))


def test_what_has_no_canonical_form_is_refused():
    class Careless(Op):
        def __init__(self) -> None:
            self.factor = 2

    extra = made(next(kind for kind in operations() if kind.__qualname__ == "Compare"))
    object.__setattr__(extra, "aside", 1)
    for value in (
        Careless(),
        extra,
        object(),
        [1],
        {1: 2},
        math.nan,
        np.array(["a"]),
        np.array([None]),
        lambda: 0,
    ):
        with pytest.raises(JobError, match="has no canonical form"):
            canonical(value)


@pytest.mark.parametrize("job", [Everything, *BUILTIN.values()], ids=lambda job: job.__name__)
def test_every_statement_of_a_job_is_in_the_digest(job):
    """Every operation, table, owner, range and setting changed in turn; constants of many numbers
    in a few of them."""
    listing = listing_of(job()).with_setting("revealed to", (0, 1))
    for statement in listing.statements:
        own = canonical(statement)
        assert all(canonical(other) != own for other in itertools.islice(mutants(statement), 200))
    # all that are listed take part alike: 25 places show it
    for number in range(0, len(listing.statements), 1 + len(listing.statements) // 25):
        before, (statement, *rest) = listing.statements[:number], listing.statements[number:]
        changed = dataclasses.replace(
            listing, statements=(*before, next(mutants(statement)), *rest)
        )
        assert changed.digest != listing.digest
        assert (
            changed.first_difference(listing.short)
            == listing.first_difference(changed.short)
            == number
        )
        swapped = [(rest[0], statement, *rest[1:])] if rest else []
        for some in (rest, *swapped):  # one left out; two swapped
            other = dataclasses.replace(listing, statements=(*before, *some))
            assert other.digest != listing.digest
    assert listing.first_difference(listing.short) is None
    shorter = dataclasses.replace(listing, statements=listing.statements[:-1])
    assert shorter.first_difference(listing.short) == len(shorter.statements)


def test_places_and_derived_ranges_are_not_in_the_digest():
    traced = trace(
        Everything(), {name: np.shape(each.default) for name, each in Everything().inputs.items()}
    )
    blank = dataclasses.replace(traced.listing, origins=())
    assert blank.digest == traced.listing.digest

    class Elsewhere(Everything):
        pass

    assert listing_of(Elsewhere()).digest == traced.listing.digest


def test_the_listing_is_of_the_graph_before_it_is_rewritten():
    """The seed job's x @ w is carried on; that is a choice of the plan, not a statement of the
    job."""
    carried = [
        each for each in words_of(listing_of(load_job("seed"))) if each.startswith("carries")
    ]
    assert carried
    assert all(each.startswith("carries w ") for each in carried)


def words_of(listing: Listing) -> list[str]:
    return [words(listing, number)[0] for number in range(len(listing.statements))]


KNOWN = "d8fad52f"  # of the values below, on every processor, Python and NumPy


def test_the_canonical_form_is_the_same_everywhere():
    arrays = (np.arange(6, dtype=">f8").reshape(2, 3), np.array(True), np.zeros((0, 2), np.int32))
    value = (None, True, 1 << 70, -0.5, "ü", b"\0", Phase.STEP, arrays, views.Broadcast((2, 3)))
    assert hashlib.blake2b(canonical(value), digest_size=4).hexdigest() == KNOWN
    assert canonical(np.float64(0.5)) == canonical(0.5)
    assert canonical(np.int32(7)) == canonical(7)
    assert (
        canonical(np.ones(3, ">f8")) == canonical(np.ones(3, "<f8")) != canonical(np.ones(3, "<f4"))
    )
    assert canonical(np.arange(6).reshape(2, 3).T) == canonical(
        np.ascontiguousarray(np.arange(6).reshape(2, 3).T)
    )


SET_JOB = """
from protocol.jobs import Input, Job


class Named(Job):
    iterations = 0
    for name in {"a", "b", "c", "d", "e"}:
        vars()[name] = Input("bob", shape=(2,), default=[0, 0])
    del name

    def step(self, v):
        pass

    def finish(self, v):
        v.reveal(total=v.a + v.b + v.c + v.d + v.e)
"""


def test_neither_hash_seeds_nor_file_names_are_in_the_digest(tmp_path):
    """A job whose inputs come from a set is the same job in every process."""
    found = set()
    for seed, name in (("1", "here.py"), ("2", "there.py"), ("3", "here.py")):
        (tmp_path / name).write_text(SET_JOB)
        command = [sys.executable, "-m", "party", "plan", "--job", str(tmp_path / name), "--json"]
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        found.add(done.stdout.split('"digest": "')[1][:32])
    assert len(found) == 1


# ---- words ---------------------------------------------------------------------------------------


def said_of(body: Any, *learners: int) -> str:
    class Said(Job):
        iterations = 3
        x = Input("bob", ("n",), default=[0.0] * 4)
        y = Input("alice", ("n",), default=[0.0] * 4)

        def step(self, v):
            v.y = v.y * 0.5 + v.x

        def finish(self, v):
            v.reveal(out=body(v))

    (line,) = reveals(listing_of(Said()), learners or (0, 1))
    return line


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda v: v.x, "bob's x"),
        (lambda v: (v.x - 0.75) < 0, "a comparison with 0.75 of bob's x"),
        (lambda v: v.x.reshape(2, 2).T >= 0.5, "a comparison with 0.5 of bob's x"),
        (lambda v: v.x.mean(), "the mean of bob's x"),
        (lambda v: v.x[1:3] * 2, "2 times a part of bob's x"),
        (lambda v: v.x * v.x + 1, "the product of bob's x and bob's x plus 1"),
        (lambda v: v.y, "y after 3 iterations, made of alice's y and bob's x"),
        (
            lambda v: v.x @ v.y,
            "the matrix product of bob's x and y after 3 iterations, made of alice's y and bob's x",
        ),
    ],
)
def test_a_reveal_says_what_it_is_made_of(body, expected):
    assert said_of(body).split(" to alice and bob: ")[1] == expected


def test_a_reveal_says_who_learns_it():
    assert said_of(lambda v: v.x, 0) == "out (4,) to alice: bob's x"
    assert all(" to nobody: " in line for line in reveals(listing_of(load_job("seed")), ()))


def test_deep_and_wide_graphs_stay_short():
    def deep(v):
        out = v.x
        for _ in range(3000):
            out = out * 0.5 + v.x
        return out

    def wide(v):
        level = [v.x + n for n in range(40)]
        for _ in range(4):
            level = [concatenate(level[n:] + level[:n]) for n in range(3)] * 4
        return level[0]

    for body in (deep, wide):
        line = said_of(body)
        assert len(line) < 240
        assert "bob's x" in line
