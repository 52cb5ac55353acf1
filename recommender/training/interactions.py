"""Events → interactions: who did what with which item, in time order. Pure.

In comes the shop's events as an Ibis table (DuckDB or Spark alike); out go integer arrays over
an item vocabulary. Must not know which engine runs the expression, or what is learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.records import EventType

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.expr.types import Column, Table

SESSION_GAP_SECONDS = 30 * 60
DAY_SECONDS = 86_400
ANONYMOUS = -1


class Kind(IntEnum):
    """What an interaction says about interest, weakest first."""

    VIEW = 0
    CART = 1
    ORDER = 2


_KINDS = {
    EventType.VIEW_ITEM: Kind.VIEW,
    EventType.ADD_TO_CART: Kind.CART,
    EventType.ORDER: Kind.ORDER,
    EventType.PURCHASE: Kind.ORDER,
}


_VOCABULARIES = {"item_ids", "visitor_ids"}


@dataclass(frozen=True, slots=True)
class Interactions:
    """Columns of equal length, one row a (step, item), oldest first.

    Attributes:
        item_ids: Vocabulary, shape (n_items,), UTF-8 bytes in ascending order.
        item: Row of the vocabulary, int32.
        visitor: Number of the visitor, int32; `ANONYMOUS` without consent.
        kind: `Kind`, int8.
        at_seconds: Unix time, int64.
        step: Number of the event, or of the basket; its items happened at once. int32.
        sequence: Number of the session, or of one customer's row of orders. int32.
        visitor_ids: Pseudonym of each visitor by number, ASCII bytes; empty where visitors have
            numbers only.
    """

    item_ids: NDArray[np.bytes_]
    item: NDArray[np.int32]
    visitor: NDArray[np.int32]
    kind: NDArray[np.int8]
    at_seconds: NDArray[np.int64]
    step: NDArray[np.int32]
    sequence: NDArray[np.int32]
    visitor_ids: NDArray[np.bytes_] = field(default_factory=lambda: np.zeros(0, "S1"))

    def __len__(self) -> int:
        return len(self.item)

    @property
    def n_items(self) -> int:
        """Return the size of the vocabulary."""
        return len(self.item_ids)

    def actors(self) -> NDArray[np.int64]:
        """Return who acted, by row: the visitor, or the sequence of someone without consent.

        Sequences are numbered after the visitors.
        """
        n_visitors = int(self.visitor.max(initial=ANONYMOUS)) + 1
        unknown = self.sequence.astype(np.int64) + n_visitors
        return np.where(self.visitor == ANONYMOUS, unknown, self.visitor)

    def rows(self, chosen: "NDArray[np.bool_] | NDArray[np.intp] | slice") -> "Interactions":
        """Return the chosen rows under the same vocabulary and numbers."""
        columns = {
            column.name: getattr(self, column.name)[chosen]
            for column in fields(self)
            if column.name not in _VOCABULARIES
        }
        return replace(self, **columns)

    def before(self, at_seconds: int) -> "Interactions":
        """Return what happened before an instant."""
        return self.rows(slice(0, int(np.searchsorted(self.at_seconds, at_seconds))))


def interaction_lines(events: "Table") -> "Table":
    """Return one row per step and item, oldest first, as an expression that nothing has run yet.

    Orders without a visitor take the one whom the browser's purchase event links to them. A
    visitor, or an unlinked event, counts once per item, day and kind: neither a reload nor a robot
    weighs more than a shopper.
    """
    wanted = events.filter(events.type.isin([str(name) for name in _KINDS]))
    kinds = [(str(name), int(kind)) for name, kind in _KINDS.items()]
    lines = wanted.select(
        "event_id",
        "order_id",
        "session",
        "visitor",
        "occurred_at",
        kind=wanted.type.cases(*kinds, else_=int(Kind.VIEW)).cast("int8"),
        item_id=wanted["items"].unnest()["item_id"],
    )
    lines = _link_buyers(lines, events)
    is_basket = (lines.kind == int(Kind.ORDER)) & (lines.order_id != "")
    lines = lines.mutate(step=is_basket.ifelse(lines.order_id, lines.event_id), basket=is_basket)
    return _once_a_day(lines).order_by("occurred_at", "step", "item_id", "kind")


def _link_buyers(lines: "Table", events: "Table") -> "Table":
    linking = events.filter(
        events.type == str(EventType.PURCHASE), events.order_id != "", events.visitor != ""
    )
    buyers = linking.group_by("order_id").agg(buyer=linking.visitor.max())
    linked = lines.left_join(buyers, "order_id")
    unknown = (linked.visitor == "") & linked.buyer.notnull()
    return linked.mutate(visitor=unknown.ifelse(linked.buyer, linked.visitor)).select(
        *lines.columns
    )


def _once_a_day(lines: "Table") -> "Table":
    # Not at the head: web workers use this file too, and never read the log.
    import ibis

    actor: Column = (lines.visitor != "").ifelse(lines.visitor, lines.event_id)
    day = lines.occurred_at.date().cast("string")
    keyed = lines.mutate(scope=lines.basket.ifelse(lines.step, actor.concat("/", day)))
    place = ibis.row_number().over(
        group_by=[keyed.scope, keyed.kind, keyed.item_id],
        order_by=[keyed.occurred_at, keyed.event_id],
    )
    first = keyed.mutate(place=place)
    return first.filter(first.place == 0).select(
        "step", "kind", "visitor", "session", "item_id", "occurred_at"
    )


def index_lines(lines: "pa.Table") -> Interactions:
    """Number the text columns of executed `interaction_lines`, which are oldest first."""
    ids, item = _vocabulary(lines["item_id"])
    visitor_ids, visitor = _numbered(lines["visitor"])
    visitor[_equals_empty(lines["visitor"])] = ANONYMOUS
    kind = lines["kind"].to_numpy().astype(np.int8)
    at_seconds = _unix_seconds(lines["occurred_at"])
    step = _numbers(lines["step"])
    session = _numbers(lines["session"])
    session[_equals_empty(lines["session"])] = ANONYMOUS
    sequence = _sequences(visitor, session, kind == Kind.ORDER, step, at_seconds)
    return Interactions(ids, item, visitor, kind, at_seconds, step, sequence, visitor_ids)


def widened(interactions: Interactions, item_ids: NDArray[np.bytes_]) -> Interactions:
    """Return the same interactions under a vocabulary that also holds other items.

    Args:
        item_ids: UTF-8 bytes in any order.
    """
    if not len(item_ids):
        return interactions
    both = np.concatenate([interactions.item_ids, item_ids]) if len(interactions) else item_ids
    vocabulary = np.unique(both)
    place = np.searchsorted(vocabulary, interactions.item_ids).astype(np.int32)
    return replace(interactions, item_ids=vocabulary, item=place[interactions.item])


def _vocabulary(column: "pa.ChunkedArray") -> tuple[NDArray[np.bytes_], NDArray[np.int32]]:
    encoded = column.combine_chunks().dictionary_encode()
    ids = np.array([text.as_py().encode() for text in encoded.dictionary], dtype=np.bytes_)
    order = np.argsort(ids, kind="stable")
    place = np.empty(len(ids), np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    return ids[order], place[encoded.indices.to_numpy()]


def _numbered(column: "pa.ChunkedArray") -> tuple[NDArray[np.bytes_], NDArray[np.int32]]:
    """Number texts in the order in which they first appear."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = np.array([text.encode() for text in encoded.dictionary.to_pylist()], np.bytes_)
    return texts, encoded.indices.to_numpy().astype(np.int32)


