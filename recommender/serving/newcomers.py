"""Items that arrived after the training, and what is expected of them. Pure.

In come an artifact's content arrays and changed items of the catalogue; out go, for each
newcomer, the items of the vocabulary that it resembles, a score to stand beside the blend's, and
rows that speak for an item nobody met yet. Must not know how candidates are ranked.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from recommender.catalog.eligibility import is_showable
from recommender.records import Item
from recommender.serving.columns import Vocabulary
from recommender.training.content import nearest, vectors_of
from recommender.training.neighbours import Block, largest_giver
from recommender.training.prefetch import prefetch
from recommender.training.source import Arrays, Query

K = 10
"""Resembling items kept per newcomer."""

NEWCOMERS_MAX = 2_000
"""Those changed last count; a shop with more of them needs a training, not a guess."""

BUDGET = 4_000
"""Postings read per newcomer; more than at training, as rows nobody met are passed over."""

PATH_ITEMS = 10
"""Heaviest items of the path that newcomers are compared with."""

SHRINKAGE = np.float32(0.5)
"""Resemblance to items the path does not lead to, assumed of every newcomer."""

STAND_INS = 5
"""Rows of the vocabulary that speak for an item nobody met yet."""

_TINY = 1e-12


class Newcomers:
    """The newest items beyond a vocabulary; never changes, safe for threads.

    Args:
        vocabulary: Of the artifact that `content` is part of.

    Attributes:
        content: Arrays of `training.content.CONTENT`.
        items: Those changed last stand last.
        showable: Whether each may be shown now, shape (newcomers,).
    """

    __slots__ = (
        "_known",
        "_lists",
        "_own",
        "_postings",
        "_resembled",
        "_vectors",
        "_vocabulary",
        "content",
        "items",
        "showable",
    )

    def __init__(self, content: Arrays, vocabulary: Vocabulary) -> None:
        self.content = content
        self._known = tuple(content[name] for name in ("events", "starts", "ids", "scores"))
        self._vocabulary = vocabulary
        nobody = sp.csr_matrix((0, len(content["tokens"])), dtype=np.float32)
        self._set((), nobody, (np.zeros((0, K), np.int32), np.zeros((0, K), np.float32)))

    def __len__(self) -> int:
        return len(self.items)

    def with_changes(self, changed: Iterable[Item]) -> "Newcomers":
        """Return the newcomers after items were added or changed.

        Costs the changed items; those within the vocabulary are left out.
        """
        fresh = self._beyond(changed)
        if not fresh:
            return self
        renewed = {item.item_id for item in fresh}
        kept = [place for place, item in enumerate(self.items) if item.item_id not in renewed]
        kept = kept[max(0, len(kept) + len(fresh) - NEWCOMERS_MAX) :]
        vectors = vectors_of(self.content, fresh)
        met = self.content["events"] > 0
        own = np.full(len(fresh), -1, np.int32)
        found = nearest(self.content, vectors, met, own=own, k=K, budget=BUDGET)
        other = Newcomers(self.content, self._vocabulary)
        other._set(
            (*(self.items[place] for place in kept), *fresh),
            sp.vstack([self._vectors[kept], vectors], format="csr"),
            (
                np.concatenate([self._resembled[0][kept], found[0]]),
                np.concatenate([self._resembled[1][kept], found[1]]),
            ),
        )
        return other

    def warm_up(self) -> None:
        """Have the kernels compiled or fetched now, so that no request waits for them."""
        nameless = Item("", "", title="", url="", image_url="", price_minor=1, currency="")
        row = np.zeros(1, np.int32)
        self.with_changes([nameless]).score(Query.of(row), row, np.ones(1, np.float32))

    def score(
        self, query: Query, items: NDArray[np.int32], scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Estimate what the blend would give each newcomer.

        The estimate is the mean score of the items it resembles, weighted by resemblance and
        shrunk towards 0. The path's own items are among them, with the best score times what they
        weigh in the path. It never passes the best score of a known item.

        Source: Nadaraya 1964 (Theory of Probability & Its Applications 9), kernel regression,
        with resemblance as the kernel and `SHRINKAGE` as a prior at 0.

        Args:
            query: Its rows may be stand-ins.
            items: Vocabulary rows that the blend has scored, before anything is hidden.
            scores: What the blend gave them, same shape.

        Returns:
            Shape (newcomers,); 0 for those that may not be shown now.
        """
        if not len(self) or not len(items):
            return np.zeros(len(self), np.float32)
        best = scores.max()
        sums, mass = np.zeros(len(self), np.float32), self._resembled[1].sum(axis=1)
        _vote(items, scores, self._lists, sums)
        weights, resemblances = self._beside_path(query)
        sums += best * (weights / max(weights.max(initial=0), _TINY)) @ resemblances
        estimates = np.minimum(sums / (mass + SHRINKAGE), best)
        return np.where(self.showable, estimates, 0).astype(np.float32)

    def resemblance(self, query: Query) -> NDArray[np.float32]:
        """Return how much each newcomer resembles the items of the path, weights included.

        Returns:
            Shape (newcomers,); comparable with scores of `training.content.CONTENT`.
        """
        weights, resemblances = self._beside_path(query)
        return np.where(self.showable, weights @ resemblances, 0).astype(np.float32)

    def because(self, query: Query) -> NDArray[np.int32]:
        """Return, for each newcomer, the query's item that it resembles most, or -1."""
        path = query.faded(self.content["fade"], PATH_ITEMS)
        weights, resemblances = self._beside_path(query)
        return largest_giver(path.items, weights[:, None] * resemblances)

    @property
    def index(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what `columns.find` looks up the newcomers' own ids in."""
        return self._own.index

    @property
    def speaking(self) -> tuple[tuple[NDArray[Any], ...], Block]:
        """Return what `let_speak` knows of the vocabulary, and of the newcomers."""
        return self._known, self._resembled

    def _set(self, items: tuple[Item, ...], vectors: sp.csr_matrix, resembled: Block) -> None:
        self.items = items
        self._own = Vocabulary(np.array([item.item_id.encode() for item in items], np.bytes_))
        self.showable = np.array([is_showable(item) for item in items], bool)
        self._vectors = vectors
        self._resembled = resembled
        rows, resemblance = resembled
        place, column = np.nonzero(resemblance)
        lists = sp.csr_matrix(
            (resemblance[place, column], (rows[place, column], place)),
            (len(self._vocabulary), len(items)),
        )
        self._lists = _parts(lists)
        self._postings = _parts(vectors.tocsc())

    def _beyond(self, changed: Iterable[Item]) -> list[Item]:
        """Return the changed items that the vocabulary lacks, the last changed last."""
        changed = list(changed)
        places = self._vocabulary.places([item.item_id for item in changed])
        beyond = [item for item, place in zip(changed, places.tolist(), strict=True) if place < 0]
        beyond.sort(key=lambda item: (item.revision, item.item_id))
        return beyond[-NEWCOMERS_MAX:]

    def _beside_path(self, query: Query) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the weights of the path's items, and (items, newcomers) resemblances."""
        path = query.faded(self.content["fade"], PATH_ITEMS)
        cosines = np.zeros((len(path.items), len(self)), np.float32)
        offsets, tokens = self.content["vector_offsets"], self.content["vector_tokens"]
        vectors = (offsets, tokens, self.content["vector_weights"])
        _compare(path.items, vectors, self._postings, cosines)
        return path.weights, cosines**2


def _parts(matrix: sp.csr_matrix | sp.csc_matrix) -> tuple[NDArray[Any], ...]:
    # One kind of numbers only, or the kernels would be compiled anew for the other.
    return matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data


@njit(nogil=True, cache=True)
def _vote(items: Any, scores: Any, lists: Any, sums: Any) -> None:
    """Add each item's score to the newcomers that resemble it."""
    starts, places, resemblance = lists
    for at in range(len(items)):
        for entry in range(starts[items[at]], starts[items[at] + 1]):
            sums[places[entry]] += scores[at] * resemblance[entry]


@njit(nogil=True, cache=True)
def _compare(items: Any, vectors: Any, postings: Any, cosines: Any) -> None:
    """Write the cosine of each item with each newcomer."""
    offsets, tokens, weights = vectors
    starts, places, amounts = postings
    for at in range(len(items)):
        for part in range(offsets[items[at]], offsets[items[at] + 1]):
            token = tokens[part]
            for entry in range(starts[token], starts[token + 1]):
                cosines[at, places[entry]] += weights[part] * amounts[entry]


@njit(cache=True)
def let_speak(query: Any, known: Any, beyond: Any, resembled: Any) -> Any:
    """Let rows of the vocabulary speak for items of a path that nobody met yet.

    Args:
        query: Arrays of a `Query`; row -1 for an item beyond the vocabulary.
        known: How often each row was met, and what each resembles.
        beyond: Where the items of rows -1 are among the newcomers, -1 for none.
        resembled: Rows that each newcomer resembles, and how much.

    Returns:
        The arrays of a query without -1; and rows that speak in it, above the places of the items
        they speak for, shape (2, rows). Such a row was not seen by the visitor: no reason may
        name it, nor is it to be hidden.
    """
    items, weights, places, ages_days = query
    events, starts, ids, scores = known
    for item in items:
        if item >= 0:
            prefetch(events, np.int64(item))
            prefetch(starts, np.int64(item))
    spoken = np.empty(len(items) * STAND_INS, np.int32)
    shares = np.empty(len(spoken), np.float32)
    origins = np.empty(len(spoken), np.int64)
    n = 0
    for at in range(len(items)):
        item, first = items[at], n
        if item >= 0 and events[item] > 0:
            spoken[n], shares[n] = item, 1
            n += 1
        elif item >= 0:
            own, end = starts[item], starts[item + 1]
            n = _stand_in(ids[own:end], scores[own:end], events, spoken, shares, n)
        elif beyond[at] >= 0:
            own = beyond[at]
            n = _stand_in(resembled[0][own], resembled[1][own], events, spoken, shares, n)
        origins[first:n] = at
    origins = origins[:n]
    stood = spoken[:n], weights[origins] * shares[:n], places[origins], ages_days[origins]
    return stood, _speakers(items, spoken[:n], origins)


@njit(cache=True)
def _speakers(items: Any, spoken: Any, origins: Any) -> Any:
    """Return rows that speak and are not in a path themselves, above where they come from."""
    found = np.empty((2, len(spoken)), np.int64)
    n = 0
    for at in range(len(spoken)):
        is_seen = False
        for item in items:
            is_seen |= item == spoken[at]
        if not is_seen:
            found[0, n], found[1, n] = spoken[at], origins[at]
            n += 1
    return found[:, :n]


@njit(cache=True)
def _stand_in(rows: Any, scores: Any, events: Any, spoken: Any, shares: Any, n: int) -> int:
    """Add the rows that speak for one item of a path, and what each of them counts."""
    first, mass = n, np.float32(_TINY)
    for at in range(len(rows)):
        if n < first + STAND_INS and events[rows[at]] > 0 and scores[at] > 0:
            spoken[n], shares[n] = rows[at], scores[at]
            mass += scores[at]
            n += 1
    shares[first:n] /= mass
    return n
