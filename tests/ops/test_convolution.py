"""Convolution and pooling against NumPy written out, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ULP, check, numbers, secure

from protocol.errors import JobError
from protocol.ops import avg_pool2d, conv2d

FEW = settings(max_examples=25, deadline=None)


def convolved(x, kernels, stride=1, padding=0):
    """Term by term."""
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    kh, kw = kernels.shape[2:]
    rows, columns = range(0, x.shape[2] - kh + 1, stride), range(0, x.shape[3] - kw + 1, stride)
    out = [[np.einsum("nchw,ochw->no", x[:, :, i : i + kh, j : j + kw], kernels) for j in columns] for i in rows]
    return np.moveaxis(np.array(out), (0, 1), (2, 3))


@st.composite
def cases(draw):
    """Shapes of pictures and kernels, a stride and a padding that all go together."""
    n, c, o = (draw(st.integers(1, 3)) for _ in range(3))
    kh, kw = (draw(st.integers(1, 3)) for _ in range(2))
    padding = draw(st.integers(0, min(kh, kw) - 1))
    height, width = draw(st.integers(kh, 6)), draw(st.integers(kw, 6))
    return (n, c, height, width), (o, c, kh, kw), draw(st.integers(1, 3)), padding


@FEW
@given(cases())
def test_convolution(case):
    shape, kernel, stride, padding = case
    x, w = numbers(shape, 1, 4.0), numbers(kernel, 2, 4.0)
    expected = convolved(x, w, stride, padding)
    run = check(lambda x, w: conv2d(x, w, stride, padding), x, w, bound=ULP, clear=expected)
    assert run.rounds == 3  # both openings together, the truncation of the result, the reveal
    assert run.bytes_sent == [8 * (x.size + w.size + 2 * expected.size)] * 2


@pytest.mark.parametrize(("size", "stride"), [(1, None), (2, None), (3, None), (3, 2), (2, 1)])
def test_average_pooling_is_local(size, stride):
    x = numbers((2, 3, 7, 6), 4)
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    step = stride or size
    expected = windows[:, :, ::step, ::step].mean(axis=(-2, -1))
    run = check(lambda x: avg_pool2d(x, size, stride), x, bound=9 * 8 * 2.0**-16 + ULP, clear=expected)
    assert run.rounds == (1 if size == 1 else 2)  # the truncation that any public factor brings, and the reveal


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x, w: conv2d(x, w[:, :1]), "channels must agree"),
        (lambda x, w: conv2d(x[0], w), "channels must agree"),
        (lambda x, w: conv2d(x, w[0]), "4 axes are needed"),
        (lambda x, w: conv2d(x[:, :, :2, :2], w), "do not fit"),
        (lambda x, w: conv2d(x, w, stride=0), "whole number"),
        (lambda x, w: conv2d(x, w, padding=-1), "whole number"),
        (lambda x, w: avg_pool2d(x, 6), "do not fit"),
    ],
)
def test_what_does_not_fit_is_said(function, says):
    with pytest.raises(JobError, match=says):
        secure(function, numbers((1, 2, 5, 5), 1), numbers((3, 2, 3, 3), 2))
