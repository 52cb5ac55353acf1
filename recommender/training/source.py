"""What a candidate source is: a way to get from a visitor's path to scored items. Pure.

One file holds one family of sources; `scoring.SOURCES` lists them all. The same code scores
offline evaluation and live requests, so that what was measured is what is served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.training.interactions import Interactions

Arrays = Mapping[str, NDArray[Any]]
"""One source's learned arrays by short name."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is known when a slate is asked for.

    Attributes:
        items: Vocabulary rows, strongest first, without repetition, int32.
        weights: How much each counts, float32, same shape.
    """

    items: NDArray[np.int32]
    weights: NDArray[np.float32]


class Pool:
    """The candidates of one request, with their places.

    Attributes:
        items: Vocabulary rows in ascending order, without repetition.
    """

    __slots__ = ("_place", "items")

    def __init__(self, items: NDArray[np.int32], n_items: int) -> None:
        self.items = items
        # One slot beyond the end swallows whatever is no candidate.
        self._place = np.full(n_items, len(items), np.int32)
        self._place[items] = np.arange(len(items), dtype=np.int32)

    @classmethod
    def of(cls, candidates: NDArray[np.bool_]) -> "Pool":
        """Return the pool of all items marked true."""
        return cls(np.flatnonzero(candidates).astype(np.int32), len(candidates))

    def sums(self, items: NDArray[np.int32], amounts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add up amounts by candidate; amounts of other items are dropped."""
        size = len(self.items) + 1
        totals = np.bincount(self._place[items], weights=amounts, minlength=size)
        return totals[:-1].astype(np.float32)


class Source(Protocol):
    """A way to find and score candidates.

    Attributes:
        name: Prefix of its arrays in the artifact, and its name in the blend.
        reason: Code told to the shopper when this source weighs most, see `records.SlateItem`.
    """

    @property
    def name(self) -> str: ...

    @property
    def reason(self) -> str: ...

    def fit(self, interactions: Interactions, *, seed: int) -> dict[str, NDArray[Any]]:
        """Learn the arrays; equal input and seed give equal bytes."""
        ...

    def candidates(self, arrays: Arrays, query: Query) -> NDArray[np.int32]:
        """Return items worth scoring, repetitions allowed."""
        ...

    def scores(self, arrays: Arrays, query: Query, pool: Pool) -> NDArray[np.float32]:
        """Return one score a candidate, at least 0, larger is better."""
        ...

    def contributions(
        self, arrays: Arrays, query: Query, items: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Return what each item of the query adds to the score of each of `items`.

        Returns:
            Shape (query items, items).
        """
        ...
