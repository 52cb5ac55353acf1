"""Sources from `implicit`: factors with fold-in for the visitor's history, item–item lists. Pure.

The library runs its own threads and is only ever called while fitting; requests use the learned
arrays alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.training.interactions import Interactions, visitor_item_matrix
from recommender.training.neighbours import K, NeighbourSource
from recommender.training.source import Arrays, Pool, Query

RANK = 64
ITERATIONS = 15
REGULARIZATION = 10.0
ALPHA = 2.0
"""Confidence of an interaction is 1 + ALPHA × its weight, as in the paper."""


class FactorSource:
    """Matrix factors; a visitor unknown to training is folded in from the path.

    Source: Hu, Koren, Volinsky 2008 (ICDM), eq. 4 for the fold-in
    x = (YᵀY + Yᵀ(C − I)Y + λI)⁻¹ YᵀC p, eq. 7 for each item's contribution to a score.

    It proposes no candidates: scoring all items would cost a product with every factor on every
    request, so it ranks what the neighbour lists propose.

    Arrays: `factors` (n_items, RANK) and `gram` YᵀY + λI (RANK, RANK), both float32.
    """

    name = "history"
    reason = "history"

    def fit(self, interactions: Interactions, *, seed: int) -> dict[str, NDArray[Any]]:
        from implicit.cpu.als import AlternatingLeastSquares

        confidences = visitor_item_matrix(interactions)
        if not confidences.nnz:
            return _unknowing(interactions.n_items)
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
        return {"factors": factors, "gram": gram}

    def candidates(self, arrays: Arrays, query: Query) -> NDArray[np.int32]:
        del arrays, query
        return np.zeros(0, np.int32)

    def scores(self, arrays: Arrays, query: Query, pool: Pool) -> NDArray[np.float32]:
        visitor = _folded(arrays, query).sum(axis=1)
        scores: NDArray[np.float32] = np.maximum(arrays["factors"][pool.items] @ visitor, 0)
        return scores

    def contributions(
        self, arrays: Arrays, query: Query, items: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        total: NDArray[np.float32] = (arrays["factors"][items] @ _folded(arrays, query)).T
        return np.maximum(total, 0)


def _unknowing(n_items: int) -> dict[str, NDArray[Any]]:
    """Return factors that score every item 0: nobody is known by more than one order."""
    gram = REGULARIZATION * np.eye(RANK, dtype=np.float32)
    return {"factors": np.zeros((n_items, RANK), np.float32), "gram": gram}


def _folded(arrays: Arrays, query: Query) -> NDArray[np.float32]:
    """Return each query item's part of the visitor's factors, shape (RANK, query items)."""
    known = arrays["factors"][query.items]
    confidence = 1.0 + ALPHA * query.weights
    system = arrays["gram"] + (known.T * (confidence - 1.0)) @ known
    solved: NDArray[np.float32] = np.linalg.solve(system, known.T * confidence)
    return solved


def similar_weights(interactions: Interactions) -> Iterator[sp.csr_matrix]:
    """Yield the largest TF-IDF cosines of the items' visitors.

    Source: Salton, Buckley 1988, with visitors as terms and items as documents: who took many
    items says little of each. Computed by `implicit.nearest_neighbours`.
    """
    from implicit.nearest_neighbours import all_pairs_knn, normalize, tfidf_weight

    taken = visitor_item_matrix(interactions).T.astype(np.float64)
    if not taken.nnz:
        yield sp.csr_matrix((interactions.n_items, interactions.n_items), dtype=np.float32)
        return
    # An item whose only visitors took everything has length 0; its neighbours become NaN, and
    # are dropped with all that is not positive.
    with np.errstate(invalid="ignore"):
        weighted = normalize(tfidf_weight(taken))
    yield all_pairs_knn(weighted.T.tocsr(), K + 1, show_progress=False).tocsr()


FACTORS = FactorSource()
SIMILAR = NeighbourSource("similar", "similar", similar_weights)
