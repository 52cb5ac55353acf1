"""A question → ranked slate items with true reasons. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.records import Item, Placement, SlateItem
from recommender.serving.candidates import Question
from recommender.serving.exploration import REASON, explore, places_to_explore, untried
from recommender.serving.model import Model
from recommender.serving.newcomers import Newcomers
from recommender.serving.reasons import Reasons
from recommender.serving.rules import CatalogueView, PlacementRules
from recommender.serving.slates import Rotation, choose
from recommender.training.blend import blended
from recommender.training.board import Scored
from recommender.training.scoring import write_scores

SPARE_FACTOR = 4
"""Candidates looked at per place of the slate: some are variants, some give way to variety."""

_TIE_BREAK = np.float32(1e-7)
_CHOSEN = ("chosen", "")
_SIMILAR = ("similar", "")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a slate shall be like.

    Attributes:
        n: Most items.
        tail_ppm: The tail dial, parts per million of 1; None takes the shop's learned setting.
        category: On a category's page only its items answer; None elsewhere.
        in_hand: Items that the page shows or the cart holds.
        exploration_ppm: Part of all slates' places that items hardly met may take.
    """

    n: int
    placement: Placement
    tail_ppm: int | None
    category: str | None
    in_hand: Sequence[Item]
    rotation: Rotation
    exploration_ppm: int
    slate_id: str


def rank(
    question: Question,
    model: Model,
    view: CatalogueView,
    rules: PlacementRules,
    newcomers: Newcomers,
    wishes: Wishes,
) -> tuple[SlateItem, ...]:
    """Return the items of a slate, best first."""
    return _Ranking(question, model, view, rules, newcomers, wishes).slate()


class _Ranking:
    """One slate in the making."""

    def __init__(
        self,
        question: Question,
        model: Model,
        view: CatalogueView,
        rules: PlacementRules,
        newcomers: Newcomers,
        wishes: Wishes,
    ) -> None:
        self._question = question
        self._model = model
        self._view = view
        self._rules = rules
        self._newcomers = newcomers
        self._wishes = wishes
        # A pin behind the slate's end must not fill it where it is short.
        self._pins = {item_id: place for place, item_id in rules.pins if place <= wishes.n}

    def slate(self) -> tuple[SlateItem, ...]:
        scored, scores = self._scored()
        best = _best(scores, SPARE_FACTOR * self._wishes.n)
        ids = [self._model.vocabulary.item_id(row) for row in scored.items[best].tolist()]
        arrived, arrived_scores = self._arrived(scored, scores, best)
        known = {*ids, *(item.item_id for item in arrived)}
        pinned = [
            item
            for item_id in self._pins
            if item_id not in known and (item := self._view.catalogue.get(item_id))
        ]
        beyond = [*arrived, *pinned]
        candidates = self._view.candidates(scored.items[best], scores[best])
        if beyond:
            zeros = np.zeros(len(pinned), np.float32)
            candidates = candidates.beside(
                self._view.candidates_beyond(beyond, np.concatenate([arrived_scores, zeros]))
            )
            ids += [item.item_id for item in beyond]
        picked = choose(
            candidates,
            n=self._wishes.n,
            in_hand=self._products_in_hand(),
            pins=[(place, ids.index(item_id)) for item_id, place in self._pins.items()],
            rotation=self._wishes.rotation,
        )
        reasons = Reasons(self._question, self._model, scored, self._wishes.placement)
        told = iter(reasons.of(best[picked[picked < len(best)]]))
        slate = []
        for place in picked.tolist():
            reason = next(told) if place < len(best) else _SIMILAR
            if ids[place] in self._pins:
                reason = _CHOSEN
            slate.append(SlateItem(ids[place], float(candidates.scores[place]), *reason))
        return self._explored(slate)

    def _scored(self) -> tuple[Scored, NDArray[np.float32]]:
        task, category = self._question.task, self._wishes.category
        allowed = self._rules.allowed
        weights = self._model.weights[task]
        with self._model.board() as board:
            if category is not None:
                rows = self._view.category(category)
                board.touch(rows)
                allowed = np.zeros(len(allowed), np.bool_)
                allowed[rows] = self._rules.allowed[rows]
            write_scores(self._model.sources, self._question.query, board, weights)
            scored = board.take(allowed, self._question.hidden, weights)
        discounts = self._model.discounts(task, self._wishes.tail_ppm)
        scores = blended(scored, weights, discounts) * self._rules.factor[scored.items]
        # What no source knows, as in a category few visit, is ordered by total popularity.
        scores += _TIE_BREAK * self._model.popularity[scored.items]
        return scored, scores

    def _arrived(
        self, scored: Scored, scores: NDArray[np.float32], best: NDArray[np.intp]
    ) -> tuple[list[Item], NDArray[np.float32]]:
        """Return the newcomers that may reach the slate, and what is expected of them."""
        if not len(self._newcomers):
            return [], np.zeros(0, np.float32)
        estimates = self._newcomers.score(self._question.query, scored.items, scores)
        n = self._wishes.n
        floor = scores[best[n - 1]] if len(best) >= n else 0.0
        places = [
            place
            for place in _best(estimates, n).tolist()
            if estimates[place] > floor and self._may_show(self._newcomers.items[place])
        ]
        items = [self._newcomers.items[place] for place in places]
        factors = np.array([self._rules.in_force.factor(item) for item in items], np.float32)
        return items, estimates[places] * factors

    def _may_show(self, item: Item) -> bool:
        category = self._wishes.category
        return (
            item.item_id not in self._question.hidden_ids
            and self._rules.in_force.allows(item)
            and (category is None or item.category == category)
        )

    def _products_in_hand(self) -> NDArray[np.int64]:
        held = self._wishes.in_hand
        if not held:
            return np.zeros(0, np.int64)
        return self._view.candidates_beyond(held, np.zeros(len(held), np.float32)).products

    def _explored(self, slate: list[SlateItem]) -> tuple[SlateItem, ...]:
        """Return the slate with, now and then, an item that hardly anybody has met."""
        wishes = self._wishes
        places = places_to_explore(len(slate), wishes.exploration_ppm, wishes.slate_id)
        if not places:
            return tuple(slate)
        return explore(
            slate,
            untried(self._newcomers, self._question.query, wishes.slate_id),
            n=wishes.n,
            places=places,
            slate_id=wishes.slate_id,
            offer=self._offer,
            fixed=self._pins.keys(),
        )

    def _offer(self, number: int) -> SlateItem | None:
        n_known = len(self._model.vocabulary)
        if number >= n_known:
            item: Item | None = self._newcomers.items[number - n_known]
        elif not self._rules.allowed[number] or number in self._question.hidden:
            return None
        else:
            item = self._view.catalogue.get(self._model.vocabulary.item_id(number))
        if item is None or not self._may_show(item):
            return None
        return SlateItem(item.item_id, 0.0, REASON)


def _best(scores: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    places = np.arange(len(scores))
    if n < len(scores):
        places = np.argpartition(-scores, n - 1)[:n]
    return places[np.lexsort((places, -scores[places]))]
