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
        largest = self._ranked.sources[places].tolist()
        items = self._ranked.items[self._ranked.best[places]]
        reasons = [self._popular()] * len(places)
        for row in {*largest} - {_NOBODY, _POPULAR}:
            mine = [at for at, own in enumerate(largest) if own == row]
            givers = self._givers(SOURCES[row], items[mine])
            for at, item, giver in zip(mine, items[mine].tolist(), givers, strict=True):
                reasons[at] = self._one(SOURCES[row], item, giver)
        return reasons

    def _givers(self, source: Source, items: NDArray[np.int32]) -> list[int]:
        if source.reason not in _NAMES_ITEM:
            return [-1] * len(items)
        arrays = self._model.sources[source.name]
        givers: list[int] = source.because(arrays, self._question.query, items).tolist()
        return givers

    def _one(self, source: Source, item: int, giver: int) -> tuple[str, str]:
        if source.reason not in _NAMES_ITEM:
            return source.reason, ""
        if giver == item:
            return REPEATS.reason, ""
        if giver < 0:
            return self._popular()
        return source.reason, self._item_id(giver)

    def _item_id(self, row: int) -> str:
        return self._question.spoken_for.get(row) or self._model.vocabulary.item_id(row)

    def _popular(self) -> tuple[str, str]:
        return ("category" if self._on_category else POPULAR.reason), ""
