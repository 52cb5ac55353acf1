"""Order lines as shops export them, each told apart with a reason. Pure, columnar.

In come tables of one row per line of an order, in the column names of the Online Retail II set or
in plain ones; out goes one table of `LINE` columns where every line read has a `fate` and a
`reason`. Nothing is dropped: what does not count is named and counted.

Decisions, with what the two years of Online Retail II (1,067,370 lines) show:

- The same invoice in two files is an overlap of exports: the first file that has it counts.
- A negative quantity with a price is a return (there, all on invoices beginning with C). Without
  a price it is a movement of stock: somebody counted, broke or found goods.
- A price of zero is no sale (gifts, corrections); a negative one is an error.
- Postage, carriage, fees, manual entries, samples, tests and gift vouchers are no goods. A
  discount is money given back: it counts as a return without an item.
- A line repeated exactly within an invoice stays, and is counted: the invoice's total is what was
  paid. Where an item comes twice on an invoice, the lines stand apart in 89 % of cases and differ
  in quantity in 48 %, so people do pick things twice.
- A line without a customer is revenue of an unknown visitor.
- Prices are taken as net of tax, which the set does not say.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.errors import InvalidInputError
from recommender.events.columns import UTC_TIME
from recommender.events.history_times import to_utc
from recommender.events.row_faults import MOST_NAMED, NO_TIME, RowFault
from recommender.shops.money import exponent

Lines = Any
"""A `pyarrow.Table`; pyarrow has no type hints."""


class Fate(StrEnum):
    """What becomes of a line."""

    KEPT = "kept"
    RETURNED = "returned"
    NOT_GOODS = "not_goods"
    REJECTED = "rejected"


LINE = pa.schema(
    [
        ("order_id", pa.string()),
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("quantity", pa.int64()),
        ("placed_at", UTC_TIME),
        ("price_minor", pa.int64()),
        ("customer", pa.string()),
        ("fate", pa.string()),
        ("reason", pa.string()),
    ]
)

# Column by its name without case and signs, in order of preference.
_COLUMNS = {
    "order_id": ("invoice", "invoiceno", "orderid"),
    "item_id": ("stockcode", "itemid", "sku"),
    "quantity": ("quantity",),
    "placed_at": ("invoicedate", "placedat", "orderedat", "orderdate"),
    "price": ("price", "unitprice"),
    "title": ("description", "title"),
    "customer": ("customerid", "visitorid"),
}
_OPTIONAL = {"title", "customer"}
# What the ERP behind Online Retail books under a stock code that is no item.
_SERVICE_CODES = {
    "postage": "POST|DOT|C2|C3",
    "discount": "D",
    "manual": "M|ADJUST[0-9]*",
    "sample": "S",
    "fee": "AMAZONFEE|BANK CHARGES|CRUK",
    "bad-debt": "B",
    "test": "TEST[0-9]*",
    "gift-voucher": "GIFT(_.*)?",
}
# Column whose cell breaks the rule, and what is wrong with it.
_FAULTS = {
    "bad-order-id": ("order_id", "no order's number of 1 to 120 signs"),
    "bad-item-id": ("item_id", "no item's id of 1 to 100 signs"),
    "bad-quantity": ("quantity", "no whole number"),
    "zero-quantity": ("quantity", "no quantity"),
    "bad-time": ("placed_at", NO_TIME),
    "price-below-minor-unit": ("price", "finer than the currency"),
    "bad-price": ("price", "no price such as 12.50"),
    "negative-price": ("price", "below 0"),
}
_NUMBER = r"^-?[0-9]{1,9}(\.0*)?$"
_PRICE = r"^-?[0-9]{1,9}(\.[0-9]{1,10})?$"


def is_order_lines(names: Iterable[str]) -> bool:
    """Tell whether columns of these names are lines of orders."""
    return not _missing({_plain(name) for name in names})


def sort_out(files: Sequence[tuple[str, Lines]], *, currency: str, timezone: str) -> Lines:
    """Give every line of every file its fate.

    Args:
        files: Name and table of each file; where two hold the same invoice, the first counts.
        currency: Currency of all prices; a price finer than its minor unit is rejected.
        timezone: The shop's, for times that name no zone.

    Returns:
        Table with the columns of `LINE`, as many rows as all files together, in their order.

    Raises:
        InvalidInputError: `missing-columns`, naming file and columns.
    """
    parts: list[Lines] = []
    earlier: Any = pa.array([], pa.string())
    for name, table in files:
        lines = _standard(name, table, currency, timezone)
        repeated = pc.is_in(lines["order_id"], value_set=earlier)
        earlier = pc.unique(pa.concat_arrays([earlier, pc.unique(lines["order_id"])]))
        parts.append(_with_fates(lines, repeated))
    return pa.concat_tables(parts)


def count_fates(lines: Lines) -> dict[str, dict[str, int]]:
    """Count lines by fate and reason; the counts add up to all lines."""
    counts: dict[str, dict[str, int]] = {fate.value: {} for fate in Fate}
    groups = lines.group_by(["fate", "reason"]).aggregate([([], "count_all")])
    for row in sorted(groups.to_pylist(), key=lambda row: -row["count_all"]):
        counts[row["fate"]][row["reason"]] = row["count_all"]
    assert sum(sum(part.values()) for part in counts.values()) == lines.num_rows
    return counts


def rejected_rows(files: Sequence[tuple[str, Lines]], lines: Lines) -> list[RowFault]:
    """Name the first rows of each fault; an overlap of files is none.

    Args:
        files: As for `sort_out`.
        lines: What it made of them.
    """
    named: list[RowFault] = []
    for code, (ours, wanted) in _FAULTS.items():
        left, start = MOST_NAMED, 0
        for name, table in files:
            reasons = lines["reason"].slice(start, table.num_rows)
            start += table.num_rows
            rows = pc.indices_nonzero(pc.equal(reasons, code))[:left]
            cells = _text(_columns(table)[ours].take(rows)).to_pylist()
            left -= len(cells)
            named += [
                RowFault(name, row + 1, code, f"{cell[:60]!r} is {wanted}")
                for row, cell in zip(rows.to_pylist(), cells, strict=True)
            ]
    return named


def count_repeated(lines: Lines) -> int:
    """Count kept lines that repeat an earlier line of their order exactly."""
    kept = lines.filter(pc.equal(lines["fate"], Fate.KEPT.value))
    distinct = kept.group_by(["order_id", "item_id", "quantity", "price_minor"]).aggregate([])
    return int(kept.num_rows - distinct.num_rows)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _missing(plain_names: set[str]) -> list[str]:
    return [
        ours
        for ours, theirs in _COLUMNS.items()
        if ours not in _OPTIONAL and plain_names.isdisjoint(theirs)
    ]


def _standard(name: str, table: Lines, currency: str, timezone: str) -> Lines:
    plain_names = {_plain(column) for column in table.column_names}
    if missing := _missing(plain_names):
        raise InvalidInputError(
            f"{name} is no list of order lines: no column for {', '.join(missing)}",
            code="missing-columns",
        )
    column = _columns(table)
    price_minor, is_too_fine = _minor(_text(column["price"]), currency)
    return pa.table(
        {
            "order_id": _text(column["order_id"]),
            "item_id": _text(column["item_id"]),
            "title": pc.replace_substring_regex(_text(column["title"]), r"\s+", " "),
            "quantity": _whole(_text(column["quantity"])),
            "placed_at": to_utc(column["placed_at"], timezone),
            "price_minor": price_minor,
            "customer": pc.replace_substring_regex(_text(column["customer"]), r"\.0$", ""),
            "is_too_fine": is_too_fine,
            "service": _service(_text(column["item_id"]), has_codes="stockcode" in plain_names),
        }
    )


def _columns(table: Lines) -> dict[str, Any]:
    found = {_plain(column): table[column] for column in table.column_names}
    empty = pa.nulls(table.num_rows, pa.string())
    return {
        ours: next((found[their] for their in theirs if their in found), empty)
        for ours, theirs in _COLUMNS.items()
    }


def _text(column: Any) -> Any:
    return pc.fill_null(pc.utf8_trim_whitespace(column.cast(pa.string())), "")


def _where_matches(texts: Any, pattern: str) -> Any:
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, None)


def _whole(texts: Any) -> Any:
    digits = pc.replace_substring_regex(_where_matches(texts, _NUMBER), r"\..*$", "")
    return pc.cast(digits, pa.int64())


def _minor(texts: Any, currency: str) -> tuple[Any, Any]:
    major = pc.cast(_where_matches(texts, _PRICE), pa.decimal128(20, 10))
    scaled = pc.multiply(major, pa.scalar(10 ** exponent(currency), pa.decimal128(5, 0)))
    # Truncation is seen by comparing; a price is never rounded.
    whole = pc.cast(scaled, pa.decimal128(26, 0), safe=False)
    is_too_fine = pc.fill_null(pc.not_equal(pc.cast(whole, scaled.type), scaled), False)
    return pc.if_else(is_too_fine, None, pc.cast(whole, pa.int64())), is_too_fine


def _service(codes: Any, *, has_codes: bool) -> Any:
    service = pa.array(np.full(len(codes), ""), pa.string())
    if has_codes:
        for reason, pattern in _SERVICE_CODES.items():
            matches = pc.match_substring_regex(codes, f"(?i)^({pattern})$")
            service = pc.if_else(matches, reason, service)
    return service


def _with_fates(lines: Lines, repeated: Any) -> Lines:
    """Judge the lines; the first rule that holds decides."""
    quantity, price_minor = lines["quantity"], lines["price_minor"]
    service = lines["service"]
    is_discount = _all(
        pc.equal(service, "discount"), pc.less(quantity, 0), pc.greater(price_minor, 0)
    )
    is_anonymous = pc.equal(lines["customer"], "")
    rules: list[tuple[Any, Fate, Any]] = [
        (repeated, Fate.REJECTED, "invoice-in-earlier-file"),
        (_bad_id(lines["order_id"], 120), Fate.REJECTED, "bad-order-id"),
        (_bad_id(lines["item_id"], 100), Fate.REJECTED, "bad-item-id"),
        (pc.is_null(quantity), Fate.REJECTED, "bad-quantity"),
        (pc.is_null(lines["placed_at"]), Fate.REJECTED, "bad-time"),
        (is_discount, Fate.RETURNED, "discount"),
        (pc.not_equal(service, ""), Fate.NOT_GOODS, service),
        (lines["is_too_fine"], Fate.REJECTED, "price-below-minor-unit"),
        (pc.is_null(price_minor), Fate.REJECTED, "bad-price"),
        (pc.less(price_minor, 0), Fate.REJECTED, "negative-price"),
        (pc.equal(quantity, 0), Fate.REJECTED, "zero-quantity"),
        (_all(pc.less(quantity, 0), pc.equal(price_minor, 0)), Fate.NOT_GOODS, "stock-movement"),
        (pc.equal(price_minor, 0), Fate.NOT_GOODS, "zero-price"),
        (pc.less(quantity, 0), Fate.RETURNED, "goods"),
        (is_anonymous, Fate.KEPT, "unknown-customer"),
    ]
    fate: Any = pa.scalar(Fate.KEPT.value)
    reason: Any = pa.scalar("known-customer")
    for holds, name, why in reversed(rules):
        applies = pc.fill_null(holds, False)
        fate, reason = pc.if_else(applies, name.value, fate), pc.if_else(applies, why, reason)
    judged = lines.append_column("fate", fate).append_column("reason", reason)
    return judged.select(LINE.names).cast(LINE)


def _all(*conditions: Any) -> Any:
    return functools.reduce(pc.and_kleene, conditions)


def _bad_id(ids: Any, limit: int) -> Any:
    length = pc.utf8_length(ids)
    return pc.or_(pc.equal(length, 0), pc.greater(length, limit))
