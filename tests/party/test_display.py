"""What a person sees: a bar on a terminal while a party runs, and a state that lasts, said once and
then rarely."""

from __future__ import annotations

import logging
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest

from party import simulate
from party.bars import Line, curve, curves
from party.display import Terminal, _due, shown
from party.local import Trio
from party.seen import Seen
from party.view import RunView
from protocol.jobs import Input, Job
from protocol.log import LOGGER, Lines, Log
from protocol.ops import log


def read_screen(master: int) -> str:
    """Everything that is written to a pseudo-terminal until nobody has it open."""
    found = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # how Linux says end of file here
            return found.decode()
        if not part:
            return found.decode()
        found += part


@pytest.mark.system
@pytest.mark.timeout(600)
def test_the_bar_is_drawn_on_a_terminal():
    steps = 6_000
    with Trio("drawn") as trio:
        trio.start("dealer")
        trio.start("bob", ["--iterations", str(steps)])
        master, slave = pty.openpty()
        command = [
            sys.executable,
            "-m",
            "party",
            "--role",
            "alice",
            "--session",
            trio.session,
            "--peer",
            trio.peer,
        ]
        environment = dict(os.environ) | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        with subprocess.Popen(
            [*command, "--dealer", trio.dealer, "--iterations", str(steps)],
            stderr=slave,
            stdout=subprocess.DEVNULL,
            env=environment,
        ) as alice:
            os.close(slave)
            try:
                screen = read_screen(master)
            except BaseException:  # what nobody reads any more is never written to its end
                alice.kill()
                raise
        os.close(master)
    assert alice.returncode == 0, screen
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    drawn = [
        int(done.replace(",", ""))
        for done in re.findall(r"alice ([\d,]+) of 6,000 [━╸╺ ]+ *\d+%", plain)
    ]
    assert len(set(drawn)) > 3, plain
    assert drawn == sorted(drawn)
    assert re.search(r"  about \d+ s left, [\d,]+ rounds, [\d.,]+ [kM]?B *\r?\n", plain)
    assert re.search(r"  [\d,]+ rounds/s, [\d.,]+ [kM]?B/s, keystream", plain)
    assert "…" not in plain
    assert re.search(r"bob connected.*, dealer connected", plain)


def test_what_is_computed_again_is_on_a_curve_once():
    seen = Seen()
    for step, value in [(2, 8.0), (4, 4.0), (6, 2.0), (4, 4.0), (6, 2.5)]:
        seen.revealed(step, {"loss": np.array([value]), "two": np.zeros(2)}, ())
    assert seen.curves == {"loss": ([2, 4, 6], [8.0, 4.0, 2.5])} and seen.checks == 5


def test_a_curve_is_as_high_as_its_numbers():
    assert curve([0.0, 0.5, 1.0]) == "▁▅█"
    assert (
        curve([2.0, 2.0]) == "▁▁" and curve([]) == "" and curve([1.0, float("nan"), 0.0]) == "█?▁"
    )
    assert (
        len(long := curve([float(n) for n in range(1000)])) == 16
        and long[0] == "▁"
        and long[-1] == "█"
    )


def test_each_curve_has_a_line_in_the_colour_of_its_name():
    long = "accuracy of the rows that were held out, weighted"
    found = curves({"loss": [3.0, 2.0], long: [0.5, 0.75]})
    assert [str(line).split()[-2:] for line in found] == [["2", "█▁"], ["0.75", "▁█"]]
    assert str(found[1]).startswith("accuracy of the…d out, weighted 0.75")
    places = {str(line).index(line.split()[-1]) for line in map(str, found)}
    assert len(places) == 1, "courses stand below each other"
    colours = [[span.style for span in line.spans if span.style != "dim"] for line in found]
    assert all(name == course for name, course in colours) and colours[0] != colours[1]
    many: list[Line] = curves({f"m{n}": [1.0] for n in range(20)})
    assert len(many) == 9 and many[-1] == "and 12 more" and curves({}) == []


def test_numbers_are_shown_as_what_they_are():
    assert shown([1.5, 2.7e-9]).split() == ["[1.5e+00", "2.7e-09]"]
    assert shown([0.0, 1.5, 2.25, np.nan]) == "[0.   1.5  2.25  nan]"
    assert "--out" not in shown(np.arange(10.0)) and "..." not in shown(np.arange(1000.0))
    assert (
        "..." in (long := shown(np.arange(5000.0)))
        and "it has 5,000 values; --out FILE keeps them all" in long
    )


def test_a_state_that_lasts_is_said_ever_more_rarely():
    said = sorted({_due(seconds) for seconds in range(1000)})
    assert said == [0, 1, 2, 5, 10, 20, 40, 80, 160, 300, 600, 900]


def test_what_comes_again_is_said_once_and_then_rarely(monkeypatch, caplog):
    handler, lines = Lines("text"), []
    monkeypatch.setattr(LOGGER, "handlers", [handler])
    caplog.set_level(logging.INFO, LOGGER.name)
    terminal = Terminal("bob", Log("bob"), handler)
    handler.write = lines.append
    for left in range(300, 200, -1):
        terminal.note(f"alice closed the connection; waiting up to {left} s to go on", "lost")
    terminal.note("something else", "lost")
    terminal.note("going on from step 5 of 10, attempt 2", "resumed")
    terminal.note("going on from step 6 of 10, attempt 3", "resumed")
    assert [line.partition(": ")[2][:14] for line in lines] == [
        "alice closed t",
        "something else",
        *["going on from "] * 2,
    ]


def test_a_simulation_says_what_its_plan_chose():
    class Logs(Job):
        x = Input("bob", (2,), -1, 1)

        def finish(self, v):
            v.reveal(out=log(v.x))

    said = []
    view = RunView()
    view.note = lambda text, event="note": said.append(text)
    simulate(Logs, x=[1e-5, 0.5], view=view)
    assert any(text.startswith("fraction bits: f = 20: out is off by") for text in said)
