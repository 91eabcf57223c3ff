"""Nothing secret is shown: not by repr, str, format or a log line, and not by an exception.

Recognisable values go in; whatever an object or an error says about itself must not contain them.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import importlib
import logging
import pickle
import pkgutil
import re
from typing import Any

import numpy as np
import pytest
from oracle import job_of

import dealer
import party
import protocol
from party.intake import Intake
from party.runner import Runner
from protocol import fixedpoint
from protocol.channel import KeyPair
from protocol.channel.memory import pair
from protocol.dealing import Deal, alice_material, bob_material
from protocol.errors import DataError, JobError, MpcError
from protocol.graph import Graph, Phase
from protocol.jobs import Input, Job
from protocol.machine import Machine
from protocol.nodes import Source
from protocol.ops import Secret
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace
from protocol.wire import Kind, Message

VALUE = 1234.0625  # exact at 16 fraction bits
WORD = 0x5EC2E75EC2E75EC2
SEED = bytes.fromhex("5ec2e7") * 10 + b"\x5e\xc2"


def traces() -> list[str]:
    """How the values above could look."""
    encoded = int(VALUE * 2**16)
    found = [
        "1234.06",
        "1.2340625e",
        str(encoded),
        f"{encoded:x}",
        str(WORD),
        f"{WORD:x}",
        SEED.hex()[:12],
    ]
    return [
        *found,
        repr(SEED)[2:10],
        str(SEED[0]) + ", " + str(SEED[1]),
        repr(np.array([WORD], np.uint64))[7:20],
    ]


def silent(text: str) -> None:
    lowered = text.lower()
    for trace_ in traces():
        assert trace_.lower() not in lowered, f"{trace_} is shown"


def says_nothing(thing: Any, caplog: pytest.LogCaptureFixture) -> None:
    """No way of turning `thing` into text shows a secret."""
    for text in (
        repr(thing),
        str(thing),
        f"{thing}",
        f"{thing!r:>200}",
        f"{[thing]} { ({'a': thing}) }",
    ):
        silent(text)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").error("%s %r", thing, thing)
        logging.getLogger("test").error("in a list: %s", [thing])
    silent(caplog.text)


class Product(Job):
    fraction_bits = 16
    x = Input("alice", shape=(2, 2), low=-2000, high=2000)
    y = Input("bob", shape=(2, 2), low=-2000, high=2000)

    def step(self, v):
        v.x = v.x * 0.5 + v.y

    def finish(self, v):
        v.reveal(out=v.x + v.y)


ARRAYS = {"x": np.full((2, 2), VALUE), "y": np.full((2, 2), VALUE)}
SHAPES = {name: array.shape for name, array in ARRAYS.items()}


def machine(party_: int = 0) -> Machine:
    made = Machine(make_plan(trace(Product(), SHAPES, 1), party_, (0, 1)), party_)
    made.load(ARRAYS)
    return made


def test_the_traces_are_recognised():
    silent("shape (4, 3), 128 bytes")
    for shown in (
        str(VALUE),
        repr(np.array([VALUE])),
        str(WORD),
        hex(WORD),
        repr(SEED),
        SEED.hex(),
        str(list(SEED)),
        repr(np.array([WORD], np.uint64)),
        str(fixedpoint.encode(np.array([VALUE]), 16, 1)),
    ):
        with pytest.raises(AssertionError, match="is shown"):
            silent(shown)


def test_a_secret_tensor_and_its_node(caplog):
    graph = Graph()
    node = graph.add(Source("x", (4, 3), 0), interval=(-VALUE, VALUE))
    secret = Secret(graph, node)
    assert repr(secret) == str(secret) == f"{secret}" == f"{secret:>99}" == "<Secret (4, 3)>"
    assert repr(node) == "<secret input (4, 3)>"
    for each in (secret, node, secret * VALUE, (secret * VALUE)._node, graph):
        says_nothing(each, caplog)


@pytest.mark.parametrize(
    "way",
    [
        bool,
        float,
        int,
        complex,
        list,
        tuple,
        iter,
        np.asarray,
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        hash,
        lambda s: bool(s == s),
        lambda s: s in [1],
        lambda s: [0][s],
        lambda s: 1 in s,
        lambda s: f"{float(s)}",
    ],
)
def test_a_secret_tensor_has_no_value(way):
    graph = Graph()
    secret = Secret(graph, graph.add(Source("x", (1,), 0), interval=(-VALUE, VALUE)))
    with pytest.raises((JobError, TypeError)) as caught:
        way(secret)
    silent(str(caught.value))


def test_a_machine_full_of_shares(caplog):
    made = machine()
    words = [
        np.full(field.full_shape, WORD, np.uint64)
        for phase in made.plan.dealing.phases[1:2]
        for field in (*phase.masks, *phase.dealt)
    ]
    setup = made.plan.dealing.phases[0]
    made.begin(
        Phase.SETUP,
        0,
        [np.full(f.full_shape, WORD, np.uint64) for f in (*setup.masks, *setup.dealt)],
    )
    for number in range(made.rounds(Phase.SETUP)):
        made.receive(number, np.full(len(made.send(number)), WORD, np.uint64))
    made.end()
    made.begin(Phase.STEP, 0, words)
    for number in range(made.rounds(Phase.STEP)):
        made.receive(number, np.full(len(made.send(number)), WORD, np.uint64))
    made.end()
    for each in (made, made.plan, made.plan.lowering, made.plan.traced, made.plan.dealing):
        says_nothing(each, caplog)


def test_what_a_machine_says_of_a_message_that_does_not_fit():
    made = machine()
    setup = made.plan.dealing.phases[0]
    made.begin(
        Phase.SETUP,
        0,
        [np.full(f.full_shape, WORD, np.uint64) for f in (*setup.masks, *setup.dealt)],
    )
    if made.rounds(Phase.SETUP):
        made.send(0)
    phase = Phase.SETUP if made.rounds(Phase.SETUP) else Phase.STEP
    if phase == Phase.STEP:
        made.end()
        step = made.plan.dealing.phases[1]
        made.begin(
            phase, 0, [np.full(f.full_shape, WORD, np.uint64) for f in (*step.masks, *step.dealt)]
        )
        made.send(0)
    with pytest.raises(Exception) as caught:  # whatever it is, it must say nothing
        made.receive(0, np.full(made.expects(0) - 1, WORD, np.uint64))
    silent(str(caught.value))
    with pytest.raises(ValueError) as other:
        made.begin(Phase.STEP, 0, [np.full(3, WORD, np.uint64)] * 99)
    silent(str(other.value))


def test_the_dealer(caplog):
    dealing = machine().plan.dealing
    deal = Deal(dealing, SEED, SEED[::-1])
    deal.corrections(Phase.STEP, 0, 1)
    says_nothing(deal, caplog)
    says_nothing(dealing, caplog)


async def test_the_intake_and_the_runner(caplog):
    made = machine()
    ends = pair("test")
    try:
        intake = Intake(ends[0], made.plan.dealing, 0, SEED, 1)
        runner = Runner(made, ends[0], intake, 1, 0)
        await intake.chunk(Phase.STEP, 0)
        for each in (intake, runner, runner.progress, ends[0], ends[1]):
            says_nothing(each, caplog)
        intake.close()
    finally:
        await asyncio.gather(*(end.close(0) for end in ends))


async def test_a_connection_in_the_middle_of_a_message(caplog):
    ends = pair("test")
    try:
        body = {"seed": SEED, "number": WORD}
        ends[0].send(Message(Kind.HELLO, "test", body=body))
        says_nothing(ends[0], caplog)
        received = await ends[1].receive(5)
        assert received.body == body
        for each in (*ends, received):
            says_nothing(each, caplog)
    finally:
        await asyncio.gather(*(end.close(0) for end in ends))


@pytest.mark.parametrize(
    "buffers", [(SEED,), (np.full(3, WORD, np.uint64).tobytes(), memoryview(SEED)), ()]
)
def test_a_message(buffers, caplog):
    message = Message(Kind.SEED, "s", 1, 2, {"seed": SEED, "word": WORD, "x": VALUE}, buffers)
    says_nothing(message, caplog)
    assert "SEED" in repr(message)


def test_a_key_pair(caplog, tmp_path):
    keys = KeyPair.generate("alice")
    path = tmp_path / "alice.key"
    keys.save(path)
    line = path.read_text().strip()
    hidden = [
        line,
        line.split("-")[-1][:16],
        keys.secret.hex(),
        repr(keys.secret),
        keys.secret_z85.decode(),
    ]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").error("%s %r %s", keys, keys, [keys])
    for text in (repr(keys), str(keys), f"{keys}", caplog.text, repr({"keys": keys})):
        assert not any(each in text for each in hidden)
    path.write_text(line[:-1] + chr(ord("a") + (line[-1] == "a")) + "\n")  # mistyped
    for wrong in (path, tmp_path / "nothing.key"):
        with pytest.raises(MpcError) as caught:
            KeyPair.load(wrong)
        assert not any(each in str(caught.value) for each in hidden)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((2, 2), 1234.0625), "declared range"),
        (np.array([[1234.0625, np.nan], [0, 0]]), "NaN"),
        (np.full((2, 2), "1234.0625"), "numbers are needed"),
        (np.full((2, 2), 1234.0625 + 0j), "numbers are needed"),
        (np.full((2, 2), 1234.0625, object), "numbers are needed"),
    ],
)
def test_what_is_said_of_data_that_is_refused(array, words):
    with pytest.raises(DataError, match=words) as caught:
        fixedpoint.check("x", array, -1, 1)
    silent(str(caught.value))
    silent(repr(caught.value))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ x[0][None],
        lambda x: x[5],
        lambda x: x + np.full((3, 3), VALUE),
        lambda x: x / np.zeros(2),
        lambda x: x and x + 1,
        lambda x: x.reshape(7),
        lambda x: [float(each) for each in x],
        lambda x: x * np.full((2, 2), np.nan),
    ],
)
def test_what_is_said_of_a_job_that_is_wrong(function):
    arrays = {"x0": np.full((2, 2), VALUE)}
    with pytest.raises(JobError) as caught:
        simulate(job_of(function, arrays, limit=2000.0), arrays, 0)
    silent(str(caught.value))


def test_material_that_does_not_fit_the_plan():
    dealing = machine().plan.dealing
    for make in (
        lambda: bob_material(dealing, SEED, Phase.STEP, 0, 2, np.full((1, 1), WORD, np.uint64)),
        lambda: alice_material(dealing, SEED, Phase.STEP, -1, 2),
    ):
        with pytest.raises(Exception) as caught:  # whatever it is, it must say nothing
            make()
        silent(str(caught.value))


# ---- a sweep: no dataclass shows raw words, arrays or bytes --------------------------------------

SHOWN = {
    "PublicKey.raw",  # public, and has its own repr
    "Header.owner",  # of a material file: public keys
    "Header.dealer",
    "Header.ephemeral",
    "Public.constant",  # a number of the job file, which both parties have
    "AddPublic.constant",
    "AddStepwise.constant",
    "MultiplyStepwise.constant",  # likewise
    "Constant.constant",
    "MatMulPublic.constant",
    "MultiplyPublic.constant",
    "Picked.constant",
    "Simulation.results",  # revealed
    "Simulation.history",
    "History.values",
    "Report.results",
}
RAW = {"Words", "NDArray", "ndarray", "Array", "bytes", "bytearray", "memoryview", "Buffer"}


def raw_fields(kind: type) -> set[str]:
    """Fields of raw material that the generated repr shows; one written by hand is tested above."""
    if not hasattr(kind.__repr__, "__wrapped__"):
        return set()
    shown = [
        (each.name, set(re.findall(r"\w+", str(each.type))))
        for each in dataclasses.fields(kind)
        if each.repr
    ]
    return {
        f"{kind.__name__}.{name}"
        for name, words in shown
        if words & RAW and "Callable" not in words
    }


def test_no_dataclass_shows_raw_material():
    found = set()
    for package in (protocol, dealer, party):
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if each.name.endswith("__main__"):
                continue
            for thing in vars(importlib.import_module(each.name)).values():
                if (
                    isinstance(thing, type)
                    and dataclasses.is_dataclass(thing)
                    and thing.__module__ == each.name
                ):
                    found |= raw_fields(thing)
    assert found <= SHOWN, sorted(found - SHOWN)
