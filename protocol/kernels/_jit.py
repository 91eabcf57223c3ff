"""What the compiled kernels are made of: `@kernel`, the typed `@entry`, multi-limb integers in
registers.

A number of Z_2^(64·L) is a tuple of L limbs, low limb first. The operators below see it as ONE LLVM
integer of 64·L bits, so that carries become the processor's own add-with-carry chains. The tuple's
length is part of its type: each kernel is compiled once for each L it meets, and once only.

An entry's annotations are its signature, so nothing that a caller passes can start the compiler:
`In` takes any aligned C-contiguous words, those that may not be written to as well; anything else
is a TypeError.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any, ParamSpec, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import types
from numba.core.caching import FunctionCache
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic as _numba_intrinsic

from ..errors import ConfigError
from ..places import cache_folder, temporary_folder, usable
from .layout import I64, MAX_LIMBS, U64

P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[..., Any]

Limbs = tuple[int, ...]  # as a kernel sees it; mypy has no better name for "L limbs in registers"
In = U64  # flat
Out = U64
InMatrix = U64  # two axes
OutMatrix = U64
InStack = U64  # three
OutStack = U64
InRows = U64  # two, each row contiguous
OutRows = U64
Table = I64  # flat

ZERO: tuple[Limbs, ...] = tuple((0,) * limbs for limbs in range(MAX_LIMBS + 1))
ENTRIES: list[EntryPoint] = []
_config: Any = numba.config


def target() -> tuple[str, str, str]:
    """What Numba compiles for, which is part of its disk cache's key: platform, processor,
    features."""
    context: Any = cpu_target.target_context
    triple, processor, features = context.codegen().magic_tuple()
    return triple, processor, features


def _sources() -> tuple[str, str]:
    """Digests of the kernels' sources, and of where and how old the files are, by which Numba tells
    them apart."""
    sources, files = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)
    for path in sorted(_HERE.glob("*.py")):
        sources.update(path.read_bytes())
        files.update(f"{path} {path.stat().st_mtime_ns}\n".encode())
    return sources.hexdigest(), files.hexdigest()


def _cache_folder() -> str:
    """Where machine code is kept, "" if nowhere. Numba asks whether a kernel's own file has
    changed, but not those of its helpers, so the name of the folder is a digest of them all.
    """
    name = f"kernels-{SOURCES}"
    if _config.CACHE_DIR:
        wanted = [Path(_config.CACHE_DIR)]
    else:
        wanted = [_HERE / "__pycache__"]
        with contextlib.suppress(ConfigError):
            wanted.append(cache_folder())
    for base in wanted:
        if usable(base / name):
            return str(base / name)
    place = temporary_folder()
    return "" if place is None else str(place / name)


_HERE = Path(__file__).parent
SOURCES, FILES = _sources()
_config.CACHE_DIR = _cache_folder()
_KEPT = bool(_config.CACHE_DIR)
# Numba's compiler has one of its own, but two threads should not make the same kernel
_lock = RLock()


def _words(axes: int, readonly: bool, kind: Any = types.uint64, rows: bool = False) -> Any:
    return types.Array(kind, axes, "A" if rows else "C", readonly=readonly)


_TYPES = {
    "In": _words(1, True),
    "Out": _words(1, False),
    "InMatrix": _words(2, True),
    "OutMatrix": _words(2, False),
    "InStack": _words(3, True),
    "OutStack": _words(3, False),
    "InRows": _words(2, True, rows=True),
    "OutRows": _words(2, False, rows=True),
    "Table": _words(1, True, types.int64),
    "int": types.int64,
    "None": types.void,
}


class EntryPoint(dict[int, Function]):
    """`entry[limbs]` is machine code for that number of limbs: made when first asked for, kept on
    disk."""

    def __init__(self, function: Function, least: int, most: int) -> None:
        self.function, self.least, self.most = function, least, most
        ENTRIES.append(self)

    def __missing__(self, limbs: int) -> Function:
        if not self.least <= limbs <= self.most:
            raise ValueError(f"{self.function.__name__} has no meaning for {limbs} limbs")
        with _lock:
            if limbs not in self:
                self[limbs] = _compiled(self.function, limbs)
        return self[limbs]


class _Cache(FunctionCache):
    """Machine code from disk without what only a compiler needs: before it looks, Numba's own
    cache makes ready the types of all of NumPy, and imports SciPy where there is one. That is a
    quarter of a second of each process but of a party, which does it before its run (`preload`)."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


def _compiled(function: Function, limbs: int) -> Function:
    names: dict[str, Any] = dict(_TYPES, Limbs=types.UniTuple(types.int64, limbs))  # type: ignore[no-untyped-call]
    *arguments, result = (names[name] for name in function.__annotations__.values())
    jit: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if _KEPT:
        jit._cache = _Cache(function)  # type: ignore[no-untyped-call]
    jit.compile(result(*arguments))
    jit.disable_compile()
    return cast(Function, jit)


def entry(least: int, most: int = MAX_LIMBS) -> Callable[[Function], EntryPoint]:
    """A function that Python calls; it is given ZERO[limbs] if it wants to know the number of
    limbs."""
    return lambda function: EntryPoint(function, least, most)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """A function that entries call, or Python: then it is compiled for each kind of argument it
    meets."""
    return cast(Callable[P, R], numba.njit(cache=_KEPT, nogil=True, error_model="numpy")(function))


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


def _limb_pointer(
    context: Any, builder: Any, array_type: Any, array: Any, number: Any, count: int
) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [builder.mul(number, number.type(count))])


@intrinsic
def load(_context: Any, array: Any, number: Any, like: Any) -> Any:
    """Number `number` of a C-contiguous uint64 array whose last axis is the limbs; `like` tells how
    many."""

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
def load_part(_context: Any, array: Any, start: Any, count: Any, like: Any) -> Any:
    """The `count` words from word `start` on as a number; as many as it has limbs, if those are
    fewer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = builder.gep(context.make_array(array)(context, builder, args[0]).data, [args[1]])
        limbs = ir.Constant(ir.ArrayType(ir.IntType(64), like.count), ir.Undefined)
        for i in range(like.count):
            there = builder.icmp_signed("<", args[2].type(i), args[2])
            limb = builder.load(
                builder.gep(words, [builder.select(there, args[2].type(i), args[2].type(0))])
            )
            limbs = builder.insert_value(limbs, builder.select(there, limb, limb.type(0)), i)
        return limbs

    return like(array, types.intp, types.intp, like), generate


@intrinsic
def store_part(_context: Any, array: Any, start: Any, count: Any, value: Any) -> Any:
    """The low `count` limbs of a number, at most all, from word `start` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = builder.gep(context.make_array(array)(context, builder, args[0]).data, [args[1]])
        for i in range(value.count):
            with builder.if_then(builder.icmp_signed("<", args[2].type(i), args[2])):
                builder.store(
                    builder.extract_value(args[3], i), builder.gep(words, [args[2].type(i)])
                )
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), generate


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
            right = (
                builder.zext(args[1], left.type)
                if word_operand
                else _join(builder, args[1], a.count)
            )
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
shift_signed = _operator("ashr", word_operand=True)
