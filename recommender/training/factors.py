"""Sources from `implicit`: factors with fold-in for the visitor's history, item–item lists. Pure.

The library runs its own threads and is only ever called while fitting; requests use the learned
arrays alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender.training.interactions import Interactions, visitor_item_matrix
from recommender.training.neighbours import ROWS_PER_BLOCK, K, NeighbourSource, top_neighbours
from recommender.training.source import Arrays, Pool, Query

RANK = 64
ITERATIONS = 15
REGULARIZATION = 10.0
ALPHA = 5.0
"""Confidence of an interaction is 1 + ALPHA × its weight, as in the paper."""


class FactorSource:
    """Matrix factors; a visitor unknown to training is folded in from the path.

    Source: Hu, Koren, Volinsky 2008 (ICDM), eq. 4 for the fold-in
    x = (YᵀY + Yᵀ(C − I)Y + λI)⁻¹ YᵀC p, eq. 7 for each item's contribution to a score.

    Arrays: `factors` (n_items, RANK) float32, `gram` YᵀY + λI (RANK, RANK) float32, and the
    candidates `ids` (n_items, K) int32 nearest by cosine of factors.
    """

    name = "history"
    reason = "history"

    def fit(self, interactions: Interactions, *, seed: int) -> dict[str, NDArray[Any]]:
        from implicit.cpu.als import AlternatingLeastSquares

        confidences = visitor_item_matrix(interactions)
        confidences.data = 1.0 + ALPHA * confidences.data
        # Its own threads and the ones of BLAS would fight: the library asks for one of the two.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=RANK,
                regularization=REGULARIZATION,
                iterations=ITERATIONS,
                random_state=seed,
            )
            model.fit(confidences, show_progress=False)
            factors = np.ascontiguousarray(model.item_factors, np.float32)
            gram = factors.T @ factors + REGULARIZATION * np.eye(RANK, dtype=np.float32)
            nearest = top_neighbours(_cosines(factors), len(factors))
        return {"factors": factors, "gram": gram, "ids": nearest["ids"]}

    def candidates(self, arrays: Arrays, query: Query) -> NDArray[np.int32]:
        return arrays["ids"][query.items].ravel()

    def scores(self, arrays: Arrays, query: Query, pool: Pool) -> NDArray[np.float32]:
        visitor = _folded(arrays, query).sum(axis=1)
        return np.maximum(arrays["factors"][pool.items] @ visitor, 0)

    def contributions(
        self, arrays: Arrays, query: Query, items: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        total: NDArray[np.float32] = (arrays["factors"][items] @ _folded(arrays, query)).T
        return np.maximum(total, 0)


def _folded(arrays: Arrays, query: Query) -> NDArray[np.float32]:
    """Return each query item's part of the visitor's factors, shape (RANK, query items)."""
    known = arrays["factors"][query.items]
    confidence = 1.0 + ALPHA * query.weights
    system = arrays["gram"] + (known.T * (confidence - 1.0)) @ known
    solved: NDArray[np.float32] = np.linalg.solve(system, known.T * confidence)
    return solved


def _cosines(factors: NDArray[np.float32]) -> Iterator[sp.csr_matrix]:
    length = np.linalg.norm(factors, axis=1, keepdims=True)
    unit = factors / np.maximum(length, 1e-12)
    for start in range(0, len(unit), ROWS_PER_BLOCK):
        near = unit[start : start + ROWS_PER_BLOCK] @ unit.T
        floor = np.partition(near, -min(K + 1, near.shape[1]), axis=1)[:, [-min(K + 1, near.shape[1])]]
        near[(near < floor) | (near <= 0)] = 0
        yield sp.csr_matrix(near)


def similar_weights(interactions: Interactions) -> Iterator[sp.csr_matrix]:
    """Yield the largest BM25-weighted overlaps of the items' visitors.

    Source: Robertson, Zaragoza 2009, eq. 3.15, with visitors as terms and items as documents, as
    `implicit.nearest_neighbours.BM25Recommender` computes it.
    """
    from implicit.nearest_neighbours import BM25Recommender

    model = BM25Recommender(K=K + 1)
    model.fit(visitor_item_matrix(interactions), show_progress=False)
    yield model.similarity.tocsr()


FACTORS = FactorSource()
SIMILAR = NeighbourSource("similar", "similar", similar_weights)
