"""The way from event records to the columns of the event log.

Must not know where the columns are kept.
"""

import itertools
from collections.abc import Sequence
from operator import attrgetter

import pyarrow as pa
import pyarrow.compute as pc

from recommender.errors import InvalidInputError
from recommender.events.columns import EVENT_SCHEMA, ITEM
from recommender.records import Event


def events_to_table(events: Sequence[Event]) -> pa.Table:
    """Return events as a table of `EVENT_SCHEMA`, in the same order.

    Raises:
        InvalidInputError: An event has a value that its column cannot hold.
    """
    try:
        columns = [_column(events, field) for field in EVENT_SCHEMA]
        for name in ("occurred_at", "received_at"):
            if None in map(attrgetter(f"{name}.tzinfo"), events):
                raise ValueError(f"{name} has no time zone")
    except (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise InvalidInputError(
            f"An event cannot be stored: {error}", code="event-unstorable"
        ) from error
    return pa.Table.from_arrays(columns, schema=EVENT_SCHEMA)


def check_rows(table: pa.Table) -> None:
    """Refuse a table that would damage the event log.

    Raises:
        InvalidInputError: Another schema, a null, or a row without a shop.
    """
    if not table.schema.equals(EVENT_SCHEMA):
        raise InvalidInputError("The rows do not have the event log's schema", code="bad-schema")
    holed = [name for name in table.column_names if table.column(name).null_count]
    if holed:
        raise InvalidInputError(f"Rows have no {', '.join(holed)}", code="event-unstorable")
    # Delta reads an empty partition value as null, and then the whole table cannot be opened.
    if pc.any(pc.equal(table.column("shop_id"), "")).as_py():
        raise InvalidInputError("Rows have no shop_id", code="event-unstorable")


def _column(events: Sequence[Event], field: pa.Field) -> pa.Array:
    if field.name == "items":
        return _items(events)
    return pa.array(list(map(attrgetter(field.name), events)), field.type)


def _items(events: Sequence[Event]) -> pa.Array:
    flat = [item for event in events for item in event.items]
    offsets = itertools.accumulate((len(event.items) for event in events), initial=0)
    values = [
        pa.array(list(map(attrgetter(field.name), flat)), field.type) for field in ITEM.fields
    ]
    return pa.ListArray.from_arrays(
        pa.array(list(offsets), pa.int32()), pa.StructArray.from_arrays(values, fields=ITEM.fields)
    )
