"""Popularity: recent, the floor of every slate; and total, the measure of the tail. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.training.interactions import DAY_SECONDS, KIND_WEIGHTS, Interactions
from recommender.training.source import Arrays, Pool, Query

HALF_LIFE_DAYS = 14.0
TOP = 500
"""Most popular items that are candidates of every request."""


class PopularSource:
    """Popularity with exponential decay; the same for every visitor.

    Arrays: `recent` and `total` (n_items,) float32, `ids` the `TOP` items of `recent`, best
    first. `recent` is relative to the most popular item, `total` a plain weighted count.
    """

    name = "popular"
    reason = "popular"

    def fit(self, interactions: Interactions, *, seed: int) -> dict[str, NDArray[Any]]:
        del seed
        recent = popularity(interactions, half_life_days=HALF_LIFE_DAYS)
        total = popularity(interactions)
        best = np.argsort(-recent, kind="stable")[:TOP]
        return {
            "recent": (recent / max(float(recent.max(initial=0)), 1e-12)).astype(np.float32),
            "total": total.astype(np.float32),
            "ids": best[recent[best] > 0].astype(np.int32),
        }

    def candidates(self, arrays: Arrays, query: Query) -> NDArray[np.int32]:
        del query
        return arrays["ids"]

    def scores(self, arrays: Arrays, query: Query, pool: Pool) -> NDArray[np.float32]:
        del query
        return arrays["recent"][pool.items]

    def contributions(
        self, arrays: Arrays, query: Query, items: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        del arrays
        return np.zeros((len(query.items), len(items)), np.float32)


def popularity(
    interactions: Interactions, *, half_life_days: float | None = None
) -> NDArray[np.float64]:
    """Return the weighted count of each item's interactions, shape (n_items,).

    Args:
        half_life_days: Days after which an interaction counts half, seen from the newest one;
            None counts all alike.
    """
    weights: NDArray[np.float64] = np.asarray(KIND_WEIGHTS)[interactions.kind]
    if half_life_days is not None and len(interactions):
        age = (interactions.at_seconds[-1] - interactions.at_seconds) / DAY_SECONDS
        weights = weights * 0.5 ** (age / half_life_days)
    totals = np.bincount(interactions.item, weights=weights, minlength=interactions.n_items)
    return totals.astype(np.float64)


POPULAR = PopularSource()
