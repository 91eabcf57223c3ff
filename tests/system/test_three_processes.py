"""Three real processes on loopback: the built-in jobs, orders of starting, deaths, ranges left."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time

import leaves
import numpy as np
import pytest
from keyed import wait_for
from services import SECONDS, ended, said
from three import OWN_JOB, both, clear, report

from party.loading import load_job
from party.local import Trio
from protocol.plan import Plan, make_plan
from protocol.tracing import trace

pytestmark = pytest.mark.system


def planned(name: str, iterations: int) -> Plan:
    job = load_job(name)
    shapes = {name: np.shape(declared.default) for name, declared in job.inputs.items()}
    return make_plan(trace(job, shapes, iterations), 0, (0, 1))


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("dealer", "alice", "bob"))), ids="-".join
)
def test_seed_in_every_order_of_starting(order):
    with Trio() as trio:
        both(trio, "--iterations", "200", order=order)
        trio.wait(SECONDS)
        alice, bob = (report(trio.children[role]) for role in ("alice", "bob"))
        assert alice["results"] == bob["results"]
        expected = clear(load_job("seed"), 200)
        for name, value in expected.items():
            assert np.abs(np.asarray(alice["results"][name]) - value).max() < 1e-4
        plan = planned("seed", 200)
        assert alice["rounds"] == bob["rounds"] == plan.rounds
        assert alice["messages"] == 2 * alice["rounds"]
        assert [alice["bytes_sent"], bob["bytes_sent"]] == [plan.bytes_sent(0), plan.bytes_sent(1)]
        assert alice["dealt_bytes"] == 32
        assert bob["dealt_bytes"] == 32 + plan.dealt_bytes


def test_parties_with_several_threads_and_a_dealer_with_several_workers():
    with Trio() as trio:
        trio.start("dealer", ["--workers", "2"])
        for role in ("alice", "bob"):
            trio.start(role, ["--json", "--job", "mlp", "--iterations", "4", "--threads", "2"])
        trio.wait(SECONDS)
        reports = trio.reports()
    expected = clear(load_job("mlp"), 4)
    assert reports["alice"]["results"] == reports["bob"]["results"]
    for name, value in expected.items():
        assert np.abs(np.asarray(reports["alice"]["results"][name]) - value).max() < 1e-3


def test_seed_reaches_the_reference_after_ten_thousand_iterations():
    with Trio() as trio:
        both(trio)
        trio.wait(240)
        alice = report(trio.children["alice"])
    assert alice["iterations"] == 10_000
    assert alice["rounds"] == planned("seed", 10_000).rounds
    weights = np.asarray(alice["results"]["weights"]).ravel()
    predictions = np.asarray(alice["results"]["predictions"]).ravel()
    assert np.abs(weights - [7.7476867, -0.09387796, -3.77764175]).max() <= 1e-3
    assert np.abs(predictions - [0.00645627, 0.00530114, 0.99552217, 0.99474635]).max() <= 1e-3


def test_xor():
    with Trio() as trio:
        both(trio, "--job", "xor", "--iterations", "100")
        trio.wait(SECONDS)
        alice = report(trio.children["alice"])
    for name, value in clear(load_job("xor"), 100).items():
        assert np.abs(np.asarray(alice["results"][name]) - value).max() < 1e-3


def test_two_sessions_through_one_dealer():
    with Trio("one") as one, Trio("two") as two:
        two.dealer = one.dealer
        one.start("dealer")
        for trio, iterations in ((one, "300"), (two, "200")):
            for role in ("alice", "bob"):
                trio.start(role, ["--json", "--iterations", iterations])
        two.children["dealer"] = one.children["dealer"]
        one.wait(SECONDS)
        two.wait(SECONDS)
        found = [report(trio.children["bob"]) for trio in (one, two)]
    assert [each["iterations"] for each in found] == [300, 200]
    for each in found:
        expected = clear(load_job("seed"), each["iterations"])["weights"]
        assert np.abs(np.asarray(each["results"]["weights"]) - expected).max() < 1e-4


def test_an_own_job_with_own_data_and_a_result_file(tmp_path):
    rng = np.random.default_rng(7)
    x, w = rng.normal(size=(60, 3)).clip(-4, 4), np.zeros((3, 1))
    y = x @ [[1.0], [-2.0], [0.5]]
    (tmp_path / "ridge.py").write_text(OWN_JOB)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "w.npz", w=w)
    out = tmp_path / "weights.npy"
    with Trio() as trio:
        both(
            trio,
            "--job",
            str(tmp_path / "ridge.py"),
            "--reveal",
            "alice",
            alice=["--data", f"w={tmp_path / 'w.npz'}", "--out", str(out)],
            bob=["--data", f"x={tmp_path / 'x.csv'}", "--data", f"y={tmp_path / 'y.npy'}"],
        )
        trio.wait(SECONDS)
        assert report(trio.children["bob"])["results"] == {}
    job = load_job(str(tmp_path / "ridge.py"))
    assert np.abs(np.load(out) - clear(job, 30, x=x, y=y, w=w)["weights"]).max() < 1e-3
    assert out.stat().st_mode & 0o077 == 0


def test_a_killed_peer_is_named_with_the_step(tmp_path):
    job = tmp_path / "counting.py"
    job.write_text("""
