"""Every kernel against Python's integers, and the compiled kernels against the plain ones."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import kernels
from protocol.kernels import reference
from protocol.kernels.reference import from_integers, to_integers

BACKENDS = [kernels, reference]
EXTREMES = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)

both = pytest.mark.parametrize("module", BACKENDS, ids=["chosen", "reference"])
every_width = pytest.mark.parametrize("limbs", range(2, 9))
few = settings(max_examples=40, deadline=None)


def words(seed: int, *shape: int) -> Any:
    """Random words, two in five of them extreme."""
    rng = np.random.default_rng(seed)
    out = rng.integers(0, 2**64, shape, dtype=np.uint64)
    return np.where(rng.random(shape) < 0.4, rng.choice(EXTREMES, shape), out)


def check(actual: Any, expected: Any) -> None:
    assert actual.dtype == np.uint64
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual, expected)


@st.composite
def operands(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    limbs = draw(st.integers(2, 8))
    word = st.one_of(st.sampled_from(EXTREMES.tolist()), st.integers(0, 2**64 - 1))
    number = st.lists(word, min_size=limbs, max_size=limbs).map(
        lambda parts: sum(part << (64 * i) for i, part in enumerate(parts))
    )
    size = draw(st.integers(1, 4))
    numbers = st.lists(number, min_size=size, max_size=size)
    return limbs, draw(numbers), draw(numbers)


# ---------------------------------------------------------------- wide, against integers


@both
@few
@given(case=operands(), shift=st.integers(0, 600))
def test_wide_operations_are_integer_operations(
    module: ModuleType, case: tuple[int, list[int], list[int]], shift: int
) -> None:
    limbs, x, y = case
    a, b = from_integers(x, limbs), from_integers(y, limbs)
    pairs = list(zip(x, y, strict=True))

    def expect(actual: Any, values: Any, out_limbs: int = limbs) -> None:
        check(actual, from_integers(values, out_limbs))

    expect(module.wide_add(a, b), [p + q for p, q in pairs])
    expect(module.wide_sub(a, b), [p - q for p, q in pairs])
    expect(module.wide_mul(a, b), [p * q for p, q in pairs])
    expect(module.wide_neg(a), [-p for p in x])
    expect(module.wide_shift_left(a, shift), [p << shift for p in x])
    expect(module.wide_shift_right(a, shift, 2), [p >> shift for p in x], 2)
    check(module.wide_shift_right(a, shift, 1), from_integers([p >> shift for p in x], 1)[:, 0])
    expect(module.wide_sum(a), np.array(sum(x), dtype=object))
    expect(module.wide_matmul(a[None], b[:, None]), [[sum(p * q for p, q in pairs)]])


def test_integers_round_trip() -> None:
    values = [0, 1, -1, 2**64, 2**127, 2**128 - 1, -(2**128)]
    assert to_integers(from_integers(values, 2)).tolist() == [v % 2**128 for v in values]


# ---------------------------------------------------------------- wide, compiled against plain


@every_width
@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (3, 2)), ((0,), (1,)), ((), ()), ((2, 1, 3), (5, 1))],
)
def test_elementwise_broadcasting(
    limbs: int, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    a, b = words(1, *left, limbs), words(2, *right, limbs)
    for name in ("wide_add", "wide_sub", "wide_mul"):
        for operand, other in ((a, b), (b, a)):
            check(getattr(kernels, name)(operand, other), getattr(reference, name)(operand, other))
    check(kernels.wide_neg(a), reference.wide_neg(a))


@every_width
def test_shifts_at_limb_boundaries(limbs: int) -> None:
    a = words(3, 5, limbs)
    for s in (0, 1, 63, 64, 65, 64 * limbs - 1, 64 * limbs, 1000):
        check(kernels.wide_shift_left(a, s), reference.wide_shift_left(a, s))
        for out_limbs in range(1, limbs + 1):
            check(
                kernels.wide_shift_right(a, s, out_limbs),
                reference.wide_shift_right(a, s, out_limbs),
            )


@pytest.mark.parametrize("axis", [None, (), 0, 1, -1, (0, 2), (-1, 1)])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 0, 3)])
def test_sum_over_axes(axis: Any, shape: tuple[int, ...]) -> None:
    a = words(4, *shape, 3)
    for keepdims in (False, True):
        check(kernels.wide_sum(a, axis, keepdims), reference.wide_sum(a, axis, keepdims))
    a[:] = 7
    assert (kernels.wide_sum(a, ()) == 7).all()


BATCHES = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 1)),
    ((2, 1, 3, 4), (3, 4, 5)),
    ((0, 3, 4), (4, 5)),
    ((3, 0), (0, 2)),
    ((0, 3), (3, 2)),
    ((3, 2), (2, 0)),
]


@every_width
def test_wide_matmul(limbs: int) -> None:
    for left, right in BATCHES:
        a, b = words(5, *left, limbs), words(6, *right, limbs)
        check(kernels.wide_matmul(a, b), reference.wide_matmul(a, b))


@every_width
def test_widen_and_narrow(limbs: int) -> None:
    unsigned = np.stack([EXTREMES, EXTREMES])
    signed = unsigned.view(np.int64)
    for a in (unsigned, signed):
        check(kernels.widen(a, limbs, signed=False), from_integers(unsigned.astype(object), limbs))
        check(kernels.widen(a, limbs, signed=True), from_integers(signed.astype(object), limbs))
    wide = words(7, 2, 3, limbs)
    check(kernels.narrow(wide, 1), wide[..., 0])
    check(kernels.narrow(wide, 2), wide[..., :2])


# ---------------------------------------------------------------- matrices of words


@pytest.mark.parametrize(("left", "right"), BATCHES)
def test_matmul_batches(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = words(8, *left), words(9, *right)
    check(kernels.matmul(a, b), np.matmul(a, b))
    check(reference.matmul(a, b), np.matmul(a, b))


@pytest.mark.parametrize("m", [0, 1, 2, 6, 7, 8, 33])
@pytest.mark.parametrize("k", [0, 1, 5, 64, 127, 128, 129, 300])
@pytest.mark.parametrize("n", [0, 1, 2, 12, 13, 16, 17, 47])
def test_matmul_shapes(m: int, k: int, n: int) -> None:
    a, b = words(m + 1, m, k), words(n + 2, k, n)
    check(kernels.matmul(a, b), np.matmul(a, b))


def test_matmul_beyond_one_block() -> None:
    a, b = words(10, 1030, 140), words(11, 140, 50)
    check(kernels.matmul(a, b), np.matmul(a, b))


@pytest.mark.parametrize("value", EXTREMES.tolist())
def test_matmul_of_extremes(value: int) -> None:
    a, b = np.full((20, 300), value, np.uint64), np.full((300, 20), 2**64 - 1, np.uint64)
    check(kernels.matmul(a, b), np.full((20, 20), -300 * value % 2**64, np.uint64))


def test_matmul_with_threads() -> None:
    a, b = words(12, 301, 150), words(13, 150, 64)
    try:
        for threads in (2, 3, 1):
            kernels.set_threads(threads)
            check(kernels.matmul(a, b), np.matmul(a, b))
    finally:
        kernels.set_threads(1)


def test_every_memory_layout_is_read_and_left_alone() -> None:
    a, b = words(14, 40, 30), words(15, 30, 20)
    frame = np.frombuffer(b"?" + a.tobytes(), np.uint8)[1:].view(np.uint64).reshape(a.shape)
    assert not frame.flags.aligned and not frame.flags.writeable
    for x in (a, np.asfortranarray(a), frame, np.repeat(a, 2, 1)[:, ::2], a.view(np.int64)):
        check(kernels.matmul(x, b), np.matmul(a, b))
        check(kernels.wide_add(x[:, :4], x[:, 4:8]), kernels.wide_add(a[:, :4], a[:, 4:8]))


@both
def test_wrong_operands_are_refused(module: ModuleType) -> None:
    a = words(16, 3, 4)
    for bad in (
        lambda: module.matmul(a, a),
        lambda: module.matmul(a[0], a.T),
        lambda: module.wide_add(a, a[:, :3]),
        lambda: module.wide_add(a[:, :1], a[:, :1]),
        lambda: module.wide_shift_left(a, -1),
        lambda: module.wide_shift_right(a, 1, 5),
        lambda: module.wide_matmul(a, a),
        lambda: kernels.narrow(a, 0),
        lambda: kernels.unpack_bits(a[0], 257),
    ):
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(TypeError):
        module.matmul(a.astype(np.float64), a.T)


# ---------------------------------------------------------------- bits and the choice of a backend


@given(st.lists(st.booleans(), max_size=200))
@few
def test_bits_pack_into_words(bits: list[bool]) -> None:
    packed = kernels.pack_bits(np.array(bits, bool))
    assert packed.tolist() == [
        sum(bit << i for i, bit in enumerate(bits[j : j + 64])) for j in range(0, len(bits), 64)
    ]
    assert packed.dtype == np.uint64
    check(kernels.pack_bits(np.array(bits, np.uint8)), packed)
    unpacked = kernels.unpack_bits(packed, len(bits))
    assert unpacked.dtype == np.uint8
    assert unpacked.tolist() == bits


def run(code: str, **environment: str) -> str:
    completed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return completed.stdout + completed.stderr


@pytest.mark.skipif(kernels.BACKEND == "numpy", reason="needs a compiler")
@pytest.mark.parametrize("processor", ["generic", "icelake-server", "znver4"])
def test_matmul_as_it_is_compiled_for_another_processor(processor: str) -> None:
    """The last two differ in the product that pays; without AVX-512 here, only the first can
    run."""
    features = "+sse2"
    if processor != "generic":
        from numba.core.registry import cpu_target  # not where MPC_KERNELS=numpy

        features = str(cpu_target.target_context.codegen().magic_tuple()[2])
        if not {"+avx512ifma", "+avx512vnni"} <= {*features.split(",")}:
            pytest.skip(
                "this processor has no IFMA and VNNI, so what is compiled for one cannot run here"
            )
    code = (
        "import numpy as np; from protocol.kernels import matmul;"
        "a = np.random.default_rng(1).integers(0, 2**64, (70, 200), dtype=np.uint64);"
        "print((matmul(a, a.T) == a @ a.T).all())"
    )
    assert run(code, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES=features).strip() == "True"


def test_numpy_backend_does_not_import_numba() -> None:
    code = (
        "import sys; from protocol import kernels as k; k.ready(print); print(k.BACKEND, 'numba' in"
        " sys.modules)"
    )
    assert run(code, MPC_KERNELS="numpy").split() == ["numpy", "False"]


@pytest.mark.skipif(kernels.BACKEND == "numpy", reason="needs a compiler")
def test_what_is_on_disk_wakes_the_compiler_before_a_run_or_never() -> None:
    """Whose types of NumPy's functions, and SciPy, take a quarter of a second to import."""
    code = (
        "import sys, numpy as np; from protocol import kernels as k; k.ready(str);"
        "k.wide_add(*[np.ones((3, 2), np.uint64)] * 2); late = 'numba.np.arraymath';"
        "before = late in sys.modules; k.preload([1, 2]); print(before, late in sys.modules)"
    )
    run("from protocol import kernels as k; k.ready(str)")  # compiles where nothing is kept yet
    assert run(code).split() == ["False", "True"]


