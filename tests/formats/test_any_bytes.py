"""Whatever bytes a file holds, it is a table or an array, or one DataError in one line."""

from __future__ import annotations

import contextlib
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from party.formats.preparation import fit
from party.formats.table_files import read
from party.given import Given
from party.inputs import own_inputs
from protocol.errors import DataError
from protocol.jobs import Input, Job
from protocol.preparation import Fill, Standardise

TABLE = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "c": [0.5, np.nan, 2]})


def written() -> dict[str, bytes]:
    found = {}
    for name, write in (
        ("a.npy", lambda stream: np.save(stream, np.arange(6.0).reshape(2, 3))),
        ("a.npz", lambda stream: np.savez(stream, x=np.arange(6.0))),
        ("a.parquet", TABLE.to_parquet),
        ("a.feather", TABLE.to_feather),
        ("a.xlsx", lambda stream: TABLE.to_excel(stream, index=False)),
        (
            "a.csv.zip",
            lambda stream: TABLE.to_csv(
                stream, index=False, compression={"method": "zip", "archive_name": "a"}
            ),
        ),
    ):
        write(stream := io.BytesIO())
        found[name] = stream.getvalue()
    csv = TABLE.to_csv(index=False).encode()
    found |= {
        "a.csv": csv,
        "a.csv.gz": gzip.compress(csv, mtime=0),
        "a.csv.zst": zstandard.compress(csv),
    }
    return found | {"a.idx": b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03abcdef"}


FILES = written()
PIECES = [
    '"',
    ",",
    ";",
    "\n",
    "\r\n",
    "\t",
    " ",
    "1",
    "0",
    "2,5",
    "2.5",
    "x",
    "NA",
    "-",
    "#",
    "'",
    "\\",
    "\0",
    "é",
    "1e5",
    "TRUE",
    "|",
]


class Anything(Job):
    x = Input("bob", ("n", "k"), -1e9, 1e9)


def judged(path: Path) -> None:
    for action in (
        lambda: (frame := read(path)) and fit(frame, [Fill(), Standardise()]).apply(frame),
        lambda: own_inputs(Anything(), "bob", Given({"x": path})),
    ):
        with contextlib.suppress(DataError):
            try:
                action()
            except DataError as error:
                assert "\n" not in str(error)
                raise


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=60))
def test_text_of_any_kind(tmp_path: Path, pieces: list[str]) -> None:
    (tmp_path / "a.csv").write_bytes("".join(pieces).encode())
    judged(tmp_path / "a.csv")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_files_that_something_has_altered(tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content[: data.draw(st.integers(1, 2 * len(content)))])
    judged(tmp_path / name)


def test_an_archive_whose_member_has_a_name_in_no_encoding_is_damaged(tmp_path: Path) -> None:
    packed = tmp_path / "a.csv.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("é.csv", "x\n1\n")
    content = packed.read_bytes()
    header = content.index("é.csv".encode())
    for at in (header, content.rindex("é.csv".encode())):
        packed.write_bytes(content[:at] + b"\xd4" + content[at + 1 :])
        with pytest.raises(DataError, match="damaged or not compressed as its name says"):
            read(packed)
