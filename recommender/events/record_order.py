"""Take an order or refund (verb): the fact into the ledger once, the event into the log."""

import json

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError
from recommender.events.orders import order_event
from recommender.ports import EventStream
from recommender.records import OrderFact, OrderKind, Source


def record_order(
    fact: OrderFact, document: object, *, database: sa.Engine, stream: EventStream
) -> bool:
    """Store a fact; the same fact told again changes nothing.

    The event goes first: both steps can be repeated, so a failure between them is healed by the
    shop's retry.

    Args:
        fact: Parsed order or refund.
        document: The body it was parsed from, kept when it contradicts an earlier one.

    Returns:
        True when the fact is new.

    Raises:
        InvalidInputError: Another body was told under the same id (code `order-conflict`);
            it is listed for the shop and nothing is overwritten.
        UnavailableError: Not stored; try again.
    """
    known_hash = _known_hash(fact, database)
    if known_hash is None and fact.kind is OrderKind.ORDER:
        stream.accept([order_event(fact, Source.SERVER)], {})
    if known_hash is None and _insert(fact, database):
        return True
    if (known_hash or _known_hash(fact, database)) != fact.body_hash:
        _list_conflict(fact, document, database)
        raise InvalidInputError(
            f"{fact.kind.value} {fact.fact_id!r} is already stored with other contents",
            code="order-conflict",
        )
    return False


def _known_hash(fact: OrderFact, database: sa.Engine) -> str | None:
    rows = tables.orders.c
    query = sa.select(rows.body_hash).where(
        rows.shop_id == fact.shop_id, rows.kind == fact.kind.value, rows.fact_id == fact.fact_id
    )
    with database.connect() as connection:
        return connection.execute(query).scalar_one_or_none()


def _insert(fact: OrderFact, database: sa.Engine) -> bool:
    row = {column.name: getattr(fact, column.name) for column in tables.orders.columns}
    with database.begin() as connection:
        return bool(
            tables.insert_ignore(connection, tables.orders, [row | {"kind": fact.kind.value}])
        )


def _list_conflict(fact: OrderFact, document: object, database: sa.Engine) -> None:
    row = {
        "shop_id": fact.shop_id,
        "kind": fact.kind.value,
        "fact_id": fact.fact_id,
        "body_hash": fact.body_hash,
        "body": json.dumps(document, ensure_ascii=False),
        "received_at": fact.received_at,
    }
    with database.begin() as connection:
        tables.insert_ignore(connection, tables.order_conflicts, [row])
