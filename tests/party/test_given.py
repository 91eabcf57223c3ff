"""What a party brings, whole: by name on the command line or in Python, tables and rows of labels,
and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentences import rejected

from party.given import Given, assigned
from party.inputs import own_inputs
from protocol.errors import ConfigError, DataError, JobError, MpcError
from protocol.fixedpoint import check
from protocol.jobs import Input, Job
from protocol.labels import Labels
from protocol.nn import CrossEntropy, Dense, Training
from protocol.tables import MinMax, Table


def test_assignments() -> None:
    assert assigned(["x=a.npy", "y=b=c.npz:k"], "--data") == {
        "x": Path("a.npy"),
        "y": Path("b=c.npz:k"),
    }
    assert assigned(["a.csv", "y=b.csv"], "--table", plain=True) == {
        "": Path("a.csv"),
        "y": Path("b.csv"),
    }
    rejected(
        ConfigError,
        lambda: assigned(["a.csv", "b.csv"], "--table", plain=True),
        ["--table", "twice"],
    )
    for bad, named in (
        (["x"], ["'x'", "NAME=FILE"]),
        (["=a.npy"], ["'=a.npy'"]),
        (["x="], ["'x='"]),
        (["x=a.npy", "x=b.npy"], ["tensor x twice", "a.npy", "b.npy"]),
    ):
        rejected(ConfigError, lambda bad=bad: assigned(bad, "--data"), ["--data", *named])


def test_a_header_of_numbers_is_known_by_the_names_that_the_job_asks_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("2019,2020,3\n1,2,5\n3,4,6\n")
    job = type("Years", (Job,), {"x": Table("bob", ["2020", "2019"])})()
    given = Given(tables={"": tmp_path / "a.csv"})
    found = own_inputs(job, "bob", given)
    assert found.arrays["x"].tolist() == [[2, 1], [4, 3]]
    for asked, said in ((["2020", "2021"], "names none, and has 3"), (3, "read without a header")):
        job = type("Others", (Job,), {"x": Table("bob", asked)})()
        rejected(DataError, lambda: own_inputs(job, "bob", given), [said, "--header yes"])


def test_what_was_read_is_said_and_a_doubtful_header_is_named(tmp_path: Path) -> None:
    # as pandas writes columns without names
    for name, content in (
        ("x", "0,1\n0.5,-0.2\n0.1,0.7\n"),
        ("y", "0\n1\n0\n"),
    ):
        (tmp_path / f"{name}.csv").write_text(content)
    job = type("Two", (Job,), {"x": Input("bob", ("n", 2)), "y": Input("bob", ("n", 1))})()
    files = {name: tmp_path / f"{name}.csv" for name in "xy"}
    sentence = rejected(
        DataError, lambda: own_inputs(job, "bob", Given(files)), ["y.csv", "--header yes"]
    )
    assert "x.csv, without" not in sentence
    found = own_inputs(job, "bob", Given(files, header=True))
    assert found.read == [
        f"x: 2 rows, 2 columns from {tmp_path}/x.csv, below a header",
        f"y: 2 rows, 1 column from {tmp_path}/y.csv, below a header",
    ]


def test_a_table_given_in_python_is_taken_by_name_and_an_array_by_position() -> None:
    job = type(
        "Tabled",
        (Job,),
        {
            "x": Table("bob", ["a", "b"], steps=[MinMax(low=0, high=10)]),
            "y": Labels("bob", "c", classes=["no", "yes"]),
        },
    )()
    frame = {"c": ["yes", "no"], "b": [1.0, 2.0], "a": [3, 4]}
    expected = [[0.3, 0.1], [0.4, 0.2]]
    for given in (
        Given(tables={"": frame}),
        Given({"x": frame, "y": frame}),
        Given({"x": np.array([[3, 1], [4, 2]]), "y": np.array(["yes", "no"])}),
        Given({"x": [[3, 1], [4, 2]]}, {"y": frame}),
    ):
        found = own_inputs(job, "bob", given).arrays
        np.testing.assert_allclose(found["x"], expected, rtol=1e-15)
        assert found["y"].tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (Given(option="--data"), ["x is a table", "--table x=FILE"]),
        (Given(), ["x is a table", "or x=… for this one"]),
        (Given({"x": {"a": [1]}}), ["no column 'b'", "it has: a"]),
        (Given({"x": {"a": [1], "bb": [2]}}), ["did you mean 'bb'"]),
        (Given({"x": np.ones((2, 3))}), ["no column 'a'"]),
        (Given({"x": {"a": [1, 2], "b": [2]}}), ["different lengths"]),
        (Given({"x": {"a": [1], "b": [2048]}}), ["leaves its declared range"]),
        (Given({"z": [1]}), ["no tensor z"]),
        (Given(tables={"z": {}}), ["no table z"]),
    ],
)
def test_a_table_that_does_not_fit_is_named(given: Given, named: list[str]) -> None:
    job = type("Tabled", (Job,), {"x": Table("bob", ["a", "b"])})()
    rejected(MpcError, lambda: own_inputs(job, "bob", given), named)


@pytest.mark.parametrize("given", [{"x": np.ones((442, 1)), "y": np.ones(100)}, {}])
def test_what_was_given_for_a_table_of_both_is_not_called_a_default(given):
    """Of the party's own part, "x.bob", by the table's name or for all tables."""
    declared = {"x": Table(alice=1, bob=1, match="order"), "y": Input("bob", ("n",))}
    job = type("Both", (Job,), declared)()
    whole = given or {"y": np.ones(100)}
    tables = {} if given else {"bob": {"b": np.ones(442)}}
    said = rejected(DataError, lambda: own_inputs(job, "bob", Given(whole, tables)), ["442", "100"])
    assert "default" not in said


SUMMING = Input("bob", ("n", 3), 0, 1, row_sum=1)
TRAINED = {"x": Input("bob", ("n", 2)), "model": Dense(2, 3), "loss": CrossEntropy()}
TABLED = Table("bob", ["a", "b", "c"], low=0, high=1)


@pytest.mark.parametrize(
    ("job", "name"),
    [
        (type("Declared", (Job,), {"y": SUMMING}), "y"),
        (type("Rows", (Training,), TRAINED | {"y": Input("bob", ("n", 3), 0, 1)}), "y"),
        (type("Columns", (Training,), TRAINED | {"y": TABLED}), "y"),
        (
            type(
                "Both",
                (Training,),
                TRAINED | {"y": Table(columns=["a", "b", "c"], rows="alice+bob", low=0, high=1)},
            ),
            "y.bob",
        ),
    ],
)
def test_rows_of_labels_are_checked_by_their_owner(job: Any, name: str) -> None:
    def bring(rows: Any) -> Any:
        frame = dict(zip("abc", np.transpose(rows), strict=True))
        y = {"y": rows if isinstance(job().stated()["y"], Input) else frame}
        x = {"x": [[0.0, 0.0]] * 4} if "x" in job().inputs else {}
        return own_inputs(job(), "bob", Given(y | x, option="--data")).arrays[name]

    rows = np.eye(3)[[0, 1, 2, 1]]
    np.testing.assert_array_equal(bring(rows), rows)
    assert bring([[0.33, 0.33, 0.33]] * 4).shape == (4, 3)
    sentence = [f"tensor {name}", "2 of 4, the first at position (1,)", "divide others by"]
    rejected(DataError, lambda: bring(rows * [[1], [0], [1], [0.5]]), sentence)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_numbers_of_classes_are_no_rows_of_labels(shape: tuple[int, ...]) -> None:
    numbers = np.array([0.0, 1.0, 2.0]).reshape(shape)
    sentence = ["tensor y", "numbers of classes become one-hot rows", "np.eye(classes)[y]"]
    rejected(DataError, lambda: check("y", numbers, 0, 2, row_sum=1.0), sentence)


def test_what_rows_add_up_to_is_of_rows_of_one_party() -> None:
    rejected(JobError, lambda: Input("joint", (2, 2), row_sum=1), ["rows that one party brings"])
    rejected(JobError, lambda: Input("bob", (), row_sum=1), ["has no axes"])
