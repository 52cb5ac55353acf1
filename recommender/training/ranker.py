"""One model and one blend, ready to answer probes as a slate would be answered. Pure."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.training.blend import Blend, discount, log_popularity
from recommender.training.board import Ranked
from recommender.training.evaluation import CUTOFF, Probe
from recommender.training.scoring import ModelArrays, Scorer, new_board, rank_asked


class Ranker:
    """Answers one probe after the other; one thread.

    Args:
        n_items: Size of the vocabulary.
        dial: The tail dial; None takes the blend's own.
    """

    def __init__(
        self, model: ModelArrays, blend: Blend, n_items: int, *, dial: float | None = None
    ) -> None:
        self._scorer = Scorer(model)
        self._weights = blend.vector()
        self._discounts = discount(model, blend.dial if dial is None else dial)
        self._popularity = log_popularity(model)
        self._board = new_board(n_items)

    def list(self, probe: Probe) -> NDArray[np.int32]:
        """Return the `CUTOFF` best items, filled up with -1."""
        asked = self._scorer.asked(
            probe.query,
            self._board,
            self._weights,
            worth=self._discounts,
            hidden=probe.hidden,
            popularity=self._popularity,
            n=CUTOFF,
        )
        ranked = Ranked(*rank_asked(asked))
        top = np.full(CUTOFF, -1, np.int32)
        top[: len(ranked.best)] = ranked.items[ranked.best]
        return top

    def lists(self, probes: Sequence[Probe]) -> NDArray[np.int32]:
        """Return the list of each probe, shape (probes, CUTOFF)."""
        lists = np.full((len(probes), CUTOFF), -1, np.int32)
        for row, probe in enumerate(probes):
            lists[row] = self.list(probe)
        return lists

    def timed(self, probes: Sequence[Probe], monotonic: Callable[[], float]) -> NDArray[np.float64]:
        """Return what each probe takes, in milliseconds, after one round to warm up."""
        self.lists(probes[:100])
        spent = np.zeros(len(probes))
        for row, probe in enumerate(probes):
            started = monotonic()
            self.list(probe)
            spent[row] = (monotonic() - started) * 1000
        return spent
