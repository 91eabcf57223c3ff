"""party.data: results written back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from sentences import rejected

from party.data import check_output, save_results
from protocol.errors import ConfigError, DataError

X = np.array([[1.0, -2.5, 3.0], [4.0, 5.0, 60.0]])
RESULTS = {"weights": X, "file": np.array([1 / 3, -0.0]), "allow_pickle": np.zeros((2, 2, 2))}


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv"])
def test_results_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("old")
    path.chmod(0o644)
    save_results(path, RESULTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    if suffix == ".csv":
        assert path.read_text().startswith("weights.0,weights.1,weights.2\n")
        found = np.loadtxt(path, delimiter=",", skiprows=1)
    else:
        found = np.load(path)
    np.testing.assert_array_equal(found["weights"] if suffix == ".npz" else found, X)
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            assert {name: archive[name].tolist() for name in archive} == {
                k: v.tolist() for k, v in RESULTS.items()
            }


def test_csv_results_are_exact(tmp_path: Path) -> None:
    values = np.array([1 / 3, np.pi * 1e-9, 98.7654321012345])
    save_results(tmp_path / "out.csv", {"v": values})
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "out.csv", skiprows=1), values)
    save_results(tmp_path / "out.csv", {"v": np.array(1 / 3)})
    name, value = (tmp_path / "out.csv").read_text().splitlines()
    assert name == "v" and float(value) == 1 / 3


def test_csv_results_stand_beside_their_ids(tmp_path: Path) -> None:
    ids = ("patient", ["007", 'a,"b"'])
    save_results(tmp_path / "out.csv", {"risk": np.array([[0.5], [0.25]])}, ids)
    text = (tmp_path / "out.csv").read_text()
    assert text == 'patient,risk\n007,0.5\n"a,""b""",0.25\n'
    save_results(tmp_path / "out.csv", {"kind": np.array(["no", "yes, often"])}, ids)
    assert (tmp_path / "out.csv").read_text().endswith('\n"a,""b""","yes, often"\n')


def test_a_failed_write_leaves_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.npz"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    rejected(DataError, lambda: save_results(path, RESULTS), ["out.npz", "No space left"])
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_outputs_are_checked_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_output(tmp_path / "a.npy", axes=4)
    (tmp_path / "d.npz").mkdir()
    for path, axes, named in (
        (tmp_path / "a.txt", 2, ["a.txt", ".npy, .npz, .csv"]),
        (tmp_path / "a", 2, [".npy, .npz, .csv"]),
        (tmp_path / "a.csv", 3, ["a.csv", "3", ".npz"]),
        (tmp_path / "d.npz", 2, ["d.npz", "is a directory"]),
        (tmp_path / "no" / "a.npz", 2, ["a.npz", "does not exist"]),
    ):
        rejected(
            ConfigError, lambda path=path, axes=axes: check_output(path, axes), ["--out", *named]
        )
    rejected(
        ConfigError,
        lambda: save_results(tmp_path / "a.csv", {"t": np.zeros((1, 1, 1))}),
        ["a.csv", "3"],
    )
    rejected(ConfigError, lambda: save_results(tmp_path / "a.npy", {}), ["a.npy", "nothing"])
    monkeypatch.setattr(os, "access", lambda *_: False)
    rejected(ConfigError, lambda: check_output(tmp_path / "a.npz"), ["a.npz", "cannot be written"])
