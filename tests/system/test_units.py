"""systemd: the units are clean, rated well, and what they start trains the seed job."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filtered import LIBRARY
from services import SECONDS, events, is_the_result, logs, say, until

from party.local import free_address
from protocol.channel import KeyPair
from protocol.errors import LACKING, LinkError, OutOfRangeError, UsageError

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
UNITS = ("mpc-dealer.service", "mpc-party@.service")


@pytest.fixture
def analyze(tmp_path: Path):
    """`systemd-analyze VERB …` on both units, the party's as alice; the programs need not be
    installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    for name in UNITS:
        text = (ROOT / "deploy" / "systemd" / name).read_text()
        (tmp_path / name).write_text(
            re.sub(r"/opt/mpc-playground/bin/[\w-]+", sys.executable, text)
        )
    (tmp_path / "mpc-party@alice.service").symlink_to(tmp_path / UNITS[1])
    paths = [str(tmp_path / name) for name in ("mpc-party@alice.service", UNITS[0])]

    def run(*verb: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["systemd-analyze", *verb, *paths], capture_output=True, text=True, timeout=240
        )

    return run


def test_units_verify_clean(analyze):
    done = analyze("verify")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_units_are_rated_below_two(analyze, capsys):
    done = analyze("security", "--offline=true", "--no-pager")
    ratings = re.findall(r"exposure level for (\S+): ([\d.]+)", done.stdout)
    assert len(ratings) == 2, done.stdout + done.stderr
    assert all(float(rating) < 2.0 for _, rating in ratings)
    say(
        capsys,
        f"systemd-analyze security: {', '.join(f'{unit} {rating}' for unit, rating in ratings)}",
    )


def unit(name: str, role: str, folder: Path) -> dict[str, list[str]]:
    """The settings of a unit, its specifiers put in and its programs replaced by those of the
    tests."""
    text = (
        (ROOT / "deploy" / "systemd" / name)
        .read_text()
        .replace("/etc/mpc-playground", str(folder / "etc"))
    )
    for program, module in (("mpc-party", "-m party"), ("mpc-dealer", "-m dealer"), ("python", "")):
        text = text.replace(f"/opt/mpc-playground/bin/{program} ", f"{sys.executable} {module} ")
    for specifier, value in (("%S", f"{folder}/state"), ("%C", f"{folder}/cache"), ("%i", role)):
        text = text.replace(specifier, value)
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text.replace("$$", "$"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_the_units_restart_with_back_off(tmp_path):
    """The command before a start, with `echo` for `sleep`: 0, 1, 3, … seconds; old starts are
    forgiven."""
    environment = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(tmp_path)}
    for name in UNITS:
        line = unit(name, "alice", tmp_path)["ExecStartPre"][0].replace("exec sleep", "echo")

        def pause(line: str = line) -> int:
            return int(
                subprocess.run(
                    shlex.split(line), capture_output=True, check=True, env=environment
                ).stdout
            )

        assert [pause() for _ in range(8)] == [0, 1, 3, 7, 15, 31, 60, 60]
        os.utime(tmp_path / "starts", (time.time() - 3600,) * 2)
        assert [pause(), pause()] == [0, 1]
        (tmp_path / "starts").unlink()


def test_managers_start_again_what_may_pass_and_leave_what_is_impossible(tmp_path):
    final = {0, UsageError.exit_code}
    assert LACKING not in final and LinkError.exit_code not in final
    for name in UNITS:
        settings = unit(name, "alice", tmp_path)
        assert settings["Restart"] == ["on-failure"]
        left = (
            f"{UsageError.exit_code} {OutOfRangeError.exit_code}"
            if "party" in name
            else f"{UsageError.exit_code}"
        )
        assert settings["RestartPreventExitStatus"] == [left]
        assert settings["LimitCORE"] == ["0"]
    programs = (ROOT / "deploy" / "supervisor" / "mpc.conf").read_text()
    codes = [
        set(map(int, codes.split(",")))
        for codes in re.findall(r"^exitcodes = (.*)$", programs, re.M)
    ]
    assert codes == [final, *[final | {OutOfRangeError.exit_code}] * 2]


def under_filter(name: str) -> list[str]:
    """What to put before a command, so that it runs with the system calls and sockets of its
    unit."""
    if shutil.which("systemd-analyze") is None or not has_seccomp():
        return []
    return [
        sys.executable,
        str(Path(__file__).with_name("filtered.py")),
        str(ROOT / "deploy" / "systemd" / name),
    ]


def has_seccomp() -> bool:
    try:
        return bool(ctypes.CDLL(LIBRARY))
    except OSError:
        return False


def test_the_filter_forbids_what_it_should():
    if not (command := under_filter(UNITS[0])):
        pytest.skip("systemd-analyze or libseccomp is not installed")
    script = "import os, socket; socket.socket(); print('inet'); os.chroot('/')"
    done = subprocess.run(
        [*command, sys.executable, "-c", script], capture_output=True, text=True, timeout=240
    )
    assert done.stdout == "inet\n"
    assert "PermissionError" in done.stderr


def test_the_units_commands_and_configurations_train_the_seed_job(tmp_path):
    """Under the units' filters too, where this machine has what it takes."""
    (tmp_path / "etc").mkdir()
    keys = {role: KeyPair.generate(role) for role in ("alice", "bob", "dealer")}
    dealer, peer = free_address(), free_address()
    (tmp_path / "etc" / "allow").write_text(
        f"{keys['alice'].public}  # a comment\n{keys['bob'].public}\n"
    )
    for role, pair in keys.items():
        pair.save(tmp_path / "etc" / f"{role}.key")
        text = (ROOT / "deploy" / "systemd" / f"{role}.toml").read_text()
        for other in keys:
            text = text.replace(f"mpc1-{other}-…", str(keys[other].public))
        text = re.sub(r"tcp://(\*|dealer.example):7700", dealer, text)
        text = re.sub(r"tcp://(\*|alice.example):7701", peer, text).replace(
            "/etc/mpc-playground", str(tmp_path / "etc")
        )
        (tmp_path / "etc" / f"{role}.toml").write_text(text)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for role in keys:
            found = unit(UNITS[0] if role == "dealer" else UNITS[1], role, tmp_path)
            (home := Path(found["WorkingDirectory"][0])).mkdir(parents=True)
            environment = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "INVOCATION_ID": "1",
            }
            environment |= {
                "HOME": str(home),
                "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", ""),
            }
            with (tmp_path / f"{role}.log").open("wb") as log:
                command = under_filter(UNITS[0] if role == "dealer" else UNITS[1])
                command += shlex.split(found["ExecStart"][0])
                processes[role] = subprocess.Popen(
                    command, cwd=home, env=environment, stderr=log, stdout=log
                )
        parties = [processes["alice"], processes["bob"]]
        until(
            lambda: (
                any(each.poll() for each in parties) or all(each.poll() == 0 for each in parties)
            ),
            SECONDS,
            logs(tmp_path),
        )
        assert [each.poll() for each in parties] == [0, 0], logs(tmp_path)()
    finally:
        for process in processes.values():
            process.terminate()
    assert processes["dealer"].wait(60) == 0
    for role in keys:
        assert {line["role"] for line in events((tmp_path / f"{role}.log").read_text())} == {role}
        if role != "dealer":
            file = tmp_path / "state" / "mpc-party" / role / "result.npz"
            assert file.stat().st_mode & 0o077 == 0
            assert is_the_result(dict(np.load(file)), 10_000)
