"""Why an item stands on a slate: the largest part of its score, and what led there. Pure."""

import numpy as np
from numpy.typing import NDArray

from recommender.records import Placement
from recommender.serving.candidates import Question
from recommender.serving.model import Model
from recommender.training.board import Ranked
from recommender.training.popularity import POPULAR
from recommender.training.repeats import REPEATS
from recommender.training.scoring import SOURCES
from recommender.training.source import Source

_NAMES_ITEM = {"viewed", "bought_together", "similar"}
_POPULAR, _NOBODY = SOURCES.index(POPULAR), -1


class Reasons:
    """Names the source with the largest part of a score, and the item of the path behind it."""

    def __init__(
        self, question: Question, model: Model, ranked: Ranked, placement: Placement
    ) -> None:
        self._question = question
        self._model = model
        self._ranked = ranked
        self._on_category = placement is Placement.CATEGORY

    def of(self, places: NDArray[np.int64]) -> list[tuple[str, str]]:
        """Return reason code and item id for some of the best candidates.

        All of them at once: a source is asked once for all items it is the reason of.
        """
        largest = self._ranked.sources[places]
        items = self._ranked.items[self._ranked.best[places]]
        reasons = [self._popular()] * len(places)
        for row in {*largest.tolist()} - {_NOBODY, _POPULAR}:
            mine = np.flatnonzero(largest == row)
            for at, reason in zip(
                mine.tolist(), self._told(SOURCES[row], items[mine]), strict=True
            ):
                reasons[at] = reason
        return reasons

    def _told(self, source: Source, items: NDArray[np.int32]) -> list[tuple[str, str]]:
        if source.reason not in _NAMES_ITEM:
            return [(source.reason, "")] * len(items)
        arrays = self._model.sources[source.name]
        givers: list[int] = source.because(arrays, self._question.query, items).tolist()
        # Several items come from one, as a rule.
        named = {giver: (source.reason, self._item_id(giver)) for giver in {*givers} - {_NOBODY}}
        named[_NOBODY] = self._popular()
        repeat = REPEATS.reason, ""
        return [
            repeat if giver == item else named[giver]
            for giver, item in zip(givers, items.tolist(), strict=True)
        ]

    def _item_id(self, row: int) -> str:
        return self._question.told_as.get(row) or self._model.vocabulary.item_id(row)

    def _popular(self) -> tuple[str, str]:
        return ("category" if self._on_category else POPULAR.reason), ""
