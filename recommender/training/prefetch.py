"""Ask for memory before it is needed, so that a kernel does not wait for each piece in turn. Pure.

What a request reads lies scattered over tens of megabytes, and a processor that finds a branch on
its way waits for a number before it looks for the next. A kernel that knows what it will read asks
for all of it first; that changes no result. Must not know what the arrays mean.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_opened: Any = make_array
_BYTE, _NUMBER = ir.IntType(8).as_pointer(), ir.IntType(32)
_READ, _KEEP, _DATA = (_NUMBER(flag) for flag in (0, 3, 1))

LINE = 16
"""Entries of four bytes that memory brings at once."""


def _prefetch(_: Any, array: Any, at: Any) -> Any:
    """Tell the compiler what `prefetch` does.

    Source: LLVM Language Reference, `llvm.prefetch`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = _opened(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), _BYTE)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE, _NUMBER, _NUMBER, _NUMBER])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [_BYTE], kind)
        builder.call(ask, [address, _READ, _KEEP, _DATA])
        return context.get_dummy_value()

    return types.void(array, at), generate


prefetch: Any = intrinsic(_prefetch)
"""`prefetch(array, at)` in a kernel: have an entry of a flat array brought near, and go on."""


@njit(nogil=True, cache=True)
def prefetch_lists(items: Any, starts: Any, ids: Any, scores: Any, of_named: Any) -> None:
    """Have the lists of some items brought near, and an array's entries for all they name."""
    for item in items:
        prefetch(starts, np.int64(item))
    for item in items:
        for entry in range(starts[item], starts[item + 1], LINE):
            prefetch(ids, entry)
            prefetch(scores, entry)
    for item in items:
        for entry in range(starts[item], starts[item + 1]):
            prefetch(of_named, np.int64(ids[entry]))
