"""Losses of random programs and their gradients: what reverse mode makes of them in float64, with
the bounds of its own operations.

A loss is made of a tensor by a few links, each of one or two tensors made before, the last of which
is weighted and summed. A link has its own rule here, written from the derivative; its bound is that
of the products that the rule is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.bounds import Bounded, UnfitError
from ops.functions import ALONG, FUNCTIONS, everywhere, phi, sigma
from ops.inverted import LOG, RECIPROCAL, RSQRT, SQRT, quotient, standardised

from protocol.nn import LayerNorm
from protocol.ops import (
    erf,
    exp,
    gelu,
    gradient,
    leaky_relu,
    log,
    logsumexp,
    max,
    relu,
    rsqrt,
    sigmoid,
    silu,
    softplus,
    sqrt,
    tanh,
    where,
)

# of a, b, the result, and what the result contributes
Pull = Callable[[Bounded, Bounded, Bounded, Bounded], Bounded]


@dataclass(frozen=True)
class Link:
    """A function of tensors a and b of which b broadcasts to a; what each contributes, b nothing if
    `second` is None."""

    secure: Callable[[Any, Any], Any]
    clear: Callable[[Bounded, Bounded], Bounded]
    first: Pull
    second: Pull | None = None


def negative(x: Bounded) -> Bounded:
    return x.view(-x.value)


def spread(g: Bounded, like: Bounded) -> Bounded:
    return g.view(np.broadcast_to(g.value, like.value.shape))


def _along(name: str, pull: Callable[[Bounded, Bounded, Bounded], Bounded]) -> Link:
    secure, clear = ALONG[name]
    return Link(lambda a, b: secure(a, -1, accurate=False), lambda a, b: clear(a, -1, False),
                lambda a, b, out, g: pull(a, out, g))  # fmt: skip


def _unary(
    secure: Callable[[Any], Any], clear: Callable[[Bounded], Bounded], slope: Callable[..., Bounded]
) -> Link:
    """The slope is of a and the result."""
    return Link(
        lambda a, b: secure(a),
        lambda a, b: clear(a),
        lambda a, b, out, g: g.multiply(slope(a, out)),
    )


def _normal_slope(x: np.ndarray) -> np.ndarray:
    return phi(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def _above(x: Bounded) -> Bounded:
    """|x| + 1"""
    return x.absolute().shifted(1.0)


def _sign(x: Bounded) -> Bounded:
    return x.told(np.sign(x.value), x.sure(0.0), 2.0)


def _squared(x: Bounded) -> Bounded:
    return x.multiply(x).shifted(1.0)


def _bell(out: Bounded) -> Bounded:
    """out · (1 − out)"""
    return out.multiply(negative(out).shifted(1.0))


def _softmax_pull(a: Bounded, out: Bounded, g: Bounded) -> Bounded:
    flow = out.multiply(g)
    return flow.subtract(out.multiply(flow.sum(-1, keepdims=True)))


def _standardised_pull(a: Bounded, b: Bounded, out: Bounded, g: Bounded) -> Bounded:
    axes = (a.value.ndim - 1,)
    root = RSQRT.clear(a.var(axes, keepdims=True).shifted(EPS))
    means = g.mean(axes, keepdims=True), out.multiply(out.multiply(g).mean(axes, keepdims=True))
    return root.multiply(g.subtract(means[0]).subtract(means[1]))


def _highest(a: Bounded) -> np.ndarray:
    """Which entry is the largest along the last axis, where roundings do not decide."""
    ends = np.sort(a.value, axis=-1)[..., -2:]
    if np.any(np.diff(ends, axis=-1) <= 2 * (a.error + a.unit)):
        raise UnfitError
    return np.eye(a.value.shape[-1])[a.value.argmax(-1)]


MATRIX = np.array([[0.5, -1.0, 0.001], [0.25, 0.75, -0.3], [1.0, 0.1, 0.6], [-0.9, 0.2, 0.05]])
EPS = 0.25
LINKS: dict[str, Link] = {
    "{a} + {b}": Link(
        lambda a, b: a + b, Bounded.add, lambda a, b, out, g: g, lambda a, b, out, g: g
    ),
    "{a} - {b}": Link(
        lambda a, b: a - b,
        Bounded.subtract,
        lambda a, b, out, g: g,
        lambda a, b, out, g: negative(g),
    ),
    "{a} * {b}": Link(
        lambda a, b: a * b,
        Bounded.multiply,
        lambda a, b, out, g: g.multiply(b),
        lambda a, b, out, g: g.multiply(a),
    ),
    "{a} / ({b}² + 1)": Link(
        lambda a, b: a / (b * b + 1.0),
        lambda a, b: quotient(a, _squared(b)),
        lambda a, b, out, g: quotient(g, _squared(b)),
        lambda a, b, out, g: (
            negative(out).multiply(quotient(g, _squared(b))).multiply(b).public(2.0)
        ),
    ),
    "where({a} > 0.1, {a}, {b})": Link(
        lambda a, b: where(a > 0.1, a, b),
        lambda a, b: a.chosen(a.value > 0.1, a.sure(0.1), spread(b, a)),
        lambda a, b, out, g: g.multiply(a.told(a.value > 0.1, a.sure(0.1))),
        lambda a, b, out, g: g.multiply(a.told(a.value <= 0.1, a.sure(0.1))),
    ),
    "{a} ** 3": _unary(lambda a: a**3, lambda a: a.power(3), lambda a, out: a.power(2).public(3.0)),
    "-{a} / 3": Link(
        lambda a, b: -a / 3.0,
        lambda a, b: negative(a).public(1 / 3),
        lambda a, b, out, g: negative(g).public(1 / 3),
    ),
    "{a}.T": Link(
        lambda a, b: a.T, lambda a, b: a.view(a.value.T), lambda a, b, out, g: g.view(g.value.T)
    ),
    "{a} @ MATRIX": Link(
        lambda a, b: a @ MATRIX[: a.shape[-1]],
        lambda a, b: a.public_matmul(MATRIX[: a.value.shape[-1]]),
        lambda a, b, out, g: g.public_matmul(MATRIX[: a.value.shape[-1]].T),
    ),
    "{a}.mean(-1, keepdims=True)": Link(
        lambda a, b: a.mean(-1, keepdims=True),
        lambda a, b: a.mean(-1, keepdims=True),
        lambda a, b, out, g: spread(g.public(1 / a.value.shape[-1]), a),
    ),
    "{a}.sum(0, keepdims=True)": Link(
        lambda a, b: a.sum(0, keepdims=True),
        lambda a, b: a.sum(0, keepdims=True),
        lambda a, b, out, g: spread(g, a),
    ),
    "max({a}, -1, keepdims=True)": Link(
        lambda a, b: max(a, -1, keepdims=True),
        lambda a, b: a.monotone(a.value.max(-1, keepdims=True)),
        lambda a, b, out, g: spread(g, a).multiply(a.told(_highest(a), True)),
    ),
    "relu({a})": _unary(
        relu, FUNCTIONS["relu"].clear, lambda a, out: a.told(a.value >= 0, a.sure(0.0))
    ),
    "leaky_relu({a})": _unary(
        leaky_relu,
        FUNCTIONS["leaky_relu"].clear,
        lambda a, out: a.told(a.value >= 0, a.sure(0.0)).public(0.99).shifted(0.01),
    ),
    "abs({a})": _unary(abs, lambda a: a.absolute(), lambda a, out: _sign(a)),
    "tanh({a})": _unary(
        tanh, FUNCTIONS["tanh"].clear, lambda a, out: negative(out.multiply(out)).shifted(1.0)
    ),
    "sigmoid({a}, accurate)": _unary(
        lambda a: sigmoid(a, "accurate"), FUNCTIONS["accurate"].clear, lambda a, out: _bell(out)
    ),
    "sigmoid({a}, fourier)": _unary(
        lambda a: sigmoid(a, "fourier"), FUNCTIONS["fourier"].clear, lambda a, out: _bell(out)
    ),
    "softplus({a})": _unary(
        softplus,
        FUNCTIONS["softplus"].clear,
        lambda a, out: everywhere(8.0, sigma, 0.26, 1e-4, 4e-4)(a),
    ),
    "silu({a})": _unary(
        silu,
        FUNCTIONS["silu"].clear,
        lambda a, out: everywhere(8.0, lambda x: sigma(x) * (1 + x * sigma(-x)), 0.51, 4e-4, 3e-3)(
            a
        ),
    ),
    "gelu({a})": _unary(
        gelu,
        FUNCTIONS["gelu"].clear,
        lambda a, out: everywhere(8.0, _normal_slope, 0.8, 3e-4, 3e-4)(a),
    ),
    "erf({a})": _unary(
        erf,
        FUNCTIONS["erf"].clear,
        lambda a, out: everywhere(
            4.0, lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x), 0.97, 1e-5, 1e-5
        )(a),
    ),
    "exp({a}, 8)": _unary(lambda a: exp(a, 8.0), FUNCTIONS["exp"].clear, lambda a, out: out),
    "softmax({a})": _along("softmax", _softmax_pull),
    "log_softmax({a})": _along(
        "log_softmax",
        lambda a, out, g: g.subtract(
            ALONG["softmax"][1](a, -1, False).multiply(g.sum(-1, keepdims=True))
        ),
    ),
    "logsumexp({a})": Link(
        lambda a, b: logsumexp(a, keepdims=True),
        lambda a, b: _kept(ALONG["logsumexp"][1](a, -1, False)),
        lambda a, b, out, g: ALONG["softmax"][1](a, -1, False).multiply(g),
    ),
    "1 / ({a}² + 1)": Link(
        lambda a, b: 1.0 / (a * a + 1.0),
        lambda a, b: RECIPROCAL.clear(_squared(a)),
        lambda a, b, out, g: out.multiply(out).multiply(g).multiply(a).public(-2.0),
    ),
    "sqrt(abs({a}) + 1)": _unary(
        lambda a: sqrt(abs(a) + 1.0),
        lambda a: SQRT.clear(_above(a)),
        lambda a, out: RSQRT.clear(_above(a)).public(0.5).multiply(_sign(a)),
    ),
    "rsqrt(abs({a}) + 1)": _unary(
        lambda a: rsqrt(abs(a) + 1.0),
        lambda a: RSQRT.clear(_above(a)),
        lambda a, out: out.multiply(out).multiply(out).public(-0.5).multiply(_sign(a)),
    ),
    "log(abs({a}) + 1)": _unary(
        lambda a: log(abs(a) + 1.0),
        lambda a: LOG.clear(_above(a)),
        lambda a, out: RECIPROCAL.clear(_above(a)).multiply(_sign(a)),
    ),
    "LayerNorm({a})": Link(
        lambda a, b: LayerNorm(a.shape[-1], EPS, elementwise_affine=False).forward(None, a),  # type: ignore[arg-type]
        lambda a, b: standardised(a, (a.value.ndim - 1,), EPS),
        _standardised_pull,
    ),
}


def _kept(x: Bounded) -> Bounded:
    return x.view(x.value[..., None])


ONE_ROW = {"LayerNorm({a})"}  # not of it


@dataclass(frozen=True)
class Loss:
    """Links on a list of tensors that begins with one: each of two of the list, by number; then a
    weighted sum, or mean."""

    links: tuple[tuple[str, int, int], ...]
    weight: float
    mean: bool

    def __str__(self) -> str:
        lines = [name.format(a=f"a{n}", b=f"a{m}") for name, n, m in self.links]
        return f"{'; '.join(lines)}; {'mean' if self.mean else 'sum'} · {self.weight}"

    def secure(self, x: Any) -> Any:
        """The gradient by x."""
        tensors = [x]
        for name, n, m in self.links:
            tensors.append(LINKS[name].secure(tensors[n], tensors[m]))
        last = tensors[-1]
        loss = (last.mean() if self.mean else last.sum()) * self.weight
        return gradient(loss, [x])[0]

    def clear(self, x: Bounded) -> Bounded:
        tensors = [x]
        for name, n, m in self.links:
            tensors.append(LINKS[name].clear(tensors[n], tensors[m]))
            if tensors[-1].peak > 64.0 or tensors[-1].value.size > 64:
                raise UnfitError
        last = tensors[-1]
        start = self.weight / (last.value.size if self.mean else 1)
        flows: dict[int, Bounded] = {
            len(self.links): last.of(np.full(last.value.shape, start), x.unit, abs(start))
        }
        for at in range(len(self.links), 0, -1):
            if at not in flows:
                continue
            name, n, m = self.links[at - 1]
            link, a, b, out, g = LINKS[name], tensors[n], tensors[m], tensors[at], flows[at]
            _flow(flows, n, link.first(a, b, out, g), a)
            if link.second is not None:
                _flow(flows, m, link.second(a, b, out, g), b)
        if 0 not in flows:
            raise UnfitError
        return flows[0]


def _flow(flows: dict[int, Bounded], n: int, found: Bounded, like: Bounded) -> None:
    """Added to what it contributes already, summed over the axes along which it was broadcast."""
    shape, now = like.value.shape, found.value.shape
    lead = len(now) - len(shape)
    axes = [*range(lead), *(lead + k for k, own in enumerate(shape) if own != now[lead + k])]
    if axes:
        found = found.sum(tuple(axes), keepdims=True)
        found = found.view(found.value.reshape(shape))
    flows[n] = flows[n].add(found) if n in flows else found


def draw_loss(draw: Any, x: Bounded) -> Loss | None:
    """Of up to four links that are offered for x."""
    tensors, links = [x], []
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(LINKS)))
        a = tensors[-1]
        if (
            not a.value.ndim
            or (a.value.ndim == 1 and name in ONE_ROW)
            or (MATRIX.shape[0] < a.value.shape[-1])
        ):
            continue
        like = [k for k, each in enumerate(tensors) if _fits(each.value.shape, a.value.shape)]
        n, m = len(tensors) - 1, draw(st.sampled_from(like))
        try:
            found = LINKS[name].clear(a, tensors[m])
        except UnfitError:
            continue
        if found.peak > 64.0 or found.value.size > 64:
            continue
        links.append((name, n, m))
        tensors.append(found)
    weight = draw(st.sampled_from([1.0, 0.5, -0.3]))
    return Loss(tuple(links), weight, draw(st.booleans())) if links else None


def _fits(shape: tuple[int, ...], wide: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, wide) == wide
    except ValueError:
        return False
