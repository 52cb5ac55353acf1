"""Events → interactions: who did what with which item, in time order. Pure.

In comes the shop's events as an Ibis table (DuckDB or Spark alike); out go integer arrays over
an item vocabulary. Must not know which engine runs the expression, or what is learned.
"""

from collections.abc import Iterable, Mapping, Sequence
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


def interaction_lines(events: "Table", buyers: "Table | None" = None) -> "Table":
    """Return one row per step and item, oldest first, as an expression that nothing has run yet.

    Orders without a visitor take the one whom the browser's purchase event links to them. A
    visitor, or an unlinked event, counts once per item, day and kind: neither a reload nor a robot
    weighs more than a shopper.

    Args:
        buyers: As `order_buyers` gives them; None finds them among these events.
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
    lines = _link_buyers(lines, order_buyers(events) if buyers is None else buyers)
    is_basket = (lines.kind == int(Kind.ORDER)) & (lines.order_id != "")
    lines = lines.mutate(step=is_basket.ifelse(lines.order_id, lines.event_id), basket=is_basket)
    return _once_a_day(lines).order_by("occurred_at", "step", "item_id", "kind")


def order_buyers(events: "Table") -> "Table":
    """Return the `buyer` of each `order_id` that the browser told of, as an expression."""
    linking = events.filter(
        events.type == str(EventType.PURCHASE), events.order_id != "", events.visitor != ""
    )
    return linking.group_by("order_id").agg(buyer=linking.visitor.max())


def _link_buyers(lines: "Table", buyers: "Table") -> "Table":
    linked = lines.left_join(buyers, "order_id")
    unknown = (linked.visitor == "") & linked.buyer.notnull()
    return linked.mutate(visitor=unknown.ifelse(linked.buyer, linked.visitor)).select(
        *lines.columns
    )


def _once_a_day(lines: "Table") -> "Table":
    # Not at the head: web workers use this file too, and never read the log.
    import ibis

    actor: Column = (lines.visitor != "").ifelse(lines.visitor, lines.event_id)
    day = (lines.occurred_at.epoch_seconds() // DAY_SECONDS).cast("string")
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
    return index_chunks([lines])


def index_chunks(chunks: Iterable["pa.Table"]) -> Interactions:
    """Number the text columns of several executed `interaction_lines`, one at a time.

    An event lies in one chunk alone, an order, a session or a visitor's day may lie in several.

    Args:
        chunks: At least one. Each is numbered before the next is asked for, so that the texts of
            one chunk are all that memory must hold.
    """
    numbered = [_numbered_chunk(chunk) for chunk in chunks]
    at_us, kind = (np.concatenate([chunk[name] for chunk in numbered]) for name in ("at", "kind"))
    order = np.argsort(at_us, kind="stable")
    kind, at_seconds = kind[order], at_us[order] // 1_000_000
    del at_us
    ids, item = _vocabulary([chunk["item"] for chunk in numbered], order)
    visitor_ids, visitor = _joined([chunk["visitor"] for chunk in numbered], order)
    session = _joined([chunk["session"] for chunk in numbered], order)[1]
    step = _joined_steps(numbered, order)
    several = len(numbered) > 1
    del numbered, order
    sequence = _sequences(visitor, session, kind == Kind.ORDER, step, at_seconds)
    told = Interactions(ids, item, visitor, kind, at_seconds, step, sequence, visitor_ids)
    return told.rows(_first_of_day(told)) if several else told


def _numbered_chunk(lines: "pa.Table") -> dict[str, Any]:
    """Return the columns of one chunk; texts as numbers beside their dictionary."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = lines["kind"].to_numpy().astype(np.int8)
    is_order = pa.array(kind == Kind.ORDER)
    step = lines["step"].combine_chunks()
    return {
        "kind": kind,
        "at": _unix_microseconds(lines["occurred_at"]),
        "item": lines["item_id"].combine_chunks().dictionary_encode(),
        # What is empty has no number.
        **{
            name: pc.if_else(pc.equal(text, ""), None, text).dictionary_encode()
            for name in ("visitor", "session")
            for text in (lines[name].combine_chunks(),)
        },
        # The numbers of events are enough: none has a namesake in another chunk, as orders may.
        "event": step.dictionary_encode().indices.to_numpy().astype(np.int32),
        "order": pc.if_else(is_order, step, None).dictionary_encode(),
    }


