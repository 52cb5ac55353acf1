"""Order events from the outbox to the stream (verb): at least once, always under the same id."""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.errors import UnavailableError
from recommender.events.orders import order_event
from recommender.ports import EventStream
from recommender.records import Event, EventItem, OrderFact, OrderKind, Source
from recommender.telemetry import FAILED_OPEN_TOTAL

_BATCH = 500


def outbox_row(fact: OrderFact) -> dict[str, object]:
    """Return the row that keeps an order's event until the stream has it."""
    return {
        "shop_id": fact.shop_id,
        "order_id": fact.order_id,
        "body": {
            "placed_at": fact.placed_at.isoformat(),
            "received_at": fact.received_at.isoformat(),
            "visitor": fact.visitor,
            "source": fact.source.value,
            "items": [[item.item_id, item.quantity, item.price_minor] for item in fact.items],
        },
        "recorded_at": fact.received_at,
    }


def send_order(shop_id: str, order_id: str, *, database: sa.Engine, stream: EventStream) -> bool:
    """Send one order's event now; a stream that does not answer gets it later.

    Returns:
        Whether the stream has it.
    """
    columns = tables.order_outbox.c
    try:
        return bool(
            _send(columns.shop_id == shop_id, columns.order_id == order_id, database, stream)
        )
    except UnavailableError:
        FAILED_OPEN_TOTAL.labels(part="order-event").inc()
        return False


def send_waiting_orders(*, database: sa.Engine, stream: EventStream) -> int:
    """Send every order event that still waits; return how many.

    Raises:
        UnavailableError: The stream or the database does not answer; what was not sent waits.
    """
    sent = 0
    while count := _send(sa.true(), sa.true(), database, stream):
        sent += count
    return sent


def _send(
    of_shop: sa.ColumnElement[bool],
    of_order: sa.ColumnElement[bool],
    database: sa.Engine,
    stream: EventStream,
) -> int:
    outbox = tables.order_outbox
    query = sa.select(outbox).where(of_shop, of_order).order_by(outbox.c.recorded_at).limit(_BATCH)
    try:
        with database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        for row in rows:
            stream.accept([_event(row["shop_id"], row["order_id"], row["body"])], {})
            with database.begin() as connection:
                # An order placed anew meanwhile has a newer row, which stays.
                connection.execute(
                    outbox.delete().where(
                        outbox.c.shop_id == row["shop_id"],
                        outbox.c.order_id == row["order_id"],
                        outbox.c.recorded_at == row["recorded_at"],
                    )
                )
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            "The control database does not answer", code="database-unavailable"
        ) from error
    return len(rows)


def _event(shop_id: str, order_id: str, body: dict[str, Any]) -> Event:
    fact = OrderFact(
        shop_id=shop_id,
        kind=OrderKind.ORDER,
        fact_id=order_id,
        order_id=order_id,
        net_minor=0,
        currency="",
        placed_at=dt.datetime.fromisoformat(body["placed_at"]),
        received_at=dt.datetime.fromisoformat(body["received_at"]),
        visitor=body["visitor"],
        body_hash="",
        items=tuple(EventItem(*item) for item in body["items"]),
    )
    return order_event(fact, Source(body["source"]))
