"""Compare the ledger of orders with the shop's own list (verb): differences by name.

What was never sent cannot be noticed from what was. Nothing is changed by comparing; orders missing
here are taken in only when that is asked for, as statements of a file.
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError
from recommender.events.history_files import file_set_sha256, read_table
from recommender.events.identity import customer_pseudonym
from recommender.events.order_exports import (
    Export,
    ExportedOrder,
    local_day,
    plain_number,
    read_export,
)
from recommender.events.order_fold import IMPORTED_REVISION
from recommender.events.reconciliations import DifferenceKind
from recommender.events.record_order import record_facts
from recommender.events.row_faults import RowFault
from recommender.ports import EventStream
from recommender.records import OrderFact, OrderKind, Shop, Source

MOST_LISTED = 500
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One order about which the lists disagree; amounts in minor units, dates as ISO 8601."""

    kind: DifferenceKind
    order_id: str
    here: str
    there: str


@dataclass(slots=True)
class HereOrder:
    """An order as the ledger has it."""

    order_id: str
    placed_at: dt.datetime | None = None
    net_minor: int = 0
    refunded_minor: int = 0
    numbers: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome; the files' orders that are missing here come along.

    Attributes:
        starts_on: First day compared, in the shop's time zone.
        ends_on: Last day compared.
        examples: Rows that could not be read, the first of each reason.
    """

    starts_on: dt.date
    ends_on: dt.date
    orders_here: int
    orders_there: int
    rejected: dict[str, int]
    examples: list[RowFault]
    differences: list[Difference]
    missing: list[ExportedOrder]


def reconcile(
    paths: Sequence[Path],
    *,
    shop: Shop,
    database: sa.Engine,
    now: dt.datetime,
    month: str = "",
) -> Reconciliation:
    """Compare files with the ledger and store the outcome for the console.

    Args:
        paths: Files of one export.
        month: `YYYY-MM` compares that month; otherwise the days that the files cover.

    Raises:
        InvalidInputError: A file cannot be read or holds no orders of that time, or `bad-month`.
    """
    export = read_export([(path.name, read_table(path)) for path in paths], shop)
    starts_on, ends_on = _span(export, shop, month)
    outcome = _compare(export, shop, database, starts_on, ends_on)
    digest = file_set_sha256("reconcile", paths)
    row = {
        "shop_id": shop.shop_id,
        "reconciliation_id": hashlib.sha256(f"{digest}{now.isoformat()}".encode()).hexdigest()[:40],
        "file_name": ", ".join(path.name for path in paths)[:300],
        "file_sha256": digest,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "report": as_json(outcome),
        "finished_at": now,
    }
    with database.begin() as connection:
        tables.upsert(connection, tables.reconciliations, [row])
    return outcome


def record_missing(
    outcome: Reconciliation,
    *,
    shop: Shop,
    database: sa.Engine,
    stream: EventStream,
    now: dt.datetime,
) -> int:
    """Take the orders missing here into the ledger, as a file's word; return how many.

    Anything that the shop's server says of them counts over it, earlier or later.
    """
    recorded = 0
    for told in outcome.missing:
        fact = _fact(told, shop, now)
        recorded += bool(record_facts([fact], database=database, stream=stream).new)
    return recorded


def as_json(outcome: Reconciliation) -> dict[str, Any]:
    """Return an outcome as JSON values; at most `MOST_LISTED` differences are listed."""
    counts = Counter(difference.kind.value for difference in outcome.differences)
    return {
        "starts_on": outcome.starts_on.isoformat(),
        "ends_on": outcome.ends_on.isoformat(),
        "orders_here": outcome.orders_here,
        "orders_there": outcome.orders_there,
        "rejected": outcome.rejected,
        "examples": [asdict(fault) for fault in outcome.examples],
        "differences": {kind.value: counts[kind.value] for kind in DifferenceKind},
        "listed": [
            {"kind": one.kind.value, "order_id": one.order_id, "here": one.here, "there": one.there}
            for one in outcome.differences[:MOST_LISTED]
        ],
    }


def _span(export: Export, shop: Shop, month: str) -> tuple[dt.date, dt.date]:
    if not month:
        days = [local_day(order.placed_at, shop) for order in export.orders.values()]
        return min(days), max(days)
    try:
        first = dt.date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise InvalidInputError(f"{month!r} is not a month as YYYY-MM", code="bad-month") from error
    return first, (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def _compare(
    export: Export, shop: Shop, database: sa.Engine, starts_on: dt.date, ends_on: dt.date
) -> Reconciliation:
    def is_within(at: dt.datetime | None) -> bool:
        return at is not None and starts_on <= local_day(at, shop) <= ends_on

    there = {number: order for number, order in export.orders.items() if is_within(order.placed_at)}
    refunds = {
        number: refund for number, refund in export.refunds.items() if is_within(refund.placed_at)
    }
    with database.connect() as connection:
        here = _read_here(connection, shop, there, starts_on, ends_on)
        known_refunds = _known_refunds(connection, shop, refunds)
    # Where a file told of an order that the server tells too, the one that counts comes last.
    here.sort(key=lambda order: order.placed_at is not None)
    by_number = {number: order for order in here for number in order.numbers}
    missing = [order for number, order in there.items() if number not in by_number]
    unasked = [order for order in here if order.numbers.isdisjoint(there)]
    unasked = [order for order in unasked if is_within(order.placed_at)]
    differences = [
        *(_missing(DifferenceKind.MISSING_HERE, order, there=True) for order in missing),
        *(_missing(DifferenceKind.MISSING_THERE, order, there=False) for order in unasked),
    ]
    for number, order in there.items():
        if number in by_number:
            differences += _differ(by_number[number], order, shop)
    for number, refund in refunds.items():
        if number not in known_refunds:
            differences.append(
                Difference(
                    DifferenceKind.REFUND_MISSING_HERE, refund.order_id, "", str(refund.net_minor)
                )
            )
    return Reconciliation(
        starts_on=starts_on,
        ends_on=ends_on,
        orders_here=sum(is_within(order.placed_at) for order in here),
        orders_there=len(there),
        rejected=dict(export.rejected),
        examples=export.examples,
        differences=sorted(differences, key=lambda one: (one.kind.value, one.order_id)),
        missing=missing,
    )


def _missing(kind: DifferenceKind, order: HereOrder | ExportedOrder, *, there: bool) -> Difference:
    amount = str(order.net_minor)
    return Difference(kind, order.order_id, "" if there else amount, amount if there else "")


def _differ(here: HereOrder, there: ExportedOrder, shop: Shop) -> Iterator[Difference]:
    if here.net_minor != there.net_minor:
        yield Difference(
            DifferenceKind.OTHER_AMOUNT,
            there.order_id,
            str(here.net_minor),
            str(there.net_minor),
        )
    if here.placed_at is not None:
        days = local_day(here.placed_at, shop), local_day(there.placed_at, shop)
        if days[0] != days[1]:
            yield Difference(DifferenceKind.OTHER_DATE, there.order_id, str(days[0]), str(days[1]))
    if there.refunded_minor is None or here.refunded_minor == there.refunded_minor:
        return
    is_here_less = here.refunded_minor < there.refunded_minor
    kind = DifferenceKind.REFUND_MISSING_HERE if is_here_less else None
    yield Difference(
        kind or DifferenceKind.REFUND_MISSING_THERE,
        there.order_id,
        str(here.refunded_minor),
        str(there.refunded_minor),
    )


def _read_here(
    connection: sa.Connection,
    shop: Shop,
    there: Iterable[str],
    starts_on: dt.date,
    ends_on: dt.date,
) -> list[HereOrder]:
    """Return the orders of these days, and those that the list names whenever they were placed."""
    ids = _ids_of_days(connection, shop, starts_on, ends_on)
    named = list(there)
    for column in (tables.order_facts.c.order_id, tables.order_facts.c.order_number):
        for wanted in _chunks([*named, *(f"#{number}" for number in named)]):
            query = sa.select(tables.order_facts.c.order_id).where(
                tables.order_facts.c.shop_id == shop.shop_id, column.in_(wanted)
            )
            ids.update(connection.scalars(query))
    found: dict[str, HereOrder] = {}
    for wanted in _chunks(sorted(ids)):
        for row in _rows_of(connection, shop, wanted):
            _add(found, row)
    return list(found.values())


def _ids_of_days(
    connection: sa.Connection, shop: Shop, starts_on: dt.date, ends_on: dt.date
) -> set[str]:
    orders, day = tables.orders.c, dt.timedelta(days=1)
    midnight = dt.datetime.min.time()
    # Wide enough for every time zone; the caller tells days apart.
    query = sa.select(orders.order_id).where(
        orders.shop_id == shop.shop_id,
        orders.kind == OrderKind.ORDER.value,
        orders.placed_at >= dt.datetime.combine(starts_on - day, midnight, dt.UTC),
        orders.placed_at < dt.datetime.combine(ends_on + 2 * day, midnight, dt.UTC),
    )
    return set(connection.scalars(query))


def _rows_of(
    connection: sa.Connection, shop: Shop, order_ids: Sequence[str]
) -> Iterator[sa.RowMapping]:
    """Yield what orders come to, and the names of those that never stood."""
    orders, facts = tables.orders.c, tables.order_facts.c
    names = ("order_id", "order_number")
    yield from connection.execute(
        sa.select(*(facts[name] for name in names))
        .where(
            facts.shop_id == shop.shop_id,
            facts.order_id.in_(order_ids),
            facts.kind == OrderKind.ORDER.value,
        )
        .distinct()
    ).mappings()
    columns = (*names, "kind", "net_minor", "placed_at")
    yield from connection.execute(
        sa.select(*(orders[name] for name in columns)).where(
            orders.shop_id == shop.shop_id,
            orders.order_id.in_(order_ids),
            orders.kind != OrderKind.TEST.value,
        )
    ).mappings()


def _add(found: dict[str, HereOrder], row: sa.RowMapping) -> None:
    kind = row.get("kind")
    if kind not in {None, OrderKind.ORDER.value} and row["order_id"] not in found:
        return  # a refund whose order has not come yet
    order = found.setdefault(row["order_id"], HereOrder(row["order_id"]))
    order.numbers |= {plain_number(row["order_id"]), plain_number(row["order_number"])} - {""}
    if kind == OrderKind.ORDER.value:
        order.placed_at, order.net_minor = row["placed_at"], row["net_minor"]
    elif kind is not None:
        order.refunded_minor += row["net_minor"]


def _known_refunds(connection: sa.Connection, shop: Shop, refunds: Iterable[str]) -> set[str]:
    orders = tables.orders.c
    known: set[str] = set()
    for wanted in _chunks(list(refunds)):
        query = sa.select(orders.fact_id).where(
            orders.shop_id == shop.shop_id,
            orders.kind == OrderKind.REFUND.value,
            orders.fact_id.in_(wanted),
        )
        known.update(plain_number(fact_id) for fact_id in connection.scalars(query))
    return known


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _fact(told: ExportedOrder, shop: Shop, now: dt.datetime) -> OrderFact:
    words = (told.order_id, told.placed_at.isoformat(), str(told.net_minor), shop.currency)
    customer = told.customer and customer_pseudonym(shop.visitor_key, told.customer)
    return OrderFact(
        shop_id=shop.shop_id,
        kind=OrderKind.ORDER,
        fact_id=told.order_id,
        order_id=told.order_id,
        net_minor=told.net_minor,
        currency=shop.currency,
        placed_at=told.placed_at,
        received_at=now,
        visitor=customer,
        body_hash=hashlib.sha256("\x1e".join(words).encode()).hexdigest(),
        items=told.items,
        revision=IMPORTED_REVISION,
        source=Source.IMPORT,
    )
