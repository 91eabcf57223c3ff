"""A job with checks, which ends early when it is told what is enough: a file that parties are
given, and a class."""

from protocol.jobs import Input, Job, Parameter


class Fit(Job):
    iterations = 1200
    check_every = 50
    rate = Parameter(0.002)
    enough = Parameter(0.0)
    x = Input("bob", (4, 2), -1, 1, default=[[0.5, 0.25], [-0.5, 1.0], [0.75, -0.25], [1.0, 0.5]])
    y = Input("bob", (4, 1), -1, 1, default=[[0.25], [-0.5], [0.5], [0.25]])
    w = Input("alice", (2, 1), -4, 4, default=[[3.0], [-2.0]])

    def step(self, v):
        v.w = v.w - v.x.T @ (v.x @ v.w - v.y) * self.rate

    def check(self, v):
        error = v.x @ v.w - v.y
        v.reveal(loss=(error * error).mean(), to="both")
        v.reveal(error=error, to="bob")

    def stop(self, history):
        return history["loss"][-1] < self.enough

    def finish(self, v):
        v.reveal(weights=v.w)
