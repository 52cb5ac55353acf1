"""Take what was stated about an order (verb): facts into the ledger once, the event to the log.

Facts, what they come to, the answer to the sender and the event that still has to be sent are one
database transaction. So nothing of it depends on the stream being there: what it does not take now
is sent by `send_orders` later.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.crash_points import crash_point
from recommender.errors import UnavailableError
from recommender.events.order_fold import fold_order
from recommender.events.send_orders import outbox_row, send_order
from recommender.ports import EventStream
from recommender.records import OrderFact, OrderKind, Source

_FACT_COLUMNS = [column.name for column in tables.order_facts.columns]
_ORDER_COLUMNS = [column.name for column in tables.orders.columns]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the statements of one message.

    Attributes:
        new: Statements nobody had told before.
        conflicts: Statements that contradict an earlier one of the same revision; they are listed
            for the shop and change nothing.
    """

    new: tuple[OrderFact, ...]
    conflicts: tuple[OrderFact, ...]


InTransaction = Callable[[sa.Connection, Recorded], None]


def _nothing_more(_: sa.Connection, __: Recorded) -> None:
    """Store nothing beside the facts."""


def record_facts(
    facts: Sequence[OrderFact],
    *,
    database: sa.Engine,
    stream: EventStream,
    in_transaction: InTransaction = _nothing_more,
) -> Recorded:
    """Store the statements of one message about one order; telling them again changes nothing.

    Args:
        facts: Statements about the same order, at least one.
        in_transaction: Stores something more together with them, or raises to store nothing.

    Raises:
        UnavailableError: Not stored; try again.
    """
    shop_id, order_id = facts[0].shop_id, facts[0].order_id
    try:
        with database.execution_options(sqlite_begin="IMMEDIATE").begin() as connection:
            _lock(connection, shop_id, order_id)
            recorded = _insert(connection, facts)
            was_imported = _replace_imported(connection, recorded.new)
            is_placed_now = bool(recorded.new) and refold(connection, shop_id, order_id)
            is_placed_now = is_placed_now and not was_imported
            if is_placed_now:
                placed = next(fact for fact in facts if fact.kind is OrderKind.ORDER)
                tables.upsert(connection, tables.order_outbox, [outbox_row(placed)])
            in_transaction(connection, recorded)
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            "The control database does not answer", code="database-unavailable"
        ) from error
    crash_point("order-recorded")
    if is_placed_now:
        send_order(shop_id, order_id, database=database, stream=stream)
    return recorded


def refold(connection: sa.Connection, shop_id: str, order_id: str) -> bool:
    """Bring `orders` up to what all statements about one order come to.

    Returns:
        True when the order stands now and did not before.
    """
    orders = tables.orders.c
    of_order = (orders.shop_id == shop_id, orders.order_id == order_id)
    before = set(connection.scalars(sa.select(orders.kind).where(*of_order)))
    facts = read_facts(connection, shop_id, order_id)
    is_known_better = _is_imported(facts) and _is_number(connection, shop_id, order_id)
    folded = () if is_known_better else fold_order(facts)
    connection.execute(tables.orders.delete().where(*of_order))
    rows = [_row(fact, _ORDER_COLUMNS) for fact in folded]
    tables.upsert(connection, tables.orders, rows)
    return _stands({fact.kind.value for fact in folded}) and not _stands(before)


def read_facts(connection: sa.Connection, shop_id: str, order_id: str) -> list[OrderFact]:
    """Return all statements about one order."""
    columns = tables.order_facts.c
    query = sa.select(tables.order_facts).where(
        columns.shop_id == shop_id, columns.order_id == order_id
    )
    return [
        OrderFact(**{**row, "kind": OrderKind(row["kind"]), "source": Source(row["source"])})
        for row in connection.execute(query).mappings()
    ]


def list_conflicts(connection: sa.Connection, facts: Sequence[OrderFact]) -> None:
    """Keep statements that contradict earlier ones, without what tells of the shopper."""
    rows = [
        {
            "shop_id": fact.shop_id,
            "kind": fact.kind.value,
            "fact_id": fact.fact_id,
            "body_hash": fact.body_hash,
            "body": json.dumps(_told(fact)),
            "received_at": fact.received_at,
        }
        for fact in facts
    ]
    tables.insert_ignore(connection, tables.order_conflicts, rows)


def names_of(number: str) -> set[str]:
    """Return how files may call an order that people know by this number."""
    return {number, number.lstrip("#")} if number else set()


def _replace_imported(connection: sa.Connection, facts: Sequence[OrderFact]) -> bool:
    """Let the shop's server speak for an order that a file told under the number people read.

    Returns:
        Whether a file had told of it.
    """
    replaced = False
    for fact in facts:
        for name in names_of(fact.order_number) - {fact.order_id}:
            imported = read_facts(connection, fact.shop_id, name)
            if imported and _is_imported(imported):
                refold(connection, fact.shop_id, name)
                replaced = True
    return replaced


def _is_imported(facts: Sequence[OrderFact]) -> bool:
    return all(fact.source is Source.IMPORT for fact in facts)


def _is_number(connection: sa.Connection, shop_id: str, order_id: str) -> bool:
    """Tell whether the shop's server told of another order under this number."""
    columns = tables.order_facts.c
    query = sa.select(columns.order_id).where(
        columns.shop_id == shop_id,
        columns.order_number.in_([order_id, f"#{order_id}"]),
        columns.order_id != order_id,
        columns.source != Source.IMPORT.value,
    )
    return connection.execute(query.limit(1)).first() is not None


def _stands(kinds: set[str]) -> bool:
    return OrderKind.ORDER.value in kinds and OrderKind.CANCEL.value not in kinds


def _told(fact: OrderFact) -> dict[str, object]:
    return {
        "order_id": fact.order_id,
        "revision": fact.revision,
        "net_minor": fact.net_minor,
        "currency": fact.currency,
        "placed_at": fact.placed_at.isoformat(),
        "source": fact.source.value,
    }


def _lock(connection: sa.Connection, shop_id: str, order_id: str) -> None:
    """Let one process at a time sum up an order; on SQLite the transaction itself does that."""
    if connection.dialect.name == "sqlite":
        return
    digest = hashlib.sha256(f"order:{shop_id}:{order_id}".encode()).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _insert(connection: sa.Connection, facts: Sequence[OrderFact]) -> Recorded:
    new: list[OrderFact] = []
    conflicts: list[OrderFact] = []
    for fact in facts:
        if tables.insert_ignore(connection, tables.order_facts, [_row(fact, _FACT_COLUMNS)]):
            new.append(fact)
        elif _known_hash(connection, fact) != fact.body_hash:
            conflicts.append(fact)
    list_conflicts(connection, conflicts)
    return Recorded(tuple(new), tuple(conflicts))


def _known_hash(connection: sa.Connection, fact: OrderFact) -> str | None:
    columns = tables.order_facts.c
    query = sa.select(columns.body_hash).where(
        columns.shop_id == fact.shop_id,
        columns.kind == fact.kind.value,
        columns.fact_id == fact.fact_id,
        columns.revision == fact.revision,
    )
    return connection.execute(query).scalar_one_or_none()


def _row(fact: OrderFact, names: Sequence[str]) -> dict[str, object]:
    row = {name: getattr(fact, name) for name in names}
    row["kind"] = fact.kind.value
    if "source" in row:
        row["source"] = fact.source.value
    return row