def _numbers(column: "pa.ChunkedArray") -> NDArray[np.int32]:
    indices: NDArray[Any] = column.combine_chunks().dictionary_encode().indices.to_numpy()
    return indices.astype(np.int32)


def _unix_seconds(column: "pa.ChunkedArray") -> NDArray[np.int64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    # An engine would count from midnight of its session's time zone.
    instants = pc.cast(column, pa.timestamp("us", "UTC")).cast(pa.int64())
    seconds: NDArray[np.int64] = instants.to_numpy() // 1_000_000
    return seconds


def _equals_empty(column: "pa.ChunkedArray") -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    empty: NDArray[np.bool_] = pc.equal(column, "").to_numpy()
    return empty


def _sequences(
    visitor: NDArray[np.int32],
    session: NDArray[np.int32],
    is_order: NDArray[np.bool_],
    step: NDArray[np.int32],
    at_seconds: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Number the sequences: orders by customer, views by session, else by a visitor's pauses.

    What has neither visitor nor session stands alone in its step.
    """
    told = ~is_order & (session != ANONYMOUS)
    paused = ~is_order & ~told & (visitor != ANONYMOUS)
    bought = is_order & (visitor != ANONYMOUS)
    # A session's number may be a mere timestamp that two visitors share.
    first = np.where(told | paused | bought, visitor, step).astype(np.int64)
    second = np.where(told, session, 0).astype(np.int64)
    second[paused] = _stretches(visitor[paused], at_seconds[paused])
    family = np.select([told, paused, bought], [0, 1, 2], 3).astype(np.int64)
    return _dense_numbers(family, first, second)


def _dense_numbers(*keys: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number the distinct rows of several columns, ascending by the first column."""
    order = np.lexsort(keys[::-1])
    fresh = np.zeros(len(order), bool)
    for key in keys:
        fresh |= np.diff(key[order], prepend=-2) != 0
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.cumsum(fresh) - 1
    return numbers


def _stretches(visitor: NDArray[np.int32], at_seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.lexsort((at_seconds, visitor))
    pause = np.diff(at_seconds[order], prepend=0) > SESSION_GAP_SECONDS
    change = np.diff(visitor[order], prepend=-1) != 0
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(pause | change)
    return numbers


def actor_item_matrix(
    interactions: Interactions,
    kind_weights: Sequence[float],
    *,
    half_life_days: float | None = None,
) -> sp.csr_matrix:
    """Return how much each actor wants each item: actors × items.

    Of one actor, item and day only the heaviest kind counts; days add up, each at its age.

    Args:
        kind_weights: What a view, a cart and an order count.
        half_life_days: Days after which a day counts half, seen from the newest interaction;
            None counts all alike.

    Returns:
        Shape (highest number of an actor + 1, n_items), float32; see `Interactions.actors`.
    """
    actor = interactions.actors()
    pair = actor * interactions.n_items + interactions.item
    day = interactions.at_seconds // DAY_SECONDS
    weight = np.asarray(kind_weights, np.float32)[interactions.kind]
    order = np.lexsort((-weight, day, pair))
    repeated = (np.diff(pair[order], prepend=-1) == 0) & (np.diff(day[order], prepend=-1) == 0)
    counted = order[~repeated]
    values = weight[counted]
    if half_life_days is not None and len(counted):
        age_days = (interactions.at_seconds[-1] - interactions.at_seconds[counted]) / DAY_SECONDS
        values = values * (0.5 ** (age_days / half_life_days)).astype(np.float32)
    where = (actor[counted], interactions.item[counted])
    n_actors = int(actor.max(initial=-1)) + 1
    matrix = sp.csr_matrix((values, where), shape=(n_actors, interactions.n_items))
    # To whoever counts entries, one of weight 0 would be a meeting.
    matrix.eliminate_zeros()
    return matrix