from protocol.jobs import Input, Job

class Counting(Job):
    check_every = 10
    n = Input("bob", (1,), 0, 1 << 21, default=(0.0,))

    def step(self, v):
        v.n += 1

    def check(self, v):
        v.reveal(counted=v.n * v.n)

    def finish(self, v):
        v.reveal(n=v.n)
""")
    with Trio() as trio:
        both(trio, "--iterations", "1000000", "--timeout", "3s", "--job", str(job))
        wait_for(trio.children["alice"], "after step", SECONDS)
        trio.children["bob"].process.kill()
        assert ended(trio.children["alice"], SECONDS) == 4
        assert "bob" in said(trio.children["alice"])
        assert "(at step" in trio.children["alice"].errors


def test_a_silent_peer_is_named_within_the_timeout():
    with Trio() as trio:
        both(trio, "--iterations", "1000000", "--timeout", "3s")
        wait_for(trio.children["alice"], "this run", SECONDS)
        time.sleep(2.0)
        os.kill(trio.children["bob"].process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        assert ended(trio.children["alice"], SECONDS) == 4
        assert 2.0 <= time.monotonic() - begin <= 30.0
        assert "nothing was heard from bob" in said(trio.children["alice"])
        os.kill(trio.children["bob"].process.pid, signal.SIGCONT)


def test_a_dead_dealer_ends_both_with_a_sentence():
    with Trio() as trio:
        both(trio, "--iterations", "1000000", "--timeout", "3s")
        wait_for(trio.children["alice"], "this run", SECONDS)
        time.sleep(2.0)
        trio.children["dealer"].process.kill()
        assert ended(trio.children["bob"], SECONDS) == 4
        assert ended(trio.children["alice"], SECONDS) == 4
        assert "dealer" in said(trio.children["bob"])
        assert "dealer" in said(trio.children["alice"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_all_cleanly(number, code):
    with Trio() as trio:
        both(trio, "--iterations", "1000000")
        wait_for(trio.children["alice"], "this run", SECONDS)
        time.sleep(2.0)
        trio.children["alice"].process.send_signal(number)
        assert ended(trio.children["alice"], SECONDS) == code
        assert ended(trio.children["bob"], SECONDS) == 4
        assert "alice stopped: it was interrupted" in said(trio.children["bob"])
        said(trio.children["alice"])
        trio.children["dealer"].process.send_signal(number)
        assert ended(trio.children["dealer"], SECONDS) == code


def test_a_second_alice_is_refused_and_the_first_undisturbed():
    with Trio() as trio:
        both(trio, "--iterations", "30000")
        wait_for(trio.children["alice"], "this run", SECONDS)
        second = subprocess.run(
            [
                *(sys.executable, "-m", "party", "--role", "alice", "--session", trio.session),
                *("--dealer", trio.dealer, "--peer", "tcp://127.0.0.1:0", "--wait", "20s"),
            ],
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert second.returncode not in (0, None)
        assert "alice is connected already in session" in second.stderr
        assert "Traceback" not in second.stderr
        trio.wait(SECONDS)
        assert report(trio.children["alice"])["results"] == report(trio.children["bob"])["results"]


def test_who_is_awaited_is_said():
    with Trio() as trio:
        trio.start("dealer")
        alice = trio.start("alice", ["--wait", "3s"])
        assert ended(alice, SECONDS) == 4
        assert "waiting for bob at tcp://127.0.0.1:" in said(alice)
        assert "bob did not connect" in alice.errors


def test_values_that_leave_their_range_end_both_and_are_written_only_where_that_is_accepted(
    tmp_path,
):
    """Alice learns, Bob does not; both are told, and told again when they are started again."""
    common = ["--job", leaves.__file__, "--reveal", "alice"]
    own = {
        role: ["--state", str(tmp_path / role), "--out", str(tmp_path / f"{role}.npz")]
        for role in ("alice", "bob")
    }
    with Trio() as trio:
        for _ in range(2):
            both(trio, *common, **own)
            for role in ("alice", "bob"):
                assert ended(trio.children[role]) == 8
                assert "v.p (leaves.py:15): " in said(trio.children[role])
                assert not trio.children[role].output and not (tmp_path / f"{role}.npz").exists()
            trio.children["dealer"].stop()
        both(trio, *common, "--accept-out-of-range", **own)
        trio.wait(SECONDS)
        assert any(
            "entries outside" in each for each in report(trio.children["bob"])["out_of_range"]
        )
        assert (
            np.load(tmp_path / "alice.npz")["p"].shape == (2, 2)
            and not (tmp_path / "bob.npz").exists()
        )
