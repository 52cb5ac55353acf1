"""Request and path → the question put to the model, and which items may answer. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recommender.paths import DAY_SECONDS, Path
from recommender.records import Placement
from recommender.serving.meetings import meet
from recommender.serving.model import Model
from recommender.serving.newcomers import Newcomers
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
        """Return the items that the page itself holds or shows, those of the cart first."""
        return (*self.cart, self.item_id) if self.item_id else self.cart


class Question(msgspec.Struct, frozen=True):
    """What the model is asked.

    Attributes:
        task: Which blend answers, see `fitting.TASKS`.
        hidden: Vocabulary rows that may not answer, int32.
        hidden_ids: Ids of newcomers, and of other items, that may not answer either; empty
            where there are no newcomers.
        told_as: By row of the query that only stands in for an item, the id of that item, which
            may be beyond the training.
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
    recent: Path,
    past: Past,
    model: Model,
    newcomers: Newcomers,
    *,
    allow_seen: bool,
    now: dt.datetime,
) -> Question:
    """Turn a request, the visitor's path and what is known of former days into a question.

    A cart is one step, and what lies in it counts in full beside a path that led there.

    Args:
        past: May overlap with `recent`, which is believed where both reach.
    """
    item_ids = request.in_hand
    own = [item_id.encode() for item_id in item_ids]
    text = b"".join(own) + recent.packed
    is_basket = request.placement is Placement.CART and bool(request.cart)
    weights = np.array(list(model.kind_weights.values()), np.float64)
    now_seconds = int(now.timestamp())
    rows, lacking, oldest_seconds, arrays, stand_ins = meet(
        np.frombuffer(text, np.uint8),
        np.array(list(map(len, own)), np.int64),
        len(request.cart),
        weights,
        PATH_BESIDE_CART if is_basket else 1.0,
        now_seconds,
        model.vocabulary.index,
        newcomers.index,
        *newcomers.speaking,
    )
    query, seen, in_hand = Query(*arrays), rows, rows[: len(own)]
    beyond: list[str] = []
    if lacking:
        known = in_hand.tolist()
        beyond = [item_id for item_id, row in zip(item_ids, known, strict=True) if row < 0]
        seen, in_hand = rows[rows >= 0], in_hand[in_hand >= 0]
    if len(past.items):
        seen = np.concatenate([seen, past.items])
        query = _with_past(query, past.before(oldest_seconds), weights, now_seconds)
    if is_basket:
        task, allow_seen = "basket", False
    else:
        # Who stands for an item was not seen itself, and must not come back as if it were.
        task = "next" if allow_seen and not stand_ins.size else "path"
    return Question(
        task,
        query,
        hidden=in_hand if allow_seen else seen,
        hidden_ids=_hidden_ids(item_ids, Path() if allow_seen else recent, newcomers),
        told_as={row: text[start:end].decode() for row, start, end in stand_ins.T.tolist()},
        in_hand=in_hand,
        in_hand_ids=beyond,
    )


def _hidden_ids(item_ids: Sequence[str], seen: Path, newcomers: Newcomers) -> frozenset[str]:
    return frozenset((*item_ids, *seen.item_ids)) if len(newcomers) else frozenset()


def _with_past(query: Query, past: Past, weights: NDArray[np.float64], now_seconds: int) -> Query:
    if not len(past.items):
        return query
    first = int(query.places[-1]) + 1 if len(query.places) else 0
    steps = np.cumsum(np.diff(past.at_seconds, prepend=past.at_seconds[:1]) != 0)
    ages_days = np.maximum(now_seconds - past.at_seconds, 0) / DAY_SECONDS
    return Query(
        np.concatenate([query.items, past.items]),
        np.concatenate([query.weights, weights.astype(np.float32)[past.kinds]]),
        np.concatenate([query.places, (first + steps).astype(np.int32)]),
        np.concatenate([query.ages_days, ages_days.astype(np.float32)]),
    )
