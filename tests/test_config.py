"""protocol.config: four places, one sentence for whatever is wrong in any of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from sentences import rejected

from dealer.program import PROGRAM as dealer
from party.program import PROGRAM as party
from protocol.config import add_options, check_variables, resolve
from protocol.errors import ConfigError
from protocol.parsers import (
    address,
    bandwidth,
    choice,
    duration,
    file_path,
    fraction,
    listen_address,
    positive,
    session_name,
    size,
    whole,
    yes_or_no,
)
from protocol.settings import Config, Flag, Many, Setting


class Settings(Config):
    role = Setting("which party", choice("alice", "bob"))
    session = Setting("its name", session_name, "default")
    iterations = Setting("how often", whole(0))
    peer = Setting("where it is", address, "tcp://127.0.0.1:7701")
    timeout = Setting("100% of the patience", positive(duration), "30s", metavar="TIME")
    log_format = Setting("how to log", choice("text", "json"), "text")
    data = Many("tensors", str)
    dealer = Setting("where the dealer is", address, "tcp://127.0.0.1:7700")
    out = Setting("results", file_path)
    quiet = Flag("say less")
    note = Setting("any text", str)


def read(
    *words: str,
    env: dict[str, str] | None = None,
    section: str | None = None,
    others: tuple[str, ...] = (),
) -> Settings:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_options(commands.add_parser("run"), Settings)
    return resolve(Settings, parser.parse_args(["run", *words]), section, env or {}, others)


def test_defaults_are_parsed_and_known_as_such() -> None:
    config = read()
    assert (config.timeout, str(config.peer), config.data, config.quiet) == (
        30.0,
        "tcp://127.0.0.1:7701",
        (),
        False,
    )
    assert config.role is None and config.out is None
    assert config.origin("timeout") == "default"


def test_option_beats_environment_beats_section_beats_top_level(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(
        'timeout = "1s"\nsession = "top"\nlog-format = "json"\nnote = "top"\n[bob]\nsession ='
        ' "bobs"\nnote = "bobs"\n[alice]\nsession = "hers"\n[dealer]\nanything = 1\n'
    )
    words = ("--config", str(file), "--role", "bob", "--timeout", "4s")
    config = read(*words, env={"MPC_TIMEOUT": "3s", "MPC_NOTE": "env", "MPC_PEER": ""})
    found = {
        name: (getattr(config, name), config.origin(name))
        for name in ("timeout", "note", "session")
    }
    assert found == {
        "timeout": (4.0, "option"),
        "note": ("env", "environment MPC_NOTE"),
        "session": ("bobs", f"file {file}"),
    }
    assert config.log_format == "json"
    assert config.origin("peer") == "default"  # an empty variable is as good as none
    assert read("--config", str(file), section="alice").session == "hers"
    assert read(env={"MPC_CONFIG": str(file), "MPC_ROLE": "alice"}).session == "hers"


def test_repeated_values(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    assert read("--data", "x=a", "--data", "y=b").data == ("x=a", "y=b")
    assert read(env={"MPC_DATA": "x=a 'y=b c'"}).data == ("x=a", "y=b c")
    for text in ('data = ["x=a", "y=2"]', 'data = {x = "a", y = 2}', '[bob.data]\nx = "a"\ny = 2'):
        file.write_text(text)
        assert read("--config", str(file), section="bob").data == ("x=a", "y=2")
    file.write_text('data = "x=a"')
    assert read("--config", str(file), "--data", "y=b").data == ("y=b",)
    assert read("--config", str(file)).data == ("x=a",)


def test_flags(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("quiet = true\niterations = 7\n")
    config = read("--config", str(file))
    assert config.quiet is True and config.iterations == 7
    assert read("--config", str(file), "--no-quiet").quiet is False
    assert read("--quiet").quiet is True
    assert read(env={"MPC_QUIET": "yes"}).quiet is True


def test_the_dealers_address_and_section_do_not_collide(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('dealer = "tcp://d:1"\n')
    assert str(read("--config", str(file)).dealer) == "tcp://d:1"
    file.write_text('[dealer]\nworkers = 4\n[alice]\ndealer = "tcp://d:2"\n')
    assert str(read("--config", str(file), "--role", "alice").dealer) == "tcp://d:2"


def test_others_may_stand_in_a_shared_file(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("workers = 4\n")
    assert read("--config", str(file), others=("workers",)).session == "default"


def test_a_config_is_frozen_and_knows_only_its_settings() -> None:
    config = read()
    with pytest.raises(AttributeError):
        config.timeout = 3
    with pytest.raises(AttributeError, match="tiemout"):
        _ = config.tiemout
    assert "timeout = 30.0  # default" in repr(config)


def test_help_shows_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "100% of the patience [MPC_TIMEOUT, default 30s]" in text and "--log-format" in text


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("timeuot = 3", ["timeuot", "'timeout'"]),
        ("zzzzzz = 3", ["zzzzzz", "there are", "log-format"]),
        ('log-format = "text"\nlog_format = "text"', ["log_format", "twice"]),
        ("[alice]\npeeer = 3", ["[alice]", "peeer", "'peer'"]),
        ("alice = 3", ["alice"]),
        ("timeout = true", ["key timeout", "duration"]),
        ("timeout = 0", ["key timeout", "more than zero"]),
        ("timeout = [1]", ["key timeout", "a list"]),
        ("timeout = 1979-05-27", ["key timeout", "a date"]),
        ("iterations = 1.5", ["key iterations", "whole"]),
        ("iterations = {a = 1}", ["key iterations", "a table"]),
        ("note = 3", ["key note", "a number"]),
        ("note = false", ["key note", "true or false"]),
        ("quiet = 3", ["key quiet", "yes nor no"]),
        ("data = [1]", ["key data", "a number"]),
        ("data = {x = [1]}", ["key data", "a list"]),
        ('session = "a b"', ["key session", "session name"]),
        ("[dealer]\nx=1\n[bob]\nrole = 3", ["key role"]),
        ("a =", ["TOML", "line 1"]),
        ("session = 1\nsession = 2", ["TOML", "line 2"]),
        ('dealer = "tcp://a:1"\n[alice]\n[dealer]\nx=1', ["line 3", "cannot stand in one file"]),
        (b"\xff\xfe", ["UTF-8"]),
    ],
)  # fmt: skip
def test_a_bad_file(tmp_path: Path, content: str | bytes, named: list[str]) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    section = "bob" if isinstance(content, str) and "[bob]" in content else "alice"
    rejected(ConfigError, lambda: read("--config", str(file), section=section), ["x.toml", *named])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    rejected(
        ConfigError,
        lambda: read("--config", str(tmp_path / "no.toml")),
        ["no.toml", "No such file", "--config"],
    )
    rejected(ConfigError, lambda: read("--config", str(tmp_path)), [str(tmp_path), "irectory"])


@pytest.mark.parametrize(
    ("words", "env", "named"),
    [
        (["--timeout", "40 parsecs"], {}, ["option --timeout", "'40 parsecs'", "30s"]),
        ([], {"MPC_TIMEOUT": "soon"}, ["environment MPC_TIMEOUT", "'soon'"]),
        ([], {"MPC_DATA": "x='a"}, ["environment MPC_DATA", "quotation"]),
        ([], {"MPC_QUIET": "perhaps"}, ["environment MPC_QUIET", "'perhaps'"]),
        (["--role", "carol"], {}, ["option --role", "'carol'", "alice, bob"]),
        (["--peer", "udp://a:1"], {}, ["option --peer", "tcp://host:port"]),
        (["--out", ""], {}, ["option --out"]),
        (["--session", "a\nb"], {}, ["option --session"]),
    ],
)
def test_a_bad_option_or_variable(words: list[str], env: dict[str, str], named: list[str]) -> None:
    rejected(ConfigError, lambda: read(*words, env=env), named)


def test_a_misspelt_variable_is_refused() -> None:
    known = ("timeout", "max_stock")
    check_variables(
        known,
        {
            "MPC_TIMEOUT": "3s",
            "MPC_KERNELS": "numpy",
            "MPC_TIMEUOT": "",
            "HOME": "/",
            "XMPC_A": "1",
        },
    )
    rejected(
        ConfigError,
        lambda: check_variables(known, {"MPC_TIMEUOT": "3s"}),
        ["MPC_TIMEUOT", "'MPC_TIMEOUT'"],
    )
    rejected(
        ConfigError, lambda: check_variables(known, {"MPC_XYZ": "3s"}), ["MPC_XYZ", "unset it"]
    )


def test_programs_know_each_others_variables() -> None:
    for one, other in ((party, dealer), (dealer, party)):
        assert other.names - one.names <= set(one.elsewhere)
        assert not set(one.elsewhere) - other.names


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (duration, "40ms", 0.04),
        (duration, "1.5 m", 90.0),
        (duration, "1h", 3600.0),
        (duration, "2e-3s", 0.002),
        (duration, "250µs", 250e-6),
        (duration, "0", 0.0),
        (size, "64MiB", 64 << 20),
        (size, "1GB", 10**9),
        (size, "1.5kB", 1500),
        (size, "77b", 77),
        (bandwidth, "100mbit", 1e8),
        (bandwidth, "1Gbit/s", 1e9),
        (bandwidth, "9600bit", 9600.0),
        (fraction, "10%", 0.1),
        (fraction, "1000%", 10.0),
        (fraction, "0.5", 0.5),
        (whole(1, 9), "9", 9),
        (yes_or_no, "Off", False),
        (session_name, "a.B_c-9", "a.B_c-9"),
    ],
)
def test_parsers(parse: Any, text: str, value: Any) -> None:
    assert parse(text) == pytest.approx(value) if isinstance(value, float) else parse(text) == value


@pytest.mark.parametrize(
    "text", ["tcp://10.0.0.2:7700", "tcp://dealer.example:1", "tcp://[::1]:65535"]
)
def test_addresses(text: str) -> None:
    assert str(address(text)) == str(listen_address(text)) == text


def test_an_address_to_listen_on_may_be_open() -> None:
    assert str(listen_address("tcp://*:0")) == "tcp://*:0"
    rejected(ConfigError, lambda: address("tcp://*:7700"), ["nowhere to connect to"])
    rejected(ConfigError, lambda: address("tcp://a:0"), ["nowhere to connect to"])


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (
            duration,
            [
                "30",
                "40",
                "0.1",
                "",
                "ms",
                "-1s",
                "1 day",
                "nan",
                "inf",
                "1e999",
                "1s2",
                "0x10",
                "٣s",
            ],
        ),
        (size, ["77", "", "64M", "-1", "1e400GB", "1 bit"]),
        (fraction, ["10", "1.5", "ten", "-1%"]),
        (bandwidth, ["100", "", "fast", "1mib", "1e306tbit"]),
        (whole(1, 9), ["0", "10", "1.0", "", "0x1", "1_0", "9" * 30]),
        (session_name, ["", "a/b", "a" * 65, "ä", "a\n"]),
        (
            listen_address,
            [
                "",
                "host:7700",
                "tcp://",
                "tcp://a",
                "tcp://a:",
                "tcp://:1",
                "tcp://a:65536",
                "tcp://a:x",
                "tcp://a:1/x",
                "tcp://u@a:1",
                "tcp://a b:1",
                "tcp://[::1:1",
                "ipc://x",
                "http://a:1",
            ],
        ),
        (file_path, ["", "\0"]),
    ],
)
def test_parsers_reject(parse: Any, texts: list[str]) -> None:
    for text in texts:
        rejected(ConfigError, lambda text=text: parse(text), [repr(text)])
