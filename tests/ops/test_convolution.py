"""Convolution and pooling against NumPy written out, their gradients against what defines them, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ULP, check, numbers, secure

from protocol.errors import JobError
from protocol.ops import (
    avg_pool2d,
    avg_pool2d_gradient,
    conv2d,
    conv2d_input_gradient,
    conv2d_kernel_gradient,
)

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


@FEW
@given(cases())
def test_gradients_are_the_adjoints(case):
    """⟨conv(x, w), d⟩ = ⟨x, its gradient by x⟩ = ⟨w, its gradient by w⟩, the convolution being linear in each."""
    shape, kernel, stride, padding = case
    x, w = numbers(shape, 1, 2.0), numbers(kernel, 2, 2.0)
    d = numbers(convolved(x, w, stride, padding).shape, 3, 2.0)

    def both(x, w, d):
        return {
            "x": conv2d_input_gradient(d, w, shape, stride, padding),
            "w": conv2d_kernel_gradient(x, d, kernel[2:], stride, padding),
        }

    found = secure(both, x, w, d).results[0]
    value = (convolved(x, w, stride, padding) * d).sum()
    for name, tensor in (("x", x), ("w", w)):
        assert found[name].shape == tensor.shape
        assert abs((found[name] * tensor).sum() - value) <= ULP * np.abs(tensor).sum()


def test_forward_and_both_gradients_open_each_tensor_once():
    x, w, d = numbers((2, 3, 6, 6), 1), numbers((4, 3, 3, 3), 2), numbers((2, 4, 6, 6), 3)

    def all_three(x, w, d):
        return {
            "out": conv2d(x, w, padding=1),
            "dx": conv2d_input_gradient(d, w, x.shape, padding=1),
            "dw": conv2d_kernel_gradient(x, d, (3, 3), padding=1),
        }

    plan = secure(all_three, x, w, d).plan
    opened = [line.split()[4] for line in plan.outline if " opens " in line]
    assert [name for name in opened if not name.startswith("matmul")] == ["input#0", "input#1", "input#2"]
    assert len(opened) == 3 + 3  # the results, each truncated before it is revealed


@pytest.mark.parametrize(("size", "stride"), [(1, None), (2, None), (3, None), (3, 2), (2, 1)])
def test_average_pooling_is_local(size, stride):
    x = numbers((2, 3, 7, 6), 4)
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    step = stride or size
    expected = windows[:, :, ::step, ::step].mean(axis=(-2, -1))
    run = check(lambda x: avg_pool2d(x, size, stride), x, bound=9 * 8 * 2.0**-16 + ULP, clear=expected)
    assert run.rounds == (1 if size == 1 else 2)  # the truncation that any public factor brings, and the reveal


def test_the_gradient_of_average_pooling_is_its_adjoint():
    x, d = numbers((2, 3, 7, 6), 5), numbers((2, 3, 3, 3), 6)
    found = secure(lambda d: avg_pool2d_gradient(d, x.shape, 2), d).results[0]["out"]
    pooled = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (2, 3))[:, :, ::2, ::2].mean(axis=(-2, -1))
    assert found.shape == x.shape
    assert abs((found * x).sum() - (pooled * d).sum()) <= ULP * np.abs(x).sum()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x, w: conv2d(x, w[:, :1]), "channels must agree"),
        (lambda x, w: conv2d(x[0], w), "channels must agree"),
        (lambda x, w: conv2d(x, w[0]), "4 axes are needed"),
        (lambda x, w: conv2d(x[:, :, :2, :2], w), "do not fit"),
        (lambda x, w: conv2d(x, w, stride=0), "whole number"),
        (lambda x, w: conv2d(x, w, padding=-1), "whole number"),
        (lambda x, w: conv2d_kernel_gradient(x, x, (3, 3)), "not that of a convolution"),
        (lambda x, w: conv2d_input_gradient(x, w.transpose(1, 0, 2, 3), (1, 3, 9, 9)), "not that of a convolution"),
        (lambda x, w: conv2d_input_gradient(x, w.transpose(1, 0, 2, 3), (1, 3, 7, 7), padding=3), "pad by less"),
        (lambda x, w: avg_pool2d(x, 6), "do not fit"),
    ],
)
def test_what_does_not_fit_is_said(function, says):
    with pytest.raises(JobError, match=says):
        secure(function, numbers((1, 2, 5, 5), 1), numbers((3, 2, 3, 3), 2))
