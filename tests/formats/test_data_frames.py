"""party.formats.frames: tables as the tools that people use write them."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest
import scipy.sparse
import zstandard

from party.formats.arrays import read_tensor
from party.formats.frames import Frame, frame_of
from party.formats.preparation import fit
from party.formats.table_files import read
from protocol.errors import DataError

TABLE = pd.DataFrame(
    {
        "age": [31, 52, 40],
        "income (k€)": [41.5, np.nan, 1 / 3],
        "city": ["Bonn", "Köln", None],
        "member": [True, False, True],
        "since": pd.to_datetime(["2020-01-31", "2021-12-24", "2019-05-01"]),
    }
)


def plain(frame: Frame) -> dict[str, list[Any]]:
    return {
        name: [None if cell is None or cell != cell else cell for cell in column.tolist()]
        for name, column in zip(frame.names, frame.columns, strict=True)
    }


WANTED = {
    "age": [31, 52, 40],
    "income (k€)": [41.5, None, 1 / 3],
    "city": ["Bonn", "Köln", None],
    "member": [1.0, 0.0, 1.0],
}


@pytest.mark.parametrize(
    "suffix",
    [
        ".csv",
        ".tsv",
        ".csv.gz",
        ".csv.zip",
        ".csv.zst",
        ".txt",
        ".semicolon.csv",
        ".parquet",
        ".feather",
        ".xlsx",
    ],
)
def test_what_pandas_writes_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        TABLE.to_parquet(path)
    elif suffix == ".feather":
        TABLE.to_feather(path)
    elif suffix == ".xlsx":
        TABLE.to_excel(path, index=False)
    else:
        separator = {".tsv": "\t", ".txt": "|", ".semicolon.csv": ";"}.get(suffix, ",")
        TABLE.to_csv(path, sep=separator, index=False, decimal="," if separator == ";" else ".")
    found = plain(read(path))
    since = found.pop("since")
    assert found == WANTED
    assert [str(each)[:10] for each in since] == ["2020-01-31", "2021-12-24", "2019-05-01"]


@pytest.mark.parametrize(
    "frame",
    [TABLE, pl.from_pandas(TABLE), TABLE.convert_dtypes(), TABLE.astype({"city": "category"})],
)
def test_frames_are_taken_as_they_are(frame: Any) -> None:
    found = frame_of(frame)
    assert found["since"].dtype.kind == "M"
    assert {name: values for name, values in plain(found).items() if name != "since"} == WANTED


def test_an_index_that_was_written_too_is_taken_for_names_of_rows(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "index.csv")
    frame = read(tmp_path / "index.csv")
    assert frame.names == tuple(TABLE.columns)
    assert frame.about == ", below a header and beside names of rows"
    (tmp_path / "numbers.csv").write_text('"","a","b"\n"1",0.5,2\n"2",0.1,3\n')  # R's write.csv
    assert plain(read(tmp_path / "numbers.csv")) == {"a": [0.5, 0.1], "b": [2.0, 3.0]}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('"speed; km/h",b\n1,2\n', {"speed; km/h": [1.0], "b": [2.0]}),
        ("\ufeffa;b\n1,5;2\n2,25;-3,5e1\n", {"a": [1.5, 2.25], "b": [2.0, -35.0]}),
        ("a b\n 1  2\n3   4\n", {"a": [1.0, 3.0], "b": [2.0, 4.0]}),
        ("a,b\nTRUE,1\nFALSE,0\n", {"a": [1.0, 0.0], "b": [1.0, 0.0]}),
        ("a,b\nNA,1\n?,0\n", {"a": [None, None], "b": [1, 0]}),
        ('a,b\n"two\nlines",1\n"x, y",0\n', {"a": ["two\nlines", "x, y"], "b": [1, 0]}),
        ("0,1\n0.5,-0.2\n0.1,0.7\n", {"0": [0.5, 0.1], "1": [-0.2, 0.7]}),
        ("# a,b\n1,2\n", {"a": [1.0], "b": [2.0]}),
        ('a,b\n"1,5",2\n3,"0,125"\n', {"a": [1.5, 3.0], "b": [2.0, 0.125]}),
        ('a,b\n"1,5",x\n"12,250",y\n', {"a": [1.5, 12.25], "b": ["x", "y"]}),
        ("a|b\n1,5|x\n2,5|y\n", {"a": [1.5, 2.5], "b": ["x", "y"]}),
        ("sep=;\na;b\n1,5;x\n2;y\n", {"a": [1.5, 2], "b": ["x", "y"]}),  # Excel's first line
        ('"sep=,"\r\na,b\r\n1.5,2\r\n2,3\r\n', {"a": [1.5, 2], "b": [2, 3]}),
        ('"a" "b"\n"1" 1 2.5\n"2" 3 NA\n', {"a": [1, 3], "b": [2.5, None]}),  # R's write.table
    ],
)
def test_text_of_all_forms(tmp_path: Path, content: str, wanted: dict[str, Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert plain(read(path)) == wanted
    # "Unicode text" of a spreadsheet
    path.write_bytes(content.removeprefix("\ufeff").encode("utf-16"))
    assert plain(read(path)) == wanted


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("id;pay\np;1.250\nq;950\nr;12.400\n", "line 2, column pay"),
        ("age;pay\n30;950\n31;1.250\n", "line 3, column pay"),
        ("age,pay\n30,950\n31,1.250\n", "line 3, column pay"),
        ("pay;age\n1.250;2,5\n2.300;3,5\n", "line 2, column pay"),
        ("1.250;3\n950;4\n", "line 1, column 1"),
        ("age;pay\n30;1.250\n31;2.300\n", "line 2, column pay"),
    ],
)
def test_dots_that_may_stand_between_thousands_are_refused(
    tmp_path: Path, content: str, named: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=f"{named}, .* without marks between thousands"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        "id,a\np,1.250\nq,2.300\n",
        "a,b\n1.250,7\n2.300,950\n",
        "a;b\n1.250;7\n0.125;950\n",
        "a;b\n1.250;7\n2.5;950\n",
        "a;b\n1.2500;7\n2.3000;950\n",
        "a,b\n1.250,7\n1950,9\n",
        "a,b\n1.257,7\n2,9\n",
    ],
)
def test_dots_are_decimal_points_in_ordinary_files(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    frame = read(path)
    first = content.splitlines()[1].replace(";", ",").split(",")[frame.names.index("a")]
    assert frame["a"][0] == float(first)


@pytest.mark.parametrize("cell", ["1_000", "\u0661\u0662", "\uff11\uff12"])
@pytest.mark.parametrize("more", [("", "", ""), (",c", ",x", ",y")])
def test_what_only_python_takes_for_a_number_is_named_by_its_line(
    tmp_path: Path, cell: str, more: tuple[str, str, str]
) -> None:
    """Whatever the other columns hold, which decide who reads the file."""
    path = tmp_path / "a.csv"
    header, second, third = more
    path.write_text(f"ä,b{header}\n1,2{second}\n3,4{third}\n{cell},5{second}\n6,7{third}\n")
    frame = read(path)
    with pytest.raises(DataError, match="column ä has text where a number is expected in line 4"):
        fit(frame.select([("ä", 0)]), []).apply(frame)
    if not header:
        with pytest.raises(DataError, match="has no number in line 4, column 1"):
            read_tensor("x", path)


@pytest.mark.parametrize(
    ("cell", "way"),
    [('"1,500"', "without marks between thousands"), ("1,5", "with decimal points alone, or")],
)
def test_a_comma_in_a_number_says_what_to_do(tmp_path: Path, cell: str, way: str) -> None:
    path = tmp_path / "a.csv"
    separator = "," if cell[0] == '"' else ";"
    path.write_text(f"a{separator}b\n{cell}{separator}2.5\n{cell}{separator}4.25\n")
    frame = read(path)
    with pytest.raises(DataError, match=way):
        fit(frame.select([("a", 0)]), []).apply(frame)


def test_what_pandas_reads_is_as_exact_as_what_is_read_here(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=200) * 10.0 ** np.arange(-100, 100)
    frame = pd.DataFrame({"v": values, "t": "text"})
    frame.to_csv(tmp_path / "both.csv", index=False)
    frame[["v"]].to_csv(tmp_path / "numbers.csv", index=False)
    for name in ("both.csv", "numbers.csv"):
        assert np.array_equal(read(tmp_path / name)["v"], values)


def test_arrays_are_tables_without_names(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(24).reshape(2, 3, 4))
    assert read(tmp_path / "a.npy").names == tuple(map(str, range(12)))
    np.savez(tmp_path / "a.npz", one=np.ones((2, 2)), two=np.zeros((3, 1)))
    assert len(read(tmp_path / "a.npz:two")) == 3
    assert frame_of(np.array([[True, False]]))["0"].tolist() == [1.0]
    named = np.array([(1, 2.5), (3, 4.5)], [("a", int), ("b", float)])
    assert plain(frame_of(named)) == {"a": [1, 3], "b": [2.5, 4.5]}
    assert plain(frame_of({"a": [1, 2], "b": ["x", None]})) == {"a": [1, 2], "b": ["x", None]}


def test_series_are_columns_and_what_is_no_table_is_named() -> None:
    assert (
        plain(frame_of(pd.Series([1, 2], name="a")))
        == plain(frame_of(pl.Series("a", [1, 2])))
        == {"a": [1, 2]}
    )
    assert plain(frame_of(pd.Series(["x", "y"], dtype="category"))) == {"0": ["x", "y"]}
    assert plain(frame_of(pl.Series([True, False]))) == {"0": [1, 0]}
    assert plain(frame_of(pyarrow.table({"a": [1, 2], "b": ["x", None]}))) == {
        "a": [1, 2],
        "b": ["x", None],
    }
    for table in (pl.LazyFrame({"a": [1]}), scipy.sparse.eye(3)):
        with pytest.raises(
            DataError, match=f"is a {type(table).__name__}, and no table; bring a frame"
        ):
            frame_of(table)


def test_an_index_with_a_name_is_a_column_of_the_file(tmp_path: Path) -> None:
    table = TABLE[["age"]].set_index(pd.Index(["p7", "p1", "p3"], name="patient"))
    for suffix in ("parquet", "csv"):
        getattr(table, f"to_{suffix}")(path := tmp_path / f"table.{suffix}")
        assert plain(read(path)) == {"patient": ["p7", "p1", "p3"], "age": [31, 52, 40]}


def test_a_column_that_is_of_no_use_does_no_harm_until_it_is_asked_for(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.5, 2.0], "took": pd.to_timedelta([1, 2], "h")}).to_parquet(
        tmp_path / "table.parquet"
    )
    frame = read(tmp_path / "table.parquet")
    assert fit(frame.select([("a", 0)]), []).apply(frame).tolist() == [[1.5], [2.0]]
    with pytest.raises(
        DataError,
        match=r"table\.parquet: column took holds timedelta64\[.*\] values; bring numbers",
    ):
        fit(frame, []).apply(frame)


def test_empty_rows_columns_and_sheets_of_a_workbook_count_for_nothing(tmp_path: Path) -> None:
    cells = [
        [None] * 4,
        [None, None, "a", "b"],
        [None, 1, 0.5, "x"],
        [None] * 4,
        [None, 2, 3, "y"],
        [None] * 4,
    ]
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        pd.DataFrame(cells).to_excel(book, sheet_name="Data", header=False, index=False)
        pd.DataFrame().to_excel(book, sheet_name="Empty")
    frame = read(tmp_path / "book.xlsx")
    assert plain(frame) == {"a": [0.5, 3], "b": ["x", "y"]}
    assert (frame.about, frame.at(1)) == (
        ", below a header and beside names of rows",
        "row 5 of the sheet",
    )


def test_the_file_in_an_archive_says_what_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        archive.writestr("train.csv", "a,b\n1,2\n")
        archive.writestr(".DS_Store", "x")
    assert plain(read(tmp_path / "train.zip")) == {"a": [1.0], "b": [2.0]}


def test_a_sheet_is_picked_by_name(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        TABLE[["age"]].to_excel(book, sheet_name="first", index=False)
        TABLE[["city"]].to_excel(book, sheet_name="second", index=False)
    assert read(Path(f"{path}:second")).names == ("city",)
    with pytest.raises(DataError, match=r"2 sheets, first, second; say which: FILE.xlsx:SHEET"):
        read(path)
    with pytest.raises(DataError, match="no sheet third"):
        read(Path(f"{path}:third"))


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.csv", b"a,b\n1,x\n2\n", ["line 3", "1 column in", "2 before"]),
        ("a.csv", b"a,b\n1,x\n2,y,z\n", ["line 3"]),
        ("a.csv", b'a,b\n1,x\n2,"y\n', ["line 3", "CSV"]),
        ("a.csv", b"1,x\n2,y\n", ["needs a header"]),
        ("a.csv", b"a,b\n", ["no rows"]),
        ("a.csv", b"", ["is empty"]),
        ("a.csv", b"a,b\n\xff,1\n", ["UTF-8"]),
        ("a.parquet", b"PAR1 nonsense", ["damaged"]),
        ("a.feather", b"nonsense", ["damaged"]),
        ("a.xlsx", b"nonsense", ["damaged"]),
        ("a.csv.gz", b"nonsense", ["damaged", "compress"]),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9, mtime=0)[:-9], ["damaged", "compress"]),
        ("a.csv.zip", b"nonsense", ["damaged", "compress"]),
        ("a.csv.zip", zipped(a=b"1", b=b"2"), ["2 files"]),
        ("a.csv.zst", b"nonsense", ["damaged", "compress"]),
        ("a.csv.zst", zstandard.compress(b"a,b\n1,2\n" * 99)[:-3], ["damaged"]),
        ("a.doc", b"1,2\n", ["kind that cannot be read", ".xlsx"]),
    ],
)
def test_what_is_no_table_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, named: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence
    assert [word for word in named if word not in sentence] == [], sentence


def test_a_name_that_is_there_twice_is_only_a_fault_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,a\n1,2,3\n")
    frame = read(path)
    assert frame["b"].tolist() == [2.0]
    with pytest.raises(DataError, match="2 columns of the name 'a'"):
        frame["a"]
    with pytest.raises(DataError, match="no column 'c'; it has: a, b, a"):
        frame["c"]


def test_tables_of_numbers_are_read_without_pandas_and_others_say_that_they_need_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "words.csv").write_text("a,b\n1,x\n")
    script = (
        "import sys; sys.modules['pandas'] = None\n"
        "from pathlib import Path; from party.formats.table_files import read\n"
        "print(read(Path(sys.argv[1])).names)\n"
        "try: read(Path(sys.argv[2]))\n"
        "except Exception as error: print(error)\n"
    )
    command = [
        sys.executable,
        "-c",
        script,
        *(str(tmp_path / name) for name in ("numbers.csv", "words.csv")),
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.startswith("('a', 'b')\n")
    assert (
        "has no number in line 2, column 2, and cannot be read here" in said and "[tables]" in said
    )


@pytest.mark.parametrize("title", ["Clients of 2020", "# comment"])
def test_a_title_above_the_header_is_to_be_removed(title, tmp_path):
    (tmp_path / "t.csv").write_text(f"{title}\na,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"2 columns, cut by commas, below 1 line .*remove what"):
        read(tmp_path / "t.csv")
