"""Many scored probes in one array, so that a blend is judged in milliseconds. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.board import Scored, top_places
from recommender.training.evaluation import CUTOFF, Probe, is_among

KEPT_PER_SOURCE = 50
"""Best candidates of each source that are kept; nothing else can reach a list's top."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Candidates of all probes, one probe after the other.

    Attributes:
        items: Vocabulary rows, shape (n,), int32.
        parts: Shape (n, sources), float32.
        is_target: Shape (n,).
        starts: Where each probe's candidates start, and the end, shape (probes + 1,), int64.
        ideals: DCG of the best possible list, shape (probes,), float64.
    """

    items: NDArray[np.int32]
    parts: NDArray[np.float32]
    is_target: NDArray[np.bool_]
    starts: NDArray[np.int64]
    ideals: NDArray[np.float64]

    @classmethod
    def of(cls, scored: Iterable[Scored], probes: Sequence[Probe]) -> "Questions":
        """Gather probes and their candidates, cut to those that can matter."""
        items, parts = [], []
        for own in scored:
            places = _best_places(own.parts)
            items.append(own.items[places])
            parts.append(own.parts[:, places].T)
        gains = np.cumsum(1.0 / np.log2(np.arange(2, CUTOFF + 2)))
        n_targets = np.minimum([len(probe.targets) for probe in probes], CUTOFF)
        return cls(
            np.concatenate(items),
            np.concatenate(parts),
            np.concatenate(
                [is_among(own, probe.targets) for own, probe in zip(items, probes, strict=True)]
            ),
            np.concatenate([[0], np.cumsum([len(own) for own in items])]).astype(np.int64),
            gains[n_targets - 1],
        )

    def ndcg(self, weights: NDArray[np.float32]) -> float:
        """Return the mean NDCG@20 of a blend."""
        return float(_mean_ndcg(self.parts @ weights, self.is_target, self.starts, self.ideals))

    def ndcg_and_tail(
        self,
        weights: NDArray[np.float32],
        discounts: NDArray[np.float32],
        tail: NDArray[np.bool_],
    ) -> tuple[float, float]:
        """Return mean NDCG@20 and tail share@20 of a blend with discounted scores.

        Args:
            discounts: By vocabulary row.
            tail: By vocabulary row.
        """
        scores = (self.parts @ weights) * discounts[self.items]
        ndcg = _mean_ndcg(scores, self.is_target, self.starts, self.ideals)
        return float(ndcg), float(_tail_share(scores, tail[self.items], self.starts))


def _best_places(parts: NDArray[np.float32]) -> NDArray[np.intp]:
    if parts.shape[1] <= KEPT_PER_SOURCE:
        return np.arange(parts.shape[1])
    best: NDArray[np.intp] = _kept(parts, KEPT_PER_SOURCE)
    return best


@njit(nogil=True, cache=True)
def _kept(parts: Any, n: int) -> Any:
    kept = np.zeros(parts.shape[1], np.bool_)
    for part in parts:
        floor = np.partition(part, len(part) - n)[len(part) - n]
        for place in range(len(part)):
            if part[place] > 0 and part[place] >= floor:
                kept[place] = True
    return np.flatnonzero(kept)


@njit(nogil=True, cache=True)
def _mean_ndcg(scores: Any, is_target: Any, starts: Any, ideals: Any) -> float:
    total = 0.0
    best = np.empty(CUTOFF, np.int64)
    for probe in range(len(ideals)):
        n = top_places(scores, starts[probe], starts[probe + 1], best)
        for rank in range(n):
            if is_target[best[rank]]:
                total += 1.0 / np.log2(rank + 2.0) / ideals[probe]
    return total / len(ideals)


@njit(nogil=True, cache=True)
def _tail_share(scores: Any, tail: Any, starts: Any) -> float:
    shown = 0
    from_tail = 0
    best = np.empty(CUTOFF, np.int64)
    for probe in range(len(starts) - 1):
        n = top_places(scores, starts[probe], starts[probe + 1], best)
        for rank in range(n):
            from_tail += tail[best[rank]]
        shown += n
    return from_tail / max(shown, 1)
