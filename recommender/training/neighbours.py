"""Top-K neighbour lists: built row by row from sparse products, read by fancy indexing. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.training.interactions import Interactions
from recommender.training.source import Arrays, Pool, Query

K = 50
"""Neighbours kept per item."""

ROWS_PER_BLOCK = 512


@dataclass(frozen=True, slots=True)
class NeighbourSource:
    """A source that adds up the neighbour lists of the query's items.

    Attributes:
        weigh: Interactions → sparse items × items weights, in blocks of rows from the top.
    """

    name: str
    reason: str
    weigh: Callable[[Interactions], Iterator[sp.csr_matrix]]

    def fit(self, interactions: Interactions, *, seed: int) -> dict[str, NDArray[Any]]:
        del seed
        return top_neighbours(self.weigh(interactions), interactions.n_items)

    def candidates(self, arrays: Arrays, query: Query) -> NDArray[np.int32]:
        return arrays["ids"][query.items].ravel()

    def scores(self, arrays: Arrays, query: Query, pool: Pool) -> NDArray[np.float32]:
        weighted = arrays["scores"][query.items] * query.weights[:, None]
        return pool.sums(arrays["ids"][query.items].ravel(), weighted.ravel())

    def contributions(
        self, arrays: Arrays, query: Query, items: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        weighted = arrays["scores"][query.items] * query.weights[:, None]
        listed = arrays["ids"][query.items][:, :, None] == items
        total: NDArray[np.float32] = (weighted[:, :, None] * listed).sum(axis=1)
        return total


def products(left: sp.csr_matrix, right: sp.csr_matrix) -> Iterator[sp.csr_matrix]:
    """Yield `left @ right` in blocks of rows, so that the whole product never exists."""
    for start in range(0, left.shape[0], ROWS_PER_BLOCK):
        yield (left[start : start + ROWS_PER_BLOCK] @ right).tocsr()


def top_neighbours(blocks: Iterator[sp.csr_matrix], n_items: int) -> dict[str, NDArray[Any]]:
    """Keep the `K` largest positive weights of every row, the diagonal left out.

    Ties go to the smaller row of the vocabulary. Free places name the item itself at score 0.

    Returns:
        `ids` int32 and `scores` float32, both of shape (n_items, K), best first.
    """
    ids = np.repeat(np.arange(n_items, dtype=np.int32)[:, None], K, axis=1)
    scores = np.zeros((n_items, K), np.float32)
    row = 0
    for block in blocks:
        block.sort_indices()
        for start, end in zip(block.indptr[:-1], block.indptr[1:], strict=True):
            best_ids, best = _largest(block.indices[start:end], block.data[start:end], row)
            ids[row, : len(best)], scores[row, : len(best)] = best_ids, best
            row += 1
    return {"ids": ids, "scores": scores}


def _largest(
    ids: NDArray[np.int32], weights: NDArray[np.float32], own: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    kept = (ids != own) & (weights > 0)
    ids, weights = ids[kept], weights[kept]
    if len(ids) > K:
        floor = np.partition(weights, -K)[-K]
        near = weights >= floor
        ids, weights = ids[near], weights[near]
    order = np.argsort(-weights, kind="stable")[:K]
    return ids[order], weights[order]
