"""Smooth activations in one round: a straight line, which costs nothing, and a short series of waves (`periodic`).

softplus(x) − x/2, SiLU(x) − x/2 and GELU(x) − x/2 are even functions, x/2 is left of all three at the far right, and so each is almost
the mirror image of itself around (8, 4). That is the symmetry of odd harmonics of period 32, which therefore fit them far better than
the function itself would be fitted: the more harmonics, the less is left, by a factor of about 3.4 each. tanh is the same of 2x,
odd instead of even, without a line.

The line has one fraction bit more than x. Products and comparisons do not mind; to reveal the result, or to carry it on, takes the
truncation that any public factor brings.

The fits are minimax ones by Lawson's algorithm on |x| ≤ 8 (tanh: 4). Each costs the opening of x, of which several share one, and
32 dealt bytes for a harmonic and an element.
"""

from __future__ import annotations

import numpy as np

from .gradient import differentiated
from .periodic import LIMIT, Fourier
from .spelling import SENTENCES, offers, refusing
from .tensor import Secret, secret


def _series(label: str, constant: float, cosines: tuple[float, ...] = (), sines: tuple[float, ...] = ()) -> Fourier:
    zeros = (0.0,) * max(len(cosines), len(sines))
    series = Fourier(constant, cosines or zeros, sines or zeros, LIMIT, label, (0.0, 0.0))
    values = series.clear(0, np.linspace(-16.0, 16.0, 4001))  # a period
    slack = 1e-3
    return Fourier(
        constant, series.cosines, series.sines, LIMIT, label, (float(values.min()) - slack, float(values.max()) + slack)
    )


_SOFTPLUS = _series("softplus", 4.000327062, cosines=(
    -3.045837005, -0.214737667, -0.036729735, -0.007597078, -0.001735606, -0.00040447, -0.00010602, -2.3958e-05,
))  # fmt: skip
_SILU = _series("silu", 3.99733123, cosines=(
    -3.419006721, -0.418491426, -0.11332941, -0.033039971, -0.009504297, -0.002831407, -0.00078718, -0.000255706,
    -6.0125e-05, -3.9017e-05,
))  # fmt: skip
_GELU = _series("gelu", 3.999972938, cosines=(
    -3.302955449, -0.407976565, -0.157290263, -0.074341792, -0.034625791, -0.014736031, -0.005544674, -0.00182503,
    -0.000516096, -0.000134186,
))  # fmt: skip
_TANH = _series("tanh", 0.0, sines=(
    1.196104182, 0.252974982, 0.072125769, 0.02087587, 0.006143438, 0.001733134, 0.000569642, 0.000105363,
))  # fmt: skip


def softplus(x: Secret) -> Secret:
    """log(1 + exp(x)) for |x| ≤ 8, at most 2e-5 off; one round, 256 bytes dealt for an element. Its gradient, at most 1e-4 off,
    comes from the same opening and the same dealt tensors.

    Beyond, the error grows: 3e-3 at ±10, 0.02 at ±12; from ±16 on the result is meaningless.
    """
    secret("softplus", x)
    return x * 0.5 + x._apply(_SOFTPLUS)


def silu(x: Secret) -> Secret:
    """x · sigmoid(x) for |x| ≤ 8, at most 3e-5 off; one round, 320 bytes dealt for an element. Its gradient, at most 4e-4 off, comes
    from the same opening and the same dealt tensors. Beyond ±8 the error grows, and from ±16 on the result is meaningless.
    """
    secret("silu", x)
    return x * 0.5 + x._apply(_SILU)


def gelu(x: Secret) -> Secret:
    """x · Φ(x), Φ the normal distribution, for |x| ≤ 8, at most 4e-5 off; one round, 320 bytes dealt for an element. Its gradient, at
    most 3e-4 off, comes from the same opening and the same dealt tensors. Beyond ±8 the error grows, and from ±16 on the result
    is meaningless.
    """
    secret("gelu", x)
    return x * 0.5 + x._apply(_GELU)


def tanh(x: Secret) -> Secret:
    """tanh(x) for |x| ≤ 4, at most 1e-4 off; one round, 256 bytes dealt for an element. Beyond, it is wrong but bounded.

    Its gradient is that of tanh, 1 − out².
    """
    secret("tanh", x)
    out = (x * 2.0)._apply(_TANH)
    return differentiated(out, [x], lambda n, g: g * (1 - out * out))


SENTENCES.add(np.tanh)
offers(np.tanh)(refusing("has no np.tanh, which would hold everywhere: write tanh(x) of protocol.ops, for |x| ≤ 4"))
