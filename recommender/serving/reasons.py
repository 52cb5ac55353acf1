"""Why an item stands on a slate: the largest part of its score, and what led there. Pure."""

import numpy as np
from numpy.typing import NDArray

from recommender.records import Placement
from recommender.serving.candidates import Question
from recommender.serving.columns import Vocabulary
from recommender.training.popularity import POPULAR
from recommender.training.repeats import REPEATS
from recommender.training.scoring import NOBODY, SOURCES

_NAMES_ITEM = {"viewed", "bought_together", "similar"}
_CODES = {NOBODY: POPULAR.reason} | {row: source.reason for row, source in enumerate(SOURCES)}


def reasons_of(
    items: NDArray[np.int32],
    sources: NDArray[np.int64],
    givers: NDArray[np.int32],
    *,
    question: Question,
    vocabulary: Vocabulary,
    placement: Placement,
) -> list[tuple[str, str]]:
    """Return reason code and item id for each item.

    Args:
        sources: The source with the largest part of each item's score, as in `board.Ranked`.
        givers: The item of the path that gave most of this part, see `scoring.Scorer.givers`.
    """
    popular = "category" if placement is Placement.CATEGORY else POPULAR.reason

    def told(source: int, giver: int, is_own: bool) -> tuple[str, str]:
        code = REPEATS.reason if is_own else _CODES[source]
        if code in _NAMES_ITEM and giver != NOBODY:
            return code, question.told_as.get(giver) or vocabulary.item_id(giver)
        return (popular if code in _NAMES_ITEM or code == POPULAR.reason else code), ""

    parts = list(zip(sources.tolist(), givers.tolist(), (givers == items).tolist(), strict=True))
    # Several items come from one, as a rule.
    reasons = {part: told(*part) for part in set(parts)}
    return [reasons[part] for part in parts]
