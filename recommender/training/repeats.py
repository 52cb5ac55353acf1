"""Repeats: what the visitor has met already and is likely to take again. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.training.board import Board
from recommender.training.source import Arrays, Query, Settings, TrainingSet

PATH_ITEMS = 200
"""Heaviest items of the path that may come again."""

PRIOR = 5.0
"""Occurrences that every item is given at the shop's average rate."""


class RepeatSource:
    """The path's own items: faded weight^c × rate^r.

    The rate of an item is the share of its occurrences after which the same sequence met it
    again: staples come back, a sofa does not.

    Arrays: `rate` (n_items,) float32; `powers` (2,), c and r; `fade` (2,) as in
    `source.Query.faded`.
    """

    name = "repeats"
    reason = "repeat"
    proposes = True
    refreshes = True
    fit_trials: tuple[Settings, ...] = ({},)
    query_trials = tuple(
        {"fade": fade, "powers": (power, rate_power)}
        for fade, power in (
            ((0.6, 1.0), 1.0),
            ((0.8, 1.0), 1.0),
            ((0.9, 1.0), 0.5),
            ((1.0, 0.992), 1.0),
        )
        for rate_power in (0.0, 1.0)
    )

    def fit(
        self, training_set: TrainingSet, settings: Settings, *, seed: int
    ) -> dict[str, NDArray[Any]]:
        del settings, seed
        sequences, n_items = training_set.sequences, training_set.n_items
        order = np.lexsort((sequences.place, sequences.items, sequences.number))
        items, number = sequences.items[order], sequences.number[order]
        again = (items[1:] == items[:-1]) & (number[1:] == number[:-1])
        came_back = np.bincount(items[:-1][again], minlength=n_items)
        times = np.bincount(items, minlength=n_items)
        average = came_back.sum() / max(int(times.sum()), 1)
        rate = (came_back + PRIOR * average) / (times + PRIOR)
        return {
            "rate": rate.astype(np.float32),
        }

    def score(self, arrays: Arrays, query: Query, board: Board, row: int) -> None:
        path = query.faded(arrays["fade"], PATH_ITEMS)
        board.touch(path.items)
        power, rate_power = arrays["powers"]
        rate = arrays["rate"][path.items] ** rate_power
        board.parts[row, path.items] = path.weights**power * rate

    def because(self, arrays: Arrays, query: Query, items: NDArray[np.int32]) -> NDArray[np.int32]:
        del arrays, query
        return items


REPEATS = RepeatSource()
