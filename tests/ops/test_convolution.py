"""Convolution and pooling against NumPy written out, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ULP, check, numbers, secure

from protocol.errors import JobError
from protocol.ops import (
    avg_pool1d,
    avg_pool2d,
    conv1d,
    conv2d,
    global_avg_pool2d,
    gradient,
    max_pool1d,
    max_pool2d,
)

FEW = settings(max_examples=25, deadline=None)


def pairs(value, axes):
    """Zeros before and after, by axis."""
    each = (value,) * axes if isinstance(value, int) else value
    return [(one, one) if isinstance(one, int) else one for one in each]


def same(lengths, size, stride, dilation):
    """What "same" means: ⌈length / stride⌉ places, the odd zero after."""
    found = []
    for length, k, step, apart in zip(lengths, size, stride, dilation, strict=True):
        total = max(0, (-(-length // step) - 1) * step + (k - 1) * apart + 1 - length)
        found.append((total // 2, total - total // 2))
    return found


def convolved(x, kernels, stride=1, padding=0, dilation=1, groups=1):
    """Term by term, over any number of axes."""
    axes = x.ndim - 2
    stride, dilation = (
        (each,) * axes if isinstance(each, int) else each for each in (stride, dilation)
    )
    o, c, *size = kernels.shape
    around = (
        same(x.shape[2:], size, stride, dilation) if padding == "same" else pairs(padding, axes)
    )
    x = np.pad(x, [(0, 0), (0, 0), *around])
    places = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], size, stride, dilation, strict=True)
    ]
    out = np.zeros((x.shape[0], o, *places))
    for at in np.ndindex(*places):
        cells = tuple(slice(p * s, p * s + (k - 1) * d + 1, d)
                      for p, s, k, d in zip(at, stride, size, dilation, strict=True))  # fmt: skip
        for channel in range(o):
            first = channel // (o // groups) * c
            seen = x[(slice(None), slice(first, first + c), *cells)]
            out[(slice(None), channel, *at)] = (
                (seen * kernels[channel]).reshape(len(x), -1).sum(axis=1)
            )
    return out


@st.composite
def cases(draw, axes):
    """Shapes of pictures and kernels, and all arguments, that go together; as numbers, by axis, or
    in words."""
    n, c, o, groups = (draw(st.integers(1, 2)) for _ in range(4))
    size = [draw(st.integers(1, 3)) for _ in range(axes)]
    stride, dilation = (tuple(draw(st.integers(1, top)) for _ in range(axes)) for top in (3, 2))
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    padding = draw(st.sampled_from(["same", "pairs", "axes", "one"]))
    if padding == "pairs":
        padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(axes))
    elif padding == "axes":
        padding = tuple(draw(st.integers(0, 2)) for _ in range(axes))
    elif padding == "one":
        padding = draw(st.integers(0, 2))
    lengths = [draw(st.integers(r, 6)) for r in reach]
    return (n, c * groups, *lengths), (o * groups, c, *size), stride, padding, dilation, groups


@pytest.mark.parametrize(("function", "axes"), [(conv1d, 1), (conv2d, 2)])
@FEW
@given(st.data())
def test_convolution(function, axes, data):
    shape, kernel, *arguments = data.draw(cases(axes))
    x, w = numbers(shape, 1, 4.0), numbers(kernel, 2, 4.0)
    expected = convolved(x, w, *arguments)
    run = check(lambda x, w: function(x, w, *arguments), x, w, bound=ULP, clear=expected)
    assert run.rounds == 3  # both openings together, the truncation of the result, the reveal
    assert run.bytes_sent == [8 * (x.size + w.size + 2 * expected.size)] * 2


@pytest.mark.parametrize(("function", "axes"), [(conv1d, 1), (conv2d, 2)])
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_gradients_of_convolution_are_the_sums_that_they_are(function, axes, data):
    """By both operands, of Σ d · conv(x, w): linear in each, so differences by unit tensors are
    exact."""
    shape, kernel, *arguments = data.draw(cases(axes))
    x, w = numbers(shape, 1, 2.0), numbers(kernel, 2, 2.0)
    d = numbers(convolved(x, w, *arguments).shape, 3, 2.0)

    def by(array, other):
        units = np.eye(array.size).reshape(array.size, *array.shape)
        return np.array([(d * other(unit)).sum() for unit in units]).reshape(array.shape)

    run = secure(
        lambda x, w, d: dict(
            zip("xw", gradient((function(x, w, *arguments) * d).sum(), [x, w]), strict=True)
        ),
        x,
        w,
        d,
    )
    expected = {
        "x": by(x, lambda x: convolved(x, w, *arguments)),
        "w": by(w, lambda w: convolved(x, w, *arguments)),
    }
    for name, array in expected.items():
        assert run.results[0][name].shape == array.shape
        assert np.abs(run.results[0][name] - array).max() <= 8 * ULP


@pytest.mark.parametrize("groups", [1, 2])
def test_one_of_the_operands_may_be_public(groups):
    x, w = numbers((2, 2, 5, 4), 1, 4.0), numbers((4, 2 // groups, 3, 2), 2, 4.0)
    expected = convolved(x, w, 1, "same", groups=groups)
    for function, secret in (
        (lambda x: conv2d(x, w, padding="same", groups=groups), x),
        (lambda w: conv2d(x, w, padding="same", groups=groups), w),
    ):
        run = check(function, secret, bound=ULP, clear=expected)
        assert run.rounds == 2  # the truncation that any public factor brings, and the reveal
    run = secure(lambda x: gradient(conv2d(x, w, padding="same", groups=groups).sum(), [x])[0], x)
    units = np.eye(x.size).reshape(x.size, *x.shape)
    clear = [convolved(unit, w, 1, "same", groups=groups).sum() for unit in units]
    assert np.abs(run.results[0]["out"] - np.reshape(clear, x.shape)).max() <= ULP


def test_the_gradient_of_a_tensor_convolved_with_itself_is_that_of_both_operands():
    x, step = numbers((2, 2, 3, 3), 1) / 8, numbers((2, 2, 3, 3), 2) * 1e-6
    found = secure(lambda x: gradient(conv2d(x, x, padding=1).sum(), [x])[0], x).results[0]["out"]

    def total(x):
        return convolved(x, x, padding=1).sum()

    rise = (total(x + step) - total(x - step)) / 2
    assert abs(rise - (found * step).sum()) <= 1e-3 * np.abs(found * step).sum()


def test_a_bias_is_a_number_for_each_output_channel():
    x, w, b = numbers((2, 2, 5, 5), 1, 2.0), numbers((3, 2, 2, 2), 2, 2.0), numbers((3,), 3, 2.0)
    expected = convolved(x, w) + b[:, None, None]
    check(lambda x, w, b: conv2d(x, w, bias=b), x, w, b, bound=ULP, clear=expected)
    check(lambda x, w: conv2d(x, w, bias=b), x, w, bound=ULP, clear=expected)
    run = secure(lambda x, w, b: gradient(conv2d(x, w, bias=b).sum(), [b])[0], x, w, b)
    assert np.array_equal(run.results[0]["out"], np.full(3, 2.0 * 4 * 4))


@pytest.mark.parametrize(("padding", "stride"), [(0, None), (1, 2), ((1,), 1), ((1, 0), 1)])
def test_windows_of_sequences_are_those_of_pictures_of_one_row(padding, stride):
    x = numbers((2, 3, 9), 4) - 16.0
    ends = (padding, padding) if isinstance(padding, int) else (*padding, *padding)[:2]
    step = stride or 3
    for filled, function, mean in ((0.0, avg_pool1d, True), (-np.inf, max_pool1d, False)):
        around = np.pad(x, ((0, 0), (0, 0), ends), constant_values=filled)
        seen = np.lib.stride_tricks.sliding_window_view(around, 3, axis=2)[:, :, ::step]
        expected = seen.mean(axis=-1) if mean else seen.max(axis=-1)
        check(lambda x: function(x, 3, stride, padding), x, bound=16 * ULP, clear=expected)


def test_a_sequence_is_padded_by_a_pair():
    x, w = numbers((2, 3, 9), 4, 4.0), numbers((4, 3, 3), 5)
    expected = convolved(np.pad(x, ((0, 0), (0, 0), (2, 1))), w)
    for padding in ((2, 1), [2, 1], ((2, 1),)):
        check(lambda x, w: conv1d(x, w, padding=padding), x, w, bound=ULP, clear=expected)
    for padding in ((1, 2, 3), (1, -1), ((1, 1), (1, 1))):
        with pytest.raises(JobError, match="one of them or a pair"):
            secure(lambda x: conv1d(x, w, padding=padding), x)


@pytest.mark.parametrize(
    ("size", "stride"), [(1, None), (2, None), (3, None), (3, 2), (2, 1), ((2, 3), (3, 1))]
)
def test_average_pooling_is_local(size, stride):
    x = numbers((2, 3, 7, 6), 4)
    sizes, steps = pooled(size), pooled(stride or size)
    windows = np.lib.stride_tricks.sliding_window_view(x, sizes, (2, 3))
    expected = windows[:, :, :: steps[0], :: steps[1]].mean(axis=(-2, -1))
    run = check(
        lambda x: avg_pool2d(x, size, stride), x, bound=9 * 8 * 2.0**-16 + ULP, clear=expected
    )
    # the truncation that any public factor brings, and the reveal
    assert run.rounds == (1 if size == 1 else 2)


def pooled(value):
    return (value, value) if isinstance(value, int) else value


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 2, 1), ((2, 3), (1, 2), ((0, 1), (2, 0))), (2, 2, "same")]
)
def test_average_pooling_with_padding(size, stride, padding, counted):
    """As a convolution of every channel by itself, and its gradient as that of the convolution."""
    x = numbers((2, 3, 5, 7), 4)
    kernel = np.ones((3, 1, *pooled(size)))
    stride = pooled(stride)
    counts = convolved(np.ones_like(x), kernel, stride, padding, groups=3)
    divisor = counts if not counted else kernel[0].size
    expected = convolved(x, kernel, stride, padding, groups=3) / divisor
    check(
        lambda x: avg_pool2d(x, size, stride, padding, counted), x, bound=80 * ULP, clear=expected
    )
    units = np.eye(x.size).reshape(x.size, *x.shape)
    clear = [(convolved(unit, kernel, stride, padding, groups=3) / divisor).sum() for unit in units]
    run = secure(
        lambda x: gradient((avg_pool2d(x, size, stride, padding, counted)).sum(), [x])[0], x
    )
    assert np.abs(run.results[0]["out"] - np.reshape(clear, x.shape)).max() <= 4 * ULP


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("lengths", "size", "stride", "padding", "apart"),
    [
        ((5, 7), 2, 2, 0, 1),
        ((6, 6), 3, 2, 1, 1),
        ((5, 4), (2, 3), (3, 2), 0, 1),
        ((4, 4), 2, 4, 0, 1),
        ((4, 5), 2, 3, 1, 1),  # the last window would begin behind the picture
        ((8, 7), 2, 3, 0, 2),
    ],
)
def test_ceil_mode_lets_a_window_that_begins_inside_end_behind(
    lengths, size, stride, padding, apart, whole
):
    """PyTorch's formulas, window by window: what is behind the padding is neither picked nor
    counted, what is padded is not picked, and counted if `whole`."""
    x = numbers((2, 3, *lengths), 4) - 16.0
    sizes, steps, edges = pooled(size), pooled(stride), pooled(padding)
    starts = []
    for n, k, step, edge in zip(lengths, sizes, steps, edges, strict=True):
        count = -(-(n + 2 * edge - (k - 1) * apart - 1) // step) + 1
        count -= (count - 1) * step >= n + edge
        starts.append([each * step - edge for each in range(count)])
    top, mean = (np.zeros((2, 3, *map(len, starts))) for _ in range(2))
    for i, j in np.ndindex(*top.shape[2:]):
        reach = [
            [at for at in range(first, first + k * apart, apart) if at < n + edge]
            for first, k, n, edge in zip(
                (starts[0][i], starts[1][j]), sizes, lengths, edges, strict=True
            )
        ]
        rows, columns = (
            [at for at in a if 0 <= at < n] for a, n in zip(reach, lengths, strict=True)
        )
        seen = x[:, :, rows][..., columns]
        count = np.prod([len(each) for each in (reach if whole else (rows, columns))])
        top[:, :, i, j], mean[:, :, i, j] = seen.max((2, 3)), seen.sum((2, 3)) / count
    around = lambda x: max_pool2d(x, size, stride, padding, apart, True)  # noqa: E731
    check(around, x, bound=0.0, clear=top)
    if apart == 1:
        sides = (size, stride, padding, whole, True)
        check(lambda x: avg_pool2d(x, *sides), x, bound=160 * ULP, clear=mean)
    row = x[:, :, :, 0]
    longer = max_pool1d, row, (sizes[0], steps[0], edges[0], apart, True)
    check(
        lambda x: longer[0](x, *longer[2]),
        row,
        bound=0.0,
        clear=[
            [
                [
                    max(
                        each[at]
                        for at in range(first, first + sizes[0] * apart, apart)
                        if 0 <= at < lengths[0]
                    )
                    for first in starts[0]
                ]
                for each in channels
            ]
            for channels in row
        ],
    )


def test_global_average_pooling_is_the_mean_of_a_channel():
    x = numbers((2, 3, 4, 4), 5)
    run = check(global_avg_pool2d, x, bound=ULP, clear=x.mean(axis=(2, 3)))
    assert run.rounds == 2  # the truncation of a reveal that is finer, and the reveal
    check(
        lambda x: global_avg_pool2d(x, keepdims=True),
        x,
        bound=ULP,
        clear=x.mean(axis=(2, 3), keepdims=True),
    )


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x, w: conv2d(x, w[:, :1]), "channels must agree"),
        (lambda x, w: conv2d(x, w, groups=2), "channels must agree"),
        (lambda x, w: conv2d(x, w[:, :1], groups=2), "channels must agree"),
        (lambda x, w: conv2d(x[0], w), "4 axes are needed"),
        (lambda x, w: conv2d(x, w[0]), "4 axes are needed"),
        (lambda x, w: conv1d(x, w), "3 axes are needed"),
        (lambda x, w: conv2d(x[:, :, :2, :2], w), "do not fit"),
        (lambda x, w: conv2d(x, w, dilation=3), "do not fit"),
        (lambda x, w: conv2d(x, w, stride=0), "whole number"),
        (lambda x, w: conv2d(x, w, stride=(1, 2, 1)), "for each of 2 axes"),
        (lambda x, w: conv2d(x, w, padding=-1), "whole number"),
        (lambda x, w: conv2d(x, w, padding="full"), '"same" or "valid"'),
        (lambda x, w: conv2d(x, w, padding=((1, 2, 3), 1)), "a pair"),
        (lambda x, w: conv2d(x, w, groups=0), "groups"),
        (lambda x, w: conv2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1))), "public values only"),
        (lambda x, w: avg_pool2d(x, 6), "do not fit"),
        (lambda x, w: avg_pool2d(x, 1, 1, 1, False), "avg_pool2d: .* padding alone"),
        (lambda x, w: max_pool2d(x, 2, padding=2), "max_pool2d: .* padding alone"),
        (lambda x, w: global_avg_pool2d(x[0]), "4 axes are needed"),
        (lambda x, w: avg_pool2d(np.ones((1, 1, 2, 2)), 2), "takes a secret tensor"),
    ],
)
def test_what_does_not_fit_is_said(function, says):
    with pytest.raises(JobError, match=says):
        secure(function, numbers((1, 2, 5, 5), 1), numbers((3, 2, 3, 3), 2))
