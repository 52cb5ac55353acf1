"""Measure a shop (verb): event log and orders → daily sums, behaviour, and what did not count."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import sqlalchemy as sa

from recommender import tables
from recommender.errors import InconsistentError
from recommender.events.link_orders import find_links
from recommender.events.persons import read_merges
from recommender.ports import EventLog
from recommender.records import Arm, Contract, DailySum, OrderKind, Shop
from recommender.uplift import sales
from recommender.uplift.behaviour import (
    Behaviour,
    count_visits,
    head_items,
    last_click_minor,
)
from recommender.uplift.days import Window, local_day, window
from recommender.uplift.exposures import (
    QUARTER_SECONDS,
    bot_visitors,
    exposure_counts,
    first_exposures,
)
from recommender.uplift.persons import as_persons, seen_in_both_arms
from recommender.uplift.revenue import (
    Cell,
    CountedOrder,
    Exposure,
    MoneyFact,
    count_revenue,
    daily_sums,
)
from recommender.uplift.stored import Measurement, store_measurement

if TYPE_CHECKING:
    from ibis.expr.types import Table


def measure(
    shop: Shop,
    *,
    event_log: EventLog,
    database: sa.Engine,
    contract: Contract,
    through: dt.date,
    now: dt.datetime,
) -> list[DailySum]:
    """Recompute a shop's daily sums and behaviour and store them in one transaction.

    What was stored of the shop before is replaced: late orders, refunds and erased visitors change
    earlier days.

    Args:
        contract: Its first day begins the measurement, its order cap applies.
        through: Last day counted, in the shop's time zone.

    Returns:
        The stored rows, sorted.
    """
    result = collect(
        shop, event_log=event_log, database=database, contract=contract, through=through
    )
    with database.begin() as connection:
        store_measurement(connection, shop.shop_id, result, now)
    return result.sums


def collect(
    shop: Shop,
    *,
    event_log: EventLog,
    database: sa.Engine,
    contract: Contract,
    through: dt.date,
    sealed_through: dt.date | None = None,
) -> Measurement:
    """Compute what `measure` stores, without storing it; arguments as there.

    A day's row depends on nothing later than that day, so a measurement through a later day
    agrees with this one on all days of this one, unless a visitor turned out to be a program or
    two browsers to be one person's.

    Args:
        sealed_through: Last day of the event log (UTC) that is read; None for all of it.

    Raises:
        InconsistentError: The contract's currency is not the shop's.
    """
    if contract.currency != shop.currency:
        raise InconsistentError(f"The contract of {shop.shop_id} is in {contract.currency}")
    span = window(contract.starts_on, through, shop.timezone)
    events = event_log.events(shop.shop_id)
    if sealed_through is not None:
        events = events.filter(events.day <= sealed_through)
    merges = _read_merges(shop, span, database)
    events = as_persons(_of_people(events, span), merges)
    exposures = first_exposures(events, span)
    facts = _read_facts(shop, span, database, merges)
    links = _read_links(shop, events, span, database, merges)
    visitors = {fact.visitor or links.get(fact.order_id, "") for fact in facts} - {""}
    revenue = count_revenue(
        facts,
        _read_exposures(exposures, visitors),
        links,
        order_cap_minor=contract.order_cap_minor,
        timezone=shop.timezone,
    )
    sums = daily_sums(_count_visitors(exposures, shop.timezone), revenue)
    lines = sales.order_lines(events, span)
    return Measurement(
        sums=sums,
        behaviour=_behave(events, exposures, span, sums, lines, revenue.counted),
        excluded=dict(revenue.excluded),
        last_click_minor=_read_last_click(events, lines, sales.treated(revenue.counted), span),
        in_both_arms=int(seen_in_both_arms(events, span).to_pyarrow().as_py()),
    )


def _of_people(events: "Table", span: Window) -> "Table":
    bots = bot_visitors(events, span).to_pyarrow()
    events = events.filter(events.bot == "")
    return events.anti_join(ibis.memtable(bots), "visitor") if bots.num_rows else events


def _read_merges(shop: Shop, span: Window, database: sa.Engine) -> dict[str, str]:
    with database.connect() as connection:
        return read_merges(connection, shop.shop_id, before=span.end)


def _read_facts(
    shop: Shop, span: Window, database: sa.Engine, merges: Mapping[str, str]
) -> list[MoneyFact]:
    rows = tables.orders.c
    query = sa.select(rows.kind, rows.order_id, rows.net_minor, rows.placed_at, rows.visitor).where(
        rows.shop_id == shop.shop_id, rows.placed_at >= span.start, rows.placed_at < span.end
    )
    with database.connect() as connection:
        found = connection.execute(query).all()
    return [MoneyFact(OrderKind(row[0]), *row[1:4], merges.get(row[4], row[4])) for row in found]


def _read_links(
    shop: Shop, events: "Table", span: Window, database: sa.Engine, merges: Mapping[str, str]
) -> dict[str, str]:
    links = find_links(
        shop.shop_id, events=events, database=database, starts_at=span.start, ends_at=span.end
    )
    visitors = {order_id: link.visitor for order_id, link in links.items()}
    return {order_id: merges.get(visitor, visitor) for order_id, visitor in visitors.items()}


def _read_exposures(exposures: "Table", visitors: set[str]) -> dict[str, Exposure]:
    """Return the first exposures of the visitors who ordered, few beside all visitors."""
    wanted = ibis.memtable(pa.table({"visitor": pa.array(sorted(visitors), pa.string())}))
    return {
        row["visitor"]: Exposure(row["stratum"], Arm(row["arm"]), _utc(row["exposed_at"]))
        for row in _rows(exposures.semi_join(wanted, "visitor"))
    }


def _utc(at: dt.datetime) -> dt.datetime:
    # Spark answers UTC without saying so.
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _count_visitors(exposures: "Table", timezone: str) -> dict[Cell, int]:
    counts: dict[Cell, int] = {}
    for row in _rows(exposure_counts(exposures)):
        at = dt.datetime.fromtimestamp(row["quarter"] * QUARTER_SECONDS, tz=dt.UTC)
        cell = Cell(local_day(at, timezone), row["stratum"], Arm(row["arm"]))
        counts[cell] = counts.get(cell, 0) + row["visitors"]
    return counts


def _behave(
    events: "Table",
    exposures: "Table",
    span: Window,
    sums: Iterable[DailySum],
    lines: "Table",
    counted: list[CountedOrder],
) -> dict[Arm, Behaviour]:
    visits = {row["arm"]: row for row in _rows(count_visits(events, exposures, span))}
    head = head_items({row["item_id"]: row["units"] for row in _rows(sales.units_by_item(lines))})
    sold = _rows(sales.units_by_arm(lines, counted))
    behaviour = {}
    for arm in Arm:
        own = [row for row in sums if row.arm is arm]
        units = [(row["item_id"], row["units"]) for row in sold if row["arm"] == arm.value]
        seen = visits.get(arm.value, {"visits": 0, "pages": 0})
        behaviour[arm] = Behaviour(
            visitors=sum(row.visitors for row in own),
            visits=seen["visits"],
            pages=seen["pages"],
            orders=sum(row.orders for row in own),
            converted=sum(row.converted for row in own),
            revenue_minor=sum(row.revenue_minor for row in own),
            units=sum(count for _, count in units),
            tail_units=sum(count for item_id, count in units if item_id not in head),
        )
    return behaviour


def _read_last_click(
    events: "Table", lines: "Table", orders: list[CountedOrder], span: Window
) -> int:
    pairs = _rows(sales.clicked_lines(events, lines, orders, span))
    clicked = [(row["order_id"], row["item_id"]) for row in pairs]
    own_lines = _rows(sales.lines_of(lines, sorted({order_id for order_id, _ in clicked})))
    return last_click_minor(
        clicked,
        [
            (row["order_id"], row["item_id"], row["quantity"], row["price_minor"])
            for row in own_lines
        ],
        {order.order_id: order.value_minor for order in orders},
    )


def _rows(table: "Table") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return rows
