"""What a job computes with while it is traced: its variables by name, and what it reveals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .errors import JobError
from .graph import Graph, Phase, Terms
from .ops import Secret
from .ops.coarse import Coarse
from .ops.constants import Constant
from .ops.public import public
from .ops.stepwise import Stepwise, schedule
from .views import Shape

# reveals: how many values left, see guard.py
GUARDS = {
    Phase.CHECK: "out_of_range",
    Phase.FINISH: "out_of_range at the end",
}
SHARE_OF = "share of "  # and a variable's name: what stays shared at the end
TO = {"alice": (0,), "bob": (1,), "both": (0, 1)}


class Variables:
    """The job's variables as attributes, v.name, or by name, v["name"], while it is being
    traced."""

    def __init__(self, graph: Graph, values: Mapping[str, Secret]) -> None:
        object.__setattr__(self, "_graph", graph)
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Secret:
        values: dict[str, Secret] = object.__getattribute__(self, "_values")
        if name not in values:
            raise JobError(
                f"the job uses v.{name}, which is neither an Input nor assigned before; there are: "
                + ", ".join(sorted(values))
            )
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, Secret):
            made = "v.constant(array) makes one, or " if isinstance(value, np.ndarray) else ""
            raise JobError(
                f"v.{name} = {type(value).__name__}: only secret tensors are variables; {made}use a"
                " plain Python name"
            )
        self._values[name] = value
        graph: Graph = object.__getattribute__(self, "_graph")
        if graph.phase < Phase.CHECK:
            graph.origins[name] = graph.here()

    def __contains__(self, name: str) -> bool:
        """Whether there is a variable of that name."""
        return name in object.__getattribute__(self, "_values")

    def __getitem__(self, name: str) -> Secret:
        return self.__getattr__(name)

    def __setitem__(self, name: str, value: Secret) -> None:
        self.__setattr__(name, value)

    def zeros(self, shape: Shape) -> Secret:
        """A tensor of zeros, to begin with: a variable that `setup` assigns it to is carried as
        secret as any other."""
        return self.constant(np.zeros(shape))

    def constant(self, array: Any) -> Secret:
        """A public array as a secret tensor. Where a plain array does (x + array, array * x), it
        costs less."""
        graph: Graph = object.__getattribute__(self, "_graph")
        return Secret(graph, graph.apply(Constant(public(array))))

    def schedule(self, function: Callable[[int], Any]) -> Stepwise:
        """A public number that is another in each step, function(0) in the first: a rate, as in v.w
        -= v.schedule(rate) * g."""
        return schedule(object.__getattribute__(self, "_graph"), function)

    def reveal(
        self,
        named: Mapping[str, Secret] | None = None,
        /,
        *,
        bits: int | Secret | None = None,
        to: str | Secret | None = None,
        **tensors: Secret,
    ) -> None:
        """Open these, in finish() at the end and in check() at each check: v.reveal(weights=v.w),
        or v.reveal({"weights": v.w}).

        `to`: "alice", "bob" or "both" learns them, whatever --reveal says; without it, whom
            --reveal names.

        `bits`: at this many fraction bits and no more, for whom less is enough; what lies below
            never leaves a party (see `ops/coarse.py`). The value is then off by less than 2^-bits,
            rounded at random.

        A tensor may be called `bits` or `to`, like any other: v.reveal(bits=v.bits) reveals it
        under that name. To say both, give the tensors as a mapping: v.reveal({"bits": v.bits},
        bits=8).
        """
        graph: Graph = object.__getattribute__(self, "_graph")
        if graph.phase not in GUARDS:
            raise JobError(
                "v.reveal() belongs in finish(), or in check(): nothing is revealed by a step"
            )
        if isinstance(bits, Secret):
            tensors, bits = {"bits": bits} | tensors, None
        if isinstance(to, Secret):
            tensors, to = {"to": to} | tensors, None
        if to is not None and to not in TO:
            raise JobError(f"v.reveal(to=…) takes 'alice', 'bob' or 'both', not {to!r}")
        if bits is not None and (type(bits) is not int or not 0 <= bits <= 40):
            raise JobError(
                f"v.reveal(bits=…) takes a whole number of fraction bits from 0 to 40, not {bits!r}"
            )
        for name, tensor in [*(named or {}).items(), *tensors.items()]:
            if not isinstance(tensor, Secret):
                raise JobError(
                    f"v.reveal({name}=…) takes a secret tensor, not {type(tensor).__name__}"
                )
            if name in GUARDS.values():
                raise JobError(f"{name} is what the guard reveals: give the tensor another name")
            if name.startswith(SHARE_OF):
                raise JobError(
                    f"{name} is what a kept tensor is called: give the tensor another name"
                )
            if name in graph.revealed:
                raise JobError(f"{name} is revealed twice")
            graph.revealed[name] = (tensor if bits is None else tensor._apply(Coarse(bits)))._node
            graph.terms[name] = Terms(graph.phase, None if to is None else TO[to])
            graph.origins[f"reveal {name}"] = graph.here()
