"""A question → ranked slate items with true reasons. Pure."""

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.records import Item, Placement, SlateItem
from recommender.serving import searched
from recommender.serving.candidates import Question
from recommender.serving.columns import taken
from recommender.serving.exploration import REASON, explore, places_to_explore, untried
from recommender.serving.model import Model
from recommender.serving.newcomers import Newcomers
from recommender.serving.reasons import reasons_of
from recommender.serving.rules import CatalogueView, PlacementRules
from recommender.serving.slates import Rotation, choose, choose_places, product_codes
from recommender.training.board import Ranked
from recommender.training.scoring import givers_of, rank_asked

SPARE_FACTOR = 4
"""Candidates looked at per place of the slate: some are variants, some give way to variety."""

_as_item = functools.partial(tuple.__new__, SlateItem)
_CHOSEN = ("chosen", "")
_SIMILAR = ("similar", "")
_SEARCHED = (searched.REASON, "")


class Wishes(msgspec.Struct, frozen=True):
    """What a slate shall be like.

    Attributes:
        n: Most items.
        tail_ppm: The tail dial, parts per million of 1; None takes the shop's learned setting.
        category: On a category's page only its items answer; None elsewhere.
        search_term: What was searched in vain; what answers to it comes first. Empty elsewhere.
        exploration_ppm: Part of all slates' places that items hardly met may take.
    """

    n: int
    placement: Placement
    tail_ppm: int | None
    category: str | None
    search_term: str
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
        ranked, chosen = self._chosen()
        beyond, beyond_scores = self._beyond(ranked)
        if beyond or self._pins or self._wishes.search_term:
            return self._explored(self._chosen_among_more(ranked, beyond, beyond_scores))
        rows, scores, sources, givers = chosen
        ids, reasons = self._model.vocabulary.item_ids(rows), self._reasons(rows, sources, givers)
        return self._explored(_slate_items(ids, scores, reasons))

    def _chosen(self) -> tuple[Ranked, tuple[NDArray[Any], ...]]:
        """Return the ranking, and what stands on a slate where nothing comes from beyond it."""
        task, category = self._question.task, self._wishes.category
        worth = self._model.worth(task, self._wishes.tail_ppm, self._rules)
        with self._model.board() as board:
            if category is not None:
                rows = self._view.category(category)
                board.touch(rows)
                everywhere, worth = worth, np.zeros(len(worth), np.float32)
                worth[rows] = everywhere[rows]
            asked = self._model.scorer.asked(
                self._question.query,
                board,
                self._model.weights[task],
                worth=worth,
                hidden=self._question.hidden,
                popularity=self._model.popularity,
                n=SPARE_FACTOR * self._wishes.n,
            )
            ranked, chosen = _rank_and_choose(
                asked,
                self._view.facts,
                self._products_in_hand(),
                self._wishes.n,
                np.uint64(self._wishes.rotation.seed),
                self._wishes.rotation.strength,
            )
        return Ranked(*ranked), chosen

    def _chosen_among_more(
        self, ranked: Ranked, beyond: Sequence[Item], beyond_scores: NDArray[np.float32]
    ) -> list[SlateItem]:
        """Return the slate's items where more than the model's best may stand there."""
        rows, scores = ranked.items[ranked.best], ranked.scores[ranked.best]
        if self._wishes.search_term:
            rows, scores = self._with_searched(rows, scores)
        candidates = self._view.candidates(rows, scores)
        if beyond:
            candidates = candidates.beside(self._view.candidates_beyond(beyond, beyond_scores))
        ids = self._model.vocabulary.item_ids(rows) + [item.item_id for item in beyond]
        picked = choose(
            candidates,
            n=self._wishes.n,
            in_hand=self._products_in_hand(),
            pins=[(place, ids.index(item_id)) for item_id, place in self._pins.items()],
            rotation=self._wishes.rotation,
        )
        best = picked[picked < len(ranked.best)]
        sources = ranked.sources[best]
        givers = self._model.scorer.givers(self._question.query, rows[best], sources)
        told = iter(self._reasons(rows[best], sources, givers))
        shown, reasons = [ids[place] for place in picked.tolist()], []
        for place, item_id in zip(picked.tolist(), shown, strict=True):
            beyond_best = _SEARCHED if place < len(rows) else _SIMILAR
            reason = next(told) if place < len(ranked.best) else beyond_best
            reasons.append(_CHOSEN if item_id in self._pins else reason)
        return _slate_items(shown, candidates.scores[picked], reasons)

    def _reasons(
        self, rows: NDArray[np.int32], sources: NDArray[np.int64], givers: NDArray[np.int32]
    ) -> list[tuple[str, str]]:
        return reasons_of(
            rows,
            sources,
            givers,
            question=self._question,
            vocabulary=self._model.vocabulary,
            placement=self._wishes.placement,
        )

    def _with_searched(
        self, rows: NDArray[np.int32], scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return candidates with those that answer to the search, each above all the others."""
        allowed = self._rules.allowed.copy()
        allowed[self._question.hidden] = False
        found, resemblance = searched.answering(
            self._newcomers.content,
            self._wishes.search_term,
            allowed,
            SPARE_FACTOR * self._wishes.n,
        )
        # An item that stands there already is one product with itself, of which one is shown.
        above = scores.max(initial=0) + resemblance * self._rules.factor[found]
        return np.concatenate([rows, found]), np.concatenate([scores, above])

    def _beyond(self, ranked: Ranked) -> tuple[list[Item], NDArray[np.float32]]:
        """Return items beyond the best ones that may come on the slate: newcomers, and pins."""
        arrived, scores = self._arrived(ranked)
        if not self._pins:
            return arrived, scores
        known = {item.item_id for item in arrived}
        known |= set(self._model.vocabulary.item_ids(ranked.items[ranked.best]))
        pinned = [
            item
            for item_id in self._pins
            if item_id not in known and (item := self._view.catalogue.get(item_id))
        ]
        return [*arrived, *pinned], np.concatenate([scores, np.zeros(len(pinned), np.float32)])

    def _arrived(self, ranked: Ranked) -> tuple[list[Item], NDArray[np.float32]]:
        """Return the newcomers that may reach the slate, and what is expected of them."""
        if not len(self._newcomers):
            return [], np.zeros(0, np.float32)
        estimates = self._newcomers.score(self._question.query, ranked.items, ranked.scores)
        n = self._wishes.n
        floor = ranked.scores[ranked.best[n - 1]] if len(ranked.best) >= n else 0.0
        places = [
            place
            for place in _largest(estimates, n).tolist()
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
        known = self._view.products(self._question.in_hand)
        beyond = [
            item
            for item_id in self._question.in_hand_ids
            if (item := self._view.catalogue.get(item_id))
        ]
        return np.concatenate([known, product_codes(beyond)]) if beyond else known

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
            item = self._newcomers.items[number - n_known]
            return SlateItem(item.item_id, 0.0, REASON) if self._may_show(item) else None
        category = self._wishes.category
        if not self._rules.allowed[number] or number in self._question.hidden.tolist():
            return None
        if category is not None and number not in self._view.category(category):
            return None
        return SlateItem(self._model.vocabulary.item_id(number), 0.0, REASON)


def _slate_items(
    ids: Sequence[str], scores: NDArray[np.float32], reasons: Sequence[tuple[str, str]]
) -> list[SlateItem]:
    codes, named = zip(*reasons, strict=True) if reasons else ((), ())
    # A named tuple's own constructor is an interpreted function.
    return [_as_item(fields) for fields in zip(ids, scores.tolist(), codes, named, strict=True)]


@njit(nogil=True, cache=True)
def _rank_and_choose(
    asked: Any, facts: Any, in_hand: Any, n: int, seed: Any, strength: float
) -> tuple[Any, Any]:
    """Rank what is asked, choose a slate of the best, and tell who led to each of its items.

    Returns:
        The fields of `Ranked`; and of the chosen: rows, scores, sources, givers.
    """
    ranked = rank_asked(asked)
    items, scores, best, sources = ranked
    rows, best_scores = items[best], scores[best]
    pinned = np.full(n, -1, np.int64)
    picked = choose_places(best_scores, taken(rows, facts), in_hand, pinned, seed, strength)
    chosen, led_by = rows[picked], sources[picked]
    givers = givers_of(asked[0], asked[1], chosen, led_by)
    return ranked, (chosen, best_scores[picked], led_by, givers)


def _largest(scores: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    return np.argsort(-scores, kind="stable")[:n]
