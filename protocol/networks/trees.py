"""Ensembles of decision trees, of which nobody but their owner learns more than their number and
the size of the largest.

A tree has m tests [sign · x_feature ≤ threshold] and L leaves. Which feature a test looks at, its
threshold, which tests lie on the way to which leaf, and what the leaves are worth are all secret,
and all are multiplied with, never looked up:

1. [u] = [x] · [features]           which entry of x each test reads: one-hot, negated for ≥ and >
2. [b] = [u − thresholds ≤ 0]       every test of every tree, on the way of this row or not
3. [c] = [b] · [paths] + [turns]    for every leaf, how many tests on its path turn elsewhere
4. [y] = [c ≤ ½] · [leaves]         no wrong turn: this is the leaf; all others are multiplied by 0

Two comparisons and three products: 10 rounds or so, whatever the depth. With one row of leaves a
tree, m·L numbers are dealt for each row of x, so it is for trees of up to some hundred leaves.
Kumar, Rathee et al., "CrypTFlow", and Tai et al., "Privacy-preserving decision trees evaluation via
linear functions" (ESORICS 2017), whose sums along paths these are.

Hides: as its products and comparisons do; every tree has as many tests and leaves as the largest,
    those that it lacks never picked.
"""

from __future__ import annotations

from .operators import Value, operator, secret


@operator("Trees")
def trees(
    x: Value,
    features: Value,
    thresholds: Value,
    paths: Value,
    turns: Value,
    leaves: Value,
    bias: Value,
) -> Value:
    """(n, d) → (n, outputs), summed over all trees. Not ONNX's own: the import makes it of
    TreeEnsemble….

    features (d, T·m), thresholds (T·m,), paths (T, m, L) of −1, 0 and 1, turns (T, 1, L), leaves
    (T·L, outputs), bias (outputs,).
    """
    count, tests, ends = paths.shape
    bits = (secret(x) @ features - thresholds) <= 0.0
    wrong = bits.reshape((-1, count, tests)).transpose((1, 0, 2)) @ paths + turns
    picked = (wrong <= 0.5).transpose((1, 0, 2)).reshape((-1, count * ends))
    return picked @ leaves + bias
