"""What is said goes through `logging`: nothing by itself from a library, a line an event from a
command."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from protocol.log import LOGGER, Json, Lines, Log, Text, configure, process_log


@pytest.fixture
def records(monkeypatch) -> list[logging.LogRecord]:
    """What the logger "mpc" hears, from debug upwards."""
    found: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    monkeypatch.setattr(LOGGER, "handlers", [Keeping()])
    monkeypatch.setattr(LOGGER, "propagate", False)
    monkeypatch.setattr("protocol.log._configured", [])
    LOGGER.setLevel(logging.DEBUG)
    yield found
    LOGGER.setLevel(logging.NOTSET)


def test_a_record_says_who_where_and_what(records):
    log = Log("bob", "a")
    log.where = lambda: (2, 4000)
    log("going on from step 4000 of 10000, attempt 2", "resumed")
    log("100% of it", "odd", "warning", session="b", step=7)
    first, second = records
    assert (first.name, first.levelname, Text().format(first)) == (
        "mpc.bob",
        "INFO",
        "bob: going on from step 4000 of 10000, attempt 2",
    )
    fields: dict[str, Any] = json.loads(Json().format(first))
    assert fields.pop("time").endswith("Z") and list(fields) == [
        "level", "event", "role", "session", "epoch", "step", "message"
    ]  # fmt: skip
    assert list(fields.values())[:-1] == ["info", "resumed", "bob", "a", 2, 4000]
    said = json.loads(Json().format(second))
    assert [said[name] for name in ("level", "session", "epoch", "step", "message")] == [
        "warning",
        "b",
        2,
        7,
        "100% of it",
    ]


def test_a_command_says_it_on_standard_error_and_quiet_leaves_out_what_is_only_information(
    records, capsys
):
    log, lines = configure("alice", "text", quiet=True)
    log("one")
    log("two", "two", "warning")
    assert capsys.readouterr().err == "alice: two\n"
    assert process_log("party") is log and not lines.json
    configure("alice", "json")[0]("three")
    assert json.loads(capsys.readouterr().err)["message"] == "three"


def test_before_a_command_has_come_so_far_its_program_speaks(records, capsys):
    process_log("party")("there is no such file", "failed", "error")
    assert capsys.readouterr().err == "party: there is no such file\n"


def test_a_library_says_nothing_by_itself():
    code = (
        "import party; from party import Party, plain, plan, simulate; from protocol.log import"
        " Log; simulate('seed', iterations=2); plan('seed'); Log('bob')('careful', 'odd',"
        " 'warning'); import logging; logging.basicConfig(); Log('bob')('heard', 'odd', 'warning')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "WARNING:mpc.bob:heard\n")


def test_whoever_draws_writes_for_people_and_not_for_programs():
    text, drawn = Lines("text"), []
    text.write = drawn.append
    record = logging.LogRecord("mpc.bob", logging.INFO, "", 0, "here", None, None)
    text.emit(record)
    assert drawn == ["mpc.bob: here"]
