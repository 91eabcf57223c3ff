"""Three real processes train a model that stays shared, and others go on with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import risk
from halves import halves, together
from services import SECONDS, ended, said

from party.local import Trio
from party.shared import SharedModel, begin
from protocol.keyring import other_key
from protocol.nn.prediction import prediction
from protocol.tracing import trace

pytestmark = pytest.mark.system


@pytest.fixture
def data(tmp_path) -> dict[str, np.ndarray]:
    """What both bring, in files called so."""
    random = np.random.default_rng(3)
    x = random.uniform(-1, 1, (40, 3))
    found = {"x": x, "y": (x.sum(axis=1, keepdims=True) > 0).astype(float)}
    for name, each in risk.Risk().inputs.items():
        found.setdefault(name, random.uniform(-0.5, 0.5, each.shape))
    for name, array in found.items():
        np.save(tmp_path / f"{name}.npy", array)
    return found


def brings(folder: Path, *names: str) -> list[str]:
    return [word for name in names for word in ("--data", f"{name}={folder / name}.npy")]


def shared_keys() -> tuple[str, ...]:
    """Those that this user's processes have on loopback."""
    return tuple(str(other_key(role, None, True)) for role in ("alice", "bob"))


def start(trio: Trio, alice: list[str], bob: list[str], *common: str) -> None:
    if "dealer" not in trio.children:
        trio.start("dealer")
    for role, own in (("alice", alice), ("bob", bob)):
        trio.start(role, ["--json", "--job", risk.__file__, *common, *own])


def twin(data: dict[str, np.ndarray], epochs: int) -> dict[str, np.ndarray]:
    job = risk.Risk()
    job.epochs, job.kept = epochs, job.keep
    graph = trace(job, {name: data[name].shape for name in job.inputs}).graph
    found = graph.run_clear(data, job.iterations)
    return {name.removeprefix("share of "): array for name, array in found.items()}


def test_a_model_stays_shared_and_is_trained_further(data, tmp_path):
    """Two epochs, then two more, equal four; nobody learns anything until both say so."""
    alice, bob = tmp_path / "alice.share", tmp_path / "bob.share"
    with Trio() as trio:
        weights = [name for name in data if name not in "xy"]
        start(
            trio,
            [*brings(tmp_path, *weights), "--keep", str(alice)],
            [*brings(tmp_path, "x", "y"), "--keep", str(bob)],
        )
        trio.wait(SECONDS)
        for role in ("alice", "bob"):
            assert trio.reports()[role]["results"] == {}
            assert "stay shared between both, revealed to nobody" in said(trio.children[role])
        expected, found = twin(data, 2), together([SharedModel.read(alice), SharedModel.read(bob)])
        assert found.keys() == expected.keys()
        for name, array in found.items():
            assert np.abs(array - expected[name]).max() < 1e-4

        trio.session = "more"
        more = [alice.with_name("alice2.share"), bob.with_name("bob2.share")]
        start(
            trio,
            ["--model", str(alice), "--keep", str(more[0])],
            ["--model", str(bob), "--keep", str(more[1]), *brings(tmp_path, "x", "y")],
            *("--param", "weights=bob"),
        )
        trio.wait(SECONDS)
        assert trio.reports()["alice"]["results"] == {}
        expected, found = twin(data, 4), together([SharedModel.read(each) for each in more])
        for name, array in found.items():
            assert np.abs(array - expected[name]).max() < 2e-4
        for name, value in trio.reports()["bob"]["results"].items():
            assert np.abs(np.asarray(value) - expected[name]).max() < 2e-4
        assert SharedModel.read(more[0]).steps == 8
        assert (
            json.loads(trio.children["bob"].output.splitlines()[-1])["model"]
            == SharedModel.read(more[1]).id
        )

        trio.session = "mixed"  # bob's half of the one, alice's of the other
        start(
            trio,
            ["--model", str(alice)],
            ["--model", str(more[1]), *brings(tmp_path, "x", "y")],
            "--param",
            "weights=bob",
        )
        for role in ("alice", "bob"):
            assert ended(trio.children[role]) == 3
            assert "the two shares are not of one model" in said(trio.children[role])


