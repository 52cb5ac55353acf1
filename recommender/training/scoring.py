"""All sources together: fit them, and score the candidates of one query. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.training.cooccurrence import BOUGHT_TOGETHER, FOLLOWS
from recommender.training.factors import FACTORS, SIMILAR
from recommender.training.interactions import Interactions
from recommender.training.popularity import POPULAR
from recommender.training.source import Arrays, Pool, Query, Source

SOURCES: tuple[Source, ...] = (FOLLOWS, BOUGHT_TOGETHER, SIMILAR, FACTORS, POPULAR)
"""Every candidate source; a new one is its own file and a name here."""

SOURCE_NAMES = tuple(source.name for source in SOURCES)

ModelArrays = Mapping[str, Arrays]
"""Learned arrays by source name."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates with what each source says of them.

    Attributes:
        items: Vocabulary rows, int32.
        parts: Shape (sources, candidates), each row divided by its maximum; row order is
            `SOURCES`.
    """

    items: NDArray[np.int32]
    parts: NDArray[np.float32]


def fit_sources(interactions: Interactions, *, seed: int) -> ModelArrays:
    """Fit every source on the same interactions."""
    return {source.name: source.fit(interactions, seed=seed) for source in SOURCES}


def candidate_pool(model: ModelArrays, query: Query, n_items: int) -> Pool:
    """Return the union of what the sources propose."""
    marked = np.zeros(n_items, bool)
    for source in SOURCES:
        marked[source.candidates(model[source.name], query)] = True
    return Pool.of(marked)


def score(model: ModelArrays, query: Query, pool: Pool) -> Scored:
    """Score a pool by every source."""
    parts = np.zeros((len(SOURCES), len(pool.items)), np.float32)
    for row, source in enumerate(SOURCES):
        if len(query.items) or source.name == POPULAR.name:
            parts[row] = source.scores(model[source.name], query, pool)
    largest = parts.max(axis=1, initial=0, keepdims=True)
    return Scored(pool.items, parts / np.where(largest > 0, largest, 1))
