"""Numbers in sentences: one of a thing has no s."""

from __future__ import annotations

import re

import numpy as np

from party import plan, simulate
from party.pages.plan import plan_page
from party.result import counts
from protocol.jobs import Input, Job
from protocol.wording import counted, recurring, size, span, together, unit

SEVERAL = r"(?<![\d.,])1 (rounds|iterations|steps|messages|bytes|checks|elements)\b"


class Once(Job):
    """One round of each kind."""

    iterations = check_every = 1
    fraction_bits = 16
    x = Input("bob", shape=(1,), low=-1, high=1)

    def step(self, v):
        v.x = v.x * v.x

    def check(self, v):
        v.reveal(seen=v.x)

    def finish(self, v):
        v.reveal(x=v.x)


def test_one_and_many():
    assert [counted(n, "round") for n in (0, 1, 2000)] == ["0 rounds", "1 round", "2,000 rounds"]
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
    assert [recurring(n, "step") for n in (1, 5)] == ["every step", "every 5 steps"]


def test_what_is_said_of_several_things_is_said_once():
    limit, own = "assumed to stay within ±8", "exp: its argument may leave [-56, 0]"
    one = f"sum of shape (2,) (Dense) is {limit}"
    assert together([one, own, "w is trained and so on"]) == [one, own, "w is trained and so on"]
    many = [f"w{n} is {limit}" for n in range(7)]
    assert together([many[0], own, many[1]]) == [f"w0 and w1 are {limit}", own]
    assert together(many[:4]) == [f"w0, w1, w2 and w3 are {limit}"]
    assert together(many) == [f"w0, w1, w2 and 4 more are {limit}"]
    assert together(["a is assumed to be", "a is assumed to be 1"]) == [
        "a is assumed to be",
        "a is assumed to be 1",
    ]


def test_a_run_of_one_iteration_is_told_so():
    planned = plan(Once)
    done = simulate(Once, x=np.array([0.5]))
    for text in (planned.text, plan_page(planned), counts(done.report)):
        assert not (wrong := re.search(SEVERAL, text)), text[wrong.start() - 40 : wrong.end() + 20]
    assert "after every step" in " ".join(planned.plan.reveals)


def test_amounts_are_written_as_people_read_them():
    assert [size(n) for n in (0, 6400, 12_345, 64_153_816)] == [
        "0 B",
        "6,400 B",
        "12.3 kB",
        "64.2 MB",
    ]
    seconds = (0, 85e-6, 0.0416, 6.93, 416.2, 7500)
    assert [span(each) for each in seconds] == [
        "0 s",
        "85 µs",
        "41.6 ms",
        "6.93 s",
        "6 min 56 s",
        "2 h 5 min",
    ]
    assert [span(each) for each in (1e-9, 119.6, 3599.6, 2300.0, 1e6)] == [
        "0.001 µs",
        "2 min 0 s",
        "1 h 0 min",
        "38 min 20 s",
        "277 h 47 min",
    ]
    assert unit(416)[0] == "min" and unit(0.05)[0] == "ms"
