"""All sources together: fit them, and score the candidates of one query. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InconsistentError
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
        if name == "ids" and array.size and not 0 <= int(array.min()) <= int(array.max()) < n_items:
            raise InconsistentError(f"{full_name} leaves the vocabulary", code="damaged-artifact")
        if name:
            model.setdefault(source, {})[name] = array
    return model


def mark_candidates(model: ModelArrays, query: Query, n_items: int) -> NDArray[np.bool_]:
    """Mark the union of what the sources propose, shape (n_items,).

    The caller unmarks what it must not show; scores are relative to the best of what is left.
    """
    marked = np.zeros(n_items, bool)
    for source in SOURCES:
        if source.name in model:
            marked[source.candidates(model[source.name], query)] = True
    return marked


def score(model: ModelArrays, query: Query, pool: Pool) -> Scored:
    """Score a pool by every source; one that an older artifact lacks says nothing."""
    parts = np.zeros((len(SOURCES), len(pool.items)), np.float32)
    for row, source in enumerate(SOURCES):
        if source.name in model and (len(query.items) or source is POPULAR):
            parts[row] = source.scores(model[source.name], query, pool)
    largest = parts.max(axis=1, initial=0, keepdims=True)
    parts /= np.where(largest > 0, largest, np.float32(1))
    return Scored(pool.items, parts)


def score_query(model: ModelArrays, query: Query, n_items: int) -> Scored:
    """Score all that the sources propose, except the query's own items."""
    marked = mark_candidates(model, query, n_items)
    marked[query.items] = False
    return score(model, query, Pool.of(marked))
