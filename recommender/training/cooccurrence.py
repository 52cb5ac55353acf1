"""Co-occurrence: what follows what, what is two steps away, what is bought together. Pure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.neighbours import (
    Block,
    K,
    NeighbourSource,
    as_lists,
    keep_largest,
    occurrences,
    row_blocks,
)
from recommender.training.sequences import Sequences
from recommender.training.source import Settings, TrainingSet

REACH_STEPS = 10
"""Steps within a sequence that still count as meeting."""

FOLLOW_WINDOW = 50
BASKET_WINDOW = 100
"""Places looked at on either side, so that a wholesaler's basket does not cost its square."""

NEWEST = 5_000
"""Newest occurrences of an item that count."""

SUPPORT_MIN = 2.0
"""Baskets that two items must share; one shared basket is an accident."""


def follow_blocks(training_set: TrainingSet, settings: Settings) -> Iterator[Block]:
    """Yield how strongly each item is followed by each other one, and preceded.

    The weight of a pair is Σ f^(d − 1) over its meetings d steps apart, d ≤ `REACH_STEPS`, times
    b where the order is reversed, divided by (n_i + σ)^p (n_j + σ)^q; an item of a step of s
    items counts 1/√s and n are the items' occurrences.

    Source: Ludewig, Jannach 2018 (UMUAI 28), sequential rules, eq. 3; geometric decay, the
    reversed direction and the damped normalisation are ours.
    """
    sequences = training_set.sequences
    steps = np.arange(REACH_STEPS, dtype=np.float32)
    ahead = np.float32(settings["step"]) ** steps
    yield from _met(
        sequences,
        training_set.n_items,
        np.concatenate([[0.0], ahead]).astype(np.float32),
        np.concatenate([[0.0], settings["backward"] * ahead]).astype(np.float32),
        settings,
        FOLLOW_WINDOW,
    )


def basket_blocks(training_set: TrainingSet, settings: Settings) -> Iterator[Block]:
    """Yield how strongly each two items are bought together, from `SUPPORT_MIN` baskets on.

    Σ 1/s over the baskets of s items that hold both, divided by (n_i + σ)^p (n_j + σ)^q. An item
    is its own neighbour by the same formula: what is bought again and again.
    """
    whole = np.ones(1, np.float32)
    yield from _met(
        training_set.baskets, training_set.n_items, whole, whole, settings, BASKET_WINDOW
    )


def walk_blocks(training_set: TrainingSet, settings: Settings) -> Iterator[Block]:
    """Yield what a walk of two steps over the `follows` lists reaches.

    The rows of the lists, cut to the nearest `walk_ids`, are divided by their sums; the weight is
    the probability of the walk i → k → j.

    Source: Christoffel, Paudel, Newell, Bernstein 2015 (RecSys), random walks on the
    interaction graph; ours walks over items in order of time.
    """
    n_items = training_set.n_items
    lists = as_lists(follow_blocks(training_set, settings), n_items)
    own = (lists["starts"], lists["ids"], lists["scores"])
    sums = _row_sums(lists["starts"], lists["scores"], settings["walk_ids"])
    for first, end in row_blocks(n_items):
        yield _walked(*own, sums, settings["walk_ids"], first, end)


def _met(
    sequences: Sequences,
    n_items: int,
    ahead: NDArray[np.float32],
    behind: NDArray[np.float32],
    settings: Settings,
    window: int,
) -> Iterator[Block]:
    starts, positions = occurrences(sequences.items, n_items)
    totals = np.bincount(sequences.items, minlength=n_items)
    sigma = settings["shrinkage"]
    own = ((totals + sigma + 1e-9) ** -settings["own_power"]).astype(np.float32)
    other = ((totals + sigma + 1e-9) ** -settings["other_power"]).astype(np.float32)
    support = settings.get("support", 0.0)
    for first, end in row_blocks(n_items):
        yield _met_rows(
            sequences.items,
            sequences.starts,
            sequences.number,
            sequences.place,
            sequences.share,
            starts,
            positions,
            ahead,
            behind,
            own,
            other,
            support,
            window,
            first,
            end,
        )


