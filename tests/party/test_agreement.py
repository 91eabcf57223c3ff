"""Two parties whose jobs differ: neither starts, both say where, and neither learns more of the
other's job than that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from party.agreement import agree
from party.ending import Ending
from party.intent import Intent
from party.links import ENDED, Addresses, Links
from party.loading import load_job
from protocol.channel.memory import pair
from protocol.errors import (
    AgreementError,
    ConfigError,
    DataError,
    JobError,
    MpcError,
    ProtocolError,
)
from protocol.wire import Kind, Message

JOB = """
from protocol.jobs import Input, Job, Parameter
from protocol.ops import within


class Check(Job):
    iterations = 2
    rate = Parameter(0.5)
    x = Input("bob", shape=("n", 2), low=0, high=1)
    w = Input("alice", shape=(2, 1), low=-1, high=1)
    u = Input("alice", shape=(2, 1), low=-1, high=1)

    def step(self, v):
        out = within(v.x @ v.w, -4, 4)
        v.w = v.w * 0.75 + v.u

    def finish(self, v):
        v.reveal(poor=v.x @ v.w < 0.25, all=v.w)
"""
SHAPES = {"alice": {"w": (2, 1), "u": (2, 1)}, "bob": {"x": (5, 2)}}


class Heard:
    """A connection that keeps what is sent through it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.sent: list[Message] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def send(self, message: Message) -> None:
        self.sent.append(message)
        self._connection.send(message)


def meeting(
    folder: Path, alice: str, bob: str, **bodies: Any
) -> tuple[dict[str, Any], list[Message]]:
    """What `agree` gave to each, and all that was sent."""
    intents = {}
    for role, text in (("alice", alice), ("bob", bob)):
        (folder / role).mkdir(exist_ok=True)
        path = folder / role / f"check_{role}.py"
        path.write_text(text)
        job = load_job(str(path))
        intents[role] = Intent(
            role=role, job=job, iterations=job.iterations, reveal="both", shapes=SHAPES[role]
        )

    async def both() -> tuple[list[Any], list[Message]]:
        ends = [Heard(end) for end in pair()]
        found = await asyncio.gather(
            agree(ends[0], intents["alice"], None, None, Ending(None)),
            agree(ends[1], intents["bob"], None, None, Ending(None)),
            return_exceptions=True,
        )
        return list(found), [message for end in ends for message in end.sent]

    found, sent = asyncio.run(both())
    return dict(zip(("alice", "bob"), found, strict=True)), sent


def test_the_same_job_in_files_of_two_names_is_agreed_on(tmp_path):
    found, sent = meeting(tmp_path, JOB, "# another comment\n\n" + JOB)
    assert found["alice"].plan.digest == found["bob"].plan.digest
    assert found["alice"].ticket == found["bob"].ticket
    # of a job they agree on, nothing but digests
    assert [message.kind for message in sent] == 2 * [
        Kind.HELLO,
        Kind.PLAN,
    ]
    assert not any(message.buffers for message in sent)


@pytest.mark.parametrize(
    ("old", "new", "alice", "bob"),
    [
        (
            "* 0.75",
            "* 0.5",
            "step: bob multiplies by 0.5 where alice multiplies by 0.75 (check_alice.py:15)",
            "step: alice multiplies by 0.75 where bob multiplies by 0.5 (check_bob.py:15)",
        ),
        (
            "* 0.75",
            "+ 0.5",
            "step: bob adds 0.5 where alice multiplies by 0.75 (check_alice.py:15)",
            None,
        ),
        (
            "* 0.75",
            "* 0.7500000000000001",
            "bob multiplies by 0.7500000000000001 where alice multiplies by 0.75",
            None,
        ),
        (
            "< 0.25",
            "< 0.5",
            "finish: bob tests for < 0.5 where alice tests for < 0.25 (check_alice.py:18)",
            None,
        ),
        ("< 0.25", "<= 0.25", "finish: bob tests for ≤ 0.25 where alice tests for < 0.25", None),
        (
            "low=0, high=1",
            "low=0, high=2",
            "the inputs: bob takes bob's x (5, 2) in [0, 2] where alice takes bob's x (5, 2) "
            "in [0, 1] (check_alice.py:9)",
            None,
        ),
        (
            "-4, 4",
            "-4, 5",
            "bob takes a tensor to lie in [-4, 5] where alice takes a tensor to lie in [-4, 4]",
            None,
        ),
        (
            "all=v.w",
            "all=v.x",
            "finish: bob reveals all: bob's x where alice reveals all: w after 2 iterations",
            None,
        ),
        ("poor=", "rich=", "finish: bob reveals rich: a comparison with 0.25", None),
        (
            "all=v.w)",
            "all=v.w, more=v.u)",
            "bob reveals more: alice's u, which alice does not",
            "finish: bob reveals more: alice's u (check_bob.py:18), which alice does not",
        ),
        (
            "all=v.w)",
            "all=v.w, bits=8)",
            "bob keeps 8 fraction bits, which alice does not",
            "finish: bob keeps 8 fraction bits (check_bob.py:18), which alice does not",
        ),
        ("v.x @ v.w <", "v.x @ v.u <", "finish: bob computes a matmul", None),
        (
            "Parameter(0.5)",
            "Parameter(0.125)",
            "the settings: bob has rate = 0.125 where alice has rate = 0.5",
            None,
        ),
        (
            "rate = Parameter(0.5)",
            "fraction_bits = 18",
            "the settings: bob has fraction_bits = 18 where alice has fraction_bits = chosen",
            None,
        ),
        (
            "v.w = v.w",
            "v.u = v.w",
            "step: bob carries u (2, 1) on where alice carries w (2, 1) on (check_alice.py:15)",
            None,
        ),
        (
            'u = Input("alice"',
            'u = Input("bob"',
            "the owner of u is 'alice' for alice and 'bob' for bob",
            None,
        ),
        (
            "        out = ",
            "        out = (v.x @ v.u).sum()\n        out = ",
            "step: bob computes a matmul",
            None,
        ),
    ],
)
def test_a_difference_is_named_at_both_where_its_owner_finds_it(tmp_path, old, new, alice, bob):
    assert old in JOB
    found, sent = meeting(tmp_path, JOB, JOB.replace(old, new))
    for role, expected in (("alice", alice), ("bob", bob)):
        assert isinstance(found[role], AgreementError)
        assert "\n" not in str(found[role])
        if expected:
            assert expected in str(found[role])
    for message in sent:
        told = repr(message.body) + repr([bytes(buffer) for buffer in message.buffers])
        assert "check_" not in told
        assert ".py" not in told


