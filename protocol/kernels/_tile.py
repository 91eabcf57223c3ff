"""The innermost loop of `gemm`, written in LLVM's vector types so that no optimiser has to discover
it.

One call multiplies ROWS rows by COLUMNS columns over a depth of k, all sums held in vector
registers. AVX-512 has a 64-bit product, `vpmullq`. On AMD's cores it is one operation, and nothing
beats it (1024³: 53 ms against 102 for what follows, float64 BLAS 42, one core). On Intel's it is
three in disguise, and where there are IFMA and VNNI, five fused multiply-adds do the work of
sixteen products (`FUSED`). With a = a' + 2^52·a'' and b alike,

    a·b = lo52(a'·b') + 2^52·(hi52(a'·b') + a''·b' + a'·b'')          mod 2^64,

two IFMA instructions give lo52 and hi52, eight columns each; of the rest only 12 bits count, so one
VNNI instruction gives a''·b' + a'·b'' of 12-bit halves for sixteen columns. Hence the panels: for
each step of k, the words themselves and then, if FUSED, a 32-bit pair for each word.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from ._jit import intrinsic, target


def _fused_products_pay() -> bool:
    _, name, features = target()
    return {"+avx512ifma", "+avx512vnni"} <= {*features.split(",")} and not name.startswith("znver")


FUSED = _fused_products_pay()
ROWS, COLUMNS = 4, 16
# words for each step of k
A_STEP, B_STEP = (ROWS * 3 // 2, COLUMNS * 3 // 2) if FUSED else (ROWS, COLUMNS)

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_V64, _V32 = ir.VectorType(_I64, 8), ir.VectorType(_I32, 16)


def _fused(builder: Any, name: str, vector: Any) -> Any:
    function = ir.FunctionType(vector, [vector] * 3)
    return builder.module.declare_intrinsic(f"llvm.x86.avx512.{name}.512", fnty=function)


def _prefetch(builder: Any) -> Any:
    byte = ir.IntType(8).as_pointer()
    return builder.module.declare_intrinsic(
        "llvm.prefetch", (byte,), ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
    )


def _splat(builder: Any, scalar: Any, vector: Any) -> Any:
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, _I32(0))
    lanes = ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), lanes)


def _load(builder: Any, words: Any, offset: int, kind: Any) -> Any:
    pointer = builder.bitcast(builder.gep(words, [_I64(offset)]), kind.as_pointer())
    return builder.load(pointer, align=8)


@intrinsic
def tile(
    _context: Any, a: Any, a_start: Any, b: Any, depth: Any, out: Any, out_start: Any, stride: Any
) -> Any:
    """out += (panel of `a` at word a_start) @ (panel `b`), `depth` ≥ 1 steps.

    The ROWS rows of `out` begin at word out_start, `stride` words apart.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(i: int) -> Any:
            return context.make_array(signature.args[i])(context, builder, args[i]).data

        low = _fused(builder, "vpmadd52l.uq", _V64) if FUSED else None
        high = _fused(builder, "vpmadd52h.uq", _V64) if FUSED else None
        pairs = _fused(builder, "vpdpwssd", _V32) if FUSED else None
        per_row = [_V64, _V64, _V64, _V64, _V32] if FUSED else [_V64, _V64]

        panel_a, panel_b, corner = (
            builder.gep(data(0), [args[1]]),
            data(2),
            builder.gep(data(4), [args[5]]),
        )
        # The rows of `out` come from far away, often evicting each other: ask for them while the
        # loop runs.
        rows = [builder.gep(corner, [builder.mul(args[6], _I64(r))]) for r in range(ROWS)]
        for row in rows:
            for h in range(2):
                line = builder.bitcast(builder.gep(row, [_I64(8 * h)]), ir.IntType(8).as_pointer())
                builder.call(_prefetch(builder), [line, _I32(1), _I32(3), _I32(1)])
        before = builder.basic_block
        loop = builder.append_basic_block("tile.loop")
        after = builder.append_basic_block("tile.after")
        builder.branch(loop)

        builder.position_at_end(loop)
        step = builder.phi(_I64)
        step.add_incoming(_I64(0), before)
        sums = [[builder.phi(kind) for kind in per_row] for _ in range(ROWS)]
        x = builder.gep(panel_a, [builder.mul(step, _I64(A_STEP))])
        y = builder.gep(panel_b, [builder.mul(step, _I64(B_STEP))])
        columns = [_load(builder, y, 8 * h, _V64) for h in range(2)]
        column_pairs = _load(builder, y, COLUMNS, _V32) if FUSED else None
        x_pairs = builder.bitcast(builder.gep(x, [_I64(ROWS)]), _I32.as_pointer())
        new_sums = []
        for r in range(ROWS):
            word = _splat(builder, builder.load(builder.gep(x, [_I64(r)])), _V64)
            if FUSED:
                pair = _splat(builder, builder.load(builder.gep(x_pairs, [_I64(r)])), _V32)
                lows = [builder.call(low, [sums[r][h], word, columns[h]]) for h in range(2)]
                highs = [builder.call(high, [sums[r][2 + h], word, columns[h]]) for h in range(2)]
                new_sums.append(
                    [*lows, *highs, builder.call(pairs, [sums[r][4], pair, column_pairs])]
                )
            else:
                new_sums.append(
                    [builder.add(sums[r][h], builder.mul(word, columns[h])) for h in range(2)]
                )
        for phis, values in zip(sums, new_sums, strict=True):
            for phi, value in zip(phis, values, strict=True):
                phi.add_incoming(ir.Constant(phi.type, None), before)
                phi.add_incoming(value, loop)
        next_step = builder.add(step, _I64(1))
        step.add_incoming(next_step, loop)
        builder.cbranch(builder.icmp_signed("<", next_step, args[3]), loop, after)

        builder.position_at_end(after)
        for row, values in zip(rows, new_sums, strict=True):
            for h in range(2):
                total = values[h]
                if FUSED:
                    half = ir.Constant(ir.VectorType(_I32, 8), list(range(8 * h, 8 * h + 8)))
                    rest = builder.shuffle_vector(values[4], ir.Constant(_V32, ir.Undefined), half)
                    rest = builder.add(values[2 + h], builder.zext(rest, _V64))
                    total = builder.add(total, builder.shl(rest, ir.Constant(_V64, [52] * 8)))
                total = builder.add(total, _load(builder, row, 8 * h, _V64))
                pointer = builder.bitcast(builder.gep(row, [_I64(8 * h)]), _V64.as_pointer())
                builder.store(total, pointer, align=8)
        return context.get_dummy_value()

    return types.void(a, types.intp, b, types.intp, out, types.intp, types.intp), generate
