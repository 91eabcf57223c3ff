"""The nodes that a node is computed from."""

from __future__ import annotations

from .nodes import Node


def made_of(node: Node, most: int) -> set[Node]:
    """`node`, and all nodes that it is computed from. Of more than `most`, a part that has more
    than `most`."""
    found, ends = {node}, [node]
    while ends and len(found) <= most:
        for use in ends.pop().inputs:
            if use not in found:
                found.add(use)
                ends.append(use)
    return found
