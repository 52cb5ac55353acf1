"""Order lines with a fate → statements about money, and the items they speak of. Pure.

In comes the table of `history.sort_out`; out go one row per order or return, and one per item.
The lines of one invoice that were returned are a refund of their own.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.events.columns import ITEM
from recommender.events.history import Fate
from recommender.records import OrderKind

_STATEMENT = ["order_id", "kind"]


class HistoricItem(NamedTuple):
    """An item as the orders of the past describe it.

    Attributes:
        title: Its most frequent description.
        price_minor: Its latest price.
    """

    item_id: str
    title: str
    price_minor: int


def collect_statements(lines: Any, currency: str) -> Any:
    """Return one row per order or refund, oldest first.

    Returns:
        Table with `kind`, `fact_id`, `customer`, `placed_at` (UTC), `net_minor`, `items` (list
        of item_id, quantity, price_minor) and `body_hash`.
    """
    parts = _parts(lines)
    starts = _starts(parts)
    quantity, price_minor = parts["quantity"].to_numpy(), parts["price_minor"].to_numpy()
    head = parts.take(pa.array(starts))
    placed_at = np.minimum.reduceat(parts["placed_at"].cast(pa.int64()).to_numpy(), starts)
    statements = pa.table(
        {
            "kind": head["kind"],
            "fact_id": head["order_id"],
            "customer": head["customer"],
            "placed_at": pa.array(placed_at).cast(parts["placed_at"].type),
            "net_minor": np.add.reduceat(quantity * price_minor, starts),
            "items": _item_lists(parts, starts),
        }
    )
    statements = with_body_hashes(statements, currency)
    return statements.sort_by([("placed_at", "ascending"), ("fact_id", "ascending")])


def with_body_hashes(statements: Any, currency: str) -> Any:
    """Append `body_hash`, the SHA-256 of each statement's words.

    Args:
        statements: Table with `kind`, `fact_id`, `customer`, `placed_at`, `net_minor`, `items`.
        currency: Currency of all amounts.
    """
    lists = statements["items"].combine_chunks()
    flat = lists.flatten()
    told = [pc.struct_field(flat, field.name).cast(pa.string()) for field in ITEM]
    texts = pc.binary_join_element_wise(*(pc.fill_null(text, "") for text in told), "\x1f")
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
    bodies = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), "\x1e")
    words = [
        _word(statements[name])
        for name in ("kind", "fact_id", "customer", "placed_at", "net_minor")
    ]
    whole = pc.binary_join_element_wise(*words, currency, bodies, "\x1e")
    hashes = [hashlib.sha256(body.encode()).hexdigest() for body in whole.to_pylist()]
    return statements.append_column("body_hash", pa.array(hashes, pa.string()))


def collect_items(lines: Any) -> list[HistoricItem]:
    """Return every item that was ever sold, by its id."""
    sold = lines.filter(pc.equal(lines["fate"], Fate.KEPT.value))
    titles = sold.filter(pc.not_equal(sold["title"], ""))
    counts = titles.group_by(["item_id", "title"]).aggregate([([], "count_all")])
    counts = counts.sort_by([("count_all", "ascending"), ("title", "descending")])
    title = dict(zip(counts["item_id"].to_pylist(), counts["title"].to_pylist(), strict=True))
    priced = sold.select(["item_id", "price_minor", "placed_at", "order_id"])
    latest = (
        priced.sort_by([("placed_at", "ascending"), ("order_id", "ascending")])
        .group_by("item_id", use_threads=False)
        .aggregate([("price_minor", "last")])
    )
    price = dict(
        zip(latest["item_id"].to_pylist(), latest["price_minor_last"].to_pylist(), strict=True)
    )
    return [
        HistoricItem(item_id, title.get(item_id, item_id), price[item_id])
        for item_id in sorted(price)
    ]


def _parts(lines: Any) -> Any:
    """Add up equal items of equal price within a statement; the invoice's order of lines stays."""
    is_return = pc.equal(lines["fate"], Fate.RETURNED.value)
    is_counted = pc.or_(is_return, pc.equal(lines["fate"], Fate.KEPT.value))
    counted = pa.table(
        {
            "kind": pc.if_else(is_return, OrderKind.REFUND.value, OrderKind.ORDER.value),
            "quantity": pc.abs(lines["quantity"]),
            "row": np.arange(lines.num_rows),
            **{
                name: lines[name]
                for name in ("order_id", "item_id", "price_minor", "placed_at", "customer")
            },
        }
    ).filter(is_counted)
    parts = counted.group_by([*_STATEMENT, "item_id", "price_minor"], use_threads=False).aggregate(
        [("quantity", "sum"), ("placed_at", "min"), ("customer", "first"), ("row", "min")]
    )
    names = {"quantity_sum": "quantity", "placed_at_min": "placed_at", "customer_first": "customer"}
    parts = parts.rename_columns([names.get(name, name) for name in parts.column_names])
    return parts.sort_by([*((name, "ascending") for name in _STATEMENT), ("row_min", "ascending")])


def _starts(parts: Any) -> Any:
    """Return where each statement's parts begin."""
    if parts.num_rows == 0:
        return np.zeros(0, np.int64)
    changes = [
        pc.not_equal(parts[name].slice(1), parts[name].slice(0, parts.num_rows - 1)).to_numpy()
        for name in _STATEMENT
    ]
    return np.flatnonzero(np.concatenate([[True], np.logical_or(*changes)]))


def _item_lists(parts: Any, starts: Any) -> Any:
    columns = [parts[field.name].combine_chunks().cast(field.type) for field in ITEM]
    offsets = pa.array(np.append(starts, parts.num_rows), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(ITEM)))


def _word(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.cast(pa.string())
