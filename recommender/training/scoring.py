"""All sources together: fit them, and score the candidates of one query. Pure."""

import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.errors import InconsistentError
from recommender.training.board import Board, Scored, rank_candidates
from recommender.training.content import CONTENT
from recommender.training.cooccurrence import BOUGHT_TOGETHER, FOLLOWS, WALK
from recommender.training.factors import FACTORS, SIMILAR, add_folded
from recommender.training.interactions import Interactions
from recommender.training.neighbours import add_faded_lists, list_givers
from recommender.training.popularity import POPULAR, add_popular
from recommender.training.repeats import REPEATS, add_repeats
from recommender.training.sessions import SESSIONS, add_neighbours, session_givers
from recommender.training.source import Arrays, Query, Settings, Source, TrainingSet

SOURCES: tuple[Source, ...] = (
    FOLLOWS,
    WALK,
    SESSIONS,
    SIMILAR,
    BOUGHT_TOGETHER,
    CONTENT,
    REPEATS,
    POPULAR,
    # It proposes nothing, and scores what the others have proposed.
    FACTORS,
)
"""Every candidate source; a new one is its own file and a name here."""

LISTS = (FOLLOWS, WALK, SIMILAR, BOUGHT_TOGETHER, CONTENT)
"""Those that add up lists of neighbours."""

_SESSIONS, _REPEATS = SOURCES.index(SESSIONS), SOURCES.index(REPEATS)
_POPULAR, _FACTORS = SOURCES.index(POPULAR), SOURCES.index(FACTORS)

SOURCE_NAMES = tuple(source.name for source in SOURCES)

ALL = np.ones(len(SOURCES), np.float32)
"""Weights that leave no source out."""

ModelArrays = Mapping[str, Arrays]
"""Learned arrays by source name."""

Asked = tuple[Any, ...]
"""A query with all that its ranking needs, see `Scorer.asked`."""

FIT_THREADS = 2

NOBODY = -1
"""Stands for a source, or an item of the path, where there is none."""

NOTHING_HIDDEN = np.zeros(0, np.int32)


def default_settings() -> dict[str, Settings]:
    """Return the settings for shops too small to choose any."""
    return {source.name: {**source.fit_trials[0], **source.query_trials[0]} for source in SOURCES}


def fit_source(
    source: Source, training_set: TrainingSet, settings: Settings, *, seed: int
) -> dict[str, NDArray[Any]]:
    """Fit one source, and put the numbers that its queries read beside its arrays."""
    return source.fit(training_set, settings, seed=seed) | query_arrays(source, settings)


def query_arrays(source: Source, settings: Settings) -> dict[str, NDArray[Any]]:
    """Return the settings that a source reads at each query, as float32 vectors."""
    return {
        name: np.atleast_1d(np.asarray(settings[name], np.float32))
        for name in source.query_trials[0]
    }


def fit_sources(
    training_set: TrainingSet, settings: Mapping[str, Settings], *, seed: int
) -> ModelArrays:
    """Fit every source on the same interactions, two at a time."""
    # Shared by several sources; made once, before the threads want it.
    _ = training_set.sequences, training_set.baskets

    def _fit(source: Source) -> dict[str, NDArray[Any]]:
        return fit_source(source, training_set, settings[source.name], seed=seed)

    with ThreadPoolExecutor(FIT_THREADS) as pool:
        fitted = pool.map(_fit, SOURCES)
        return {source.name: arrays for source, arrays in zip(SOURCES, fitted, strict=True)}


def flat_arrays(model: ModelArrays) -> dict[str, NDArray[Any]]:
    """Return the arrays under the names they have in an artifact, `source.array`."""
    return {f"{name}.{key}": array for name, own in model.items() for key, array in own.items()}


def nested_arrays(arrays: Mapping[str, NDArray[Any]], n_items: int) -> ModelArrays:
    """Return an artifact's arrays by source.

    Raises:
        InconsistentError: Code `damaged-artifact`: a list names an item beyond the vocabulary.
    """
    model: dict[str, dict[str, NDArray[Any]]] = {}
    for full_name, array in arrays.items():
        source, _, name = full_name.partition(".")
        if name.endswith("ids") and array.size and not _within(array, n_items):
            raise InconsistentError(f"{full_name} leaves the vocabulary", code="damaged-artifact")
        if name:
            model.setdefault(source, {})[name] = array
    return model


def _within(ids: NDArray[Any], n_items: int) -> bool:
    return 0 <= int(ids.min()) <= int(ids.max()) < n_items


def new_board(n_items: int) -> Board:
    """Return the scratch space that scoring needs; one thread at a time."""
    return Board(len(SOURCES), n_items)


