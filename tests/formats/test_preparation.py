"""party.formats.preparation: steps compared with scikit-learn's formulas in NumPy, kept as JSON,
and every fault with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from party.formats.frames import frame_of
from party.formats.preparation import Fitted, fit
from party.formats.table_files import read
from protocol.errors import DataError
from protocol.preparation import Clip, Days, Fill, Log1p, MinMax, OneHot, Standardise, layout

ROWS = pd.DataFrame(
    {
        "age": [31, 52, 40, 28],
        "pay": [41.5, np.nan, 20.0, 9.0],
        "city": ["Bonn", "Ulm ", "Bonn", "Jena"],
        "grade": [1.0, 2.0, 1.0, 3.0],
        "since": ["2020-01-31", "2021-12-24T12:00", "2019-05-01", None],
    }
)
STEPS = [
    Days("since", since="2020-01-01"),
    Fill("pay", how="median", indicator=True),
    Fill("since", how="constant", value=-1.0),
    Log1p("pay"),
    OneHot("city"),
    OneHot("grade", categories=[1, 2, 3], drop_first=True),
    MinMax("since", low=-1000, high=1000),
    Standardise("age"),
    Clip("age", low=-1, high=1),
]


def test_all_steps_against_numpy():
    fitted = fit(ROWS, STEPS)
    found = dict(zip(fitted.names, fitted.apply(ROWS).T, strict=True))
    age = ROWS["age"].to_numpy(float)
    days = np.array([30.0, 723.5, -245.0, -1.0])
    wanted = {
        "age": ((age - age.mean()) / age.std()).clip(-1, 1),
        "pay": np.log1p([41.5, 20.0, 20.0, 9.0]),
        "pay is missing": [0, 1, 0, 0],
        "city=Bonn": [1, 0, 1, 0],
        "city=Jena": [0, 0, 0, 1],
        "city=Ulm": [0, 1, 0, 0],
        "grade=2": [0, 1, 0, 0],
        "grade=3": [0, 0, 0, 1],
        "since": (days + 1000) / 2000,
    }
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert np.allclose(found[name], values, rtol=1e-15), name


def test_what_was_learnt_is_kept_as_json_and_applied_to_new_rows():
    steps = [
        Fill("pay"),
        Standardise(["age", "pay"]),
        OneHot("city", categories=["Bonn", "Ulm", "Jena"]),
    ]
    fitted = fit(ROWS[["age", "pay", "city"]], steps)
    again = Fitted.from_json(fitted.to_json())
    assert np.allclose(
        fit(ROWS[["age"]], [MinMax(onto=(-1, 1))]).apply(ROWS)[:, 0], (ROWS["age"] - 40) / 12
    )
    new = pd.DataFrame({"city": ["Ulm"], "pay": [np.nan], "more": [0], "age": [50]})
    age, pay = ROWS["age"].to_numpy(float), np.array([41.5, 23.5, 20.0, 9.0])
    wanted = [(50 - age.mean()) / age.std(), (23.5 - pay.mean()) / pay.std(), 0, 1, 0]
    assert np.allclose(again.apply(new), [wanted], rtol=1e-15)
    assert again.names == layout(("age", "pay", "city"), steps)
    assert "23.5" not in repr(fitted)
    for damaged in (
        "",
        "{}",
        fitted.to_json()[:-9],
        fitted.to_json().replace("Standardise", "Nothing"),
    ):
        with pytest.raises(DataError, match="damaged"):
            Fitted.from_json(damaged)


@pytest.mark.parametrize(
    ("content", "steps", "named"),
    [
        ("a,b\n1,x\n2,y\n", [], ["column b", "line 2", "OneHot('b')"]),
        ("a,b\n1,x\n\n2,7\nsecret,8\n", [OneHot("b")], ["column a", "line 5", "mend that cell"]),
        ("a,b\n1,7\n,8\n,9\n", [], ["column a", "no value", "line 3 and 1 more", "Fill('a')"]),
        ("a;b\n1.234,5;1\n2.345,5;2\n", [Standardise()], ["column a", "marks between thousands"]),
        ("a,b\n3,7\n3,8\n", [Standardise()], ["column a", "constant", "leave it out"]),
        (
            "a,b\n2020-01-02,7\n,8\n",
            [Fill(), Days("a")],
            ["column a", "line 2", "the same with days if dates, before what else"],
        ),
        ("a,b\n3,7\n3,8\n", [MinMax("a")], ["column a", "constant"]),
        ("a,b\n,7\n,8\n", [Fill()], ["column a", "no value in any training row"]),
        (
            "a,b\nx,7\ny,8\n",
            [OneHot("a", categories=["y", "z"])],
            ["column a", "line 2", "does not list"],
        ),
        ("a,b\nx,7\nx,8\n", [OneHot("a")], ["one category"]),
        ("a,b\nx,7\n,8\n", [OneHot("a")], ["no category", "line 3"]),
        ("a,b\n-1,7\n2,8\n", [Log1p()], ["column a", "line 2", "Log1p"]),
        (
            'a,b\n"x\ny",2020-01-01\nz,secret\n',
            [OneHot("a"), Days("b")],
            ["column b", "no date", "line 4", "form"],
        ),
        ("a,b\n2,7\n3,8\n", [Days("a")], ["column a", "not dates"]),
        ("a,b\n2,7\n3,8\n", [Clip("c")], ["column c"]),
        ("a,b\n2,1e999\n3,8\n", [Standardise()], ["column b", "infinite", "line 2"]),
    ],
)
def test_what_has_no_place_in_a_table_is_one_sentence(
    tmp_path: Path, content: str, steps: list[Any], named: list[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    frame = read(path)
    with pytest.raises(DataError) as caught:
        fit(frame, steps).apply(frame)
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence and "secret" not in sentence
    assert [word for word in named if word not in sentence] == [], sentence


def test_an_empty_cell_is_a_category_where_that_is_declared():
    frame = {"a": np.array(["x", None, "", "x"], object), "b": np.array([1.0, np.nan, 2, 1])}
    fitted = fit(
        frame,
        [OneHot("a", categories=["x", ""]), OneHot("b", categories=[1, 2, ""], drop_first=True)],
    )
    assert fitted.apply(frame).tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 0]]


def test_rows_that_were_picked_are_named_by_their_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n2\n3\nx\n5\n")
    frame = read(path).take(np.array([4, 3])).take(np.array([1]))
    with pytest.raises(DataError, match="line 5"):
        fit(frame, []).apply(frame)


def test_a_category_of_a_row_that_nobody_learnt_from_is_named():
    frame = frame_of({"a": np.array(["x", "y", "z"], object)})
    fitted = fit(frame.take(np.array([0, 1])), [OneHot()])
    with pytest.raises(DataError, match="row 3 which no training row has"):
        fitted.apply(frame)


def test_dates_of_a_frame_need_days():
    frame = frame_of({"a": np.array(["2020-01-02", "NaT"], "datetime64[D]")})
    with pytest.raises(
        DataError,
        match=re.escape('dates; declare among the steps { do = "days", columns = "a" }, in '),
    ):
        fit(frame, []).apply(frame)
    steps = [Days(since="2020-01-01"), Fill(how="constant", value=7)]
    assert fit(frame, steps).apply(frame).tolist() == [[1.0], [7.0]]