@njit(nogil=True, cache=True)
def _met_rows(  # noqa: PLR0913, PLR0917 - a kernel takes arrays, not objects
    items: Any,
    sequence_starts: Any,
    number: Any,
    place: Any,
    share: Any,
    starts: Any,
    positions: Any,
    ahead: Any,
    behind: Any,
    own: Any,
    other: Any,
    support: float,
    window: int,
    first: int,
    end: int,
) -> Block:
    n_items = len(own)
    row = np.zeros(n_items, np.float32)
    times = np.zeros(n_items, np.float32)
    touched = np.empty(n_items, np.int32)
    ids = np.zeros((end - first, K), np.int32)
    scores = np.zeros((end - first, K), np.float32)
    for item in range(first, end):
        n = 0
        for at in range(max(starts[item], starts[item + 1] - NEWEST), starts[item + 1]):
            position = positions[at]
            sequence = number[position]
            low = max(sequence_starts[sequence], position - window)
            high = min(sequence_starts[sequence + 1], position + window + 1)
            for near in range(low, high):
                distance = place[near] - place[position]
                weights = ahead if distance >= 0 else behind
                distance = abs(distance)
                mate = items[near]
                if distance >= len(weights) or weights[distance] == 0:
                    continue
                if mate == item and near != position:
                    continue
                if times[mate] == 0:
                    touched[n] = mate
                    n += 1
                times[mate] += 1
                row[mate] += weights[distance] * share[position] * share[near]
        for at in range(n):
            mate = touched[at]
            row[mate] *= own[item] * other[mate] * (times[mate] >= support)
        keep_largest(row, touched, n, ids[item - first], scores[item - first])
        for at in range(n):
            row[touched[at]] = 0
            times[touched[at]] = 0
    return ids, scores


@njit(nogil=True, cache=True)
def _row_sums(starts: Any, scores: Any, width: int) -> Any:
    sums = np.zeros(len(starts) - 1, np.float32)
    for item in range(len(sums)):
        for at in range(starts[item], min(starts[item + 1], starts[item] + width)):
            sums[item] += scores[at]
    return sums


@njit(nogil=True, cache=True)
def _walked(
    starts: Any, ids: Any, scores: Any, sums: Any, width: int, first: int, end: int
) -> Block:
    n_items = len(starts) - 1
    row = np.zeros(n_items, np.float32)
    touched = np.empty(n_items, np.int32)
    reached = np.zeros((end - first, K), np.int32)
    weights = np.zeros((end - first, K), np.float32)
    for item in range(first, end):
        n = 0
        for at in range(starts[item], min(starts[item + 1], starts[item] + width)):
            middle = ids[at]
            if sums[middle] == 0:
                continue
            pace = scores[at] / (sums[item] * sums[middle])
            for on in range(starts[middle], min(starts[middle + 1], starts[middle] + width)):
                mate = ids[on]
                if mate == item:
                    continue
                if row[mate] == 0:
                    touched[n] = mate
                    n += 1
                row[mate] += pace * scores[on]
        keep_largest(row, touched, n, reached[item - first], weights[item - first])
        for at in range(n):
            row[touched[at]] = 0
    return reached, weights


_FOLLOW = {
    "step": 0.7,
    "backward": 0.5,
    "own_power": 0.7,
    "other_power": 0.3,
    "shrinkage": 0.0,
}

FOLLOWS = NeighbourSource(
    "follows",
    "viewed",
    follow_blocks,
    fit_trials=(
        _FOLLOW | {"other_power": 0.0},
        _FOLLOW | {"backward": 1.0},
        _FOLLOW | {"other_power": 0.5, "shrinkage": 5.0},
    ),
)
WALK = NeighbourSource(
    "walk",
    "viewed",
    walk_blocks,
    fit_trials=(_FOLLOW | {"walk_ids": 50},),
)
_BASKET = {"own_power": 0.5, "other_power": 0.5, "shrinkage": 0.0, "support": SUPPORT_MIN}
BOUGHT_TOGETHER = NeighbourSource(
    "bought_together",
    "bought_together",
    basket_blocks,
    fit_trials=(
        _BASKET,
        _BASKET | {"other_power": 0.3},
    ),
)
