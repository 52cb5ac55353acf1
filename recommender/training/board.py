"""The board that sources write their scores on, and its kernels. Pure.

Every candidate of a request has a place, in the order in which sources name them, and all that is
written of it stands there: a request costs what its path costs, not what the shop's size does,
and what it reads fits into a processor's cache. Must not know what the scores mean.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.prefetch import prefetch_lists

TIE_SHARE = 1e-5
"""Largest part of a score that lots decide: what a source holds equal must not come in the order
in which other sources named it."""

TRACE = np.float32(1e-7)
_TINY = np.float32(1e-30)


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


class Ranked(msgspec.Struct, frozen=True):
    """Candidates with their final scores, and the best of them.

    Attributes:
        items: Vocabulary rows, int32.
        scores: Same shape, float32.
        best: Places of the largest positive scores, best first; of equals the first, int64.
        sources: Row of the source with the largest part of each of the best's scores, -1 where no
            source knows it; int64.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    best: NDArray[np.int64]
    sources: NDArray[np.int64]


class Board:
    """Scratch space of one thread; wiped by `take` and `rank_candidates`.

    Attributes:
        parts: Scores by place, shape (n_sources, n_items), float32; 0 from place `count[0]` on.
        touched: Item in each place, the first `count[0]` entries, int32; one entry more than
            places, as an item is written before it is known to be new.
        places: Place of each item, -1 for none, int32.
        count: Shape (1,), int64.
    """

    __slots__ = ("_everywhere", "count", "parts", "places", "touched")

    def __init__(self, n_sources: int, n_items: int) -> None:
        self.parts = np.zeros((n_sources, n_items), np.float32)
        self.touched = np.zeros(n_items + 1, np.int32)
        self.places = np.full(n_items, -1, np.int32)
        self.count = np.zeros(1, np.int64)
        self._everywhere = np.ones(n_sources, np.float32)

    @property
    def state(self) -> tuple[NDArray[Any], ...]:
        """Return the board as kernels take it."""
        return self.parts, self.touched, self.places, self.count

    @property
    def candidates(self) -> NDArray[np.int32]:
        """Return the items that have a place, in the order of the places."""
        return self.touched[: self.count[0]]

    @property
    def written(self) -> NDArray[np.float32]:
        """Return what is written of the candidates, shape (n_sources, candidates)."""
        return self.parts[:, : self.count[0]]

    def touch(self, items: NDArray[np.int32]) -> None:
        """Make candidates of items whatever the sources say of them."""
        touch(items, self.touched, self.places, self.count)

    def wipe(self) -> None:
        """Forget everything."""
        self.places[self.candidates] = -1
        _wipe(self.state)

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
        return Scored(*_take(self.state, allowed, hidden, weights))


@njit(nogil=True, cache=True)
def touch(items: Any, touched: Any, places: Any, count: Any) -> None:
    """Give places to items that have none."""
    n = count[0]
    for item in items:
        _, n = place_of(item, touched, places, n)
    count[0] = n


@njit(nogil=True, cache=True)
def place_of(item: int, touched: Any, places: Any, n: int) -> tuple[int, int]:
    """Return the place of an item, and how many places are taken now.

    Without a branch: whether an item has a place is not to be guessed.
    """
    place = places[item]
    is_new = place < 0
    place = n if is_new else place
    touched[n] = item
    places[item] = place
    return place, n + is_new


@njit(nogil=True, cache=True)
def _lot(item: int) -> float:
    """Return a number from 0 to 1 that has nothing to do with the item.

    Source: Knuth, The Art of Computer Programming 3, section 6.4, multiplicative hashing.
    """
    return ((np.int64(item) * 2_654_435_761) & 0xFFFF_FFFF) / 4_294_967_296.0


@njit(nogil=True, cache=True)
def _take(board: Any, allowed: Any, hidden: Any, weights: Any) -> tuple[Any, Any]:
    parts, touched, places, count = board
    items, kept = _candidates(touched, places, count, allowed, hidden)
    n, rows = len(items), np.flatnonzero(weights)
    taken = np.zeros((len(parts), n), np.float32)
    for at in range(n):
        for row in rows:
            taken[row, at] = parts[row, kept[at]]
    for row in rows:
        largest = taken[row].max() if n else np.float32(0)
        if largest > 0:
            for at in range(n):
                taken[row, at] *= (1 - TIE_SHARE * _lot(items[at])) / largest
    _wipe(board)
    return items, taken


