"""Tables with a key: what a job may say, which tensors are cut to common rows, and what the plan
says of it."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.labels import Labels
from protocol.matching import matching
from protocol.plan import make_plan
from protocol.tables import Table
from protocol.tracing import trace


def job_with(**declared: Any) -> Job:
    def finish(self: Job, v: Any) -> None:
        v.reveal(total=v.x.sum())

    return type("Declared", (Job,), {"finish": finish, "step": lambda self, v: None, **declared})()


def test_all_that_has_these_rows_is_cut():
    job = job_with(
        x=Table(alice=["age"], bob=["calls"], key="patient"),
        y=Labels("bob", "ill", classes=2),
        other=Table("bob", ["age"], rows="m"),
        z=Input("alice", ("n", 3)),
        w=Input("alice", ("m", 3)),
    )
    found = matching(job)
    assert found is not None
    assert found.tensors == ("x.alice", "x.bob", "y", "z")
    assert found.keys == {"alice": "patient", "bob": "patient"}
    assert matching(job_with(x=Table(alice=["age"], bob=["calls"], match="order"))) is None


def test_features_of_one_and_labels_of_the_other():
    job = job_with(
        x=Table("alice", ["age"], key="patient", rows=30),
        y=Labels("bob", "ill", classes=2, key="pid", rows=30),
        w=Input("alice", (30, 3)),
    )
    found = matching(job)
    assert found is not None
    assert found.tensors == ("x", "y")
    assert (found.rows, found.keys) == (30, {"alice": "patient", "bob": "pid"})


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: {"x": Table(alice=["a"], bob=["b"])}, "key='patient'"),
        (lambda: {"x": Table(alice=["a"], bob=["b"], match="order", key="id")}, "key='patient'"),
        (lambda: {"x": Table(alice=["a"], bob=["b"], key={"alice": "id"})}, "for each owner"),
        (lambda: {"x": Table(alice=["a"], bob=["b"], key="")}, "for each owner"),
        (
            lambda: {"x": Table(columns=["a"], rows="alice+bob", key="id")},
            "a table with rows of both takes them all",
        ),
        (lambda: {"x": Table("alice", ["a"], key="id")}, "for bob no table of its has a key"),
        (
            lambda: {
                "x": Table(alice=["a"], bob=["b"], key="id"),
                "y": Table("bob", ["c"], key="pid"),
            },
            "for bob its tables have the keys id, pid",
        ),
        (
            lambda: {
                "x": Table(alice=["a"], bob=["b"], key="id"),
                "y": Table("bob", ["c"], key="id", rows=9),
            },
            "give them the same rows",
        ),
    ],
)
def test_keys_that_do_not_fit_together(declare, said):
    with pytest.raises(JobError) as caught:
        matching(job_with(**declare()))
    assert said in str(caught.value)


def test_the_plan_says_what_is_learnt_and_the_keys_are_agreed_on():
    def plan(key: Any) -> Any:
        job = job_with(x=Table(alice=["age"], bob=["calls"], key=key))
        return make_plan(trace(job, {"x.alice": (4, 1), "x.bob": (4, 1)}), 0, (0, 1))

    one, other = plan("patient"), plan({"alice": "patient", "bob": "pid"})
    assert (
        one.reveals[0]
        == "which of their own ids (patient) the other has too, and how many ids the other has, to"
        " alice and bob"
    )
    assert "(patient, pid)" in other.reveals[0]
    assert one.digest != other.digest