def _joined(
    columns: "Sequence[pa.DictionaryArray]", order: NDArray[np.intp]
) -> tuple[NDArray[np.bytes_], NDArray[np.int32]]:
    """Return the distinct texts in the order in which they first appear, and each row's number.

    Args:
        order: Rows of all columns together, as they shall stand.

    Returns:
        Texts as bytes; numbers in that order, -1 where there is no text.
    """
    import pyarrow as pa

    whole = pa.chunked_array(columns).unify_dictionaries()
    numbers = np.concatenate(
        [chunk.indices.fill_null(-1).to_numpy().astype(np.int32) for chunk in whole.chunks]
    )[order]
    texts = np.array([text.encode() for text in whole.chunk(0).dictionary.to_pylist()], np.bytes_)
    first = np.full(len(texts) + 1, len(numbers))
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    appearance = np.argsort(first[:-1], kind="stable")
    place = np.full(len(texts) + 1, -1, np.int32)
    place[appearance] = np.arange(len(texts), dtype=np.int32)
    return texts[appearance], place[numbers]


def _joined_steps(
    numbered: Sequence[Mapping[str, Any]], order: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Number events and orders in one row of numbers."""
    sizes = [int(chunk["event"].max(initial=-1)) + 1 for chunk in numbered]
    before = np.cumsum([0, *sizes[:-1]])
    columns = zip(numbered, before, strict=True)
    event = np.concatenate([chunk["event"] + first for chunk, first in columns])[order]
    ordered = _joined([chunk["order"] for chunk in numbered], order)[1]
    return np.where(ordered < 0, event, sum(sizes) + ordered).astype(np.int32)


def _first_of_day(told: Interactions) -> NDArray[np.bool_]:
    """Tell which rows no earlier row repeats, see `interaction_lines`; chunks cannot know."""
    scope = np.where(told.visitor == ANONYMOUS, told.step, told.visitor).astype(np.int64)
    is_order = told.kind == Kind.ORDER
    scope[is_order] = told.step[is_order]
    day = np.where(is_order | (told.visitor == ANONYMOUS), 0, told.at_seconds // DAY_SECONDS)
    what = told.item.astype(np.int64) * len(Kind) + told.kind
    order = np.lexsort((what, day, scope, told.visitor == ANONYMOUS))
    repeated = np.ones(len(order), bool)
    for key in (what, day, scope, told.visitor == ANONYMOUS):
        repeated[1:] &= key[order][1:] == key[order][:-1]
    repeated[:1] = False
    kept = np.empty(len(order), bool)
    kept[order] = ~repeated
    return kept


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


def _vocabulary(
    columns: "Sequence[pa.DictionaryArray]", order: NDArray[np.intp]
) -> tuple[NDArray[np.bytes_], NDArray[np.int32]]:
    """Return the distinct texts in ascending order, and each row's place among them."""
    texts, numbers = _joined(columns, order)
    ascending = np.argsort(texts, kind="stable")
    place = np.empty(len(texts), np.int32)
    place[ascending] = np.arange(len(texts), dtype=np.int32)
    return texts[ascending], place[numbers]


def _unix_microseconds(column: "pa.ChunkedArray") -> NDArray[np.int64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    # An engine would count from midnight of its session's time zone.
    instants = pc.cast(column, pa.timestamp("us", "UTC")).cast(pa.int64())
    microseconds: NDArray[np.int64] = instants.to_numpy()
    return microseconds


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
