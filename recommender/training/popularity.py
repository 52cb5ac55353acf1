"""Popularity: recent, the floor of every slate; and total, the measure of the tail. Pure."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.board import Board, touch
from recommender.training.interactions import DAY_SECONDS, Interactions
from recommender.training.source import Arrays, Query, Settings, TrainingSet

TOP = 400
"""Most popular items that are candidates of every request."""


class PopularSource:
    """Popularity with exponential decay; the same for every visitor.

    Arrays: `recent` (n_items,) float32, relative to the most popular item; `ids` the `TOP` items
    of it, best first; `total` (n_items,) float32, a plain count of interactions.
    """

    name = "popular"
    reason = "popular"
    proposes = True
    refreshes = True
    fit_trials = tuple({"half_life_days": days} for days in (14.0, 3.0, 60.0))
    query_trials: tuple[Settings, ...] = ({},)

    def fit(
        self, training_set: TrainingSet, settings: Settings, *, seed: int
    ) -> dict[str, NDArray[Any]]:
        del seed
        interactions = training_set.interactions
        recent = popularity(interactions, half_life_days=settings["half_life_days"])
        best = np.argsort(-recent, kind="stable")[:TOP]
        return {
            "recent": (recent / max(float(recent.max(initial=0)), 1e-12)).astype(np.float32),
            "total": popularity(interactions).astype(np.float32),
            "ids": best[recent[best] > 0].astype(np.int32),
        }

    def score(self, arrays: Arrays, query: Query, board: Board, row: int) -> None:
        del query
        add_popular(self.kernel_arrays(arrays), board.state, row)

    @staticmethod
    def kernel_arrays(arrays: Arrays) -> tuple[NDArray[Any], ...]:
        """Return the arrays as `add_popular` takes them."""
        return arrays["ids"], arrays["recent"]


@njit(nogil=True, cache=True)
def add_popular(arrays: Any, board: Any, row: int) -> None:
    """Write the popularity of every candidate, and of the most popular items, on a board."""
    ids, recent = arrays
    parts, touched, places, count = board
    touch(ids, touched, places, count)
    for place in range(count[0]):
        parts[row, place] = recent[touched[place]]


def popularity(
    interactions: Interactions, *, half_life_days: float | None = None
) -> NDArray[np.float64]:
    """Return the count of each item's interactions, shape (n_items,).

    Args:
        half_life_days: Days after which an interaction counts half, seen from the newest one;
            None counts all alike.
    """
    weights = np.ones(len(interactions))
    if half_life_days is not None and len(interactions):
        age_days = (interactions.at_seconds[-1] - interactions.at_seconds) / DAY_SECONDS
        weights = 0.5 ** (age_days / half_life_days)
    totals = np.bincount(interactions.item, weights=weights, minlength=interactions.n_items)
    return totals.astype(np.float64)


POPULAR = PopularSource()
