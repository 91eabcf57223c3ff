"""How a process ends, and what it does not leave behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from protocol.errors import LACKING, ConfigError, DataError, LinkError, MpcError, exit_code
from protocol.log import LOGGER, configure
from protocol.processes import guarded
from protocol.signals import Signalled, held, reacting, unwind


def failing(number: int, kind: type[MpcError] = DataError) -> int:
    """The exit code of what this project makes of an OSError."""

    def work() -> int:
        try:
            raise OSError(number, os.strerror(number), "/some/file")
        except OSError:
            raise kind("one sentence") from None

    return guarded("test", work)


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM]
)
def test_what_may_pass_has_a_code_of_its_own(number, capsys):
    assert failing(number) == failing(number, MpcError) == LACKING == 7
    assert "one sentence" in capsys.readouterr().err


def test_what_does_not_pass_keeps_its_own():
    assert failing(errno.EACCES) == failing(errno.ENOENT, ConfigError) == 2
    assert failing(errno.ECONNREFUSED, LinkError) == 4
    assert exit_code(MemoryError()) == LACKING
    assert exit_code(RuntimeError()) == 1


def test_an_error_of_the_system_is_a_sentence_too(capsys, monkeypatch):
    monkeypatch.setattr("protocol.log._configured", [])

    def work() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/some/file")

    assert guarded("test", work) == LACKING
    assert capsys.readouterr().err == (
        "test: the system refused (/some/file): No space left on device; mend that and run again\n"
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")  # noqa: PTH110
def test_a_full_disk_ends_a_command_so():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "party", "plan", "--job", "seed"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == LACKING, done.stderr
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_no_core_dump():
    script = (
        "import ctypes, resource, sys; sys.argv[1:] = ['plan', '--job', 'seed', '--json']; "
        "from party.__main__ import main; main(); "
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "(0, 0) 0"


def test_signals_unwind_are_held_and_handed_back():
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    with pytest.raises(Signalled) as caught, reacting(unwind):
        with held():
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("not yet")
        seen.append("never")
    assert caught.value.exit_code == 0 and seen == ["not yet"]
    assert signal.getsignal(signal.SIGTERM) is before
    assert Signalled(signal.SIGINT).exit_code == 130


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_being_asked_to_end_is_told_and_with_quiet_is_not(number, code, capsys, monkeypatch):
    monkeypatch.setattr("protocol.log._configured", [])
    monkeypatch.setattr(LOGGER, "handlers", [])
    monkeypatch.setattr(LOGGER, "propagate", False)
    for quiet, said in ((True, ""), (False, f"dealer: ended by {number.name}\n")):
        configure("dealer", "text", quiet)
        assert guarded("dealer", partial(unwind, number)) == code
        assert capsys.readouterr().err == said


@pytest.mark.parametrize("program", ["party", "dealer"])
def test_options_are_read_without_the_arithmetic(program):
    """A start takes 0.1 s until it is known what is wanted, and help and a wrong option no more."""
    code = (
        f"import sys, {program}.program as found; found.PROGRAM.parser();"
        "print({'numpy', 'numba', 'rich', 'cryptography'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout.strip() == b"set()"
