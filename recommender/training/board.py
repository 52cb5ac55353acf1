"""The board that sources write their scores on, and its kernels. Pure.

One row a source, one column an item of the vocabulary; only the columns that a request touched
are ever read or wiped, so that a request costs what its path costs, not what the shop's size
does. Must not know what the scores mean.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

TIE_SHARE = 1e-5
"""Largest part of a score that lots decide: what a source holds equal must not come in the order
in which other sources named it."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates with what each source says of them.

    Attributes:
        items: Vocabulary rows, int32.
        parts: Shape (sources, candidates), each row divided by its maximum, float32; equal ones
            differ by lot.
    """

    items: NDArray[np.int32]
    parts: NDArray[np.float32]


class Board:
    """Scratch space of one thread; wiped by `take`.

    Attributes:
        parts: Scores, shape (sources, n_items), float32.
        touched: Columns in use, the first `count[0]` entries, int32.
        is_touched: Whether a column is in use.
        count: Shape (1,), int64.
    """

    __slots__ = ("_everywhere", "count", "is_touched", "parts", "touched")

    def __init__(self, n_sources: int, n_items: int) -> None:
        self.parts = np.zeros((n_sources, n_items), np.float32)
        self.touched = np.zeros(n_items, np.int32)
        self.is_touched = np.zeros(n_items, np.bool_)
        self.count = np.zeros(1, np.int64)
        self._everywhere = np.ones(n_sources, np.float32)

    @property
    def columns(self) -> NDArray[np.int32]:
        """Return the columns in use."""
        return self.touched[: self.count[0]]

    def touch(self, items: NDArray[np.int32]) -> None:
        """Make candidates of items whatever the sources say of them."""
        touch(items, self.touched, self.is_touched, self.count)

    def wipe(self) -> None:
        """Forget everything."""
        nothing = np.zeros(len(self.is_touched), np.bool_)
        self.take(nothing, np.zeros(0, np.int32))

    def take(
        self,
        allowed: NDArray[np.bool_],
        hidden: NDArray[np.int32],
        weights: NDArray[np.float32] | None = None,
    ) -> Scored:
        """Return the candidates that are allowed and not hidden, and wipe the board.

        Args:
            allowed: Shape (n_items,).
            weights: By row; where one is 0 nothing was written. None means written everywhere.
        """
        weights = self._everywhere if weights is None else weights
        state = (self.parts, self.touched, self.is_touched, self.count)
        return Scored(*_take(*state, allowed, hidden, weights))


@njit(nogil=True, cache=True)
def touch(items: Any, touched: Any, is_touched: Any, count: Any) -> None:
    """Add columns to those in use."""
    n = count[0]
    for item in items:
        if not is_touched[item]:
            is_touched[item] = True
            touched[n] = item
            n += 1
    count[0] = n


@njit(nogil=True, cache=True)
def _lot(item: int) -> float:
    """Return a number from 0 to 1 that has nothing to do with the item.

    Source: Knuth, The Art of Computer Programming 3, section 6.4, multiplicative hashing.
    """
    return ((np.int64(item) * 2_654_435_761) % 4_294_967_296) / 4_294_967_296.0


@njit(nogil=True, cache=True)
def _take(
    parts: Any,
    touched: Any,
    is_touched: Any,
    count: Any,
    allowed: Any,
    hidden: Any,
    weights: Any,
) -> tuple[Any, Any]:
    for item in hidden:
        is_touched[item] = False
    n = 0
    for place in range(count[0]):
        item = touched[place]
        n += is_touched[item] and allowed[item]
    items = np.empty(n, np.int32)
    taken = np.zeros((len(parts), n), np.float32)
    n = 0
    for place in range(count[0]):
        item = touched[place]
        if is_touched[item] and allowed[item]:
            items[n] = item
            n += 1
        is_touched[item] = False
    for row in np.flatnonzero(weights):
        largest = np.float32(0)
        for place in range(n):
            taken[row, place] = parts[row, items[place]]
            largest = max(largest, taken[row, place])
        if largest > 0:
            for place in range(n):
                taken[row, place] *= (1 - TIE_SHARE * _lot(items[place])) / largest
        for place in range(count[0]):
            parts[row, touched[place]] = 0
    count[0] = 0
    return items, taken


@njit(nogil=True, cache=True)
def add_lists(  # noqa: PLR0913, PLR0917 - a kernel takes arrays, not objects
    items: Any,
    weights: Any,
    starts: Any,
    ids: Any,
    scores: Any,
    part: Any,
    touched: Any,
    is_touched: Any,
    count: Any,
) -> None:
    """Add each item's neighbour list, times its weight, to one row of a board."""
    n = count[0]
    for place in range(len(items)):
        item = items[place]
        for entry in range(starts[item], starts[item + 1]):
            other = ids[entry]
            if not is_touched[other]:
                is_touched[other] = True
                touched[n] = other
                n += 1
            part[other] += weights[place] * scores[entry]
    count[0] = n
