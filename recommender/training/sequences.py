"""Interactions laid out as sequences, the form that session models learn from. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.training.interactions import Interactions, Kind


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequences of items, the sequence that ended last comes last.

    Attributes:
        items: Vocabulary rows, sequence after sequence, in time order within each, int32.
        starts: Where each sequence starts in `items`, and the end, shape (n_sequences + 1,), int64.
        number: Sequence of each item, int32.
        place: Step of each item within its sequence; what happened at once shares a step. int32.
        share: 1/√(size of the step) of each item, so that a basket's pairs weigh 1/size. float32.
    """

    items: NDArray[np.int32]
    starts: NDArray[np.int64]
    number: NDArray[np.int32]
    place: NDArray[np.int32]
    share: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts) - 1


def sequences_of(interactions: Interactions) -> Sequences:
    """Lay out sessions and customers' rows of orders."""
    return _laid_out(interactions, interactions.sequence)


def baskets_of(interactions: Interactions) -> Sequences:
    """Lay out orders, each a sequence of its own."""
    orders = interactions.rows(interactions.kind == Kind.ORDER)
    return _laid_out(orders, orders.step)


def _laid_out(interactions: Interactions, sequence: NDArray[np.int32]) -> Sequences:
    number = _by_end(sequence)
    # Steps of one sequence that share a second must not be interleaved.
    order = np.lexsort((interactions.step, interactions.at_seconds, number))
    number, step = number[order], interactions.step[order]
    fresh_sequence = np.diff(number, prepend=-1) != 0
    fresh_step = fresh_sequence | (np.diff(step, prepend=-1) != 0)
    n_sequences = int(number[-1]) + 1 if len(number) else 0
    starts = np.searchsorted(number, np.arange(n_sequences + 1)).astype(np.int64)
    steps = np.cumsum(fresh_step) - 1
    place = steps - steps[starts[number]] if len(number) else steps
    size = np.bincount(steps)[steps] if len(steps) else np.zeros(0)
    return Sequences(
        interactions.item[order],
        starts,
        number.astype(np.int32),
        place.astype(np.int32),
        (1.0 / np.sqrt(size)).astype(np.float32),
    )


def _by_end(sequence: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number the sequences anew in the order in which they ended; rows are oldest first."""
    if not len(sequence):
        return sequence
    last_row = np.zeros(int(sequence.max()) + 1, np.int64) - 1
    last_row[sequence] = np.arange(len(sequence))
    ended = np.argsort(last_row, kind="stable")
    rank = np.empty(len(last_row), np.int32)
    rank[ended] = np.arange(len(last_row), dtype=np.int32)
    # Numbers that no row uses came first; the used ones follow without a gap.
    return rank[sequence] - np.int32(np.count_nonzero(last_row < 0))
