"""Rows for the event log made from columns, for history too long for one object an event. Pure.

In come Arrow columns; out go tables exactly as the event log stores them. An import has no
acknowledgement of ours, so its events count as received when they happened: the same file makes
the same rows whenever it is read.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recommender.events.columns import EVENT_SCHEMA, UTC_TIME
from recommender.events.identity import customer_pseudonym, derived_event_id, pseudonym
from recommender.records import EventType, Source


def event_rows(shop_id: str, **columns: Any) -> Any:
    """Return rows of the event log.

    Args:
        shop_id: The shop.
        columns: Arrow columns by name; `event_id`, `type` and `occurred_at` are needed, the
            others default to empty.
    """
    occurred_at = columns["occurred_at"].cast(UTC_TIME)
    size = len(occurred_at)
    defaults = {
        "shop_id": shop_id,
        "received_at": occurred_at,
        # An order told again, by the shop's server or in another file, meets its first telling
        # in the same partition: its day must not depend on when it was told.
        "day": pc.floor_temporal(occurred_at, unit="day").cast(pa.date32()),
        "source": Source.IMPORT.value,
        "items": [],
        "stratum": 0,
    }
    known = {**defaults, **columns}
    return pa.table(
        [_column(known.get(field.name, ""), field.type, size) for field in EVENT_SCHEMA],
        schema=EVENT_SCHEMA,
    )


def order_rows(shop_id: str, orders: Any) -> Any:
    """Return the order events of stated orders; the ids are those of `orders.order_event`.

    Args:
        shop_id: The shop.
        orders: Table with `fact_id`, `placed_at`, `visitor`, `items`.
    """
    ids = [
        derived_event_id(placed_at, shop_id, "order", fact_id)
        for placed_at, fact_id in zip(
            orders["placed_at"].to_pylist(), orders["fact_id"].to_pylist(), strict=True
        )
    ]
    return event_rows(
        shop_id,
        event_id=pa.array(ids, pa.string()),
        type=EventType.ORDER.value,
        visitor=orders["visitor"],
        occurred_at=orders["placed_at"],
        items=orders["items"],
        order_id=orders["fact_id"],
    )


def pseudonyms(visitor_key: bytes, visitor_ids: Any, *, of_customers: bool = False) -> Any:
    """Return the keyed hash of every id in a column; empty stays empty."""
    hashed = customer_pseudonym if of_customers else pseudonym
    encoded = pc.dictionary_encode(visitor_ids.cast(pa.string()))
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    hashes = [
        hashed(visitor_key, visitor_id or "") for visitor_id in encoded.dictionary.to_pylist()
    ]
    return pc.take(pa.array(hashes, pa.string()), encoded.indices)


def _column(value: Any, kind: Any, size: int) -> Any:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value.cast(kind)
    return pa.repeat(pa.scalar(value, kind), size)
