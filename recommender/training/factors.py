"""Sources from `implicit`: factors with fold-in for the visitor's history, item–item lists. Pure.

The library runs its own threads and is only ever called while fitting; requests use the learned
arrays alone, through the kernels below. Must not know how scores are blended.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.training.board import Board
from recommender.training.interactions import actor_item_matrix
from recommender.training.neighbours import (
    FADES,
    Block,
    K,
    NeighbourSource,
    keep_largest,
)
from recommender.training.source import (
    Arrays,
    Query,
    Settings,
    TrainingSet,
    fade_path,
)

PATH_ITEMS = 40
"""Heaviest items of the path that are folded in."""

HALF_LIFE_DAYS = 180.0
ITERATIONS = 8
ITERATIONS_ON = 4
"""Enough where earlier factors are there to go on from."""

ITERATIONS_TRIAL = 4
"""Enough to see which settings are better."""

ROWS_MAX = 100_000
"""Actors that factors are learned from, the ones with most items: the others say little."""

BANDS = 6
"""Groups of rows by frequency that share one regularisation."""

BM25_K1, BM25_B = 1.2, 0.75


class FactorSource:
    """Matrix factors by tuned implicit ALS; the visitor is folded in from the path.

    Source: Hu, Koren, Volinsky 2008 (ICDM), eq. 4 and 7 for the fold-in and for each item's
    contribution; Rendle, Krichene, Zhang, Koren 2022 (RecSys, "Revisiting the performance of
    iALS") for λ in proportion to what is known of a row, and for x = (YᵀY + YᵀDY + λI)⁻¹ Yᵀd,
    in which an item that hardly counts any more adds hardly anything.

    It proposes no candidates: scoring all items would cost a product with every factor on every
    request, so it ranks what the neighbour lists propose.

    Arrays: `factors` (n_items, factors) float32, Z = Y L⁻ᵀ where LLᵀ = YᵀY + λI, so that a request
    only solves for the items of its own path; `alpha` (1,) float32, what a weight adds to the
    confidence 1; `fade` (2,) as in `source.Query.faded`.
    """

    name = "history"
    reason = "history"
    proposes = False
    refreshes = False
    fit_trials: tuple[Settings, ...] = (
        {"factors": 64, "alpha": 10.0, "l2": 0.003},
        {"factors": 128, "alpha": 10.0, "l2": 0.0065},
    )
    query_trials = FADES

    def fit(
        self, training_set: TrainingSet, settings: Settings, *, seed: int
    ) -> dict[str, NDArray[Any]]:
        taken = actor_item_matrix(
            training_set.interactions, training_set.kind_weights, half_life_days=HALF_LIFE_DAYS
        )
        taken.data = np.log1p(taken.data)
        earlier = training_set.earlier.get(self.name, {}).get("factors")
        return {
            "factors": fit_factors(
                _telling_rows(taken),
                settings,
                seed=seed,
                earlier=earlier,
                iterations=ITERATIONS_TRIAL if training_set.is_trial else ITERATIONS,
            ),
            "alpha": np.array([settings["alpha"]], np.float32),
        }

    def score(self, arrays: Arrays, query: Query, board: Board, row: int) -> None:
        add_folded(query.arrays, self.kernel_arrays(arrays), board.state, row)

    @staticmethod
    def kernel_arrays(arrays: Arrays) -> tuple[NDArray[Any], ...]:
        """Return the arrays as `add_folded` takes them."""
        return arrays["fade"], arrays["alpha"], arrays["factors"]


@njit(nogil=True, cache=True)
def add_folded(query: Any, arrays: Any, board: Any, row: int) -> None:
    """Write what the folded-in visitor makes of every candidate on one row of a board."""
    fade, alpha, factors = arrays
    parts, touched, _, count = board
    items, weights = fade_path(query, fade, PATH_ITEMS)
    score_folded(factors, items, alpha[0] * weights, touched[: count[0]], parts, row)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def score_folded(factors: Any, rows: Any, extra: Any, items: Any, parts: Any, row: int) -> None:
    """Write the scores of items, at least 0, for a visitor who met the rows.

    With Z of `FactorSource` the fold-in becomes, by the Woodbury identity, a system as large as
    the path: x = Zᵀ(I + D Z Zᵀ)⁻¹ d with d the extra confidences, D = diag(d), and of Z the
    path's rows alone; D^½ on either side makes it symmetric.

    Args:
        rows: Vocabulary rows of the path.
        extra: Confidence beyond that of an item never met, float32.
        items: Vocabulary rows of the candidates, in the order of their places.
        parts: Of a board.
    """
    n, n_factors = len(rows), factors.shape[1]
    known = np.empty((n, n_factors), np.float32)
    solved = np.empty(n, np.float32)
    for i in range(n):
        solved[i] = np.sqrt(extra[i])
        for f in range(n_factors):
            known[i, f] = factors[rows[i], f] * solved[i]
    _solve_regularised(known, solved)
    visitor = np.zeros(n_factors, np.float32)
    for i in range(n):
        for f in range(n_factors):
            visitor[f] += known[i, f] * solved[i]
    for place in range(len(items)):
        score = np.float32(0)
        for f in range(n_factors):
            score += factors[items[place], f] * visitor[f]
        parts[row, place] = max(score, np.float32(0))


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _solve_regularised(known: Any, right: Any) -> None:
    """Overwrite `right` with (I + K Kᵀ)⁻¹ right for K = `known`, by Cholesky's method."""
    n, n_factors = known.shape
    lower = np.empty((n, n), np.float32)
    for i in range(n):
        for j in range(i + 1):
            entry = np.float32(i == j)
            for f in range(n_factors):
                entry += known[i, f] * known[j, f]
            for f in range(j):
                entry -= lower[i, f] * lower[j, f]
            lower[i, j] = np.sqrt(entry) if i == j else entry / lower[j, j]
    for i in range(n):
        for f in range(i):
            right[i] -= lower[i, f] * right[f]
        right[i] /= lower[i, i]
    for i in range(n - 1, -1, -1):
        for f in range(i + 1, n):
            right[i] -= lower[f, i] * right[f]
        right[i] /= lower[i, i]


def _telling_rows(taken: sp.csr_matrix) -> sp.csr_matrix:
    """Return the rows that relate items, at most `ROWS_MAX`, their weights one on average."""
    sizes = np.diff(taken.indptr)
    largest = np.argsort(-sizes, kind="stable")[:ROWS_MAX]
    kept = taken[np.sort(largest[sizes[largest] > 1])]
    if kept.nnz:
        kept.data /= kept.data.mean()
    return kept


def fit_factors(
    taken: sp.csr_matrix,
    settings: Settings,
    *,
    seed: int,
    earlier: NDArray[np.float32] | None = None,
    iterations: int = ITERATIONS,
) -> NDArray[np.float32]:
    """Fit factors of the columns, made ready for `score_folded`.

    `implicit` knows one L2 for all rows; its solver is called for one band of rows after the
    other, sorted by frequency, so that λ = l2 · (alpha · entries + columns) differs by band.
    Each row is solved alone, so that the number of threads does not change a bit.

    Args:
        taken: Rows × columns, weights around 1.
        settings: `factors`, `alpha`, `l2`.
        earlier: What this returned for fewer rows, to go on from: `ITERATIONS_ON` then do.
        iterations: Of both sides, from random factors.

    Returns:
        Shape (columns, factors), zeros for a column without entries.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    n_factors = settings["factors"]
    whole = np.zeros((taken.shape[1], n_factors), np.float32)
    if not taken.nnz:
        return whole
    sizes, times = np.diff(taken.indptr), np.bincount(taken.indices, minlength=taken.shape[1])
    columns = np.argsort(times, kind="stable")[np.count_nonzero(times == 0) :]
    confidences = taken[np.argsort(sizes, kind="stable")][:, columns].tocsr()
    confidences.data = 1.0 + settings["alpha"] * confidences.data
    l2 = settings["l2"] * (float(np.median(sizes)) * settings["alpha"] + len(columns))
    rng = np.random.default_rng(seed)
    ours, theirs = (_initial(rng, n, n_factors) for n in confidences.shape)
    if earlier is not None and earlier.shape == whole.shape:
        known = _unwhitened(earlier[columns], l2)
        theirs = np.where(np.any(known, axis=1, keepdims=True), known, theirs)
        iterations = min(iterations, ITERATIONS_ON)
    # Its own threads and the ones of BLAS would fight: the library asks for one of the two.
    with threadpool_limits(1, "blas"):
        solver = AlternatingLeastSquares(factors=n_factors).solver
        by_row, by_column = (_banded(side, settings) for side in (confidences, confidences.T))
        for _ in range(iterations):
            _solve(solver, by_row, ours, theirs)
            _solve(solver, by_column, theirs, ours)
        whole[columns] = _whitened(theirs, l2)
    return whole


def _initial(rng: np.random.Generator, n: int, n_factors: int) -> NDArray[np.float32]:
    return rng.standard_normal((n, n_factors), np.float32) * np.float32(0.1 / n_factors**0.5)


Band = tuple[slice, sp.csr_matrix, float]
"""Consecutive rows, their confidences, and their λ."""


def _banded(confidences: sp.csr_matrix, settings: Settings) -> list[Band]:
    """Cut rows sorted by frequency into bands of almost equal λ."""
    rows = confidences.tocsr().astype(np.float32)
    known = np.diff(rows.indptr) * settings["alpha"] + rows.shape[1]
    edges = np.geomspace(known[0], known[-1], BANDS + 1)[1:-1]
    ends = np.unique(np.append(np.searchsorted(known, edges, side="right"), len(known)))
    starts = np.concatenate([[0], ends[:-1]])
    return [
        (slice(start, end), rows[start:end], settings["l2"] * float(known[start:end].mean()))
        for start, end in zip(starts, ends, strict=True)
        if end > start
    ]


def _solve(
    solver: Callable[..., None],
    bands: list[Band],
    ours: NDArray[np.float32],
    theirs: NDArray[np.float32],
) -> None:
    for rows, confidences, l2 in bands:
        solver(confidences, ours[rows], theirs, l2)


def _whitened(factors: NDArray[np.float32], l2: float) -> NDArray[np.float32]:
    gram = (factors.T @ factors).astype(np.float64) + l2 * np.eye(factors.shape[1])
    inverse = np.linalg.inv(np.linalg.cholesky(gram)).T
    return np.ascontiguousarray(factors @ inverse.astype(np.float32))


def _unwhitened(white: NDArray[np.float32], l2: float) -> NDArray[np.float32]:
    """Return factors that `_whitened` makes these of, up to a rotation.

    With Z = Y L⁻ᵀ and LLᵀ = YᵀY + λI is ZᵀZ = I − λ(LᵀL)⁻¹, so that YYᵀ = λZ(I − ZᵀZ)⁻¹Zᵀ.
    """
    exact = white.astype(np.float64)
    shares, axes = np.linalg.eigh(exact.T @ exact)
    stretch = np.sqrt(l2 / np.maximum(1.0 - shares, 1e-6))
    return np.ascontiguousarray((exact @ axes) * stretch, np.float32)


def similar_blocks(training_set: TrainingSet, settings: Settings) -> Iterator[Block]:
    """Yield the items whose takers are most alike.

    Source: Salton, Buckley 1988, TF-IDF, and Robertson, Zaragoza 2009, BM25, with actors as terms
    and items as documents: who took many items says little of each. Weighting and lists are
    computed by `implicit.nearest_neighbours`.
    """
    from implicit.nearest_neighbours import all_pairs_knn

    taken = actor_item_matrix(
        training_set.interactions, training_set.kind_weights, half_life_days=HALF_LIFE_DAYS
    )
    if not taken.nnz:
        return
    weighted = _weightings()[settings["weighting"]](taken.T.astype(np.float64))
    # An item whose only takers took everything has length 0; its neighbours become NaN.
    weighted.data = np.nan_to_num(weighted.data, posinf=0.0, neginf=0.0)
    nearest = all_pairs_knn(weighted.T.tocsr(), K + 1, show_progress=False).tocsr()
    yield _largest(nearest)


def _weightings() -> dict[str, Callable[[sp.csr_matrix], sp.coo_matrix]]:
    from implicit.nearest_neighbours import bm25_weight, normalize, tfidf_weight

    return {
        "bm25": partial(bm25_weight, K1=BM25_K1, B=BM25_B),
        "tfidf": lambda taken: normalize(tfidf_weight(taken)),
        "cosine": normalize,
    }


def _largest(nearest: sp.csr_matrix) -> Block:
    """Return the rows of a sparse matrix as lists, best first, without the diagonal."""
    ids = np.zeros((nearest.shape[0], K), np.int32)
    scores = np.zeros((nearest.shape[0], K), np.float32)
    _keep_rows(nearest.indptr, nearest.indices, nearest.data, ids, scores)
    return ids, scores


@njit(nogil=True, cache=True)
def _keep_rows(starts: Any, columns: Any, values: Any, ids: Any, scores: Any) -> None:
    row = np.zeros(len(ids), np.float32)
    touched = np.empty(len(ids), np.int32)
    for item in range(len(ids)):
        n = 0
        for at in range(starts[item], starts[item + 1]):
            if columns[at] != item:
                row[columns[at]] = values[at]
                touched[n] = columns[at]
                n += 1
        keep_largest(row, touched, n, ids[item], scores[item])


FACTORS = FactorSource()
SIMILAR = NeighbourSource(
    "similar",
    "similar",
    similar_blocks,
    fit_trials=({"weighting": "bm25"}, {"weighting": "tfidf"}, {"weighting": "cosine"}),
    refreshes=False,
)
