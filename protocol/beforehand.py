"""Values beyond what a job is made for, found in the clear: by a party in its own inputs, before it
shares anything, and in the float64 twin.

The guard would end the run for them (`guard`), but only once it has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter

import numpy as np

from .ancestry import made_of
from .domains import fits, left, phrase
from .graph import Array, Graph, Phase
from .nodes import Leaf, Node, Source
from .ranges import EVERYTHING, Interval, inside
from .views import Rows

FEW = 16  # nodes from which an argument of a function is computed, at most, for `refused`


def refused(graph: Graph, party: int, inputs: Mapping[str, Array], steps: int) -> str:
    """A phrase that names a value beyond where a function of the job is defined, as far as the
    function's argument is computed from this party's own inputs; "" where there is none. A party
    checks this before it shares anything.

    Of minibatches, those of the first epoch are checked.
    """
    for node in graph.nodes:
        made = sorted(made_of(node, FEW), key=attrgetter("order")) if node.elsewhere else []
        if len(made) > FEW:
            continue
        sources = {each.op for each in made if isinstance(each.op, Leaf)}
        if not made or not all(isinstance(op, Source) and op.owner == party for op in sources):
            continue
        epoch = max(
            (
                -(-each.op.view.total // each.op.view.shape[0])
                for each in made
                if isinstance(each.op.view, Rows)
            ),
            default=1,
        )
        values = np.concatenate(
            [
                _clear(made, inputs, step).ravel()
                for step in range(min(epoch, steps) if node.phase == Phase.STEP else 1)
            ]
            or [np.zeros(0)]
        )
        if (bad := left(values, node.declared)).any():
            names = ", ".join(sorted(op.label for op in sources if isinstance(op, Source)))
            return (
                f"{names}, of which a function is taken{node.origin.beside}:"
                f" {phrase(values[bad], node.declared, values.size)}; {node.elsewhere}"
            )
    return ""


def watcher(graph: Graph) -> Callable[[Node, Mapping[Node, Array]], None]:
    """A function for `Graph.run_clear` to call: it raises OutOfRangeError for values that the guard
    would end a run for, where float64 would go on: beyond what the job states of them, or where a
    function of them is fitted."""
    stays: dict[Node, list[tuple[str, Node, Interval, str]]] = {}
    for node in graph.live():
        where = f"{node.op.name} of shape {node.shape}{node.origin.beside}"
        domain, instead = node.op.domain, node.op.elsewhere
        found = stays.setdefault(node, [])
        if node.inputs and not inside(node.inputs[0].interval, domain):
            suffix = f" ({instead})" if instead else ""
            found.append((f"the argument of {where}", node.inputs[0], domain, suffix))
        if node.stated and node.declared != EVERYTHING:
            found.append((where, node, node.declared, ", as the job says"))

    def watch(node: Node, values: Mapping[Node, Array]) -> None:
        for what, x, (low, high), suffix in stays.get(node, ()):
            instead = f"it must stay in [{low:.6g}, {high:.6g}]{suffix}"
            fits(what, values[x], (low, high), instead)

    return watch


def _clear(made: list[Node], inputs: Mapping[str, Array], step: int) -> Array:
    values: dict[Node, Array] = {}
    for node in made:
        values[node] = (
            np.asarray(inputs[node.op.label], np.float64)
            if isinstance(node.op, Leaf)
            else node.op.clear(step, *(values[use] for use in node.inputs))
        )
    return values[made[-1]]
