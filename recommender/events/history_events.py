"""Rows of past events in our own form → the event log's rows, and facts about money. Pure.

In come tables with one row an event: `type`, `occurred_at`, `visitor_id`, `event_id` (a UUID), and
where they apply `items` (list of item_id, quantity, price_minor) or `item_id`, `placement`, `arm`,
`stratum`, `slate_id`, `order_id`, `search_term`, `session`, `page`. A row of type `order` states
`order_id` and `net_minor`; one of type `refund` states `refund_id`, `order_id` and `net_minor`.
Rows that break a rule are counted by reason; the others are taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.errors import InvalidInputError
from recommender.events.columns import EVENT_SCHEMA, ITEM, UTC_TIME
from recommender.events.history_files import faulty_rows
from recommender.events.history_log import event_rows, pseudonyms
from recommender.events.history_orders import with_body_hashes
from recommender.events.history_times import to_utc
from recommender.records import Arm, EventType, OrderKind, Shop

_NEEDED = ("type", "occurred_at", "visitor_id")
_TEXTS = ("placement", "arm", "slate_id", "search_term", "session", "page")
_ORDER, _REFUND = OrderKind.ORDER.value, OrderKind.REFUND.value
_UUID = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"
# An event of these types is about an item, and says nothing without one.
_ABOUT_ITEMS = [
    EventType.VIEW_ITEM.value,
    EventType.SELECT_ITEM.value,
    EventType.ADD_TO_CART.value,
    EventType.REMOVE_FROM_CART.value,
]


@dataclass(frozen=True, slots=True)
class PastEvents:
    """What files of events hold.

    Attributes:
        events: Rows of the event log, without the orders.
        facts: Orders and refunds as `store_history.store_rows` takes them; their events come
            from there.
        accepted: Number of rows by type.
        rejected: Number of rows by reason; with `accepted` they add up to all rows.
        examples: The first rejected rows, see `history_files.faulty_rows`.
    """

    events: Any
    facts: Any
    accepted: dict[str, int]
    rejected: dict[str, int]
    examples: list[dict[str, object]]

    @property
    def rows_read(self) -> int:
        """Return the number of rows read."""
        return sum(self.accepted.values()) + sum(self.rejected.values())


def is_events(names: Sequence[str]) -> bool:
    """Tell whether columns of these names are events."""
    return set(_NEEDED) <= set(names)


def read_events(files: Sequence[tuple[str, Any]], shop: Shop) -> PastEvents:
    """Read tables of events.

    Args:
        files: Name and table of each file.
        shop: Whose events they are; its time zone holds for times that name none.

    Raises:
        InvalidInputError: `missing-columns`, naming file and columns.
    """
    rows = pa.concat_tables([_standard(name, table, shop) for name, table in files])
    is_good = pc.equal(rows["reason"], "")
    good = rows.filter(is_good)
    is_fact = pc.is_in(good["type"], value_set=pa.array([_ORDER, _REFUND]))
    return PastEvents(
        events=_events(good.filter(pc.invert(is_fact)), shop),
        facts=_facts(good.filter(is_fact), shop),
        accepted=_counts(good["type"]),
        rejected=_counts(rows.filter(pc.invert(is_good))["reason"]),
        examples=faulty_rows(files, rows["reason"]),
    )


def _standard(name: str, table: Any, shop: Shop) -> Any:
    missing = [column for column in _NEEDED if column not in table.column_names]
    if missing:
        raise InvalidInputError(
            f"{name} is no list of events: no column {', '.join(missing)}", code="missing-columns"
        )
    texts = ("event_id", "type", "visitor_id", "order_id", "refund_id", *_TEXTS)
    try:
        rows = pa.table(
            {column: _text(table, column) for column in texts}
            | {
                "occurred_at": to_utc(table["occurred_at"], shop.timezone),
                "stratum": _whole(table, "stratum", pa.int32()),
                "net_minor": _whole(table, "net_minor", pa.int64()),
                "items": _items(table),
            }
        )
    except pa.ArrowException as error:
        raise InvalidInputError(
            f"{name} has a column of the wrong type: {str(error).splitlines()[0]}",
            code="wrong-type",
        ) from error
    return rows.append_column("reason", _reasons(rows))


def _text(table: Any, name: str) -> Any:
    if name not in table.column_names:
        return pa.repeat(pa.scalar(""), table.num_rows)
    return pc.fill_null(table[name].cast(pa.string()), "")


def _whole(table: Any, name: str, kind: Any) -> Any:
    if name not in table.column_names:
        return pa.repeat(pa.scalar(0, kind), table.num_rows)
    column = table[name]
    if pa.types.is_string(column.type):
        column = pc.if_else(pc.equal(column, ""), None, column)
    return pc.fill_null(column.cast(kind), 0)


def _items(table: Any) -> Any:
    item_id = _text(table, "item_id")
    has_item = pc.not_equal(item_id, "")
    named = pa.array(item_id.filter(has_item).to_pylist(), pa.string())
    single = _lists(has_item, pa.StructArray.from_arrays([named], ["item_id"]))
    if "items" not in table.column_names or not pa.types.is_list(table["items"].type):
        return single
    lists = table["items"].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return pc.if_else(pc.greater(lengths, 0), _lists(lengths, lists.flatten()), single)


def _lists(lengths: Any, structs: Any) -> Any:
    told = {field.name for field in structs.type}
    defaults = {"quantity": 1, "price_minor": None}
    columns = [
        pc.struct_field(structs, field.name).cast(field.type)
        if field.name in told
        else pa.repeat(pa.scalar(defaults[field.name], field.type), len(structs))
        for field in ITEM
    ]
    columns[1] = pc.fill_null(columns[1], 1)
    offsets = np.append(0, np.cumsum(lengths.cast(pa.int32()).to_numpy()))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(columns, fields=list(ITEM))
    )


def _reasons(rows: Any) -> Any:
    """Return why each row is refused, empty where it is not; the first rule that holds decides."""
    kind = rows["type"]
    types = [name.value for name in EventType] + [_REFUND]
    is_order, is_refund = pc.equal(kind, _ORDER), pc.equal(kind, _REFUND)
    is_fact = pc.or_(is_order, is_refund)
    has_id = pc.match_substring_regex(pc.utf8_lower(rows["event_id"]), _UUID)
    is_armed = pc.is_in(rows["arm"], value_set=pa.array([arm.value for arm in Arm]))
    is_about_items = pc.is_in(kind, value_set=pa.array(_ABOUT_ITEMS))
    has_items = pc.greater(pc.list_value_length(rows["items"]), 0)
    rules = [
        ("unknown-type", pc.invert(pc.is_in(kind, value_set=pa.array(types)))),
        ("bad-time", pc.is_null(rows["occurred_at"])),
        ("bad-event-id", pc.invert(pc.or_(has_id, is_fact))),
        ("missing-order-id", pc.and_(is_fact, pc.equal(rows["order_id"], ""))),
        ("missing-refund-id", pc.and_(is_refund, pc.equal(rows["refund_id"], ""))),
        ("negative-amount", pc.and_(is_fact, pc.less(rows["net_minor"], 0))),
        ("missing-arm", pc.and_(pc.equal(kind, EventType.EXPOSURE.value), pc.invert(is_armed))),
        ("missing-item", pc.and_(is_about_items, pc.invert(has_items))),
    ]
    reason: Any = pa.scalar("")
    for name, holds in reversed(rules):
        reason = pc.if_else(holds, name, reason)
    return reason


def _events(rows: Any, shop: Shop) -> Any:
    if rows.num_rows == 0:
        return EVENT_SCHEMA.empty_table()
    names = ("type", "occurred_at", "items", "stratum", "order_id", *_TEXTS)
    return event_rows(
        shop.shop_id,
        event_id=pc.utf8_lower(rows["event_id"]),
        visitor=pseudonyms(shop.visitor_key, rows["visitor_id"]),
        **{name: rows[name] for name in names},
    )


def _facts(rows: Any, shop: Shop) -> Any:
    is_refund = pc.equal(rows["type"], _REFUND)
    facts = pa.table(
        {
            "kind": rows["type"],
            "fact_id": pc.if_else(is_refund, rows["refund_id"], rows["order_id"]),
            "order_id": rows["order_id"],
            "customer": rows["visitor_id"],
            "visitor": pseudonyms(shop.visitor_key, rows["visitor_id"]),
            "placed_at": rows["occurred_at"].cast(UTC_TIME),
            "net_minor": rows["net_minor"],
            "items": rows["items"],
        }
    )
    return with_body_hashes(facts, shop.currency)


def _counts(column: Any) -> dict[str, int]:
    counted = pc.value_counts(column.combine_chunks()).to_pylist()
    return {row["values"]: row["counts"] for row in sorted(counted, key=lambda row: -row["counts"])}
