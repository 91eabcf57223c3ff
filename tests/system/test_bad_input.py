"""Bad input of every kind ends in one sentence on standard error and a non-zero exit code."""

from __future__ import annotations

import os

import numpy as np
import pytest

from dealer.__main__ import main as dealer
from party import own_code
from party.__main__ import main as party

ALICE = ["--role", "alice", "--peer", "tcp://127.0.0.1:0", "--wait", "1s"]
BOB = ["--role", "bob", "--wait", "0.05s"]
JOB = "from protocol.jobs import Input, Job\n\n\nclass Mine(Job):\n"

FILES = {
    "good.csv": "a,b,c\n0,0,1\n0,1,1\n",
    "two.csv": "0\n1\n",
    "three.csv": "0\n1\n0\n",
    "ragged.csv": "1,2,3\n4,5\n",
    "words.csv": "1,2,3\n4,five,6\n",
    "empty.csv": "",
    "nan.csv": "1,2,nan\n1,2,3\n",
    "large.csv": "1,2,300\n1,2,3\n",
    "narrow.csv": "1,2\n3,4\n",
    "broken.npy": "not numpy at all",
    "broken.toml": "job = \n",
    "unknown.toml": 'jbo = "seed"\n',
    "mistyped.toml": "iterations = true\n",
    "key.txt": "not a key\n",
    "syntax.py": "class (\n",
    "empty.py": "x = 1\n",
    "raises.py": (
        JOB
        + "    x = Input('bob', (2,), default=[1, 2])\n\n    def step(self, v):\n        v.x[9]\n"
    ),
    "crash.py": (
        JOB
        + "    x = Input('bob', (2,), default=[1, 2])\n\n    def step(self, v):\n        1 / 0\n"
    ),
    "owner.py": JOB + "    x = Input('carol', (2,))\n",
    "width.py": (
        "from protocol.nn import Dense, Sequential\n"
        + JOB
        + "    model = Sequential(Dense('8', 3))\n"
    ),
    "negative.py": (
        "from protocol.nn import Dense, Sequential\n"
        + JOB
        + "    model = Sequential(Dense(4, -8))\n"
    ),
    "silent.py": (
        JOB + "    x = Input('bob', (2,), default=[1, 2])\n\n    def step(self, v):\n        pass\n"
    ),
    "branch.py": (
        JOB + "    x = Input('bob', (2,), default=[1, 2])\n\n    def finish(self, v):\n"
        "        v.reveal(x=v.x if v.x else v.x)\n"
    ),
    "near.py": JOB + "    iteration = 5\n    x = Input('bob', (2,), default=[1, 2])\n",
    "clash.py": JOB + "    step = Input('bob', (2,), default=[1, 2])\n",
    "plain.py": JOB + "    x = Input('bob', (2,), default=[1, 2])\n    finish = 3\n",
    "endless.py": (
        JOB + "    x = Input('bob', (2,), default=[1, 2])\n\n    def step(self, v):\n"
        "        while True:\n            pass\n"
    ),
    "fine.py": (
        JOB + "    x = Input('bob', (2,), default=[1, 2])\n\n    def finish(self, v):\n       "
        " v.reveal(x=v.x)\n"
    ),
}