def test_predictions_go_to_whom_they_are_for_and_to_nobody_else(data, tmp_path):
    """Rows of either; and after a rotation, in which the old files come to be of no use."""
    files = {role: tmp_path / f"{role}.share" for role in ("alice", "bob")}
    job = risk.Risk()
    for half, path in zip(
        halves(job, {name: data[name] for name in job.inputs}, ("mpc1-alice-old", "mpc1-bob-old")),
        files.values(),
        strict=True,
    ):
        replace(half, file=risk.__file__).save(path)
    new = np.random.default_rng(9).uniform(-1, 1, (11, 3))
    np.save(tmp_path / "new.npy", new)
    rows = ["--data", f"x={tmp_path / 'new.npy'}"]
    tensors = together([SharedModel.read(path) for path in files.values()])

    def scores() -> np.ndarray:
        job = prediction(risk.Risk(), "bob", {"scores": "both"})
        begin(job, SharedModel.read(files["bob"]))
        return trace(job, {"x": new.shape}).graph.run_clear(tensors | {"x": new}, 0)["scores"]

    with Trio() as trio:

        def both(command: str, *common: str, **own: list[str]) -> None:
            trio.session = f"{command}{len(common)}"
            for role, path in files.items():
                words = ["--model", str(path), *own.get(role, []), *common]
                trio.start(
                    role, words if command == "rotate" else ["--json", *words], command=command
                )

        both("rotate", "--new-keys")
        for role in files:
            assert ended(trio.children[role]) == 0, said(trio.children[role])
            assert SharedModel.read(files[role]).keys == shared_keys()
        old = files["alice"].read_bytes()

        trio.start("dealer")
        both("predict", "--reveal", "classes=bob", "--reveal", "scores=alice", bob=rows)
        trio.wait(SECONDS)
        found = {role: each["results"] for role, each in trio.reports().items()}
        assert {role: [*each] for role, each in found.items()} == {
            "alice": ["scores"],
            "bob": ["classes"],
        }
        assert np.abs(np.asarray(found["alice"]["scores"]) - scores()).max() < 1e-4
        assert np.array_equal(found["bob"]["classes"], (scores() >= 0).astype(float))

        both("rotate")
        for role, path in files.items():
            assert ended(trio.children[role]) == 0, said(trio.children[role])
            assert f"rotated {path}: generation 3" in said(trio.children[role])
        assert all(
            np.array_equal(value, tensors[name])
            for name, value in together(map(SharedModel.read, files.values())).items()
        )

        both("predict", alice=rows)  # the other party's rows, and its predictions
        trio.wait(SECONDS)
        found = {role: each["results"] for role, each in trio.reports().items()}
        assert found["bob"] == {}
        assert np.array_equal(found["alice"]["predictions"], (scores() >= 0).astype(float))

        files["alice"].write_bytes(old)
        both("predict", "--quiet", bob=rows)
        for role in files:
            assert ended(trio.children[role]) == 3
            assert "the two shares do not fit together" in said(trio.children[role])


def test_both_must_say_that_the_model_is_kept(data, tmp_path):
    with Trio() as trio:
        start(
            trio,
            ["--keep", str(tmp_path / "m")],
            brings(tmp_path, "x", "y"),
            "--param",
            "weights=both",
        )
        for role, sentence in (
            ("alice", "--keep is 'given' for alice and 'not given' for bob"),
            ("bob", "--keep is 'not given' for bob and 'given' for alice"),
        ):
            assert ended(trio.children[role]) == 3
            assert sentence in said(trio.children[role])
        assert not (tmp_path / "m").exists()
