"""party.data: what is read, what is refused, what is written."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from party.data import check_output, default_tensor, load_tensor, parse_assignments, save_results
from protocol.errors import ConfigError, DataError, MpcError
from protocol.jobs import Input

TABLE = Input("bob", shape=("n", 3), low=-100, high=100)
COLUMN = Input("bob", shape=("n", 1), low=-100, high=100)
VECTOR = Input("bob", shape=("n",), low=-100, high=100)
SQUARE = Input("bob", shape=(2, 2), low=-100, high=100)
X = np.array([[1.0, -2.5, 3.0], [4.0, 5.0, 60.0]])


def npy(array: Any, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("file", "content", "declared", "expected"),
    [
        ("a.npy", npy(X), TABLE, X),
        ("a.npy", npy(np.asfortranarray(X.astype(np.float32))), TABLE, X),
        ("a.npy", npy(np.array([1, 0, 1], np.int8)), COLUMN, [[1], [0], [1]]),
        ("a.npy", npy(np.array([True, False])), COLUMN, [[1], [0]]),
        ("a.NPY", npy(X), TABLE, X),
        ("a.npy", npy(np.array(2.0)), Input("bob", shape=()), 2.0),
        ("a.npz", npz(x=X, y=X[:1]), TABLE, X),
        ("a.npz", npz(other=X), TABLE, X),
        ("a.npz:other", npz(x=X[:1], other=X), TABLE, X),
        ("a.csv", b"1,-2.5,3\n4,5,6e1\n", TABLE, X),
        ("a.csv", b"a,b,c\n1,-2.5,3\n4,5,60", TABLE, X),
        ("a.csv", b"\xef\xbb\xbf1;-2.5;3\r\n4;5;60\r\n", TABLE, X),
        ("a.csv", b'"a, really"\tb\tc\n1\t-2.5\t"3"\n\n4\t5\t 60\n', TABLE, X),
        ("a.csv", b"\n\nlabel\n1\n0\n", COLUMN, [[1], [0]]),
        ("a.csv", b"1\n0\n", VECTOR, [1, 0]),
        ("a.csv", b"1,0\n", VECTOR, [1, 0]),
        ("a.csv", b"7\n", Input("bob", shape=()), 7.0),
        ("a.csv", b"1,2\n3,4\n", SQUARE, [[1, 2], [3, 4]]),
    ],
)
def test_reads(tmp_path: Path, file: str, content: bytes, declared: Input, expected: Any) -> None:
    (tmp_path / file.partition(":")[0]).write_bytes(content)
    found = load_tensor("x", tmp_path / file, declared)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected, strict=False)
    assert found.shape == np.shape(expected)


class Evil:
    def __reduce__(self) -> Any:
        return os.abort, ()


@pytest.mark.parametrize(
    ("file", "content", "declared", "named"),
    [
        ("a.npy", b"", TABLE, ["is empty"]),
        ("a.npy", b"\x93NUMPY nonsense", TABLE, ["damaged"]),
        ("a.npy", npy(X)[:-4], TABLE, ["damaged"]),
        ("a.npy", npz(x=X), TABLE, ["damaged"]),
        ("a.npy", npy(X).replace(b"(2, 3)", b"(9**9"), TABLE, ["damaged"]),
        ("a.npy", npy(X).replace(b"(2, 3), }         ", b"(2, 99999999999), }"), TABLE, []),
        ("a.npy", npy(np.array([Evil()], object), pickled=True), TABLE, ["Python objects"]),
        ("a.npy", npy(X.astype(complex)), TABLE, ["complex128"]),
        ("a.npy", npy(np.array([["1", "2", "3"]])), TABLE, ["numbers are needed"]),
        ("a.npy", npy(np.zeros(3, [("a", "f8")])), COLUMN, ["numbers are needed"]),
        ("a.npy", npy(np.array([[1, np.nan, 0]])), TABLE, ["NaN or infinity", "(0, 1)"]),
        ("a.npy", npy(np.array([[1, 2, 3], [np.inf, 0, 0]])), TABLE, ["NaN or infinity", "(1, 0)"]),
        ("a.npy", npy(np.array([[1, 2, 101.5]])), TABLE, ["[-100, 100]", "(0, 2)"]),
        ("a.npy", npy(X[0]), TABLE, ["shape (3,)", "('n', 3)".replace("'", "")]),
        ("a.npy", npy(X), COLUMN, ["shape (2, 3)", "(n, 1)"]),
        ("a.npy", npy(X), VECTOR, ["shape (2, 3)", "(n,)"]),
        ("a.npy", npy(X[None]), TABLE, ["shape (1, 2, 3)"]),
        ("a.npy", npy(X[:0]), TABLE, ["no values", "(0, 3)"]),
        ("a.npz", b"PK\x03\x04 nonsense", TABLE, ["damaged"]),
        ("a.npz", npy(X), TABLE, ["damaged"]),
        ("a.npz", npz(a=X, b=X), TABLE, ["a, b", "FILE.npz:ARRAY"]),
        ("a.npz:c", npz(x=X), TABLE, ["no array c", "it holds x"]),
        ("a.npz", npz(), TABLE, ["it holds nothing"]),
        ("a.npz", npz(x=np.array([Evil()], object)), TABLE, ["Python objects"]),
        ("a.csv", b"1,2,3\n4,5\n", TABLE, ["line 2", "2 columns", "3 before"]),
        ("a.csv", b"a,b,c\n1,2,3\n\n4,5,6,7\n", TABLE, ["line 4"]),
        ("a.csv", b"a,b\n1,2,3\n", TABLE, ["line 2"]),
        ("a.csv", b"1,2,3\n4,secret,6\n", TABLE, ["line 2", "column 2"]),
        ("a.csv", b"1,secret,3\n4,5,6\n", TABLE, ["line 1", "column 2"]),
        ("a.csv", b"a,b,c\n1,2,\n", TABLE, ["line 2", "column 3"]),
        ("a.csv", b",,\n1,2,3\n", TABLE, ["line 1", "column 1"]),
        ("a.csv", b"a,b,c\nd,e,f\n", TABLE, ["line 2", "column 1"]),
        ("a.csv", b"a,b,c\n", TABLE, ["no rows"]),
        ("a.csv", b"\n \n", TABLE, ["no rows"]),
        ("a.csv", b"1,nan,3\n", TABLE, ["NaN", "(0, 1)"]),
        ("a.csv", b"1,2,1e999\n", TABLE, ["infinity", "(0, 2)"]),
        ("a.csv", b'1,2,3\n4,"5,6\n', TABLE, ["line 2", "CSV"]),
        ("a.csv", b"1,2,\xff\n", TABLE, ["UTF-8"]),
        ("a.csv", b"1,2\n3,4\n", TABLE, ["shape (2, 2)", "(n, 3)"]),
        ("a.csv", b"1,2\n3,4\n", VECTOR, ["shape (2, 2)", "(n,)"]),
        ("a.csv", b"1\n2\n", Input("bob", shape=()), ["shape (2, 1)", "()"]),
        ("a.csv", b"1,2,3\n", SQUARE, ["shape (1, 3)", "(2, 2)"]),
        ("a.xlsx", b"1,2,3\n", TABLE, [".npy, .npz, .csv"]),
        ("a", b"1,2,3\n", TABLE, [".npy, .npz, .csv"]),
    ],
)
def test_refuses(tmp_path: Path, file: str, content: bytes, declared: Input, named: list[str]) -> None:
    path = tmp_path / file
    (tmp_path / file.partition(":")[0]).write_bytes(content)
    message = rejected(DataError, lambda: load_tensor("x", path, declared), ["tensor x", "a", *named])
    assert str(tmp_path / file.partition(":")[0]) in message
    assert "secret" not in message.replace(str(tmp_path), "")


def test_files_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rejected(
        DataError,
        lambda: load_tensor("x", tmp_path / "no.npy", TABLE),
        ["tensor x", "no.npy", "does not exist"],
    )
    rejected(DataError, lambda: load_tensor("x", tmp_path / "no.npz:k", TABLE), ["no.npz does not exist"])
    (tmp_path / "d.csv").mkdir()
    rejected(DataError, lambda: load_tensor("x", tmp_path / "d.csv", TABLE), ["tensor x", "d.csv", "directory"])
    (tmp_path / "f").write_text("")
    rejected(DataError, lambda: load_tensor("x", tmp_path / "f" / "a.csv", TABLE), ["tensor x", "a.csv"])

    def refuse(*_: Any) -> Any:  # root may read everything, so chmod would prove nothing there
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    rejected(DataError, lambda: load_tensor("x", tmp_path / "a.csv", TABLE), ["a.csv", "Permission denied"])


def test_defaults() -> None:
    declared = Input("bob", shape=("n", 1), low=0, high=1, default=[0, 1])
    np.testing.assert_array_equal(default_tensor("y", declared), [[0.0], [1.0]])


@pytest.mark.parametrize(
    ("default", "named"),
    [
        (None, ["no default", "--data y=FILE"]),
        ([[1], [1, 2]], ["different lengths"]),
        ([[1, 2]], ["shape (1, 2)"]),
        ([[2]], ["[0, 1]", "(0, 0)"]),
        ([["one"]], ["numbers are needed"]),
    ],
)
def test_bad_defaults(default: Any, named: list[str]) -> None:
    declared = Input("bob", shape=("n", 1), low=0, high=1, default=default)
    rejected(DataError, lambda: default_tensor("y", declared), ["tensor y", *named])


def test_assignments() -> None:
    assert parse_assignments(["x=a.npy", "y=b=c.npz:k"]) == {"x": Path("a.npy"), "y": Path("b=c.npz:k")}
    for bad, named in (
        (["x"], ["'x'", "NAME=FILE"]),
        (["=a.npy"], ["'=a.npy'"]),
        (["x="], ["'x='"]),
        (["x=a.npy", "x=b.npy"], ["tensor x twice", "a.npy", "b.npy"]),
    ):
        rejected(ConfigError, lambda bad=bad: parse_assignments(bad), ["--data", *named])


RESULTS = {"weights": X, "file": np.array([1 / 3, -0.0]), "allow_pickle": np.zeros((2, 2, 2))}


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv"])
def test_results_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("old")
    path.chmod(0o644)
    save_results(path, RESULTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_array_equal(load_tensor("weights", path, TABLE), X)
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            assert {name: archive[name].tolist() for name in archive} == {k: v.tolist() for k, v in RESULTS.items()}


def test_csv_results_are_exact(tmp_path: Path) -> None:
    values = np.array([1 / 3, np.pi * 1e-9, 98.7654321012345])
    save_results(tmp_path / "out.csv", {"v": values})
    np.testing.assert_array_equal(load_tensor("v", tmp_path / "out.csv", VECTOR), values)
    save_results(tmp_path / "out.csv", {"v": np.array(1 / 3)})
    assert float((tmp_path / "out.csv").read_text()) == 1 / 3


def test_a_failed_write_leaves_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.npz"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    rejected(DataError, lambda: save_results(path, RESULTS), ["out.npz", "No space left"])
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_outputs_are_checked_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_output(tmp_path / "a.npy", axes=4)
    (tmp_path / "d.npz").mkdir()
    for path, axes, named in (
        (tmp_path / "a.txt", 2, ["a.txt", ".npy, .npz, .csv"]),
        (tmp_path / "a", 2, [".npy, .npz, .csv"]),
        (tmp_path / "a.csv", 3, ["a.csv", "3", ".npz"]),
        (tmp_path / "d.npz", 2, ["d.npz", "is a directory"]),
        (tmp_path / "no" / "a.npz", 2, ["a.npz", "does not exist"]),
    ):
        rejected(ConfigError, lambda path=path, axes=axes: check_output(path, axes), ["--out", *named])
    rejected(ConfigError, lambda: save_results(tmp_path / "a.csv", {"t": np.zeros((1, 1, 1))}), ["a.csv", "3"])
    rejected(ConfigError, lambda: save_results(tmp_path / "a.npy", {}), ["a.npy", "nothing"])
    monkeypatch.setattr(os, "access", lambda *_: False)
    rejected(ConfigError, lambda: check_output(tmp_path / "a.npz"), ["a.npz", "cannot be written"])


def rejected(kind: type[MpcError], action: Callable[[], Any], named: list[str]) -> str:
    with pytest.raises(kind) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in named if word not in message] == [], message
    return message
