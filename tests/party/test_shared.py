"""Share files: whole or refused, this party's or refused; and shares of one generation alone fit
together."""

from __future__ import annotations

import asyncio
import re
import stat
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from halves import halves, together
from loopback import dealing
from risk import Risk

from party import Party, checked, declining
from party.command_settings import RunSettings
from party.commands.doctor import Doctor
from party.findings import FAIL, OK
from party.loading import load_job
from party.shared import SharedModel, begin, check_place, joined, put
from protocol.channel import KeyPair
from protocol.errors import (
    AgreementError,
    ConfigError,
    DataError,
    ProtocolError,
    ShareError,
    Stopped,
)
from protocol.jobs import Input, Job
from protocol.nn import Dense, ReLU, Sequential, Tanh
from protocol.prg import fresh_seed


@pytest.fixture(scope="module")
def pair() -> list[SharedModel]:
    random = np.random.default_rng(0)
    job = Risk()
    return halves(
        job, {name: random.uniform(0, 1, each.shape) for name, each in job.inputs.items()}
    )


def same(a: SharedModel, b: SharedModel) -> bool:
    shares = [[each.shares for each in model.generations] for model in (a, b)]
    alike = replace(a, generations=()) == replace(b, generations=()) and len(shares[0]) == len(
        shares[1]
    )
    return alike and all(
        np.array_equal(x[name], y[name]) for x, y in zip(*shares, strict=True) for name in x
    )


def test_a_file_is_read_as_it_was_written_by_its_owner_alone(pair, tmp_path):
    for model in pair:
        model.save(tmp_path / "m.share")
        assert stat.S_IMODE((tmp_path / "m.share").stat().st_mode) == 0o600
        assert same(SharedModel.read(tmp_path / "m.share"), model)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620])
def test_a_file_that_others_can_read_is_refused(mode, pair, tmp_path):
    path = tmp_path / "m.share"
    pair[0].save(path)
    path.chmod(mode)
    with pytest.raises(
        ShareError, match=rf"can be read by others .mode {mode:04o}.: `chmod 600` it.*`rotate`"
    ):
        SharedModel.read(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("risk.onnx", "`python -m party import .*risk.onnx`"), ("risk.json", "give it with --job")],
)
def test_a_model_of_another_kind_is_sent_where_it_belongs(name, words, tmp_path):
    (tmp_path / name).write_bytes(b"a model")
    with pytest.raises(ShareError, match=words):
        SharedModel.read(tmp_path / name)


def test_a_file_that_is_not_whole_is_refused(pair, tmp_path):
    path = tmp_path / "m.share"
    pair[0].save(path)
    raw = path.read_bytes()
    for place in (0, 14, 60, len(raw) // 2, len(raw) - 1):
        for changed in (raw[:place], raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]):
            path.write_bytes(changed)
            with pytest.raises(
                DataError,
                match=rf"the share {re.escape(str(path))} (was cut off|is a file of another)",
            ):
                SharedModel.read(path)
    with pytest.raises(DataError, match=r"cannot be read .No such file"):
        SharedModel.read(tmp_path / "nothing")
    checked.write(path, b"mpc-share-1\n", {"id": "made by somebody else"})
    with pytest.raises(DataError, match="is not one of this version"):
        SharedModel.read(path)


@pytest.mark.parametrize(
    ("role", "mode", "state", "words"),
    [
        ("alice", 0o600, OK, "is alice's share of the model"),
        ("alice", 0o640, FAIL, "can be read by others (mode 0640): `chmod 600` it"),
        ("bob", 0o600, FAIL, "is alice's, and this party is bob"),
    ],
)
def test_the_doctor_looks_at_a_share(role, mode, state, words, pair, tmp_path):
    path = tmp_path / "m.share"
    keys = tuple(str(KeyPair.generate(each).public) for each in ("alice", "bob"))
    replace(pair[0], keys=keys).save(path)
    path.chmod(mode)
    settings = RunSettings({"model": path}, {}, lambda: settings)
    doctor = Doctor(settings, role, lambda finding: None)
    doctor.share(keys if role == "alice" else keys[::-1])
    ((_, found, text),) = map(astuple, doctor.findings.all)
    assert (found, words in text) == (state, True), text


