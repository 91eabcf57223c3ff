"""What the compiled kernels are made of: a typed `@kernel`, and multi-limb integers as register values.

A number of Z_2^(64·L) is a tuple of L limbs, low limb first. The operators below see it as ONE LLVM integer
of 64·L bits, so that carries become the processor's own add-with-carry chains. The tuple's length is
part of its type: each kernel is compiled once for each L it meets, and once only.

Numba keys its disk cache on the file of the kernel, not of its helpers: after an edit here, touch the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic as _numba_intrinsic

P = ParamSpec("P")
R = TypeVar("R")
Limbs = tuple[int, ...]  # as a kernel sees it; mypy has no better name for "L limbs in registers"
Function = Callable[..., Any]

MAX_LIMBS = 8
ZERO: tuple[Limbs, ...] = tuple((0,) * limbs for limbs in range(MAX_LIMBS + 1))


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first use, keep the machine code on disk, release the GIL while running."""
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def intrinsic(function: Function) -> Function:
    """`numba.extending.intrinsic` with a type."""
    return cast(Function, _numba_intrinsic(function))


def _join(builder: Any, limbs: Any, count: int) -> Any:
    """[L x i64] as one integer; the legaliser takes it apart again for free."""
    wide = ir.IntType(64 * count)
    value = wide(0)
    for i in range(count):
        limb = builder.zext(builder.extract_value(limbs, i), wide)
        value = builder.or_(value, builder.shl(limb, wide(64 * i)))
    return value


def _split(builder: Any, value: Any, count: int) -> Any:
    limbs = ir.Constant(ir.ArrayType(ir.IntType(64), count), ir.Undefined)
    for i in range(count):
        limb = builder.trunc(builder.lshr(value, value.type(64 * i)), ir.IntType(64))
        limbs = builder.insert_value(limbs, limb, i)
    return limbs


def _limb_pointer(context: Any, builder: Any, array_type: Any, array: Any, number: Any, count: int) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [builder.mul(number, number.type(count))])


@intrinsic
def load(_context: Any, array: Any, number: Any, like: Any) -> Any:
    """Number `number` of a C-contiguous uint64 array whose last axis is the limbs; `like` tells how many."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = _limb_pointer(context, builder, array, args[0], args[1], like.count)
        limbs = ir.Constant(ir.ArrayType(ir.IntType(64), like.count), ir.Undefined)
        for i in range(like.count):
            limb = builder.load(builder.gep(start, [args[1].type(i)]))
            limbs = builder.insert_value(limbs, limb, i)
        return limbs

    return like(array, types.intp, like), generate


@intrinsic
def store(_context: Any, array: Any, number: Any, value: Any) -> Any:
    """The inverse of `load`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = _limb_pointer(context, builder, array, args[0], args[1], value.count)
        for i in range(value.count):
            builder.store(builder.extract_value(args[2], i), builder.gep(start, [args[1].type(i)]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def extend(_context: Any, word: Any, like: Any) -> Any:
    """An unsigned 64-bit word as a number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _split(builder, builder.zext(args[0], ir.IntType(64 * like.count)), like.count)

    return like(types.uint64, like), generate


def _operator(name: str, word_operand: bool) -> Function:
    """The LLVM instruction `name` on two numbers, or on a number and an unsigned 64-bit word."""

    def operator(_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            left = _join(builder, args[0], a.count)
            right = builder.zext(args[1], left.type) if word_operand else _join(builder, args[1], a.count)
            return _split(builder, getattr(builder, name)(left, right), a.count)

        return a(a, types.uint64 if word_operand else a), generate

    operator.__name__ = f"{name}_word" if word_operand else name
    return intrinsic(operator)


add = _operator("add", word_operand=False)
sub = _operator("sub", word_operand=False)
mul = _operator("mul", word_operand=False)
scale = _operator("mul", word_operand=True)
shift_left = _operator("shl", word_operand=True)  # the count must be below 64·L, as LLVM demands
shift_right = _operator("lshr", word_operand=True)
