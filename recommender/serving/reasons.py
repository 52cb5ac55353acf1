"""Why an item stands on a slate: the largest part of its score, and what led there. Pure."""

from recommender.records import Placement
from recommender.serving.candidates import Question
from recommender.serving.model import Model
from recommender.training.board import Scored
from recommender.training.popularity import POPULAR
from recommender.training.repeats import REPEATS
from recommender.training.scoring import SOURCES

_NAMES_ITEM = {"viewed", "bought_together", "similar"}


class Reasons:
    """Names the source with the largest part of a score, and the item of the path behind it."""

    def __init__(
        self, question: Question, model: Model, scored: Scored, placement: Placement
    ) -> None:
        self._question = question
        self._model = model
        self._scored = scored
        self._weights = model.weights[question.task]
        self._on_category = placement is Placement.CATEGORY

    def of(self, place: int) -> tuple[str, str]:
        """Return reason code and item id for one of the scored candidates."""
        parts = self._weights * self._scored.parts[:, place]
        source = SOURCES[int(parts.argmax())] if parts.any() else POPULAR
        if source is POPULAR:
            return self._popular()
        if source.reason not in _NAMES_ITEM:
            return source.reason, ""
        item = self._scored.items[place : place + 1]
        arrays = self._model.sources[source.name]
        giver = int(source.because(arrays, self._question.query, item)[0])
        if giver == item[0]:
            return REPEATS.reason, ""
        if giver < 0:
            return self._popular()
        return source.reason, self._item_id(giver)

    def _item_id(self, row: int) -> str:
        return self._question.spoken_for.get(row) or self._model.vocabulary.item_id(row)

    def _popular(self) -> tuple[str, str]:
        return ("category" if self._on_category else POPULAR.reason), ""
