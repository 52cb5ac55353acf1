"""Request and path → the question put to the model, and which items may answer. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.ports import PathKind, PathStep
from recommender.records import Placement
from recommender.serving.model import Model
from recommender.serving.newcomers import Newcomers
from recommender.training.interactions import DAY_SECONDS
from recommender.training.pasts import Past
from recommender.training.source import Query

PATH_BESIDE_CART = 0.3
"""What the newest item of the path counts beside an item in the cart."""


class SlateRequest(msgspec.Struct, frozen=True):
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


class Question(msgspec.Struct, frozen=True):
    """What the model is asked.

    Attributes:
        task: Which blend answers, see `fitting.TASKS`.
        hidden: Vocabulary rows that may not answer, int32.
        hidden_ids: Ids of items beyond the vocabulary that may not answer either.
        told_as: By row of the query, the id of the item it stands for, which may be beyond the
            training; what is known of former days only is left out.
        in_hand: Rows of what the page shows and the cart holds, int32.
        in_hand_ids: Ids of those of them that the vocabulary lacks.
    """

    task: str
    query: Query
    hidden: NDArray[np.int32]
    hidden_ids: frozenset[str]
    told_as: Mapping[int, str]
    in_hand: NDArray[np.int32]
    in_hand_ids: Sequence[str]


def ask(
    request: SlateRequest,
    recent: Sequence[PathStep],
    past: Past,
    model: Model,
    newcomers: Newcomers,
    *,
    allow_seen: bool,
    now: dt.datetime,
) -> Question:
    """Turn a request, the visitor's path and what is known of former days into a question.

    Args:
        recent: Newest first.
        past: May overlap with `recent`, which is believed where both reach.
    """
    item_ids, query = _met(request, recent, model, now)
    met, rows = query.items, query.items.tolist()
    query, spoken_for = newcomers.with_stand_ins(query, item_ids)
    query = _with_past(query, recent, past, model, now)
    row_of = dict(zip(item_ids, rows, strict=True))
    in_hand = [row_of[item_id] for item_id in request.in_hand]
    in_hand_rows = np.array([row for row in in_hand if row >= 0], np.int32)
    if request.placement is Placement.CART and request.cart:
        task, allow_seen = "basket", False
    else:
        # Who stands for an item was not seen itself, and must not come back as if it were.
        task = "next" if allow_seen and not spoken_for else "path"
    return Question(
        task,
        query,
        hidden=in_hand_rows if allow_seen else np.concatenate([met[met >= 0], past.items]),
        hidden_ids=frozenset(request.in_hand if allow_seen else item_ids),
        told_as={**dict(zip(rows, item_ids, strict=True)), **spoken_for},
        in_hand=in_hand_rows,
        in_hand_ids=[item_id for item_id in request.in_hand if row_of[item_id] < 0],
    )


def _met(
    request: SlateRequest, recent: Sequence[PathStep], model: Model, now: dt.datetime
) -> tuple[list[str], Query]:
    """Return the page's own items and then the path's, as ids and as a query.

    A cart is one step, and what lies in it counts in full beside a path that led there.

    Returns:
        Row -1 for what the vocabulary lacks.
    """
    cart, kind_weights = request.cart, model.kind_weights
    # The page's own view is told before its slate is asked for, as a rule.
    is_told = recent and recent[0].item_id == request.item_id
    shown = () if is_told or not request.item_id else (request.item_id,)
    share = PATH_BESIDE_CART if request.placement is Placement.CART and cart else 1.0
    ids, kinds, at_seconds = zip(*recent, strict=True) if recent else ((), (), ())
    item_ids = [*cart, *shown, *ids]
    weights = [kind_weights[PathKind.CART]] * len(cart)
    weights += [kind_weights[PathKind.VIEW]] * len(shown)
    weights += [kind_weights[kind] * share for kind in kinds]
    places, ages_days = _since(
        len(cart), len(shown), np.array(at_seconds, np.int64), int(now.timestamp())
    )
    rows = model.vocabulary.places(item_ids)
    return item_ids, Query(rows, np.array(weights, np.float32), places, ages_days)


@njit(cache=True)
def _since(in_cart: int, shown: int, at_seconds: Any, now_seconds: int) -> tuple[Any, Any]:
    """Return for cart, item shown and path how many steps and days ago each was met."""
    own = in_cart + shown
    places = np.zeros(own + len(at_seconds), np.int32)
    ages_days = np.zeros(len(places), np.float32)
    place = min(in_cart, 1)
    places[in_cart:own] = place
    place += shown
    for at in range(len(at_seconds)):
        if at and at_seconds[at] != at_seconds[at - 1]:
            place += 1
        places[own + at] = place
        # What time is not known any more counts as now.
        if at_seconds[at]:
            ages_days[own + at] = max(now_seconds - at_seconds[at], 0) / DAY_SECONDS
    return places, ages_days


def _with_past(
    query: Query, recent: Sequence[PathStep], past: Past, model: Model, now: dt.datetime
) -> Query:
    if recent and len(past.items):
        past = past.before(recent[-1].at_seconds)
    if not len(past.items):
        return query
    weights = np.asarray(list(model.kind_weights.values()), np.float32)
    first = int(query.places[-1]) + 1 if len(query.places) else 0
    steps = np.cumsum(np.diff(past.at_seconds, prepend=past.at_seconds[:1]) != 0)
    ages_days = np.maximum(int(now.timestamp()) - past.at_seconds, 0) / DAY_SECONDS
    return Query(
        np.concatenate([query.items, past.items]),
        np.concatenate([query.weights, weights[past.kinds]]),
        np.concatenate([query.places, (first + steps).astype(np.int32)]),
        np.concatenate([query.ages_days, ages_days.astype(np.float32)]),
    )
