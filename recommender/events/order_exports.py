"""A shop's own list of its orders → one row an order, to be compared with ours. Pure.

In comes a table of order lines (as `history` reads them), or one row an order with its number, its
time and its net amount; out go exported orders, and refunds that stand alone.
"""

import datetime as dt
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from recommender.errors import InvalidInputError
from recommender.events import history
from recommender.events.history_orders import collect_statements
from recommender.events.history_times import to_utc
from recommender.events.row_faults import MOST_NAMED, NO_TIME, RowFault, why_none
from recommender.records import EventItem, OrderKind, Shop
from recommender.shops.money import parse_minor

# Column by its name without case and signs, in order of preference.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "order_id": ("orderid", "ordernumber", "name", "order", "number", "reference", "id"),
    "placed_at": ("placedat", "orderedat", "orderdate", "createdat", "datecreated", "date"),
    "net": ("net", "netamount", "nettotal", "netrevenue", "subtotal"),
    "refunded": ("refunded", "refundednet", "refundedamount"),
    "status": ("status", "orderstatus", "financialstatus"),
}
_NEEDED = ("order_id", "placed_at", "net")
_VOID = {"cancelled", "canceled", "voided", "failed", "pending", "trash", "annule", "storniert"}


@dataclass(frozen=True, slots=True)
class ExportedOrder:
    """An order as the shop lists it.

    Attributes:
        refunded_minor: What went back; None where the list does not tell.
    """

    order_id: str
    placed_at: dt.datetime
    net_minor: int
    refunded_minor: int | None = None
    customer: str = ""
    items: tuple[EventItem, ...] = ()


@dataclass(slots=True)
class Export:
    """What files hold.

    Attributes:
        refunds: Net amount of refunds that are told apart from their orders, by their number.
        rejected: Rows that could not be read, by reason.
        examples: The first of them of each reason.
    """

    orders: dict[str, ExportedOrder] = field(default_factory=dict)
    refunds: dict[str, ExportedOrder] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[RowFault] = field(default_factory=list)


def read_export(files: Sequence[tuple[str, Any]], shop: Shop) -> Export:
    """Read tables of an export; of an order in two of them the first counts.

    Args:
        files: Name and table of each file, all of the same kind.
        shop: Whose orders they are; its currency and time zone apply.

    Raises:
        InvalidInputError: `missing-columns`, naming file and columns; `no-orders`.
    """
    if history.is_order_lines(files[0][1].column_names):
        export = _from_lines(files, shop)
    else:
        export = Export()
        for name, table in files:
            _take_rows(export, name, table, shop)
    if not export.orders:
        why = why_none(export.examples)
        raise InvalidInputError(f"No row of these files is an order{why}", code="no-orders")
    return export


def plain_number(order_id: str) -> str:
    """Return an order's number as it is compared: platforms write `#1001` and `1001`."""
    return order_id.strip().lstrip("#")


def local_day(at: dt.datetime, shop: Shop) -> dt.date:
    """Return the day of an instant in the shop's time zone."""
    return at.astimezone(zoneinfo.ZoneInfo(shop.timezone)).date()


def _from_lines(files: Sequence[tuple[str, Any]], shop: Shop) -> Export:
    lines = history.sort_out(files, currency=shop.currency, timezone=shop.timezone)
    export = Export(
        rejected=Counter(history.count_fates(lines)["rejected"]),
        examples=history.rejected_rows(files, lines),
    )
    for row in collect_statements(lines, shop.currency).to_pylist():
        told = ExportedOrder(
            order_id=row["fact_id"],
            placed_at=row["placed_at"],
            net_minor=row["net_minor"],
            customer=row["customer"],
            items=tuple(EventItem(**item) for item in row["items"]),
        )
        is_order = row["kind"] == OrderKind.ORDER.value
        (export.orders if is_order else export.refunds)[plain_number(told.order_id)] = told
    return export


def _take_rows(export: Export, name: str, table: Any, shop: Shop) -> None:
    columns = _columns(name, table.column_names)
    placed = to_utc(table[columns["placed_at"]], shop.timezone).to_pylist()
    for number, (row, placed_at) in enumerate(zip(_rows(table, columns), placed, strict=True), 1):
        if not row["net"] and plain_number(row["order_id"]) in export.orders:
            continue  # a further line of the same order
        try:
            told = _order(row, placed_at, shop)
        except InvalidInputError as error:
            export.rejected[error.code] += 1
            if export.rejected[error.code] <= MOST_NAMED:
                export.examples.append(RowFault(name, number, error.code, str(error)))
        else:
            export.orders.setdefault(plain_number(told.order_id), told)


def _order(row: Mapping[str, str], placed_at: dt.datetime | None, shop: Shop) -> ExportedOrder:
    if not 1 <= len(row["order_id"]) <= 120:
        raise InvalidInputError("an order without a number", code="bad-order-id")
    if placed_at is None:
        raise InvalidInputError(f"{row['placed_at'][:60]!r} is {NO_TIME}", code="bad-time")
    net_minor = parse_minor(row["net"], shop.currency)
    if net_minor < 0:
        raise InvalidInputError("an order below 0", code="negative-price")
    refunded = row.get("refunded")
    refunded_minor = None if refunded is None else abs(parse_minor(refunded or "0", shop.currency))
    if row.get("status", "").lower() in _VOID:
        refunded_minor = net_minor
    return ExportedOrder(row["order_id"], placed_at, net_minor, refunded_minor)


def _columns(file: str, names: Iterable[str]) -> dict[str, str]:
    found = {re.sub(r"[^a-z]", "", name.lower()): name for name in reversed(list(names))}
    columns = {
        ours: next(found[their] for their in theirs if their in found)
        for ours, theirs in _COLUMNS.items()
        if any(their in found for their in theirs)
    }
    if missing := [name for name in _NEEDED if name not in columns]:
        raise InvalidInputError(
            f"{file} is no list of orders: no column for {', '.join(missing)}",
            code="missing-columns",
        )
    return columns


def _rows(table: Any, columns: Mapping[str, str]) -> Iterator[dict[str, str]]:
    texts = {ours: table[theirs].cast(pa.string()).to_pylist() for ours, theirs in columns.items()}
    for values in zip(*texts.values(), strict=True):
        yield {name: (value or "").strip() for name, value in zip(texts, values, strict=True)}
