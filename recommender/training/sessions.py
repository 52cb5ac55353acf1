"""Session neighbours: the past sessions most like the visitor's path, and what was in them. Pure.

The index is bounded: per item only its newest sessions, so that a query costs what its path
costs, whatever the shop's size.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.board import Board, place_of
from recommender.training.neighbours import FADES, SIEVE, sieve
from recommender.training.prefetch import prefetch
from recommender.training.source import Arrays, Query, Settings, TrainingSet, fade_path

SESSIONS_PER_ITEM = 500
"""Newest sessions kept per item: m of the paper."""

PATH_ITEMS = 10
"""Newest items of the path that look for sessions."""

SESSIONS_MET = 1_500
"""Once a path has met so many, older ones than the newest so many are not looked for."""

SPAN_ITEMS = 20
"""Items of a session that are looked at on either side of the one that matched."""

_KERNEL_ARRAYS = (
    "fade",
    "nearest",
    "starts",
    "sessions",
    "matches",
    "session_starts",
    "session_ids",
    "idf",
)


class SessionSource:
    """VMIS-kNN.

    A past session's likeness is the sum, over the items it shares with the path, of the path's
    faded weight times the item's idf. The k most alike sessions give each of their items their
    likeness × idf × a^½ for what came d steps after the newest shared item (a = 1/d), and
    half of it for what came before.

    Source: Kersbergen, Sprangers, Schelter 2022 (SIGMOD), Serenade, alg. 2: newest m sessions
    per item, early exit; ours are the weights within a past session, where theirs fall
    linearly with its match's place.

    Arrays: `starts` (n_items + 1,) int64 into `sessions` int32, newest first, and `matches` int64,
    where in `session_ids` the item came last in each; `session_starts`
    int64 into `session_ids` int32; `idf` (n_items,) float32; `fade` as in
    `source.Query.faded`; `nearest` (1,), k of the paper.
    """

    name = "sessions"
    reason = "viewed"
    proposes = True
    refreshes = True
    fit_trials: tuple[Settings, ...] = ({},)
    query_trials = tuple({"nearest": nearest, **fade} for nearest in (500, 100) for fade in FADES)

    def fit(
        self, training_set: TrainingSet, settings: Settings, *, seed: int
    ) -> dict[str, NDArray[Any]]:
        del settings, seed
        sequences, n_items = training_set.sequences, training_set.n_items
        starts, sessions, matches = _newest_sessions(sequences.items, sequences.number, n_items)
        known_in = np.maximum(np.diff(starts), 1)
        occurrences = np.maximum(np.bincount(sequences.items, minlength=n_items), known_in)
        return {
            "starts": starts,
            "sessions": sessions,
            "matches": matches,
            "session_starts": sequences.starts,
            "session_ids": sequences.items,
            "idf": np.log1p(len(sequences) / occurrences).astype(np.float32),
        }

    def score(self, arrays: Arrays, query: Query, board: Board, row: int) -> None:
        add_neighbours(query.arrays, self.kernel_arrays(arrays), board.state, row)

    @staticmethod
    def kernel_arrays(arrays: Arrays) -> tuple[NDArray[Any], ...]:
        """Return the arrays as `add_neighbours` takes them."""
        return tuple(arrays[name] for name in _KERNEL_ARRAYS)


@njit(nogil=True, cache=True)
def _newest_sessions(items: Any, number: Any, n_items: int) -> tuple[Any, Any, Any]:
    """Return each item's newest distinct sessions, newest first, and where it came last in each."""
    sizes = np.zeros(n_items, np.int64)
    last = np.full(n_items, -1, np.int64)
    for position in range(len(items) - 1, -1, -1):
        item = items[position]
        if last[item] != number[position] and sizes[item] < SESSIONS_PER_ITEM:
            sizes[item] += 1
            last[item] = number[position]
    starts = np.zeros(n_items + 1, np.int64)
    starts[1:] = np.cumsum(sizes)
    sessions = np.empty(starts[-1], np.int32)
    matches = np.empty(starts[-1], np.int64)
    free = starts[:-1].copy()
    last[:] = -1
    for position in range(len(items) - 1, -1, -1):
        item = items[position]
        if last[item] != number[position] and free[item] < starts[item + 1]:
            sessions[free[item]] = number[position]
            matches[free[item]] = position
            free[item] += 1
            last[item] = number[position]
    return starts, sessions, matches


