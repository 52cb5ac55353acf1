"""What the control tables are made of: column types, naming, and the two writes beyond plain SQL.

Only the common subset of SQLite and PostgreSQL is used: `insert_ignore` and `upsert` are the places
where they differ. Must not know any table.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


class UtcInstant(sa.types.TypeDecorator[dt.datetime]):
    """An aware UTC instant; SQLite has no time zones, so it is stored there without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: dt.datetime | None, dialect: sa.Dialect
    ) -> dt.datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, "a naive time reached the database"
        utc = value.astimezone(dt.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self, value: dt.datetime | None, dialect: sa.Dialect
    ) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class HugeInteger(sa.types.TypeDecorator[int]):
    """An integer beyond 64 bits (sums of squares of money), stored as decimal text."""

    impl = sa.String(64)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def shop_key() -> "sa.Column[str]":
    """Return the column that every key begins with."""
    return sa.Column("shop_id", sa.ForeignKey("shops.shop_id"), primary_key=True)


def insert_ignore(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> list[sa.Row[Any]]:
    """Insert the rows whose primary keys are new.

    Args:
        connection: Open transaction.
        table: Table with the primary key.
        rows: Column name → value, all with the same columns.

    Returns:
        Primary keys of the rows that were inserted; the others existed.
    """
    if not rows:
        return []
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    statement = insert.on_conflict_do_nothing().returning(*table.primary_key.columns)
    return list(connection.execute(statement, list(rows)).all())


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or overwrite all other columns where the primary key exists."""
    if not rows:
        return
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def as_stored(column: "sa.ColumnElement[Any]") -> "sa.ColumnElement[Any]":
    """Return a column of instants as the driver gives it, for `microseconds`."""
    return sa.type_coerce(column, sa.types.NullType())
