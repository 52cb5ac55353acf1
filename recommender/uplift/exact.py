"""Sums of whole numbers that never overflow. Pure.

64 bits wherever that is provably enough, numbers of any length otherwise: both give the same sums.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROOM = 1 << 62

Numbers = NDArray[Any]
"""Whole numbers: of 64 bits, or Python's."""


def products(a: Numbers, b: Numbers) -> Numbers:
    """Return a · b elementwise, such that the products' sum fits."""
    fits = largest(a) * largest(b) * max(1, len(a)) < _ROOM
    product: Numbers = a * b if fits else a.astype(object) * b.astype(object)
    return product


def addable(values: Numbers) -> Numbers:
    """Return the values in a form in which all of their sums fit."""
    if values.dtype == object or largest(values) * max(1, len(values)) < _ROOM:
        return values
    return values.astype(object)


def largest(values: Numbers) -> int:
    """Return the largest absolute value, 0 without values."""
    return max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0


def sums_by(keys: NDArray[np.int64], *columns: Numbers) -> tuple[NDArray[np.int64], list[Numbers]]:
    """Return the distinct keys in order, and each column's sums over them."""
    if not len(keys):
        return keys, [column[:0] for column in columns]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return ordered[begins], [np.add.reduceat(addable(column)[order], begins) for column in columns]


def running(groups: NDArray[np.int64], values: Numbers) -> tuple[Numbers, Numbers]:
    """Return each group's sum before and after every value; groups stand together."""
    values = addable(values)
    after = np.cumsum(values)
    before = after - values
    if len(groups):
        is_first = np.r_[True, groups[1:] != groups[:-1]]
        begins = np.flatnonzero(is_first)
        base = before[begins][np.cumsum(is_first) - 1]
        before, after = before - base, after - base
    return before, after