@njit(nogil=True, cache=True)
def _wipe(board: Any) -> None:
    parts, _, _, count = board
    parts[:, : count[0]] = 0
    count[0] = 0


@njit(nogil=True, cache=True)
def _candidates(
    touched: Any, places: Any, count: Any, allowed: Any, hidden: Any
) -> tuple[Any, Any]:
    """Return the candidates that may answer, and their places; take all places back."""
    for item in hidden:
        places[item] = -1
    items = np.empty(count[0], np.int32)
    kept = np.empty(count[0], np.int32)
    n = 0
    for place in range(count[0]):
        item = touched[place]
        if places[item] >= 0 and allowed[item]:
            items[n] = item
            kept[n] = place
            n += 1
        places[item] = -1
    return items[:n], kept[:n]


@njit(nogil=True, cache=True)
def rank_candidates(
    board: Any, worth: Any, hidden: Any, weights: Any, popularity: Any, n: int
) -> tuple[Any, Any, Any, Any]:
    """Blend the candidates, find the best, and wipe the board; see `scoring.rank_asked`."""
    parts, touched, _, count = board
    items = touched[: count[0]].copy()
    factors = _factors(board, worth, hidden)
    rows = np.flatnonzero(weights)
    blended = np.zeros(len(items))
    shares = np.zeros(len(weights), np.float32)
    for row in rows:
        part = parts[row, : len(items)]
        shares[row] = weights[row] / _largest(part, factors)
        _add(blended, part, shares[row])
    scores = _scores(blended, items, factors)
    for at in range(len(items)):
        if blended[at] == 0 and factors[at] > 0:
            scores[at] = TRACE * popularity[items[at]]
    best = np.empty(n, np.int64)
    best = best[: top_places(scores, 0, len(scores), best)]
    sources = np.full(len(best), -1, np.int64)
    for at in range(len(best)):
        most = np.float32(0)
        for row in rows:
            part = shares[row] * parts[row, best[at]]
            if part > most:
                most = part
                sources[at] = row
    _wipe(board)
    return items, scores, best, sources


@njit(nogil=True, cache=True)
def _factors(board: Any, worth: Any, hidden: Any) -> Any:
    """Return what the score of each candidate is multiplied by; take all places back."""
    _, touched, places, count = board
    factors = np.empty(count[0], np.float32)
    for place in range(len(factors)):
        factors[place] = worth[touched[place]]
    for item in hidden:
        if places[item] >= 0:
            factors[places[item]] = 0
    for place in range(len(factors)):
        places[touched[place]] = -1
    return factors


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _largest(part: Any, factors: Any) -> Any:
    """Return the largest score of those that may answer."""
    largest = _TINY
    for place in range(len(part)):
        largest = max(largest, part[place] if factors[place] > 0 else np.float32(0))
    return largest


@njit(nogil=True, cache=True)
def _add(blended: Any, part: Any, share: Any) -> None:
    for place in range(len(part)):
        blended[place] += share * part[place]


@njit(nogil=True, cache=True)
def _scores(blended: Any, items: Any, factors: Any) -> Any:
    scores = np.empty(len(items), np.float32)
    for place in range(len(items)):
        scores[place] = blended[place] * (1 - TIE_SHARE * _lot(items[place])) * factors[place]
    return scores


@njit(nogil=True, cache=True)
def top_places(scores: Any, low: int, high: int, best: Any) -> int:
    """Write the places of the largest positive scores, best first; of equals the first wins."""
    n = 0
    for at in range(low, high):
        score = scores[at]
        if score <= 0 or (n == len(best) and score <= scores[best[n - 1]]):
            continue
        slot = min(n, len(best) - 1)
        while slot > 0 and scores[best[slot - 1]] < score:
            best[slot] = best[slot - 1]
            slot -= 1
        best[slot] = at
        n = min(n + 1, len(best))
    return n


@njit(nogil=True, cache=True)
def add_lists(
    items: Any, weights: Any, starts: Any, ids: Any, scores: Any, row: int, board: Any
) -> None:
    """Add each item's neighbour list, times its weight, to one row of a board."""
    parts, touched, places, count = board
    prefetch_lists(items, starts, ids, scores, places)
    n = count[0]
    for at in range(len(items)):
        item = items[at]
        for entry in range(starts[item], starts[item + 1]):
            place, n = place_of(ids[entry], touched, places, n)
            parts[row, place] += weights[at] * scores[entry]
    count[0] = n
