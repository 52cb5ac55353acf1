"""Scored candidates → ranked slate items with true reasons. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.records import Item, Placement, SlateItem
from recommender.serving.candidates import Question
from recommender.serving.models import Model
from recommender.serving.rules import CatalogueView, pick
from recommender.training.blend import blended
from recommender.training.fitting import TAIL_BETA
from recommender.training.popularity import POPULAR
from recommender.training.scoring import SOURCES, Scored, score
from recommender.training.source import Query

SPARE_FACTOR = 4
"""Candidates looked at per place of the slate: some are variants, some give way to variety."""

_TIE_BREAK = np.float32(1e-7)
_NAMES_ITEM = {"viewed", "bought_together", "similar"}


def rank(
    question: Question,
    model: Model,
    view: CatalogueView,
    *,
    n: int,
    tail_ppm: int,
    placement: Placement,
    in_hand: Sequence[Item],
) -> tuple[SlateItem, ...]:
    """Return at most `n` items, best first.

    Args:
        tail_ppm: The tail dial, parts per million of 1; each step moves weight from popular
            items to the tail.
        in_hand: Items that the page shows or the cart holds.
    """
    scored = score(model.sources, question.query, question.pool)
    blend = model.blends[question.task]
    weights = blend.vector()
    beta = blend.beta + TAIL_BETA * tail_ppm / 1_000_000
    scores = blended(scored, weights, model.log_popularity, beta)
    # What no source knows, as in a category few visit, is ordered by total popularity.
    scores = scores + _TIE_BREAK * (1 + model.log_popularity[scored.items])
    best = _best(scores, SPARE_FACTOR * n)
    candidates = [
        (item, float(scores[place]))
        for place in best
        if (item := view.catalogue.get(model.vocabulary.item_id(scored.items[place])))
    ]
    picked = list(pick(candidates, n=n, in_hand=in_hand))
    reasons = _reasons(scored, weights, question.query, model, best[picked], placement)
    return tuple(
        SlateItem(item.item_id, points, code, about)
        for (item, points), (code, about) in zip(
            (candidates[place] for place in picked), reasons, strict=True
        )
    )


def _best(scores: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    places = np.arange(len(scores))
    if n < len(scores):
        places = np.argpartition(-scores, n - 1)[:n]
    return places[np.lexsort((places, -scores[places]))]


def _reasons(
    scored: Scored,
    weights: NDArray[np.float32],
    query: Query,
    model: Model,
    places: NDArray[np.intp],
    placement: Placement,
) -> list[tuple[str, str]]:
    """Name, for each place, the source with the largest part of the score, and its item."""
    parts = weights[:, None] * scored.parts[:, places]
    largest = np.where(parts.any(axis=0), parts.argmax(axis=0), SOURCES.index(POPULAR))
    reasons = [("", "")] * len(places)
    for row in set(largest.tolist()):
        source = SOURCES[row]
        mine = np.flatnonzero(largest == row)
        code = source.reason
        if source is POPULAR and placement is Placement.CATEGORY:
            code = "category"
        about = [""] * len(mine)
        if code in _NAMES_ITEM:
            items = scored.items[places[mine]]
            added = source.contributions(model.sources[source.name], query, items)
            about = [model.vocabulary.item_id(query.items[row]) for row in added.argmax(axis=0)]
        for place, item_id in zip(mine.tolist(), about, strict=True):
            reasons[place] = (code, item_id)
    return reasons
