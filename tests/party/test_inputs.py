"""party.inputs: plain tensors that are read from files, or by default, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentences import rejected

from party.given import Given
from party.inputs import default_tensor, own_inputs
from protocol.errors import DataError
from protocol.jobs import Input, Job

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
    assert found.dtype.kind in "fiub"
    np.testing.assert_array_equal(found, expected, strict=False)
    assert found.shape == np.shape(expected)


def load_tensor(name: str, path: Path, declared: Input, header: bool | None = None) -> Any:
    job = type("OneTensor", (Job,), {name: declared})()
    return own_inputs(
        job, declared.owner, Given({name: path}, header=header, option="--data")
    ).arrays[name]


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
        ("a.xlsx", b"1,2,3\n", TABLE, [".npy, .npz, .csv, .tsv, .txt or IDX"]),
        ("a", b"1,2,3\n", TABLE, [".npy, .npz, .csv, .tsv, .txt or IDX"]),
    ],
)
def test_refuses(
    tmp_path: Path, file: str, content: bytes, declared: Input, named: list[str]
) -> None:
    path = tmp_path / file
    (tmp_path / file.partition(":")[0]).write_bytes(content)
    message = rejected(
        DataError, lambda: load_tensor("x", path, declared), ["tensor x", "a", *named]
    )
    assert str(tmp_path / file.partition(":")[0]) in message
    assert "secret" not in message.replace(str(tmp_path), "")


def test_files_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rejected(
        DataError,
        lambda: load_tensor("x", tmp_path / "no.npy", TABLE),
        ["tensor x", "no.npy", "does not exist"],
    )
    rejected(
        DataError, lambda: load_tensor("x", tmp_path / "no.npz:k", TABLE), ["no.npz does not exist"]
    )
    (tmp_path / "d.csv").mkdir()
    rejected(
        DataError,
        lambda: load_tensor("x", tmp_path / "d.csv", TABLE),
        ["tensor x", "d.csv", "directory"],
    )
    (tmp_path / "f").write_text("")
    rejected(
        DataError, lambda: load_tensor("x", tmp_path / "f" / "a.csv", TABLE), ["tensor x", "a.csv"]
    )

    def refuse(*_: Any) -> Any:  # root may read everything, so chmod would prove nothing there
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    rejected(
        DataError,
        lambda: load_tensor("x", tmp_path / "a.csv", TABLE),
        ["a.csv", "Permission denied"],
    )


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


def idx(array: Any) -> bytes:
    array = np.asarray(array)
    kind = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    lengths = struct.pack(f">{array.ndim}I", *array.shape)
    return (
        bytes([0, 0, kind, array.ndim])
        + lengths
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


PICTURES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
WIDE = Input("bob", shape=("n", 12), low=0, high=255)
CHANNELS = Input("bob", shape=("n", 1, 3, 4), low=0, high=255)


@pytest.mark.parametrize(
    ("file", "content", "declared", "expected"),
    [
        ("train-images-idx3-ubyte", idx(PICTURES), WIDE, PICTURES.reshape(2, 12)),
        (
            "train-images.idx3-ubyte.gz",
            gzip.compress(idx(PICTURES), mtime=0),
            CHANNELS,
            PICTURES.reshape(2, 1, 3, 4),
        ),
        ("a.idx", idx(np.array([1.5, -2], np.float32)), COLUMN, [[1.5], [-2]]),
        ("t10k-labels-idx1-ubyte", idx(np.array([3, 1], np.uint8)), VECTOR, [3, 1]),
        ("a.npy.gz", gzip.compress(npy(X), mtime=0), TABLE, X),
        ("a.csv.gz", gzip.compress(b"a,b,c\n1,2,3\n", mtime=0), TABLE, [[1, 2, 3]]),
        ("a.csv.zip", zipped("inside.csv", b"1,2,3\n"), TABLE, [[1, 2, 3]]),
        ("a.tsv", b"1\t2\t3\n", TABLE, [[1, 2, 3]]),
        ("a.txt", b" 1  2 3\n-4 5e1   6\n", TABLE, [[1, 2, 3], [-4, 50, 6]]),
        ("a.csv", b"1,5;2;3\n4;5,25;6\n", TABLE, [[1.5, 2, 3], [4, 5.25, 6]]),
        ("a.csv", b"a;b;c\n1,5;2;3\n", TABLE, [[1.5, 2, 3]]),
        ("a.csv", b"x,y,z\nTRUE,FALSE,1\n", TABLE, [[1, 0, 1]]),
        ("a.csv", b'"","a","b","c"\n"1",1,2,3\n"2",4,5,6\n', TABLE, [[1, 2, 3], [4, 5, 6]]),
        ("a.csv", b'"a; b",c,d\n1,2,3\n', TABLE, [[1, 2, 3]]),
        ("a.csv", b"0,1,2\n4,5,6\n", TABLE, [[4, 5, 6]]),
        ("a.csv", b"0,1\n1,0\n", SQUARE, [[0, 1], [1, 0]]),
        ("a.csv", b"0\n0.5\n1.5\n", COLUMN, [[0.5], [1.5]]),
        ("a.csv", b"0\n1\n0\n", COLUMN, [[0], [1], [0]]),
    ],
)
def test_reads_more(
    tmp_path: Path, file: str, content: bytes, declared: Input, expected: Any
) -> None:
    (tmp_path / file).write_bytes(content)
    np.testing.assert_array_equal(load_tensor("x", tmp_path / file, declared), expected)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("a.idx", idx(PICTURES)[:-1], ["entries"]),
        ("a.idx", b"\0\0\7\1", ["no IDX file"]),
        ("a.idx", idx(PICTURES)[:6], ["entries"]),
        ("a.csv.gz", b"1,2,3\n", ["damaged"]),
        ("a.csv", b"1;2,5;3\n4;5.5;6\n", ["line 1", "column 2"]),
        ("a.csv", b"NA,NA,NA\n1,2,3\n", ["line 1", "column 1"]),
        ("a.parquet", b"PAR1", ["--table"]),
    ],
)
def test_refuses_more(tmp_path: Path, file: str, content: bytes, named: list[str]) -> None:
    (tmp_path / file).write_bytes(content)
    rejected(
        DataError, lambda: load_tensor("x", tmp_path / file, TABLE), ["tensor x", file, *named]
    )


def test_a_first_line_of_numbers_is_a_header_where_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("2019,2020,2021\n1,2,3\n")
    declared = Input("bob", shape=("n", 3), low=-5000, high=5000)
    assert len(load_tensor("x", path, declared)) == 2
    assert load_tensor("x", path, declared, header=True).tolist() == [[1, 2, 3]]
    path.write_text("0,1,2\n1,2,3\n")
    assert len(load_tensor("x", path, declared, header=False)) == 2
