"""More kinds of instructions: what is made of several operations, gradients of whole losses, and
what is another in each step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops import kinds  # noqa: F401, its own are registered
from ops.bounds import Bounded
from ops.chains import draw_loss, negative
from ops.functions import ALONG, log_sum_error
from ops.instructions import KINDS, Instruction, Tensors, any_of, axis_of, kind, like
from ops.inverted import INVERSES_AFTER, POSITIVE, deviation, quotient, standardised

from protocol.nn import LayerNorm
from protocol.ops import cross_entropy, dropout
from protocol.ops.stepwise import Keep, schedule
from protocol.views import Rows

__all__ = ["KINDS", "Instruction", "Tensors"]


@kind
def inverse(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    form, name = (
        draw(st.sampled_from(sorted(POSITIVE))),
        draw(st.sampled_from(sorted(INVERSES_AFTER))),
    )
    c = draw(st.sampled_from([0.01, 0.5, 2.0, 40.0]))
    (positive, bounded), (secure, clear) = POSITIVE[form], INVERSES_AFTER[name]
    return Instruction(
        f"{name} of {form.format(f't{n}', c=c)}",
        lambda t: secure(positive(t[n], c)),
        lambda t: clear(bounded(t[n], c)),
    )


@kind
def division(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    m, c = like(draw, tensors, n), draw(st.sampled_from([0.01, 0.5, 2.0, 40.0]))
    form = draw(st.sampled_from(sorted(POSITIVE)))
    positive, bounded = POSITIVE[form]
    return Instruction(f"t{n} / {form.format(f't{m}', c=c)}", lambda t: t[n] / positive(t[m], c),
                       lambda t: quotient(t[n], bounded(t[m], c)))  # fmt: skip


@kind
def dispersion(draw: Any, tensors: Tensors) -> Instruction | None:
    """Variances and deviations, of several axes too; rows that are standardised."""
    n, shape = any_of(draw, tensors)
    one = axis_of(draw, shape)
    axis = draw(st.sampled_from([one, (0, len(shape) - 1)])) if len(shape) > 1 else one
    ddof = draw(st.integers(0, 1))
    if tensors[n].count(axis) <= ddof:
        return None
    match draw(st.sampled_from(["var", "std", "rows"])):
        case "var":
            return Instruction(
                f"t{n}.var({axis}, ddof={ddof})",
                lambda t: t[n].var(axis, ddof=ddof),
                lambda t: t[n].var(axis, ddof),
            )
        case "std":
            return Instruction(
                f"t{n}.std({axis}, ddof={ddof})",
                lambda t: t[n].std(axis, ddof=ddof),
                lambda t: deviation(t[n], axis, ddof),
            )
    if len(shape) < 2:
        return None
    eps, last = draw(st.sampled_from([1e-5, 0.01, 0.5])), len(shape) - 1
    layer = LayerNorm(shape[-1], eps, elementwise_affine=False)
    return Instruction(
        f"LayerNorm(eps={eps}) of t{n}",
        lambda t: layer.forward(None, t[n]),  # type: ignore[arg-type]
        lambda t: standardised(t[n], (last,), eps),
    )


@kind
def exponential(draw: Any, tensors: Tensors) -> Instruction | None:
    """Softmax and the like along an axis."""
    n, shape = any_of(draw, tensors)
    if not shape or max(shape) > 20:
        return None
    axis, accurate = draw(st.integers(-len(shape), len(shape) - 1)), draw(st.booleans())
    name = draw(st.sampled_from([*sorted(ALONG), "cross_entropy"]))
    if name == "cross_entropy":
        labels = np.eye(shape[-1])[np.arange(math.prod(shape[:-1])) % shape[-1]].reshape(shape)
        return Instruction(f"cross_entropy(t{n}, labels, accurate={accurate})",
                           lambda t: cross_entropy(t[n], labels, accurate=accurate),
                           lambda t: _cross_entropy(t[n], labels, accurate))  # fmt: skip
    secure, clear = ALONG[name]
    return Instruction(
        f"{name}(t{n}, {axis}, accurate={accurate})",
        lambda t: secure(t[n], axis, accurate=accurate),
        lambda t: clear(t[n], axis, accurate),
    )


def _cross_entropy(z: Bounded, labels: np.ndarray, accurate: bool) -> Bounded:
    rows = z.function(
        lambda z: np.logaddexp.reduce(z, axis=-1) - (z * labels).sum(-1),
        2.0,
        log_sum_error(z, -1, accurate),
        2 * z.reach + 4,
    )
    return rows.mean(None)


@kind
def loss(draw: Any, tensors: Tensors) -> Instruction | None:
    n, _ = any_of(draw, tensors)
    made = draw_loss(draw, tensors[n])
    return None if made is None else Instruction(
        f"gradient by a0 = t{n} of {made}", lambda t: made.secure(t[n]), lambda t: made.clear(t[n])
    )  # fmt: skip


@kind
def descent(draw: Any, tensors: Tensors) -> Instruction | None:
    """A step of a training, at a rate that falls."""
    n, _ = any_of(draw, tensors)
    made = draw_loss(draw, tensors[n])
    if made is None or tensors.step is None:
        return None
    return Instruction(
        f"t{n} - rate · gradient by a0 = t{n} of {made}",
        lambda t: t[n] - schedule(t[n]._graph, _rate) * made.secure(t[n]),
        lambda t: t[n].add(negative(made.clear(t[n])).public(_rate(_step(t)))),
    )


@kind
def stepwise(draw: Any, tensors: Tensors) -> Instruction | None:
    """Schedules, dropout, and rows of the step."""
    if tensors.step is None:
        return None
    n, shape = any_of(draw, tensors)
    seed = draw(st.sampled_from([0, 7, 2**48 - 1]))
    match draw(st.sampled_from(["factor", "summand", "difference", "dropout", "rows", "shuffled"])):
        case "factor":
            return Instruction(
                f"rate · t{n}",
                lambda t: schedule(t[n]._graph, _rate) * t[n],
                lambda t: t[n].public(_rate(_step(t))),
            )
        case "summand":
            return Instruction(
                f"t{n} + rate",
                lambda t: t[n] + schedule(t[n]._graph, _rate),
                lambda t: t[n].shifted(_rate(_step(t))),
            )
        case "difference":
            return Instruction(
                f"1 / (4 · rate) - t{n}",
                lambda t: 1.0 / (4.0 * schedule(t[n]._graph, _rate)) - t[n],
                lambda t: negative(t[n]).shifted(0.25 / _rate(_step(t))),
            )
        case "dropout":
            return Instruction(
                f"dropout(t{n}, 0.25, {seed})",
                lambda t: dropout(t[n], 0.25, seed),
                lambda t: _dropped(t[n], seed, _step(t)),
            )
    if not shape or not shape[0]:
        return None
    size, order = draw(st.integers(1, shape[0])), draw(st.sampled_from([None, seed]))
    return Instruction(f"t{n}.minibatch({size}, {order})", lambda t: t[n].minibatch(size, order),
                       lambda t: t[n].view(_rows(t[n].value, size, order, _step(t))))  # fmt: skip


def _rate(step: int) -> float:
    return 0.75 / (1 + step)


def _step(tensors: Tensors) -> int:
    assert tensors.step is not None
    return tensors.step


def _dropped(x: Bounded, seed: int, step: int) -> Bounded:
    kept = Keep(seed, 1 << 62).kept(step, x.value.shape)
    return x.view(x.value * kept).public(1 / 0.75)


def _rows(x: np.ndarray, size: int, seed: int | None, step: int) -> np.ndarray:
    """In order, these are from row step · size on; in an agreed order, the drawing is the project's
    own."""
    if seed is None:
        return x[np.arange(step * size, (step + 1) * size) % len(x)]
    return x[Rows((size, *x.shape[1:]), len(x), seed).rows(step)]
