"""A job whose values leave their declared range after some steps: a file that parties are given,
and a class."""

import numpy as np

from protocol.jobs import Input, Job


class Leaves(Job):
    iterations = 10
    x = Input("bob", shape=(2, 2), low=-4, high=4, default=[[-1.25, -1.75], [-1.5, 0.75]])
    p = Input("alice", shape=(2, 2), low=-4, high=4, default=np.eye(2))

    def step(self, v):
        v.p = v.p @ v.x.T

    def finish(self, v):
        v.reveal(p=v.p)