class Scorer:
    """All sources of one model, ready to score queries in one call; safe for threads.

    Scores as the sources do one after the other; a source that an older artifact lacks says
    nothing.
    """

    __slots__ = ("_arrays", "_present")

    def __init__(self, model: ModelArrays) -> None:
        self._present = np.array([name in model for name in SOURCE_NAMES], np.float32)
        self._arrays = (
            tuple((SOURCES.index(source), *_kernel_arrays(model, source)) for source in LISTS),
            *(_kernel_arrays(model, source) for source in (SESSIONS, REPEATS, POPULAR, FACTORS)),
        )

    def write(self, query: Query, board: Board, weights: NDArray[np.float32] = ALL) -> None:
        """Write the sources' scores on the board.

        Args:
            weights: Those of the blend, in the order of `SOURCES`; where one is 0 the source is
                not asked.
        """
        _write(query.arrays, self._arrays, weights * self._present, board.state)

    def asked(
        self,
        query: Query,
        board: Board,
        weights: NDArray[np.float32],
        *,
        worth: NDArray[np.float32],
        hidden: NDArray[np.int32],
        popularity: NDArray[np.float32],
        n: int,
    ) -> Asked:
        """Return a query as `rank_asked` takes it.

        Args:
            weights: See `write`.
            worth: Shape (n_items,), as the tail dial and the rules have it; 0 for an item that
                may not answer, whatever its score.
            hidden: Vocabulary rows that may not answer either.
            popularity: Shape (n_items,).
            n: Number of best ones.
        """
        weights = weights * self._present
        return query.arrays, self._arrays, weights, board.state, worth, hidden, popularity, n

    def givers(
        self, query: Query, items: NDArray[np.int32], sources: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Return for each item the query's item that gave it most in one source, or `NOBODY`.

        Only items of lists and sessions come from one of the query's; for the other sources nobody
        is told.

        Args:
            items: Vocabulary rows.
            sources: For each of them the row of a source, or `NOBODY`.
        """
        found: NDArray[np.int32] = givers_of(query.arrays, self._arrays, items, sources)
        return found

    def score(
        self,
        query: Query,
        board: Board,
        *,
        allowed: NDArray[np.bool_],
        hidden: NDArray[np.int32] = NOTHING_HIDDEN,
        weights: NDArray[np.float32] = ALL,
    ) -> Scored:
        """Score what the sources propose, where it is allowed and not hidden.

        Args:
            allowed: Shape (n_items,).
            hidden: Vocabulary rows.
            weights: See `write`.
        """
        self.write(query, board, weights)
        return board.take(allowed, hidden, weights)


def _kernel_arrays(model: ModelArrays, source: Any) -> tuple[NDArray[Any], ...]:
    arrays = model.get(source.name) or _nothing_learned(source.name)
    return tuple(map(_read_only, source.kernel_arrays(arrays)))


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    # Whether an array can be written is part of its type, and one type is compiled once.
    view = array.view()
    view.flags.writeable = False
    return view


@functools.cache
def _nothing_learned(name: str) -> Arrays:
    source = SOURCES[SOURCE_NAMES.index(name)]
    columns = (np.zeros(0, kind) for kind in ("i4", "i4", "i1", "i8", "i4", "i4"))
    nobody = Interactions(np.zeros(0, "S1"), *columns)
    return fit_source(source, TrainingSet(nobody), default_settings()[name], seed=0)


@njit(nogil=True, cache=True)
def _write(query: Any, arrays: Any, weights: Any, board: Any) -> None:
    lists, sessions, repeats, popular, factors = arrays
    if len(query[0]):
        for row, fade, starts, ids, scores in lists:
            if weights[row]:
                add_faded_lists(query, (fade, starts, ids, scores), board, row)
        if weights[_SESSIONS]:
            add_neighbours(query, sessions, board, _SESSIONS)
        if weights[_REPEATS]:
            add_repeats(query, repeats, board, _REPEATS)
    if weights[_POPULAR]:
        add_popular(popular, board, _POPULAR)
    if weights[_FACTORS] and len(query[0]):
        add_folded(query, factors, board, _FACTORS)


@njit(nogil=True, cache=True)
def rank_asked(asked: Any) -> Any:
    """Score what the sources propose and what stands on the board, blend it, find the best.

    The score is Σ weight × part, times the item's worth, each source's parts divided by the
    largest of an item that may answer; what no source knows has a trace of its popularity.

    Returns:
        The fields of `board.Ranked`.
    """
    query, arrays, weights, board, worth, hidden, popularity, n = asked
    _write(query, arrays, weights, board)
    return rank_candidates(board, worth, hidden, weights, popularity, n)


@njit(nogil=True, cache=True)
def givers_of(query: Any, arrays: Any, items: Any, sources: Any) -> Any:
    """Return who gave most to each item, see `Scorer.givers`."""
    lists, sessions, _, _, _ = arrays
    givers = np.full(len(items), NOBODY, np.int32)
    for row, fade, starts, ids, scores in lists:
        mine = np.flatnonzero(sources == row)
        if len(mine):
            givers[mine] = list_givers(query, (fade, starts, ids, scores), items[mine])
    mine = np.flatnonzero(sources == _SESSIONS)
    if len(mine):
        givers[mine] = session_givers(query, sessions, items[mine])
    return givers