def test_a_file_of_another_party_or_other_keys_is_refused(pair):
    alice, bob, other = (str(KeyPair.generate(role).public) for role in ("alice", "bob", "alice"))
    model = replace(pair[0], keys=(alice, bob))
    model.check("alice", (alice, bob))
    pair[0].check("alice", ())
    with pytest.raises(DataError, match="is alice's, and this party is bob; give the other file"):
        model.check("bob", (alice, bob))
    with pytest.raises(
        DataError, match=r"alice's key was mpc1-alice-.*give that one with --key"
    ) as caught:
        model.check("alice", (other, bob))
    assert other not in str(caught.value)
    with pytest.raises(DataError, match=r"bob's key was mpc1-bob-.*give that one with --peer-key"):
        model.check("alice", (alice, other))
    with pytest.raises(DataError, match="and is none now"):
        model.check("alice", ())


def test_halves_of_different_runs_do_not_go_together(pair):
    with pytest.raises(
        AgreementError,
        match=r"not of one model: alice's is of .*give the two files that one run wrote",
    ):
        pair[0].common(["0" * 32, [[1, "x"]]], "bob")
    for said in (None, [], ["x"], ["x", []], ["x", [[1]]], ["x", [["1", "y"]]], {"id": 1}):
        with pytest.raises(ProtocolError, match="bob did not say which share it has"):
            pair[0].common(said, "bob")


def test_generations(pair):
    """Whatever was written when one was killed, the newest that both hold is of the same numbers;
    others do not fit."""
    alice, bob = pair
    before = together(pair)
    first, second = fresh_seed(), fresh_seed()
    a, b = (each.rotated(each.generations[0], first) for each in pair)
    assert [each.number for each in a.generations] == [2, 1]
    assert all(np.array_equal(value, before[name]) for name, value in together([a, b]).items())
    for name, share in a.generations[0].shares.items():
        assert not np.any(share == alice.generations[0].shares[name])
    for one, other, number in ((a, bob, 1), (a, b, 2), (a.settled(a.generations[0]), b, 2)):
        found = one.common(other.offer(), "bob"), other.common(one.offer(), "alice")
        assert [each.number for each in found] == [number] * 2
        assert found[0].tag == found[1].tag
    # alice was killed before she wrote what goes with this
    c = bob.rotated(bob.generations[0], second)
    assert a.common(c.offer(), "bob").number == 1
    with pytest.raises(
        AgreementError, match="alice has generation 2, and bob 1; an older file is of no use"
    ):
        a.settled(a.generations[0]).common(bob.offer(), "bob")
    with pytest.raises(AgreementError, match="do not fit together"):
        a.settled(a.generations[0]).common(c.settled(c.generations[0]).offer(), "bob")


def test_both_make_one_secret():
    one, other = fresh_seed(), fresh_seed()
    assert (
        joined(one, other, "alice", "bob")
        == joined(other, one, "bob", "alice")
        != joined(other, one, "alice", "bob")
    )
    for wrong in (None, b"", "text", bytes(31)):
        with pytest.raises(ProtocolError, match="did not send its part"):
            joined(one, wrong, "alice", "bob")


class Another(Risk):
    model = Sequential(Dense(3, 4), Tanh(), Dense(4, 1))


class Deeper(Risk):
    model = Sequential(Dense(3, 4), ReLU(), Dense(4, 4), ReLU(), Dense(4, 1))


class Wider(Risk):
    model = Sequential(Dense(3, 5), ReLU(), Dense(5, 1))


class Longer(Risk):
    """Trained otherwise, on other rows: the same network."""

    x = Input("alice", (100, 3), -1, 1)
    y = Input("alice", (100, 1), 0, 1)
    epochs, batch, weights = 7, 10, "both"