def test_missing_numba_is_one_warning() -> None:
    hide = "import importlib.util as u; u.find_spec = lambda name, package=None: None"
    out = run(f"{hide}; from protocol import kernels as k; print(k.BACKEND)", MPC_KERNELS="numba")
    assert out.startswith("numpy")
    assert out.count("UserWarning") == 1


def test_both_backends_offer_the_same_names() -> None:
    for name in kernels.__all__:
        if name != "BACKEND" and not hasattr(reference, name):
            assert getattr(kernels, name).__module__ == "protocol.kernels.layout"


@pytest.mark.skipif(kernels.BACKEND == "numpy", reason="needs a compiler")
def test_kernels_are_made_ready_once_for_an_installation(tmp_path, monkeypatch) -> None:
    from protocol.kernels import _warm

    made, told = [], []
    monkeypatch.setattr(_warm, "warm", lambda: made.append(1))
    monkeypatch.setattr(_warm.config, "CACHE_DIR", str(tmp_path / "cache"))
    for _ in range(2):
        _warm.ready(told.append)
    assert len(made) == len(told) == 1
    assert "once for an installation" in told[0]
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(_warm.config, "CACHE_DIR", str(tmp_path / "file" / "cache"))
    _warm.ready(told.append)
    assert len(made) == 1
    assert "NUMBA_CACHE_DIR" in told[-1]


@pytest.mark.skipif(kernels.BACKEND == "numpy", reason="needs a compiler")
def test_the_mark_holds_for_the_installation_it_was_made_by(tmp_path, monkeypatch) -> None:
    from protocol.kernels import _warm

    made = []
    monkeypatch.setattr(_warm, "warm", lambda: made.append(1))
    monkeypatch.setattr(_warm.config, "CACHE_DIR", str(tmp_path / "shared"))
    for files in ("one", "one", "another"):
        monkeypatch.setattr(_warm, "FILES", files)
        _warm.ready(str)
    assert len(made) == 2, "Numba looks its machine code up by the place and the age of the sources"
