"""Content: which items resemble which by what the catalogue says of them. Pure.

In come vocabulary and catalogue; out go neighbour lists, a candidate source like any other, and
sparse vectors in both directions, with which items that arrive after the training are compared.
Must not know what is shown. Figures: `docs/decisions/0011`.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from recommender.errors import InconsistentError
from recommender.records import Item
from recommender.training.board import Board
from recommender.training.content_words import features
from recommender.training.neighbours import FADES, Block, NeighbourSource, as_lists, row_blocks
from recommender.training.source import Arrays, Query, Settings, TrainingSet

K = 32
"""Neighbours kept per item."""

BUDGET = 1_000
"""Postings read per item at training, rarest features first: bounds the work among the alike."""

FINALISTS = 100
"""Items per item that are compared by all their features; the others by their rarest ones."""

THREADS = 2

_TOUCHED = np.float32(1e-30)
"""Marks a candidate before it has a score; too small to change an order."""


class ContentSource:
    """Items that resemble those of the path; says nothing without a catalogue.

    Arrays: `starts`, `ids`, `scores` as in `neighbours.NeighbourSource`, scores being
    resemblances; and those of `index_content`.
    """

    name = "content"
    reason = "similar"
    proposes = True
    refreshes = True
    fit_trials: Sequence[Settings] = ({},)
    query_trials: Sequence[Settings] = FADES

    def fit(
        self, training_set: TrainingSet, settings: Settings, *, seed: int
    ) -> dict[str, NDArray[Any]]:
        del settings, seed
        interactions = training_set.interactions
        content = training_set.content or content_arrays(interactions.item_ids, ())
        events = np.bincount(interactions.item, minlength=interactions.n_items)
        return {**content, "events": events.astype(np.int32)}

    def score(self, arrays: Arrays, query: Query, board: Board, row: int) -> None:
        _LISTS.score(arrays, query, board, row)

    @staticmethod
    def kernel_arrays(arrays: Arrays) -> tuple[NDArray[Any], ...]:
        """Return the arrays as `neighbours.add_faded_lists` takes them."""
        return _LISTS.kernel_arrays(arrays)


CONTENT = ContentSource()
_LISTS = NeighbourSource(CONTENT.name, CONTENT.reason, lambda _set, _settings: (), ({},))


def content_arrays(
    item_ids: NDArray[np.bytes_], catalogue: Sequence[Item]
) -> dict[str, NDArray[Any]]:
    """Return the vectors of `index_content` and the neighbour lists that follow from them."""
    index = index_content(item_ids, catalogue)
    return as_lists(_blocks(index, len(item_ids)), len(item_ids)) | index


def index_content(
    item_ids: NDArray[np.bytes_], catalogue: Sequence[Item]
) -> dict[str, NDArray[Any]]:
    """Learn the content vector of every item.

    Vectors are TF-IDF with a weight per field, of length 1. Source: Salton, Buckley 1988
    (Information Processing & Management 24), weighting `ntc`.

    Args:
        item_ids: The vocabulary, ascending.
        catalogue: Items in any order; one outside the vocabulary is left out, and a row that the
            catalogue does not have resembles nothing. May be empty.

    Returns:
        `tokens` uint32 ascending, the features, and their `idf` float32; `vector_offsets` int64,
        `vector_tokens` int32, `vector_weights` float32: each row's vector; `posting_starts`,
        `posting_ids`, `posting_weights`: the same by feature.
    """
    hashes, weights, offsets = _described(item_ids, catalogue)
    tokens, columns = np.unique(hashes, return_inverse=True)
    n_described = int((np.diff(offsets) > 0).sum())
    idf = np.log1p(n_described / np.bincount(columns, minlength=len(tokens))).astype(np.float32)
    weights = weights * idf[columns]
    rows = np.repeat(np.arange(len(item_ids)), np.diff(offsets))
    length = np.sqrt(np.bincount(rows, weights=weights**2, minlength=len(item_ids)))
    weights = (weights / length[rows]).astype(np.float32)
    vectors = sp.csr_matrix((weights, columns, offsets), (len(item_ids), len(tokens)))
    postings = vectors.tocsc()
    return {
        "tokens": tokens,
        "idf": idf,
        "vector_offsets": offsets,
        "vector_tokens": columns.astype(np.int32),
        "vector_weights": weights,
        "posting_starts": postings.indptr.astype(np.int64),
        "posting_ids": postings.indices.astype(np.int32),
        "posting_weights": postings.data,
    }


def vectors_of(arrays: Arrays, items: Iterable[Item]) -> sp.csr_matrix:
    """Return the content vectors of items that the arrays were not learned from.

    A feature that the training never met counts in the length as the rarest one does: the less of
    an item is known, the less it resembles anything.

    Returns:
        Shape (items, tokens), float32.
    """
    tokens, idf = arrays["tokens"], arrays["idf"]
    offsets = [0]
    columns, values = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for item in items:
        described = dict(features(item))
        hashes = np.fromiter(described, np.uint32, len(described))
        weights = np.fromiter(described.values(), np.float32, len(described))
        place = np.searchsorted(tokens, hashes)
        known = place < len(tokens)
        known[known] = tokens[place[known]] == hashes[known]
        weights[known] *= idf[place[known]]
        weights[~known] *= idf.max(initial=0)
        length = np.sqrt(weights @ weights)
        columns.append(place[known].astype(np.int32))
        values.append(weights[known] / length)
        offsets.append(offsets[-1] + int(known.sum()))
    shape = (len(offsets) - 1, len(tokens))
    return sp.csr_matrix((np.concatenate(values), np.concatenate(columns), offsets), shape)


def nearest(
    arrays: Arrays,
    vectors: sp.csr_matrix,
    allowed: NDArray[np.bool_],
    *,
    own: NDArray[np.int32],
    k: int,
    budget: int = BUDGET,
) -> Block:
    """Return the rows of the vocabulary that resemble each vector most.

    Resemblance is the square of the cosine, 0–1. The result is exact but for rows that `budget`
    and `FINALISTS` cut off.

    Args:
        vectors: Content vectors, see `vectors_of`.
        allowed: Which rows may be named, shape (n_items,).
        own: Row of each vector itself, which is not its own neighbour; -1 for none.

    Returns:
        Rows and resemblances, both (vectors, k), best first; resemblance 0 marks a free place.
    """
    ids = np.zeros((len(own), k), np.int32)
    cosines = np.zeros((len(own), k), np.float32)
    _nearest(
        (vectors.indptr.astype(np.int64), vectors.indices.astype(np.int32), vectors.data),
        own,
        allowed,
        (budget, FINALISTS),
        (arrays["posting_starts"], arrays["posting_ids"], arrays["posting_weights"]),
        (arrays["vector_offsets"], arrays["vector_tokens"], arrays["vector_weights"]),
        ids,
        cosines,
    )
    return ids, cosines**2


def check_content(arrays: Arrays, n_items: int) -> None:
    """Refuse vectors that lead beyond the vocabulary or the features, as kernels do not look.

    What names and starts of lists tell is checked by `soundness.check_source`.

    Raises:
        InconsistentError: Code `damaged-artifact`.
    """
    offsets, tokens = arrays["vector_offsets"], arrays["vector_tokens"]
    n_tokens = len(arrays["tokens"])
    whole = (
        offsets.shape == (n_items + 1,)
        and int(offsets[0]) == 0
        and bool((np.diff(offsets) >= 0).all())
        and int(offsets[-1]) == len(tokens) == len(arrays["vector_weights"])
        and len(arrays["posting_ids"]) == len(arrays["posting_weights"])
    )
    inside = not len(tokens) or 0 <= int(tokens.min()) <= int(tokens.max()) < n_tokens
    sized = len(arrays["posting_starts"]) == n_tokens + 1 == len(arrays["idf"]) + 1
    if not (whole and inside and sized and arrays["events"].shape == (n_items,)):
        raise InconsistentError("content leads beyond its features", code="damaged-artifact")


def _blocks(index: Arrays, n_items: int) -> Iterable[Block]:
    vectors = sp.csr_matrix(
        (index["vector_weights"], index["vector_tokens"], index["vector_offsets"]),
        (n_items, len(index["tokens"])),
    )
    everyone = np.ones(n_items, np.bool_)

    def block(rows: tuple[int, int]) -> Block:
        own = np.arange(*rows, dtype=np.int32)
        return nearest(index, vectors[slice(*rows)], everyone, own=own, k=K)

    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(block, row_blocks(n_items))


def _described(
    item_ids: NDArray[np.bytes_], catalogue: Sequence[Item]
) -> tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.int64]]:
    """Return the features of all rows one after the other, their weights, and where each begins."""
    by_id: Mapping[bytes, Item] = {item.item_id.encode(): item for item in catalogue}
    hashes: list[int] = []
    weights: list[float] = []
    offsets = np.zeros(len(item_ids) + 1, np.int64)
    for row, item_id in enumerate(item_ids.tolist()):
        if (item := by_id.get(item_id)) is not None:
            for feature, weight in features(item):
                hashes.append(feature)
                weights.append(weight)
        offsets[row + 1] = len(hashes)
    return np.array(hashes, np.uint32), np.array(weights, np.float32), offsets


@njit(nogil=True, cache=True)
def _nearest(
    vectors: Any,
    own: Any,
    allowed: Any,
    limits: tuple[int, int],
    postings: Any,
    known: Any,
    ids: Any,
    cosines: Any,
) -> None:
    offsets, tokens, weights = vectors
    board = np.zeros(len(allowed), np.float32)
    left = np.zeros(len(postings[0]) - 1, np.float32)
    budget, finalists = limits
    touched = np.empty(budget, np.int32)
    for query in range(len(own)):
        span = slice(offsets[query], offsets[query + 1])
        n = _add_postings(tokens[span], weights[span], own[query], postings, board, left, touched)
        partial = np.empty(n, np.float32)
        for place in range(n):
            row = touched[place]
            partial[place] = board[row] if allowed[row] and row != own[query] else -1
            board[row] = 0
        for place in _best(partial, finalists):
            cosine = _completed(touched[place], partial[place], left, known)
            if cosine > cosines[query, -1]:
                _insert(touched[place], cosine, ids[query], cosines[query])
        for token in tokens[span]:
            left[token] = 0


@njit(nogil=True, cache=True)
def _add_postings(
    tokens: Any, weights: Any, own: int, postings: Any, board: Any, left: Any, touched: Any
) -> int:
    """Add up the postings of the rarest features as far as `touched` has room.

    The weights of the other features go to `left`.

    Returns:
        Number of rows touched.
    """
    starts, ids, amounts = postings
    n, read = 0, 0
    for place in _rarest_first(starts, tokens):
        token, weight = tokens[place], weights[place]
        first, last = starts[token], starts[token + 1]
        room = len(touched) - read
        if last - first > room:
            left[token] = weight
            weight = np.float32(0)
            # A window around the item itself favours no part of the vocabulary.
            middle = first + np.searchsorted(ids[first:last], own)
            first = min(max(first, middle - room // 2), last - room)
            last = first + room
        for entry in range(first, last):
            row = ids[entry]
            if board[row] == 0:
                touched[n] = row
                n += 1
                board[row] = _TOUCHED
            board[row] += weight * amounts[entry]
        read += last - first
    return n


@njit(nogil=True, cache=True)
def _rarest_first(starts: Any, tokens: Any) -> Any:
    """Return the places of the tokens, fewest postings first."""
    order = np.empty(len(tokens), np.int64)
    for place in range(len(tokens)):
        size = starts[tokens[place] + 1] - starts[tokens[place]]
        slot = place
        while slot > 0:
            other = tokens[order[slot - 1]]
            if starts[other + 1] - starts[other] <= size:
                break
            order[slot] = order[slot - 1]
            slot -= 1
        order[slot] = place
    return order


@njit(nogil=True, cache=True)
def _best(partial: Any, n: int) -> Any:
    """Return the places of the `n` largest that are not negative, in the order of the places."""
    floor = np.float32(-0.5)
    ties = 0
    if len(partial) > n:
        floor = max(floor, np.partition(partial, len(partial) - n)[len(partial) - n])
        ties = n
        for value in partial:
            ties -= value > floor
    best = np.empty(min(n, len(partial)), np.int64)
    n_best = 0
    for place in range(len(partial)):
        is_tie = partial[place] == floor and ties > 0
        if partial[place] > floor or is_tie:
            best[n_best] = place
            n_best += 1
            ties -= is_tie
    return best[:n_best]


@njit(nogil=True, cache=True)
def _completed(row: int, partial: float, left: Any, known: Any) -> float:
    offsets, tokens, weights = known
    for entry in range(offsets[row], offsets[row + 1]):
        partial += left[tokens[entry]] * weights[entry]
    return partial


@njit(nogil=True, cache=True)
def _insert(row: int, cosine: float, ids: Any, cosines: Any) -> None:
    slot = len(ids) - 1
    while slot > 0 and cosine > cosines[slot - 1]:
        ids[slot], cosines[slot] = ids[slot - 1], cosines[slot - 1]
        slot -= 1
    ids[slot], cosines[slot] = row, cosine
