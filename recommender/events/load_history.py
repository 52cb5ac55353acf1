"""Take a shop's past in (verb): files → orders, refunds and events, once however often told.

An import that was killed is finished by starting it again; one that was finished does nothing.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from recommender.errors import InvalidInputError
from recommender.events import history
from recommender.events.columns import EVENT_SCHEMA
from recommender.events.history_events import read_events
from recommender.events.history_files import file_set_sha256, read_table
from recommender.events.history_log import pseudonyms
from recommender.events.history_orders import HistoricItem, collect_items, collect_statements
from recommender.events.row_faults import why_none
from recommender.events.store_history import (
    Import,
    Progress,
    Report,
    finished_report,
    note_finished,
    store_rows,
)
from recommender.ports import EventLog
from recommender.records import OrderKind, Shop

StoreItems = Callable[[Sequence[HistoricItem]], object]


def _no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def load_orders(
    paths: Sequence[Path],
    *,
    shop: Shop,
    database: sa.Engine,
    event_log: EventLog,
    store_items: StoreItems,
    now: dt.datetime,
    progress: Progress = _no_progress,
) -> Report:
    """Import lines of orders.

    Args:
        paths: Files of one export; where two hold the same invoice, the first one counts.
        shop: Whose orders they are; its currency and time zone apply.
        database: Takes orders and refunds.
        event_log: Takes one `order` event an order, for training.
        store_items: Stores items that the catalogue may not know yet; may be called again.
        now: Becomes the orders' `received_at`.
        progress: Told after every chunk.

    Returns:
        `lines_read`, `lines` (fate → reason → number), `repeated_lines`, `orders`, `refunds`,
        `customers`, `items`, `revenue_minor`, `refunded_minor`, `first_at`, `last_at`,
        `examples` (the first rejected rows of each kind), `conflicts`; and `already_imported`,
        true when these files had been imported before.

    Raises:
        InvalidInputError: A file cannot be read, lacks columns, or has no usable line; nothing
            was stored.
        UnavailableError: Start the same import again.
        InconsistentError: Another process imports the same files now.
    """
    digest = file_set_sha256("orders", paths)
    job = Import(_names(paths), digest, shop, database, event_log, now, progress)
    if (before := finished_report(job)) is not None:
        return {**before, "already_imported": True}
    files = [(path.name, read_table(path)) for path in paths]
    lines = history.sort_out(files, currency=shop.currency, timezone=shop.timezone)
    statements = collect_statements(lines, shop.currency)
    if statements.num_rows == 0:
        why = why_none(history.rejected_rows(files, lines))
        raise InvalidInputError(f"No line of these files is an order{why}", code="no-orders")
    items = collect_items(lines)
    report = _describe(lines, statements) | {"items": len(items)}
    report["examples"] = [asdict(fault) for fault in history.rejected_rows(files, lines)]
    report["conflicts"] = store_rows(job, _facts(statements, shop), EVENT_SCHEMA.empty_table())
    store_items(items)
    note_finished(job, report)
    return {**report, "already_imported": False}


def load_events(
    paths: Sequence[Path],
    *,
    shop: Shop,
    database: sa.Engine,
    event_log: EventLog,
    now: dt.datetime,
    progress: Progress = _no_progress,
) -> Report:
    """Import events of the past in our own form, see `history_events.read_events`.

    Args:
        paths: Files with one row an event.
        shop: Whose events they are.
        database: Takes orders and refunds among them.
        event_log: Takes the events.
        now: Becomes the orders' `received_at`.
        progress: Told after every chunk.

    Returns:
        `rows_read`, `events` (type → number), `rejected` (reason → number), `examples` of them,
        `conflicts`; and `already_imported`.

    Raises:
        InvalidInputError: A file cannot be read, lacks columns, or has no usable row; nothing
            was stored.
        UnavailableError: Start the same import again.
        InconsistentError: Another process imports the same files now.
    """
    digest = file_set_sha256("events", paths)
    job = Import(_names(paths), digest, shop, database, event_log, now, progress)
    if (before := finished_report(job)) is not None:
        return {**before, "already_imported": True}
    past = read_events([(path.name, read_table(path)) for path in paths], shop)
    if past.events.num_rows + past.facts.num_rows == 0:
        raise InvalidInputError("No row of these files is an event", code="no-events")
    report: Report = {
        "rows_read": past.rows_read,
        "events": past.accepted,
        "rejected": past.rejected,
        "examples": past.examples,
    }
    report["conflicts"] = store_rows(job, past.facts, past.events)
    note_finished(job, report)
    return {**report, "already_imported": False}


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _facts(statements: Any, shop: Shop) -> Any:
    visitors = pseudonyms(shop.visitor_key, statements["customer"], of_customers=True)
    # An export of invoices does not say which order a return belongs to.
    return statements.append_column("visitor", visitors).append_column(
        "order_id", statements["fact_id"]
    )


def _describe(lines: Any, statements: Any) -> Report:
    is_order = pc.equal(statements["kind"], OrderKind.ORDER.value)
    orders, refunds = statements.filter(is_order), statements.filter(pc.invert(is_order))
    named = orders.filter(pc.not_equal(orders["customer"], ""))
    return {
        "lines_read": lines.num_rows,
        "lines": history.count_fates(lines),
        "repeated_lines": history.count_repeated(lines),
        "orders": orders.num_rows,
        "refunds": refunds.num_rows,
        "customers": pc.count_distinct(named["customer"]).as_py(),
        "revenue_minor": _total(orders["net_minor"]),
        "refunded_minor": _total(refunds["net_minor"]),
        "first_at": pc.min(statements["placed_at"]).as_py().isoformat(),
        "last_at": pc.max(statements["placed_at"]).as_py().isoformat(),
    }


def _total(column: pa.ChunkedArray) -> int:
    return int(pc.sum(column).as_py() or 0)
