"""A job: which tensors each party brings, what a step does with them, and what is revealed at the
end.

    class Linear(Job):
        iterations = 100
        rate = Parameter(0.125)
        x = Input("bob", shape=("n", 3), low=-1, high=1)
        w = Input("alice", shape=(3, 1), low=-1, high=1)

        def step(self, v):
            v.w = v.w + self.rate * v.x.T @ (1 - v.x @ v.w)

        def finish(self, v):
            v.reveal(weights=v.w)

A `Parameter` is what both parties set alike, as --param rate=0.1 does; any other attribute is the
class's own affair.

`setup`, `step` and `finish` are run once each, on shapes alone, to trace the graph that is then
executed as often as `iterations` says. `v` holds the job's variables: its inputs, and whatever
`setup` assigns. A variable that `step` assigns is carried from one iteration to the next. `check`,
if there is one, may reveal how far it has come, see `Job.check`.

What job files import, and what traces one.
"""

from .inputs import JOINT, ROLES, Bundle, Input
from .job import Job
from .parameters import Parameter
from .tracing import Traced, trace
from .variables import Variables

__all__ = ["JOINT", "ROLES", "Bundle", "Input", "Job", "Parameter", "Traced", "Variables", "trace"]
