"""What a candidate source is: a way to get from a visitor's path to scored items. Pure.

One file holds one family of sources; `scoring.SOURCES` lists them all. The same code scores
offline evaluation and live requests, so that what was measured is what is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.board import Board
from recommender.training.interactions import Interactions
from recommender.training.sequences import Sequences, baskets_of, sequences_of

Arrays = Mapping[str, NDArray[Any]]
"""One source's learned arrays by short name."""

Settings = Mapping[str, Any]
"""What a training chooses for one source."""

FADED_MIN = 1e-3
"""A meeting that counts less than this share of a new one is not looked at, nor older ones."""


class Query(msgspec.Struct, frozen=True):
    """What is known when a slate is asked for: each time the visitor met an item, newest first.

    Attributes:
        items: Vocabulary rows, an item as often as it was met, int32.
        weights: How much each meeting counts whatever its age, float32.
        places: Steps since, 0 for the newest, int32; a basket is one step.
        ages_days: Days since, float32.
    """

    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    places: NDArray[np.int32]
    ages_days: NDArray[np.float32]

    @classmethod
    def of(cls, items: Sequence[int] | NDArray[np.int32]) -> "Query":
        """Return the query of a plain path, newest first, one item a step, all of it today."""
        rows = np.asarray(items, np.int32)
        zeros = np.zeros(len(rows), np.float32)
        return cls(rows, zeros + 1, np.arange(len(rows), dtype=np.int32), zeros)

    def at_once(self) -> "Query":
        """Return the query as one step, as the contents of a cart are."""
        return msgspec.structs.replace(self, places=np.zeros(len(self.items), np.int32))

    def faded(self, fade: NDArray[np.float32], limit: int) -> "FadedPath":
        """Return the distinct items that weigh most, at most `limit`, heaviest first.

        The meetings of an item add up.

        Args:
            fade: What a meeting still counts one step later, and one day later, shape (2,).
        """
        return FadedPath(*fade_path(self.arrays, fade, limit))

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the query as kernels take it."""
        return self.items, self.weights, self.places, self.ages_days


@dataclass(frozen=True, slots=True)
class FadedPath:
    """A query as one source sees it.

    Attributes:
        items: Distinct vocabulary rows, heaviest first, int32.
        weights: float32, same shape.
    """

    items: NDArray[np.int32]
    weights: NDArray[np.float32]


@njit(nogil=True, cache=True)
def fade_path(query: Any, fade: Any, limit: int) -> tuple[Any, Any]:
    """Return distinct items and their weights, see `Query.faded`."""
    items, weights, places, ages_days = query
    distinct = np.empty(len(items), np.int32)
    total = np.zeros(len(items), np.float32)
    n_slots = 64
    while n_slots < 2 * len(items):
        n_slots *= 2
    slots = np.full(n_slots, -1, np.int32)
    n = 0
    left = np.float32(1)
    for at in range(len(items)):
        # Powers are dear, and the items of one step share them.
        if at == 0 or places[at] != places[at - 1] or ages_days[at] != ages_days[at - 1]:
            left = fade[0] ** places[at] * fade[1] ** ages_days[at]
            if left < FADED_MIN:
                break
        slot = (items[at] * 40_503) & (n_slots - 1)
        while slots[slot] >= 0 and distinct[slots[slot]] != items[at]:
            slot = (slot + 1) & (n_slots - 1)
        if slots[slot] < 0:
            slots[slot] = n
            distinct[n] = items[at]
            n += 1
        total[slots[slot]] += weights[at] * left
    order = np.argsort(-total[:n], kind="mergesort")[:limit]
    return distinct[order], total[order]


@dataclass(frozen=True)
class TrainingSet:
    """What sources learn from.

    Attributes:
        content: What the catalogue says of the vocabulary, see `content.content_arrays`; empty
            where only events are known.
        kind_weights: What a view, a cart and an order of an item say of interest.
        earlier: Arrays by source name that were learned from the older part of the same events,
            under the same vocabulary; a source may go on from there. May be empty.
        is_trial: Whether what is learned only serves to compare settings, and may be rough.
    """

    interactions: Interactions
    content: Arrays = field(default_factory=dict)
    kind_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    earlier: Mapping[str, Arrays] = field(default_factory=dict)
    is_trial: bool = False

    @property
    def n_items(self) -> int:
        """Return the size of the vocabulary."""
        return self.interactions.n_items

    @cached_property
    def sequences(self) -> Sequences:
        """Return sessions and customers' rows of orders."""
        return sequences_of(self.interactions)

    @cached_property
    def baskets(self) -> Sequences:
        """Return orders, each a sequence of its own."""
        return baskets_of(self.interactions)


class Source(Protocol):
    """A way to find and score candidates.

    Attributes:
        name: Prefix of its arrays in the artifact, and its name in the blend.
        reason: Code told to the shopper when this source weighs most, see `records.SlateItem`.
        proposes: Whether it finds candidates; if not, it scores what the board has already.
        refreshes: Whether it is fitted anew between two full trainings, as it costs little.
        fit_trials: Settings of the fit to choose from; the first is for shops too small to choose.
        query_trials: Likewise numbers that are read at each query; they join the arrays under
            their names, as float32 vectors.
    """

    @property
    def name(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def proposes(self) -> bool: ...

    @property
    def refreshes(self) -> bool: ...

    @property
    def fit_trials(self) -> Sequence[Settings]: ...

    @property
    def query_trials(self) -> Sequence[Settings]: ...

    def fit(
        self, training_set: TrainingSet, settings: Settings, *, seed: int
    ) -> dict[str, NDArray[Any]]:
        """Learn the arrays; equal input and seed give equal bytes."""
        ...

    def score(self, arrays: Arrays, query: Query, board: Board, row: int) -> None:
        """Add scores of at least 0, larger is better, to one row of the board."""
        ...
