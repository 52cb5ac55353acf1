"""Neighbour lists: the K items nearest to each item, built in blocks of rows. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.board import Board, add_lists
from recommender.training.source import Arrays, Query, Settings, TrainingSet, fade_path

K = 100
"""Neighbours kept per item."""

ROWS_PER_BLOCK = 8_192

SIEVE = 1_024
"""Size of `sieve`'s table: a power of two, many times what a slate holds."""

Block = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Neighbours of consecutive items, best first, and their weights; both of shape (rows, K)."""

PATH_ITEMS = 40
"""Heaviest items of the path whose lists are added up."""

FADES: tuple[Settings, ...] = tuple(
    {"fade": fade} for fade in ((0.7, 1.0), (0.5, 1.0), (0.85, 1.0), (0.9, 0.99), (1.0, 0.992))
)
"""What an item of the path counts one step and one day later; tried for every source of lists."""


@dataclass(frozen=True, slots=True)
class NeighbourSource:
    """A source that adds up the neighbour lists of the query's items.

    Arrays: row i of `ids` (int32) and `scores` (float32), best first, lies from `starts[i]` to
    `starts[i + 1]` (int64); `fade` (2,) as in `source.Query.faded`.

    Attributes:
        blocks: Training set and settings → the lists of all items, block after block.
    """

    name: str
    reason: str
    blocks: Callable[[TrainingSet, Settings], Iterable[Block]]
    fit_trials: Sequence[Settings]
    query_trials: Sequence[Settings] = FADES
    proposes: bool = True
    refreshes: bool = True

    def fit(
        self, training_set: TrainingSet, settings: Settings, *, seed: int
    ) -> dict[str, NDArray[Any]]:
        del seed
        return as_lists(self.blocks(training_set, settings), training_set.n_items)

    def score(self, arrays: Arrays, query: Query, board: Board, row: int) -> None:
        add_faded_lists(query.arrays, self.kernel_arrays(arrays), board.state, row)

    @staticmethod
    def kernel_arrays(arrays: Arrays) -> tuple[NDArray[Any], ...]:
        """Return the arrays as `add_faded_lists` takes them."""
        return arrays["fade"], arrays["starts"], arrays["ids"], arrays["scores"]


def largest_giver(givers: NDArray[np.int32], added: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return for each column the giver (row) that added most, -1 where none added anything."""
    if not len(givers):
        return np.full(added.shape[1], -1, np.int32)
    return np.where(added.any(axis=0), givers[added.argmax(axis=0)], -1).astype(np.int32)


def as_lists(blocks: Iterable[Block], n_items: int) -> dict[str, NDArray[Any]]:
    """Join blocks into ragged lists; entries that are not positive are left out."""
    sizes, ids, scores = [np.zeros(1, np.int64)], [], []
    for block_ids, block_scores in blocks:
        kept = block_scores > 0
        sizes.append(kept.sum(axis=1))
        ids.append(block_ids[kept])
        scores.append(block_scores[kept])
    starts = np.cumsum(np.concatenate(sizes)).astype(np.int64)
    if len(starts) != n_items + 1:
        starts = np.zeros(n_items + 1, np.int64)
    return {
        "starts": starts,
        "ids": np.concatenate([np.zeros(0, np.int32), *ids]),
        "scores": np.concatenate([np.zeros(0, np.float32), *scores]),
    }


def row_blocks(n_items: int) -> Iterator[tuple[int, int]]:
    """Yield first and last row (exclusive) of each block."""
    for first in range(0, n_items, ROWS_PER_BLOCK):
        yield first, min(first + ROWS_PER_BLOCK, n_items)


@njit(nogil=True, cache=True)
def add_faded_lists(query: Any, arrays: Any, board: Any, row: int) -> None:
    """Add the lists of a path's heaviest items to one row of a board."""
    fade, starts, ids, scores = arrays
    items, weights = fade_path(query, fade, PATH_ITEMS)
    add_lists(items, weights, starts, ids, scores, row, board)


@njit(nogil=True, cache=True)
def list_givers(query: Any, arrays: Any, items: Any) -> Any:
    """Return for each item the path's item whose list gave it most, or -1."""
    fade, starts, ids, scores = arrays
    givers, weights = fade_path(query, fade, PATH_ITEMS)
    may_be_asked = sieve(items)
    largest = np.zeros(len(items), np.float32)
    found = np.full(len(items), -1, np.int32)
    for place in range(len(givers)):
        giver = givers[place]
        for entry in range(starts[giver], starts[giver + 1]):
            other = ids[entry]
            if not may_be_asked[other & (SIEVE - 1)]:
                continue
            for at in range(len(items)):
                if items[at] == other and weights[place] * scores[entry] > largest[at]:
                    largest[at] = weights[place] * scores[entry]
                    found[at] = giver
    return found


@njit(nogil=True, cache=True)
def sieve(items: Any) -> Any:
    """Return a small table that tells most of the other items from some: they are not in it.

    An item stands at `item & (SIEVE - 1)`.
    """
    table = np.zeros(SIEVE, np.bool_)
    for item in items:
        table[item & (SIEVE - 1)] = True
    return table


@njit(nogil=True, cache=True)
def keep_largest(row: Any, touched: Any, n: int, ids: Any, scores: Any) -> None:
    """Write the largest of the touched entries of `row`, best first; ties go to the first item."""
    columns = touched[:n]
    if n > len(ids):
        columns = _largest_columns(row, columns, len(ids))
    columns = np.sort(columns)
    order = np.argsort(-row[columns], kind="mergesort")
    for place in range(len(columns)):
        ids[place] = columns[order[place]]
        scores[place] = row[columns[order[place]]]


@njit(nogil=True, cache=True)
def _largest_columns(row: Any, columns: Any, k: int) -> Any:
    """Return the columns of the `k` largest entries; of equals those of the first items."""
    floor = np.partition(row[columns], len(columns) - k)[len(columns) - k]
    largest = np.empty(k, np.int32)
    n = 0
    for column in columns:
        if row[column] > floor:
            largest[n] = column
            n += 1
    ties = np.sort(columns[row[columns] == floor])
    largest[n:] = ties[: k - n]
    return largest


@njit(nogil=True, cache=True)
def occurrences(items: Any, n_items: int) -> tuple[Any, Any]:
    """Return where each item occurs, oldest first, as starts (n_items + 1,) and positions."""
    starts = np.zeros(n_items + 1, np.int64)
    for item in items:
        starts[item + 1] += 1
    starts = np.cumsum(starts)
    free = starts[:-1].copy()
    positions = np.empty(len(items), np.int64)
    for position in range(len(items)):
        positions[free[items[position]]] = position
        free[items[position]] += 1
    return starts, positions
