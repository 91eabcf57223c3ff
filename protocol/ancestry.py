"""What a node of a graph is made of."""

from __future__ import annotations

from .nodes import Node


def made_of(node: Node, most: int) -> set[Node]:
    """`node` and all that it is made of; of more than `most`, a part that is larger."""
    found, ends = {node}, [node]
    while ends and len(found) <= most:
        for use in ends.pop().inputs:
            if use not in found:
                found.add(use)
                ends.append(use)
    return found
