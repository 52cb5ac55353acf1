"""Request and path → the question put to the model, and which items may answer. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.records import Placement
from recommender.serving.models import Model
from recommender.serving.rules import CatalogueView
from recommender.training.evaluation import PATH_ITEMS, path_query
from recommender.training.scoring import mark_candidates
from recommender.training.source import Pool, Query

PATH_BESIDE_CART = 0.3
"""What the newest item of the path counts beside an item in the cart."""


@dataclass(frozen=True, slots=True)
class SlateRequest:
    """What a page asks for.

    Attributes:
        visitor_id: The browser's own id; empty without consent.
        item_id: The item the page shows.
        cart: Ids of the items in the cart.
        category: The category the page shows.
        search_term: What was searched in vain.
        n: Length of the slate, None for the placement's own.
        preview: Asked by the shop's staff: no experiment, nothing recorded.
    """

    placement: Placement
    visitor_id: str = ""
    item_id: str = ""
    cart: tuple[str, ...] = ()
    category: str = ""
    search_term: str = ""
    n: int | None = None
    preview: bool = False

    @property
    def in_hand(self) -> tuple[str, ...]:
        """Return the items that the page itself shows or holds."""
        return (self.item_id, *self.cart) if self.item_id else self.cart


@dataclass(frozen=True, slots=True)
class Question:
    """What the model is asked.

    Attributes:
        task: Which blend answers, `path` or `basket`.
        pool: Candidates, all of them showable and none of them hidden.
    """

    task: str
    query: Query
    pool: Pool


def ask(
    request: SlateRequest,
    recent_items: Sequence[str],
    model: Model,
    view: CatalogueView,
    *,
    allow_seen: bool,
) -> Question:
    """Turn a request and the visitor's path, newest first, into a question."""
    task, query = _query(request, recent_items, model)
    if request.placement is Placement.CATEGORY:
        marked = np.zeros(len(model.vocabulary), bool)
        marked[view.category(request.category)] = True
    else:
        marked = mark_candidates(model.sources, query, len(model.vocabulary))
    marked &= view.showable
    hidden = request.in_hand if allow_seen else (*request.in_hand, *recent_items)
    marked[model.vocabulary.rows(hidden)] = False
    return Question(task, query, Pool.of(marked))


def _query(request: SlateRequest, recent_items: Sequence[str], model: Model) -> tuple[str, Query]:
    if request.placement is Placement.CART and request.cart:
        cart = _rows(request.cart, model)
        path = path_query(_rows([*request.in_hand, *recent_items], model)[len(cart) :])
        items = np.concatenate([cart, path.items])[: 2 * PATH_ITEMS]
        weights = np.concatenate([np.ones(len(cart)), PATH_BESIDE_CART * path.weights])
        return "basket", Query(items, weights[: 2 * PATH_ITEMS].astype(np.float32))
    page = [request.item_id] if request.item_id else []
    return "path", path_query(_rows([*page, *request.cart, *recent_items], model))


def _rows(item_ids: Iterable[str], model: Model) -> NDArray[np.int32]:
    return model.vocabulary.rows(dict.fromkeys(item_ids))