CASES = [
    # what the command line says
    (party, [], "say which party"),
    (party, ["--role", "carol"], "'carol' is not one of alice, bob"),
    (party, ["bogus"], "invalid choice"),
    (party, ["--bogus"], "unrecognized arguments: --bogus; see python -m party run --help"),
    (party, ["notebooks", "DIR"], "unrecognized arguments: DIR; see python -m party notebooks --h"),
    (party, ["plan", "--simulate"], ": --simulate; see python -m party plan --help"),
    (dealer, ["precompute", "--bogus"], ": --bogus; see python -m dealer precompute --help"),
    (party, [*ALICE, "--iterations", "many"], "'many' is not a whole number"),
    (party, [*ALICE, "--iterations", "-1"], "'-1' is not a whole number"),
    (party, [*ALICE, "--timeout", "soon"], "'soon' is not a duration"),
    (party, [*ALICE, "--timeout", "0"], "more than zero"),
    (party, [*ALICE, "--session", "a b"], "not a session name"),
    (party, [*BOB, "--dealer", "nowhere"], "'nowhere' is not an address"),
    (party, [*BOB, "--dealer", "tcp://127.0.0.1:99999"], "is not an address"),
    (party, [*ALICE, "--reveal", "everyone"], "not one of alice, bob, both, none"),
    (party, [*ALICE, "--link", "fast"], "a link is one of"),
    (party, [*ALICE, "--link", "rtt=40"], "number with one of the units"),
    (party, [*ALICE, "--param", "speed"], "NAME=VALUE"),
    (party, [*ALICE, "--param", "speed=1"], "no such parameter"),
    (party, [*ALICE, "--param", "fraction_bits=99"], "fraction_bits is a whole number from"),
    (party, [*ALICE, "--param", "fraction_bits=x"], "fraction_bits"),
    # configuration files
    (party, [*ALICE, "--config", "{here}/none.toml"], "cannot be read"),
    (party, [*ALICE, "--config", "{here}/broken.toml"], "not valid TOML"),
    (party, [*ALICE, "--config", "{here}/unknown.toml"], "unknown key 'jbo'"),
    (party, [*ALICE, "--config", "{here}/mistyped.toml"], "iterations"),
    # job files
    (party, [*ALICE, "--job", "sead"], "did you mean 'seed'"),
    (party, [*ALICE, "--job", "{here}/none.py"], "none.py"),
    (party, [*ALICE, "--job", "{here}/syntax.py"], "syntax.py:1"),
    (party, [*ALICE, "--job", "{here}/empty.py"], "empty.py"),
    (party, [*ALICE, "--job", "{here}/owner.py"], "belongs to 'alice', to 'bob' or to both"),
    (
        party,
        ["plan", "--job", "{here}/width.py"],
        "width.py:6: Dense: in_features is a whole number above 0, not '8'",
    ),
    (
        party,
        ["plan", "--job", "{here}/negative.py"],
        "negative.py:6: Dense: out_features is a whole number above 0, not -8",
    ),
    (party, ["plan", "--job", "{here}/raises.py"], "index 9 is out of range"),
    (party, ["plan", "--job", "{here}/crash.py"], "crash.py:8"),
    (party, ["plan", "--job", "{here}/silent.py"], "reveals nothing"),
    (party, ["plan", "--job", "{here}/branch.py"], "has no value here"),
    (party, ["plan", "--job", "{here}/fine.py", "--shape", "x=huge"], "is not a shape"),
    (
        party,
        ["plan", "--job", "{here}/near.py"],
        "near.py: iteration = 5: 'iterations' is what a job has",
    ),
    (
        party,
        ["plan", "--job", "{here}/clash.py"],
        "clash.py: step = Input(…): step is a name of every job's own",
    ),
    (party, ["plan", "--job", "{here}/plain.py"], "finish must be a method of the job, not int"),
    (party, ["plan", "--job", "{here}/endless.py"], ": this does not come to an end within 0.5 s"),
    (party, ["plan", "--job", "{here}/pipe.py"], "is no file; check --job"),
    # names and units
    (party, ["plan", "--job", "seed", "--data", "q=/nonexistent.npy"], "has no tensor q"),
    (
        party,
        ["plan", "--job", "seed", "--shape", "q=3x3"],
        "--shape q=…: the job Seed has no tensor q",
    ),
    (
        party,
        ["plan", "--job", "seed", "--rtt", "40"],
        "'40' is a duration without a unit; write it like 40ms",
    ),
    (
        party,
        ["plan", "--job", "seed", "--bandwidth", "100"],
        "without a unit; write it like 100mbit",
    ),
    (party, ["plan", "--job", "seed", "--spare", "10"], "write 10% if that is meant"),
    (party, ["demo", "--job", "seed", "--data", "q=any.npy"], "has no tensor q"),
    (
        party,
        ["demo", "--reveal", "none", "--out", "{here}/out.npz"],
        "nothing is revealed to anybody",
    ),
    (party, ["lab", "--job", "seed", "--data", "q=any.npy"], "has no tensor q"),
    (party, ["lab", "--out", "{here}/good.csv"], "cannot be made or written to"),
    (party, ["--plain", "--simulate"], "two ways to run a job alone"),
    (party, ["--plain", "--page", ":8080"], "--page shows a run with a peer, and --plain runs"),
    (party, ["--simulate", "--metrics", ":9100"], "--metrics shows a run with a peer, and --simul"),
    (party, ["--simulate", "--watch-token", "{here}/key.txt"], "--watch-token shows a run with"),
    (party, [*BOB, "--watch-token", "{here}/key.txt"], "--metrics ask for, and neither is given"),
    (dealer, ["--watch-token", "{here}/key.txt"], "--metrics ask for, and neither is given"),
    (party, ["--plain", "--job", "logreg", "--data", "q=any.npy"], "has no tensor q"),
    # data files
    (party, [*BOB, "--data", "x={here}/pipe.csv"], "is no file but a pipe or a device"),
    (party, [*BOB, "--data", "x"], "--data"),
    (party, [*BOB, "--data", "z={here}/good.csv"], "has no tensor z (it has: w, x, y)"),
    (party, [*BOB, "--data", "w={here}/good.csv"], "alice's to bring"),
    (party, [*BOB, "--data", "x={here}/none.csv"], "none.csv"),
    (party, [*BOB, "--data", "x={here}"], "tensor x"),
    (party, [*BOB, "--data", "x={here}/empty.csv"], "empty"),
    (party, [*BOB, "--data", "x={here}/ragged.csv"], "line 2"),
    (party, [*BOB, "--data", "x={here}/words.csv"], "line 2"),
    (party, [*BOB, "--data", "x={here}/nan.csv"], "NaN"),
    (party, [*BOB, "--data", "x={here}/large.csv"], "leaves its declared range [-1, 1]"),
    (party, [*BOB, "--data", "x={here}/narrow.csv"], "shape"),
    (party, [*BOB, "--data", "x={here}/broken.npy"], "broken.npy"),
    (party, [*BOB, "--data", "x={here}/pickled.npy"], "pickled.npy"),
    (party, [*BOB, "--data", "x={here}/complex.npy"], "complex"),
    (party, [*BOB, "--data", "x={here}/good.csv", "--data", "y={here}/three.csv"], "three.csv"),
    # outputs, keys, places
    (party, [*ALICE, "--out", "{here}/weights.txt"], "weights.txt"),
    (party, [*ALICE, "--out", "{here}/none/weights.npy"], "weights.npy"),
    (party, [*ALICE, "--key", "{here}/none.key"], "none.key"),
    (party, [*ALICE, "--key", "{here}/key.txt"], "key.txt"),
    (party, [*ALICE, "--dealer", "tcp://192.0.2.1:7700"], "needs a key"),
    (party, [*ALICE, "--dealer", "tcp://192.0.2.1:7700", "--insecure-plaintext"], "loopback only"),
    (party, [*ALICE, "--state", "{here}/good.csv"], "state folder"),
    (
        party,
        [*BOB, "--wait", "1s", "--dealer", "tcp://127.0.0.1:9", "--peer", "tcp://127.0.0.1:9"],
        "did not answer within 1 s: ",
    ),
    (dealer, ["--listen", "tcp://127.0.0.1"], "not an address"),
    (dealer, ["--listen", "tcp://127.0.0.1:1", "--workers", "0"], "workers"),
    (dealer, ["--listen", "tcp://192.0.2.1:7700"], "needs a key"),
    (dealer, ["--listen", "tcp://127.0.0.1:0", "--allow", "{here}/none.keys"], "none.keys"),
    (dealer, ["--max-step-memory", "lots"], "'lots' is not a size"),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    for name in ("pipe.csv", "pipe.py"):
        os.mkfifo(tmp_path / name)
    monkeypatch.setattr(own_code, "LIMIT", 0.5)
    np.save(tmp_path / "pickled.npy", np.array([[1, None, 3]], dtype=object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.ones((2, 3), complex))
    return tmp_path


@pytest.mark.parametrize(
    ("program", "words", "expected"),
    CASES,
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_one_sentence(program, words, expected, here, capfd):
    code = program([word.format(here=here) for word in words])
    said = [
        line
        for line in capfd.readouterr().err.strip().splitlines()
        if "waiting for" not in line and "compiling" not in line
    ]
    assert code not in (0, None)
    assert expected in said[-1]
    assert len(said) == 1, said


def test_a_token_in_the_environment_may_be_for_others(here, capfd, monkeypatch):
    monkeypatch.setenv("MPC_WATCH_TOKEN", str(here / "none.token"))
    nobody = ["--wait", "1s", "--dealer", "tcp://127.0.0.1:9", "--peer", "tcp://127.0.0.1:9"]
    assert party([*BOB, *nobody]) == 4
    assert "did not answer within 1 s: " in capfd.readouterr().err


def test_there_are_enough_cases():
    assert len(CASES) >= 40
