"""A subject's traces in the control tables, taken out within one transaction.

In comes an open transaction; afterwards no row names the subject. Amounts, order numbers and the
hash of what was stated stay: they are the shop's books. Must not know the other stores.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from recommender import tables
from recommender.events.subjects import Subject, names_any

# What links an order to the browser or person that placed it.
_LINKS = {"visitor": "", "cart_key": "", "checkout_key": "", "email_key": ""}


def erase_rows(connection: sa.Connection, subject: Subject, until: dt.datetime) -> list[str]:
    """Take what a subject did until an instant out of orders, merges, conflicts and rejections.

    Returns:
        Other persons to whom a browser of the subject belonged.
    """
    shop_id, hashes = subject.shop.shop_id, subject.hashes
    for table in (tables.orders, tables.order_facts):
        owned = (table.c.shop_id == shop_id, table.c.visitor.in_(hashes))
        told = sa.or_(table.c.placed_at <= until, table.c.received_at <= until)
        connection.execute(table.update().where(*owned, told).values(**_LINKS))
        theirs = (table.c.shop_id == shop_id, names_any(table.c.marks, hashes))
        connection.execute(table.update().where(*theirs, told).values(email_key=""))
        _blank(connection, table, table.c.marks, shop_id, hashes)
    persons = _erase_merges(connection, subject, until)
    erase_payloads(connection, shop_id, hashes)
    _erase_conflicts(connection, subject)
    return persons


def erase_payloads(connection: sa.Connection, shop_id: str, hashes: Sequence[str]) -> None:
    """Take pseudonyms out of events that wait for the stream or could not be stored."""
    _blank(connection, tables.order_outbox, tables.order_outbox.c.body, shop_id, hashes)
    _blank(connection, tables.rejections, tables.rejections.c.payload, shop_id, hashes)


def _erase_merges(connection: sa.Connection, subject: Subject, until: dt.datetime) -> list[str]:
    merges = tables.merges
    own = sa.and_(
        merges.c.shop_id == subject.shop.shop_id,
        merges.c.merged_at <= until,
        sa.or_(merges.c.visitor.in_(subject.hashes), merges.c.person.in_(subject.hashes)),
    )
    persons = connection.scalars(sa.select(merges.c.person).where(own).distinct()).all()
    connection.execute(merges.delete().where(own))
    return [person for person in persons if person not in subject.hashes]


def _blank(
    connection: sa.Connection,
    table: sa.Table,
    column: "sa.Column[object]",
    shop_id: str,
    hashes: Sequence[str],
) -> None:

    def without(stored: object) -> object:
        text = stored if isinstance(stored, str) else json.dumps(stored)
        for one in hashes:
            text = text.replace(one, "")
        return text if isinstance(stored, str) else json.loads(text)

    wanted = sa.and_(table.c.shop_id == shop_id, names_any(column, hashes))
    _rewrite(connection, table, column, wanted, without)


def _erase_conflicts(connection: sa.Connection, subject: Subject) -> None:
    """Take the readable ids out of statements as the shop told them."""

    def without(stored: object) -> object:
        told = json.loads(str(stored))
        if isinstance(told, dict) and subject.is_named_in(
            told.get("visitor_id"), told.get("customer_id")
        ):
            told = {name: told[name] for name in told if name not in {"visitor_id", "customer_id"}}
            return json.dumps(told, ensure_ascii=False)
        return stored

    conflicts = tables.order_conflicts
    own = conflicts.c.shop_id == subject.shop.shop_id
    _rewrite(connection, conflicts, conflicts.c.body, own, without)


def _rewrite(
    connection: sa.Connection,
    table: sa.Table,
    column: "sa.Column[object]",
    wanted: "sa.ColumnElement[bool]",
    change: Callable[[object], object],
) -> None:
    keys = list(table.primary_key.columns)
    for *key, stored in connection.execute(sa.select(*keys, column).where(wanted)).all():
        changed = change(stored)
        if changed != stored:
            same = [column == value for column, value in zip(keys, key, strict=True)]
            connection.execute(table.update().where(*same).values({column.name: changed}))
