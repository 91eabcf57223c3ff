"""Parties that were started differently: both end, and each names the difference."""

from __future__ import annotations

import numpy as np
import pytest
from services import ended, said
from three import OWN_JOB, both

from party.local import Trio

pytestmark = pytest.mark.system
CHECK = """from protocol.jobs import Input, Job


class Check(Job):
    iterations = 0
    x = Input("bob", shape=("n",), low=0, high=1, default=[0.2, 0.6, 0.7, 0.9])

    def step(self, v):
        pass

    def finish(self, v):
        v.reveal(poor=(v.x - LIMIT) < 0)
"""


@pytest.mark.parametrize(
    ("alice", "bob", "difference"),
    [
        (["--iterations", "10"], ["--iterations", "20"], "iterations is"),
        (["--job", "seed"], ["--job", "xor"], "job is"),
        (["--reveal", "alice"], ["--reveal", "bob"], "reveal is"),
        (["--param", "fraction_bits=18"], [], "fraction_bits = 18"),
    ],
)
def test_different_intentions_stop_both_and_name_the_difference(alice, bob, difference):
    with Trio() as trio:
        both(trio, alice=alice, bob=bob)
        assert [ended(trio.children[role]) for role in ("alice", "bob")] == [3, 3]
        for role in ("alice", "bob"):
            assert difference in said(trio.children[role])
        assert trio.children["dealer"].process.poll() is None


def test_different_job_files_of_one_name(tmp_path):
    for role, rate in (("alice", "0.25"), ("bob", "0.25")):
        (tmp_path / role).mkdir()
        text = OWN_JOB.replace("0.25", rate)
        (tmp_path / role / "job.py").write_text(
            text if role == "alice" else text.replace("v.x.T @", "2 * v.x.T @")
        )
    np.save(tmp_path / "x.npy", np.ones((4, 2)))
    np.save(tmp_path / "y.npy", np.ones((4, 1)))
    np.save(tmp_path / "w.npy", np.ones((2, 1)))
    with Trio() as trio:
        both(
            trio,
            alice=[
                "--job",
                str(tmp_path / "alice" / "job.py"),
                "--data",
                f"w={tmp_path / 'w.npy'}",
            ],
            bob=[
                *("--job", str(tmp_path / "bob" / "job.py")),
                *("--data", f"x={tmp_path / 'x.npy'}", "--data", f"y={tmp_path / 'y.npy'}"),
            ],
        )
        assert [ended(trio.children[role]) for role in ("alice", "bob")] == [3, 3]
        found = (
            "step: bob multiplies by 2 where alice computes a matmul (job.py:15); the two jobs"
            " differ"
        )
        assert found in said(trio.children["alice"])
        assert "step: alice computes a matmul where bob multiplies by 2 (job.py:15)" in said(
            trio.children["bob"]
        )
        assert "job.py" not in trio.children["dealer"].errors


def test_a_threshold_that_differs_is_named_and_a_reveal_says_what_it_is(tmp_path):
    """Two files of one name that differ in a public constant: neither party computes with the
    other's."""
    for role, limit in (("alice", "0.75"), ("bob", "0.5")):
        (tmp_path / role).mkdir()
        (tmp_path / role / "check.py").write_text(CHECK.replace("LIMIT", limit))
    jobs = {role: ["--job", str(tmp_path / role / "check.py")] for role in ("alice", "bob")}
    with Trio() as trio:
        both(trio, **jobs)
        assert [ended(trio.children[role]) for role in ("alice", "bob")] == [3, 3]
        assert "finish: bob subtracts 0.5 where alice subtracts 0.75 (check.py:12)" in said(
            trio.children["alice"]
        )
        assert "finish: alice subtracts 0.75 where bob subtracts 0.5 (check.py:12)" in said(
            trio.children["bob"]
        )
    with Trio() as trio:
        both(trio, *jobs["alice"])
        assert [ended(trio.children[role]) for role in ("alice", "bob")] == [0, 0]
        told = "this run reveals poor (4,) to alice and bob: a comparison with 0.75 of bob's x"
        assert all(told in trio.children[role].errors for role in ("alice", "bob"))


def test_one_party_does_not_switch_the_guard_off():
    with Trio() as trio:
        both(trio, "--iterations", "5", alice=["--guard", "off"])
        for role in ("alice", "bob"):
            assert ended(trio.children[role]) == 3
            assert "guard is " in said(trio.children[role])