def test_of_the_rest_of_a_job_nothing_is_said(tmp_path):
    _, sent = meeting(tmp_path, JOB, JOB.replace("* 0.75", "* 0.5").replace("0.25", "0.3125"))
    said = repr([message.body for message in sent])
    assert "0.75" in said
    assert "0.25" not in said
    assert "0.3125" not in said
    assert "poor" not in said


@pytest.mark.parametrize(
    "words", [None, [], ["a"] * 4, ["a", "b", 1], ["a", "b", "c\n"], ["a", "b", "c" * 5000]]
)
def test_a_peer_that_does_not_say_how_its_job_differs(tmp_path, words):
    path = tmp_path / "job.py"
    path.write_text(JOB)
    intent = Intent(
        role="alice", job=load_job(str(path)), iterations=2, reveal="both", shapes=SHAPES["alice"]
    )

    async def one() -> None:
        mine, peer = pair("")
        task = asyncio.create_task(agree(mine, intent, None, None, Ending(None)))
        hello = (await peer.receive()).body
        peer.send(Message(Kind.HELLO, "", body={**hello, "shapes": {"x": [5, 2]}}))
        await peer.receive()
        peer.send(Message(Kind.PLAN, "", body={"digest": "other", "points": [], "epoch": 0}))
        await peer.receive()
        peer.send(Message(Kind.PLAN, "", body={"statements": 3}, buffers=(b"12345",)))
        peer.send(Message(Kind.PLAN, "", body={"words": words}))
        await task

    with pytest.raises(ProtocolError, match="bob did not say how its job differs"):
        asyncio.run(one())


class Ear:
    failure = None

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def send(self, message: Message) -> None:
        self.bodies.append(message.body)


def test_why_a_session_is_aborted_is_told_to_the_peer_alone():
    links = Links(
        "alice", Addresses(session="s", peer="tcp://x:1", dealer="tcp://x:2"), print, print
    )
    links._peer, links._dealer = peer, dealer = Ear(), Ear()
    links.abort("parameter rate is 0.456 for bob", back=False)
    assert peer.bodies == [{"reason": "parameter rate is 0.456 for bob", "back": False}]
    assert dealer.bodies == [{"reason": ENDED, "back": False}]


@pytest.mark.parametrize("kind", [ConfigError, DataError, JobError])
def test_what_may_name_a_path_is_not_told(kind):
    error = kind("/home/alice/check.py:12: ValueError: 0.456").at("step 3 of 10")
    assert "step 3 of 10" in str(error)
    assert "/home/alice/check.py:12" in str(error)
    assert not {"/home", "check.py", "0.456"} & set(error.for_peer.split())
    assert "check" not in error.for_peer
    assert error.for_peer.endswith("(at step 3 of 10)")
    assert MpcError("bob is away").for_peer == "bob is away"
    assert MpcError("long", told="short").at("x").for_peer == "short (at x)"


def test_a_coarse_reveal_gives_the_value_rounded_with_a_public_coin():
    """t = ⌊(X + u) / 2^shift⌋, u from what was opened; X, its low bits included, is in no other
    message."""
    from protocol.jobs import Input, Job
    from protocol.simulate import simulate

    class Coarse(Job):
        iterations = 0
        x = Input("bob", shape=("n",), low=-1, high=1)

        def step(self, v):
            pass

        def finish(self, v):
            v.reveal(x=v.x, bits=8)
            v.reveal({"four": v.x}, bits=4)

    x = np.rint(np.random.default_rng(0).uniform(-1, 1, 500) * 2**20) / 2**20
    sent: list[np.ndarray] = []
    run = simulate(Coarse(), {"x": x}, observe=lambda sender, words: sent.append(words.copy()))
    (alice, bob), shift = (sent[0], sent[1]), 12
    assert [len(words) for words in sent] == [500, 500, 1000, 1000]
    coin = ((alice + bob) % np.uint64(1 << shift)).astype(np.int64)
    whole = np.rint(x * 2**20).astype(np.int64)
    assert (run.results[0]["x"] * 2**8 == (whole + (1 << shift) - 1 - coin) >> shift).all()
    assert (np.abs(run.results[0]["x"] - x) < 2.0**-8).all()
    # the interval of four bits holds that of eight: two reveals of one tensor say no more than the
    # finer
    wide = ((alice + bob) % np.uint64(1 << 16)).astype(np.int64)
    low = {
        12: run.results[0]["x"] * 2**20 - ((1 << 12) - 1 - coin),
        16: run.results[0]["four"] * 2**20 - ((1 << 16) - 1 - wide),
    }
    assert (low[16] <= low[12]).all()
    assert (low[12] + 2**12 <= low[16] + 2**16).all()
