"""Products of two secret tensors: elementwise and matrix products, and small ones fused to save
their rounds."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..correlations.monomials import Contraction, Exponents, FusedPolynomial, Monomials, needed
from ..correlations.products import Product
from ..errors import JobError
from ..graph import Array, Phase
from ..lowering import Lowering, Secure
from ..nodes import Node, Tensor, whole
from ..program import RegisterValue, Share
from ..ranges import Interval, Spread, times
from ..ring import limbs_for
from ..sizing import Demands, Sizes
from ..views import Shape
from .cotangents import weighted
from .linear import Add, Negate, broadcast, total_bounds
from .public import AddPublic, MultiplyPublic

# dealt ring elements up to which a product is fused rather than given a round
FUSED_WORDS = 1 << 14
FUSED_LEAST, FUSED_DEGREE = 3, 4  # degrees: of less it saves no round
FUSED_BITS = 128
FUSED_TERMS = 256  # more are not expanded: they would not be small
FUSED_NODES = 64
FUSED_LEAVES = 16  # as many as `Monomials` has


def product_bounds(x: Interval, y: Interval) -> Interval:
    """The interval of x·y for x and y in two intervals."""
    corners = [times(a, b) for a in x for b in y]
    return (min(corners), max(corners))


class Bilinear(Secure):
    """A product of two operands that are opened, each once for all its uses."""

    bilinear: str

    def fusion(self, sizes: Sizes, node: Node) -> Fusion | None:
        """The fused form, if it pays."""
        raise NotImplementedError

    def scale(self, sizes: Sizes, node: Node) -> int:
        fused = self.fusion(sizes, node)
        return fused.scale(sizes) if fused else sum(sizes.operand_scale(use) for use in node.inputs)

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        fused = self.fusion(demands.sizes, node)
        bits = max(bits, demands.sizes.room(node))
        for use in fused.operands if fused else node.inputs:
            demands.need_operand(use, bits)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        fused = self.fusion(lowering.sizes, node)
        bits = max(lowering.sizes.needs[node], lowering.sizes.room(node))
        limbs = max(limbs_for(bits), 2 if fused else 1)
        if fused:
            out, known = fused.emit(lowering, limbs)
        else:
            a, b = (lowering.operand(use, limbs) for use in node.inputs)
            phase = max(a.public.phase, b.public.phase)
            spec = Product(self.bilinear, a.mask, b.mask, limbs)
            (dealt,) = lowering.deal(spec, phase)
            party = lowering.party

            def consume(*v: Any) -> Any:
                return spec.consume(party, *v)

            out = lowering.call(consume, a.public, a.share, b.public, b.share, dealt)
            known = min(a.mask.bits - a.mask.shift, b.mask.bits - b.mask.shift)
        share = lowering.as_share(
            out, node.shape, lowering.sizes.scales[node], min(known, 64 * limbs), limbs
        )
        return lowering.narrowed(share, lowering.limbs(node))


@dataclass(frozen=True)
class Multiply(Bilinear):
    """Elementwise, broadcasting."""

    bilinear = "mul"
    name = "multiply"

    def shape(self, *shapes: Shape) -> Shape:
        return broadcast("multiply", *shapes)

    def bounds(self, *uses: Node) -> Interval:
        low, high = product_bounds(uses[0].interval, uses[1].interval)
        return (max(low, 0.0), high) if uses[0] is uses[1] else (low, high)

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely.times(uses[1].likely, whole(uses[0]) is whole(uses[1]))

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0] * arrays[1]

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        return weighted(operands[1 - n], g)

    def fusion(self, sizes: Sizes, node: Node) -> Fusion | None:
        return elementwise_fusion(sizes, node)


@dataclass(frozen=True)
class MatMul(Bilinear):
    """As numpy.matmul on operands of at least two axes."""

    keeps_scale: bool = False
    bilinear = "matmul"
    name = "matmul"

    def shape(self, *shapes: Shape) -> Shape:
        a, b = shapes
        if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
            raise JobError(
                f"matmul of shapes {a} and {b}: inner dimensions must agree, and both need two axes"
            )
        return (*broadcast("matmul", a[:-2], b[:-2]), a[-2], b[-1])

    def bounds(self, *uses: Node) -> Interval:
        return total_bounds(product_bounds(uses[0].interval, uses[1].interval), uses[0].shape[-1])

    def spread(self, *uses: Node) -> Spread | None:
        product = uses[0].likely.times(uses[1].likely, whole(uses[0]) is whole(uses[1]))
        return product.total(uses[0].shape[-1])

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(arrays[0] @ arrays[1])

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        x, y = operands
        found: Tensor = g @ _swapped(y) if n == 0 else _swapped(x) @ g
        return found

    def fusion(self, sizes: Sizes, node: Node) -> Fusion | None:
        x, g = node.inputs
        if len(x.shape) != 2 or len(g.shape) != 2 or not isinstance(g.op, Multiply):
            return None
        inner = elementwise_fusion(sizes, g)
        if inner is None:
            return None
        words = prod(g.shape) * x.shape[0] * (1 + len(needed(inner.terms)))
        fused = Fusion(inner.leaves, inner.terms, x)
        return (
            fused
            if words <= FUSED_WORDS and fused.scale(sizes) + sizes.integer_bits(node) <= FUSED_BITS
            else None
        )


def _swapped(x: Tensor) -> Tensor:
    """The transpose of every matrix."""
    found: Tensor = x.transpose((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
    return found


FixedTerms = dict[
    Exponents, tuple[int, int]
]  # exponents → (integer coefficient, its fraction bits)


class Fusion:
    """An elementwise polynomial of opened leaves, and possibly one more matrix product from the
    left."""

    def __init__(
        self, leaves: tuple[Node, ...], terms: FixedTerms, left: Node | None = None
    ) -> None:
        self.leaves, self.terms, self.left = leaves, terms, left

    @property
    def operands(self) -> tuple[Node, ...]:
        """The nodes whose openings the fused product uses: the left matrix, if there is one, and
        the leaves of its monomials."""
        return self.leaves if self.left is None else (self.left, *self.leaves)

    def degree_scale(self, sizes: Sizes, m: Exponents) -> int:
        """Fraction bits of the monomial with exponents m."""
        return sum(
            power * sizes.operand_scale(leaf) for power, leaf in zip(m, self.leaves, strict=True)
        )

    def inner_scale(self, sizes: Sizes) -> int:
        """Fraction bits of the polynomial: those of its finest term, coefficient included."""
        return max(self.degree_scale(sizes, m) + bits for m, (_, bits) in self.terms.items())

    def scale(self, sizes: Sizes) -> int:
        """Fraction bits of the fused product."""
        return self.inner_scale(sizes) + (sizes.operand_scale(self.left) if self.left else 0)

    def emit(self, lowering: Lowering, limbs: int) -> tuple[RegisterValue, int]:
        """The value of the product, and the bits modulo which it is known."""
        leaves = [lowering.operand(leaf, limbs) for leaf in self.leaves]
        phase = max(leaf.public.phase for leaf in leaves)
        spec = Monomials(tuple(leaf.mask for leaf in leaves), needed(self.terms), limbs)
        sizes = lowering.sizes
        full = self.inner_scale(sizes)
        terms = tuple(
            (m, a << (full - self.degree_scale(sizes, m) - bits))
            for m, (a, bits) in self.terms.items()
        )
        form, party = FusedPolynomial(spec, terms), lowering.party
        (dealt,) = lowering.deal(spec, phase)
        coefficients = lowering.call(
            lambda *e: form.public(list(e)), *(leaf.public for leaf in leaves)
        )
        out = lowering.call(lambda c, d: form.consume(party, c, d), coefficients, dealt)
        masks = [leaf.mask for leaf in leaves]
        if self.left is not None:
            x = lowering.operand(self.left, limbs)
            phase = Phase(max(phase, x.public.phase))
            (cross,) = lowering.deal(Contraction(x.mask, spec), phase)
            out = lowering.call(form.contract, x.public, out, coefficients, cross)
            masks.append(x.mask)
        return out, min(mask.bits - mask.shift for mask in masks)


def elementwise_fusion(sizes: Sizes, node: Node) -> Fusion | None:
    """The product tree above `node` as one polynomial, if it saves a round and is small."""
    found: Fusion | None = sizes.once(("fusion", node), lambda: _fuse(sizes, node))
    return found


def _fuse(sizes: Sizes, node: Node) -> Fusion | None:
    if not prod(node.shape):
        return None
    terms, leaves = _expanded(sizes, node)
    if terms is None or max(sum(m) for m in terms) < FUSED_LEAST:
        return None
    padded = {m + (0,) * (len(leaves) - len(m)): a for m, a in terms.items()}
    used = [n for n in range(len(leaves)) if any(m[n] for m in padded)]
    if len(used) > FUSED_LEAVES:
        return None
    fused = Fusion(
        tuple(leaves[n] for n in used), {tuple(m[n] for n in used): a for m, a in padded.items()}
    )
    words = prod(node.shape) * len(needed(fused.terms))
    fits = fused.scale(sizes) + sizes.integer_bits(node) <= FUSED_BITS
    return fused if fits and words <= FUSED_WORDS else None


def _expanded(sizes: Sizes, root: Node) -> tuple[FixedTerms | None, list[Node]]:
    """What `_expand` finds, and its leaves; as the last time, where the same ones are shifted."""
    leaves, shifted, terms = sizes.expansions.get(root, ([], [], None))
    if root not in sizes.expansions or shifted != _shifted(sizes, root, leaves):
        leaves = []
        terms = _expand(sizes, root, leaves)
        sizes.expansions[root] = leaves, _shifted(sizes, root, leaves), terms
    return terms, leaves


def _shifted(sizes: Sizes, root: Node, leaves: list[Node]) -> list[int]:
    """The places of leaves that are shifted when they are read."""
    return [
        n for n, leaf in enumerate(leaves) if leaf is not root and sizes.operand_shift(leaf) > 0
    ]


def _expand(sizes: Sizes, root: Node, leaves: list[Node]) -> FixedTerms | None:
    """`root` as a polynomial of leaves, keyed by exponents of the leaves seen so far; None where it
    has too many terms, or degrees too many or too few.

    Every node above it is expanded once, and none if it has too many above it. What would multiply
    the rounding of a leaf is one itself. Of the sizes, nothing counts but which leaves are shifted.
    """
    above = _above(root)
    if above is None or _degree(above, root.shape) < FUSED_LEAST:
        return None
    found: dict[Node, FixedTerms] = {}
    shifted: list[int] = []
    for node in above:
        terms = _expansion(node, root.shape, found)
        if terms is None or _magnifies(terms, shifted):
            leaves.append(node)
            shifted = _shifted(sizes, root, leaves)
            terms = {(0,) * (len(leaves) - 1) + (1,): (1, 0)}
        if len(terms) > FUSED_TERMS or max(sum(m) for m in terms) > FUSED_DEGREE:
            return None
        found[node] = terms
    return found[root]


def _magnifies(terms: FixedTerms, shifted: list[int]) -> bool:
    """Whether a leaf that is shifted when it is read has a coefficient above 1: the last bits,
    which that takes, would be missing."""
    return bool(shifted) and any(
        n < len(m) and m[n] > 0
        for m, (a, bits) in terms.items()
        if abs(a) > 1 << bits
        for n in shifted
    )


def _above(root: Node) -> list[Node] | None:
    """What `root` is expanded into, operands first, in the order in which they are met; None if it
    is too much."""
    ordered: dict[Node, None] = {}
    waiting = [(root, False)]
    while waiting:
        node, ready = waiting.pop()
        if ready or node in ordered:
            ordered[node] = None
        elif len(ordered) + len(waiting) > FUSED_NODES:
            return None
        else:
            waiting.append((node, True))
            waiting.extend(
                (use, False) for use in reversed(node.inputs) if _expands(node, root.shape)
            )
    return list(ordered)


def _degree(above: list[Node], shape: Shape) -> int:
    """The most that the polynomial may have."""
    found: dict[Node, int] = {}
    for node in above:
        degrees = [found[use] for use in node.inputs] if _expands(node, shape) else [1]
        found[node] = (
            sum(degrees) if isinstance(node.op, Multiply) and len(degrees) > 1 else max(degrees)
        )
    return found[above[-1]]


def _expands(node: Node, shape: Shape) -> bool:
    """Whether `node` is a sum or product, of that shape, of tensors of that shape."""
    if node.shape != shape or any(use.shape != shape for use in node.inputs):
        return False
    op = node.op
    if isinstance(op, (AddPublic, MultiplyPublic)):
        return op.short is not None
    return isinstance(op, (Multiply, Add, Negate))


def _expansion(node: Node, shape: Shape, found: dict[Node, FixedTerms]) -> FixedTerms | None:
    """`node` in terms of its operands, if it is made of them in a way that expands."""
    if not _expands(node, shape):
        return None
    op, (x, *others) = node.op, [found[use] for use in node.inputs]
    match op:
        case Multiply():
            return _collect(
                (_plus(m, n), (a * b, s + t))
                for m, (a, s) in x.items()
                for n, (b, t) in others[0].items()
            )
        case Add(minus=minus):
            sign = -1 if minus else 1
            return _collect([*x.items(), *((m, (sign * a, s)) for m, (a, s) in others[0].items())])
        case Negate():
            return {m: (-a, s) for m, (a, s) in x.items()}
        case AddPublic(short=constant) | MultiplyPublic(short=constant):
            assert constant is not None
            if isinstance(op, MultiplyPublic):
                return {m: (a * constant[0], s + constant[1]) for m, (a, s) in x.items()}
            return _collect([*x.items(), ((), constant)])
    return None


def _collect(items: Any) -> dict[Exponents, tuple[int, int]]:
    total: dict[Exponents, tuple[int, int]] = {}
    for m, (a, s) in items:
        while m and m[-1] == 0:
            m = m[:-1]
        b, t = total.get(m, (0, 0))
        top = max(s, t)
        total[m] = ((a << (top - s)) + (b << (top - t)), top)
    return {m: term for m, term in total.items() if term[0]} or {(): (0, 0)}


def _plus(m: Exponents, n: Exponents) -> Exponents:
    size = max(len(m), len(n))
    return tuple(
        p + q for p, q in zip(m + (0,) * (size - len(m)), n + (0,) * (size - len(n)), strict=True)
    )