class Narrow(Job):
    model = Input("alice", (1,), -1, 1)


def test_a_model_of_another_job_is_refused(pair):
    model = replace(pair[0], path=Path("m.share"))
    for job in (Risk(), Longer()):
        begin(job, model)
        assert sorted(job.inputs) == ["x", "y"]
    for job in (Another(), Deeper(), Wider(), Narrow(), load_job("seed")):
        with pytest.raises(
            DataError,
            match=r"the share m.share is of a model that the job Risk trained, with model.0.bias",
        ):
            begin(job, model)


def test_nothing_is_overwritten_by_mistake(pair, tmp_path):
    path = tmp_path / "m.share"
    check_place(path, Risk(), None, False)
    put(pair[0], path, None)
    put(pair[0], path, None)  # the same again, for it was interrupted
    with pytest.raises(ConfigError, match="there is a file already"):
        check_place(path, Risk(), None, False)
    check_place(path, Risk(), path, False)
    check_place(path, Risk(), None, True)
    with pytest.raises(ConfigError, match="--state may need that again"):
        check_place(path, Risk(), path, True)
    for other in (replace(pair[0], id="1" * 32), None):
        if other is None:
            path.write_bytes(b"a diary")
        else:
            other.save(path)
        before = path.read_bytes()
        with pytest.raises(ConfigError, match="move it away, and give the same command again"):
            put(pair[0], path, None)
        assert path.read_bytes() == before
    with pytest.raises(ConfigError, match="does not say what can stay shared"):
        check_place(tmp_path / "new", load_job("seed"), None, False)
    for place in (tmp_path, tmp_path / "none" / "m.share"):
        with pytest.raises(ConfigError, match="is no place for a file"):
            check_place(place, Risk(), None, False)


@pytest.mark.parametrize("unfit", ["alice", "bob"])
async def test_the_other_party_hears_of_a_share_that_is_of_no_use(
    unfit, pair, tmp_path, monkeypatch
):
    """Cut off, it is found before anybody is met; the other, who waits, is told all the same."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(declining, "PATIENCE", 300.0)
    models: dict[str, SharedModel | Path] = dict(zip(("alice", "bob"), pair, strict=True))
    models[unfit] = cut = tmp_path / "cut.share"
    pair[0].save(cut)
    cut.write_bytes(cut.read_bytes()[:-1])
    async with dealing() as where:
        keys = Party("alice", **where).addresses().public_keys("alice")
        found = await asyncio.gather(
            *(
                Party(role, wait=300, **where).predict(
                    model if isinstance(model, Path) else replace(model, keys=keys),
                    job=Risk,
                    **({"x": np.zeros((2, 3))} if role == "bob" else {}),
                )
                for role, model in models.items()
            ),
            return_exceptions=True,
        )
    here, there = found if unfit == "alice" else found[::-1]
    assert isinstance(here, ShareError) and "cut.share was cut off or altered" in str(here)
    assert isinstance(there, Stopped)
    assert str(there) == (
        f"{unfit} stopped: its share of the model cannot be used, as its own output says"
    )


@pytest.mark.parametrize("unfit", ["alice", "bob"])
async def test_the_other_party_hears_of_data_that_are_of_no_use(unfit, monkeypatch):
    monkeypatch.setattr(declining, "PATIENCE", 300.0)
    own = {"alice": {}, "bob": {"x": np.zeros((2, 3)), "y": np.zeros((2, 1))}}
    own[unfit] = {"w" if unfit == "alice" else "x": np.zeros((2, 2))}
    async with dealing() as where:
        found = await asyncio.gather(
            *(Party(role, wait=300, **where).run("seed", data) for role, data in own.items()),
            return_exceptions=True,
        )
    here, there = found if unfit == "alice" else found[::-1]
    assert isinstance(here, DataError) and "shape" in str(here)
    assert isinstance(there, Stopped)
    assert str(there) == f"{unfit} stopped: its data cannot be used, as its own output says"
