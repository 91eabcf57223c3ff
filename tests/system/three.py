"""A run of three processes, started at once, and what a job would give in plain text."""

from __future__ import annotations

import json

import numpy as np

from party.local import Child, Trio
from protocol.jobs import Job
from protocol.tracing import trace


def clear(job: Job, iterations: int, **brought: np.ndarray) -> dict[str, np.ndarray]:
    inputs = {
        name: np.asarray(brought.get(name, declared.default), float)
        for name, declared in job.inputs.items()
    }
    return trace(job, {name: array.shape for name, array in inputs.items()}).graph.run_clear(
        inputs, iterations
    )


def report(child: Child) -> dict:
    return json.loads(child.output.strip().splitlines()[-1])


def both(
    trio: Trio,
    *arguments: str,
    order: tuple[str, ...] = ("dealer", "bob", "alice"),
    **own: list[str],
) -> None:
    for role in order:
        trio.start(role, [] if role == "dealer" else ["--json", *arguments, *own.get(role, [])])


OWN_JOB = '''
from protocol.jobs import Input, Job, Parameter


class Ridge(Job):
    """Least squares by gradient descent."""

    iterations = 30
    rate = Parameter(0.25)
    x = Input("bob", shape=("n", "k"), low=-4, high=4)
    y = Input("bob", shape=("n", 1), low=-20, high=20)
    w = Input("alice", shape=("k", 1), low=-50, high=50)

    def step(self, v):
        v.w = v.w - self.rate * (v.x.T @ (v.x @ v.w - v.y)) / v.x.shape[0]

    def finish(self, v):
        v.reveal(weights=v.w)
'''
