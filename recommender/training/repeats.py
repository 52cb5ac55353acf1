"""Repeats: what the visitor has met already and is likely to take again. Pure."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.board import Board, touch
from recommender.training.source import Arrays, Query, Settings, TrainingSet, fade_path

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
        add_repeats(query.arrays, self.kernel_arrays(arrays), board.state, row)

    @staticmethod
    def kernel_arrays(arrays: Arrays) -> tuple[NDArray[Any], ...]:
        """Return the arrays as `add_repeats` takes them."""
        return arrays["fade"], arrays["powers"], arrays["rate"]


@njit(nogil=True, cache=True)
def add_repeats(query: Any, arrays: Any, board: Any, row: int) -> None:
    """Write the path's own items on one row of a board."""
    fade, powers, rate = arrays
    parts, touched, places, count = board
    items, weights = fade_path(query, fade, PATH_ITEMS)
    touch(items, touched, places, count)
    for at in range(len(items)):
        item = items[at]
        parts[row, places[item]] = weights[at] ** powers[0] * rate[item] ** powers[1]


REPEATS = RepeatSource()