@njit(nogil=True, cache=True)
def add_neighbours(query: Any, arrays: Any, board: Any, row: int) -> None:
    """Add what the sessions most like a path hold to one row of a board."""
    fade, nearest, starts, sessions, matches, session_starts, session_ids, idf = arrays
    parts, touched, places, count = board
    path, weights = fade_path(query, fade, PATH_ITEMS)
    met, likeness, match_of = _alike(path, weights, starts, sessions, matches, idf)
    alike = _most_alike(likeness, int(nearest[0]))
    for entry in alike:
        prefetch(session_starts, np.int64(met[entry]))
        prefetch(session_ids, match_of[entry])
    for entry in alike:
        for at in _span(session_starts, met[entry], match_of[entry]):
            prefetch(places, np.int64(session_ids[at]))
            prefetch(idf, np.int64(session_ids[at]))
    n = count[0]
    for entry in alike:
        match = match_of[entry]
        for at in _span(session_starts, met[entry], match):
            if at == match:
                continue
            item = session_ids[at]
            place, n = place_of(item, touched, places, n)
            parts[row, place] += likeness[entry] * idf[item] * _nearness(at - match)
    count[0] = n


@njit(nogil=True, cache=True)
def _span(session_starts: Any, session: int, match: int) -> Any:
    """Return where the items of a session are that are looked at."""
    low = max(session_starts[session], match - SPAN_ITEMS)
    return range(low, min(session_starts[session + 1], match + SPAN_ITEMS + 1))


@njit(nogil=True, cache=True)
def _most_alike(likeness: Any, nearest: int) -> Any:
    """Return the entries of the sessions most alike."""
    n = len(likeness)
    if n <= nearest:
        return np.arange(n)
    floor = np.partition(likeness, n - nearest)[n - nearest]
    alike = np.flatnonzero(likeness > floor)
    # Of equals the first: the newest that share the heaviest item.
    ties = np.flatnonzero(likeness == floor)[: nearest - len(alike)]
    return np.concatenate((alike, ties))


@njit(nogil=True, cache=True)
def _nearness(steps: int) -> Any:
    """Return what an item counts so many steps after the match, or before it."""
    return (1.0 if steps > 0 else 0.5) / np.sqrt(np.float32(abs(steps)))


@njit(nogil=True, cache=True)
def session_givers(query: Any, arrays: Any, items: Any) -> Any:
    """Return for each item the path's item that gave it most, or -1.

    What a session gives is divided among the path's items that it shares, by their weights.
    """
    fade, nearest, starts, sessions, matches, session_starts, session_ids, idf = arrays
    path, weights = fade_path(query, fade, PATH_ITEMS)
    met, likeness, match_of = _alike(path, weights, starts, sessions, matches, idf)
    given = np.zeros((len(items), len(path)), np.float32)
    may_be_asked = sieve(items)
    for entry in _most_alike(likeness, int(nearest[0])):
        match = match_of[entry]
        first, end = session_starts[met[entry]], session_starts[met[entry] + 1]
        for at in _span(session_starts, met[entry], match):
            if not may_be_asked[session_ids[at] & (SIEVE - 1)]:
                continue
            for asked in range(len(items)):
                if items[asked] == session_ids[at] and at != match:
                    shared = session_ids[first:end]
                    _divide(given[asked], _nearness(at - match), path, weights, idf, shared)
    found = np.full(len(items), -1, np.int32)
    for asked in range(len(items)):
        if given[asked].any():
            found[asked] = path[given[asked].argmax()]
    return found


@njit(nogil=True, cache=True)
def _divide(given: Any, amount: float, path: Any, weights: Any, idf: Any, session: Any) -> None:
    for place in range(len(path)):
        for item in session:
            if item == path[place]:
                given[place] += amount * weights[place] * idf[item]
                break


@njit(nogil=True, cache=True)
def _alike(
    path: Any, weights: Any, starts: Any, sessions: Any, matches: Any, idf: Any
) -> tuple[Any, Any, Any]:
    """Return the sessions met, their likeness, and where each has the heaviest item it shares."""
    most, n_slots = 0, 64
    for item in path:
        most += starts[item + 1] - starts[item]
    while n_slots < 2 * most:
        n_slots *= 2
    slots = np.full(n_slots, -1, np.int32)
    met = np.empty(most, np.int32)
    likeness = np.empty(len(met), np.float32)
    match_of = np.empty(len(met), np.int64)
    n = 0
    oldest = -1
    for place in range(len(path)):
        item = path[place]
        for at in range(starts[item], starts[item + 1]):
            session = sessions[at]
            if session < oldest:
                break
            slot = (session * 40_503) & (n_slots - 1)
            while slots[slot] >= 0 and met[slots[slot]] != session:
                slot = (slot + 1) & (n_slots - 1)
            entry = slots[slot]
            if entry < 0:
                entry = slots[slot] = n
                met[entry] = session
                likeness[entry] = 0
                match_of[entry] = matches[at]
                n += 1
            likeness[entry] += weights[place] * idf[item]
        if n > SESSIONS_MET:
            oldest = np.partition(met[:n], n - SESSIONS_MET)[n - SESSIONS_MET]
    return met[:n], likeness[:n], match_of[:n]


SESSIONS = SessionSource()
