"""protocol.settings: what a class of settings declares, inherits, and takes over from others."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

from dealer.program import PROGRAM as dealer
from dealer.settings import ServeSettings
from party.command_settings import PredictSettings, RunSettings
from party.program import PROGRAM as party
from protocol.commandline import Command
from protocol.config import resolve
from protocol.parsers import duration, file_path, whole
from protocol.settings import Config, Flag, Many, Setting


class Near(Config):
    timeout = Setting("patience", duration, "30s")
    out = Setting("results", file_path)


class Far(Config):
    shape = Many("sizes", whole(1))
    quiet = Flag("say less")


class Both(Near, Far):
    data = Many("tensors", str)
    steps = Setting("how often", whole(), "3")


class Sorted(Both, order="steps quiet ... timeout"):
    """Others come first and last."""


class Redone(Both):
    out = Setting("results, always", file_path, "results.npz")
    copied = Flag("one of its own")


class Taken(Config):
    steps = Both.steps
    quiet = Far.quiet


def found(kind: type[Config], **given: object) -> Config:
    return resolve(kind, argparse.Namespace(**given), environment={})


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        (Config, ""),
        (Near, "timeout out"),
        (Both, "timeout out shape quiet data steps"),
        (Sorted, "steps quiet out shape data timeout"),
        (Redone, "timeout out shape quiet data steps copied"),
        (Taken, "steps quiet"),
    ],
)
def test_settings_are_the_bases_and_the_classes_own_or_as_it_says(kind, order):
    assert list(kind.declared) == order.split()
    assert all(setting.name == name for name, setting in kind.declared.items())


def test_a_party_and_a_dealer_are_told_of_in_this_order():
    party_has = (
        "session dealer peer material key peer_key dealer_key insecure_plaintext timeout wait state"
        " checkpoint_every rtt bandwidth dealer_bandwidth link dealer_link threads guard"
        " accept_out_of_range page metrics watch_token fresh"
    )
    inputs, output = "param {}data table header", "out json quiet log_format"
    job = f"job iterations {inputs.format('reveal ')}"
    run = f"role {job} keep model {party_has} measure plain simulate {output}"
    assert list(RunSettings.declared) == run.split()
    predict = f"role model job {inputs.format('')} reveal {party_has} {output}"
    assert list(PredictSettings.declared) == predict.split()
    serve = (
        "listen link workers timeout weight max_sessions max_step_memory max_plan_size max_memory"
        " max_stock key alice_key bob_key allow insecure_plaintext page metrics watch_token quiet"
        " log_format"
    )
    assert list(ServeSettings.declared) == serve.split()


def test_values_are_what_parsers_make_of_defaults_and_options():
    plain = found(Both)
    assert (plain.timeout, plain.out, plain.shape, plain.quiet) == (30.0, None, (), False)
    given = found(Both, timeout="1m", out="x.npy", shape=["2", "3"], quiet=True)
    assert (given.timeout, given.out, given.shape, given.quiet) == (
        60.0,
        Path("x.npy"),
        (2, 3),
        True,
    )
    assert found(Redone).out == Path("results.npz")


def test_a_class_has_settings_and_its_instances_have_values():
    assert Near.out is Near.declared["out"] and Both.out is Near.out
    assert Taken.quiet is Far.quiet and Redone.out is not Near.out
    assert (Near.timeout.option, Near.timeout.variable) == ("--timeout", "MPC_TIMEOUT")
    assert found(Both, steps="4").steps == 4


def test_but_has_other_values_of_settings_that_there_are():
    settings = found(Both, timeout="1m")
    other = settings.but(steps=7, out=Path("y"))
    assert (other.steps, other.out, other.timeout, settings.steps) == (7, Path("y"), 60.0, 3)
    assert type(other) is Both and other.origin("timeout") == "option"
    with pytest.raises(AttributeError, match="there is no setting 'stesp'"):
        settings.but(stesp=7)


def test_an_order_names_settings_that_there_are_and_all_of_them():
    for order in ("timeout", "timeout out more", "timeout timeout out", "... out ..."):
        with pytest.raises(TypeError, match="names other settings than it has"):
            type("Wrong", (Near,), {}, order=order)


def test_a_setting_has_one_name():
    with pytest.raises((TypeError, RuntimeError)) as error:
        type("Wrong", (Config,), {"patience": Near.timeout})
    assert "timeout has another name" in str(error.value.__cause__ or error.value)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, id=f"{program.name} {name}")
        for program in (party, dealer)
        for name, command in program.commands.items()
    ],
)
def test_a_command_takes_the_settings_that_it_is_listed_with(command: Command):
    """Commands are imported by name, so that no type checker sees this."""
    hints = get_type_hints(import_module(command.module).run)
    assert hints == {"settings": command.settings, "return": int}


CHECKED = """
from pathlib import Path
from typing import assert_type

from protocol.parsers import duration, file_path, whole
from protocol.settings import Config, Flag, Many, Setting


class Told(Config):
    timeout = Setting("patience", duration, "30s")
    out = Setting("results", file_path)
    shape = Many("sizes", whole(1))
    quiet = Flag("say less")


class More(Told):
    again = Told.timeout


def read(told: More) -> None:
    assert_type(told.timeout, float)
    assert_type(told.again, float)
    assert_type(told.out, Path | None)
    assert_type(told.shape, tuple[int, ...])
    assert_type(told.quiet, bool)
    assert_type(told.value(Told.out), Path | None)
    assert_type(told.reread(), More)
    told.out.name  # type: ignore[union-attr]
    told.tiemout  # type: ignore[attr-defined]
    told.quiet = True  # type: ignore[assignment]
"""


def test_a_type_checker_knows_what_values_are(tmp_path):
    pytest.importorskip("mypy")
    file = tmp_path / "told.py"
    file.write_text(CHECKED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", file],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
