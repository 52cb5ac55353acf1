"""Control data and ledger as SQLAlchemy Core tables; every key starts with the shop.

Migrations in `adapters/migrations` build exactly this (a test compares them). Only the common
subset of SQLite and PostgreSQL is used: `insert_ignore` is the one place where they differ.
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


def _shop_key() -> "sa.Column[str]":
    return sa.Column("shop_id", sa.ForeignKey("shops.shop_id"), primary_key=True)


shops = sa.Table(
    "shops",
    metadata,
    sa.Column("shop_id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("country", sa.String(2), nullable=False),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("public_key", sa.String(64), nullable=False, unique=True),
    sa.Column("visitor_key", sa.LargeBinary(32), nullable=False),
    sa.Column("origins", sa.JSON, nullable=False),
    sa.Column("declared_effect_ppm", sa.Integer),
    sa.Column("catalogue_revision", sa.BigInteger, nullable=False, server_default="0"),
    # The catalogue revision at which a rule changed last.
    sa.Column("rules_revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_at", UtcInstant, nullable=False),
)

secret_keys = sa.Table(
    "secret_keys",
    metadata,
    _shop_key(),
    sa.Column("key_hash", sa.String(64), primary_key=True),
    sa.Column("hint", sa.String(12), nullable=False),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("revoked_at", UtcInstant),
    sa.UniqueConstraint("key_hash"),
)

placements = sa.Table(
    "placements",
    metadata,
    _shop_key(),
    sa.Column("placement", sa.String(20), primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("n_min", sa.Integer, nullable=False),
    sa.Column("allow_seen", sa.Boolean, nullable=False),
    sa.Column("tail_ppm", sa.Integer),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("title", sa.JSON, nullable=False),
    sa.Column("rotation_ppm", sa.Integer, nullable=False, server_default="100000"),
    sa.Column("exploration_ppm", sa.Integer, nullable=False, server_default="50000"),
)

strata = sa.Table(
    "strata",
    metadata,
    _shop_key(),
    sa.Column("stratum", sa.Integer, primary_key=True),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("treatment_share_ppm", sa.Integer, nullable=False),
    sa.Column("starts_at", UtcInstant, nullable=False),
)

contracts = sa.Table(
    "contracts",
    metadata,
    _shop_key(),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("starts_on", sa.Date, nullable=False),
    sa.Column("rate_bps", sa.Integer, nullable=False),
    sa.Column("policy", sa.String(30), nullable=False),
    sa.Column("cap_month_bps", sa.Integer, nullable=False),
    sa.Column("cap_year_minor", sa.BigInteger, nullable=False),
    sa.Column("order_cap_minor", sa.BigInteger, nullable=False),
    sa.Column("alpha_ppm", sa.Integer, nullable=False),
    sa.Column("n_star", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    _shop_key(),
    sa.Column("user_id", sa.String(40), primary_key=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("created_at", UtcInstant, nullable=False),
)

items = sa.Table(
    "items",
    metadata,
    _shop_key(),
    sa.Column("item_id", sa.String(100), primary_key=True),
    sa.Column("title", sa.String(300), nullable=False),
    sa.Column("url", sa.String(2000), nullable=False),
    sa.Column("image_url", sa.String(2000), nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("category", sa.String(300), nullable=False),
    sa.Column("brand", sa.String(200), nullable=False),
    sa.Column("group_id", sa.String(100), nullable=False),
    sa.Column("available", sa.Boolean, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("updated_at", UtcInstant, nullable=False),
    sa.Column("cost_minor", sa.BigInteger),
    sa.Column("stock", sa.BigInteger),
    sa.Column("first_seen_at", UtcInstant, nullable=False),
    sa.Index("ix_items_shop_id_revision", "shop_id", "revision"),
)

rules = sa.Table(
    "rules",
    metadata,
    _shop_key(),
    sa.Column("rule_id", sa.String(60), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("match", sa.JSON, nullable=False),
    sa.Column("placements", sa.JSON, nullable=False),
    sa.Column("factor_ppm", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("starts_at", UtcInstant),
    sa.Column("ends_at", UtcInstant),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("changed_by", sa.String(254), nullable=False),
    sa.Column("changed_at", UtcInstant, nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    _shop_key(),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("fact_id", sa.String(120), primary_key=True),
    sa.Column("order_id", sa.String(120), nullable=False),
    sa.Column("net_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("placed_at", UtcInstant, nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
    sa.Column("visitor", sa.String(64), nullable=False),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.CheckConstraint("net_minor >= 0", name="net_not_negative"),
    sa.Index("ix_orders_shop_id_placed_at", "shop_id", "placed_at"),
    sa.Index("ix_orders_shop_id_order_id", "shop_id", "order_id"),
)

order_conflicts = sa.Table(
    "order_conflicts",
    metadata,
    _shop_key(),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("fact_id", sa.String(120), primary_key=True),
    sa.Column("body_hash", sa.String(64), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
)

rejections = sa.Table(
    "rejections",
    metadata,
    sa.Column("rejection_id", sa.String(40), primary_key=True),
    # Empty when the bytes name no shop of ours.
    sa.Column("shop_id", sa.ForeignKey("shops.shop_id")),
    sa.Column("code", sa.String(60), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
)

imports = sa.Table(
    "imports",
    metadata,
    _shop_key(),
    sa.Column("import_id", sa.String(40), primary_key=True),
    sa.Column("file_name", sa.String(300), nullable=False),
    sa.Column("file_sha256", sa.String(64), nullable=False),
    sa.Column("report", sa.JSON, nullable=False),
    sa.Column("finished_at", UtcInstant, nullable=False),
)

trainings = sa.Table(
    "trainings",
    metadata,
    _shop_key(),
    sa.Column("artifact", sa.String(40), primary_key=True),
    sa.Column("published", sa.Boolean, nullable=False),
    sa.Column("reason", sa.String(300), nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("finished_at", UtcInstant, nullable=False),
)

daily_sums = sa.Table(
    "daily_sums",
    metadata,
    _shop_key(),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("stratum", sa.Integer, primary_key=True),
    sa.Column("arm", sa.String(10), primary_key=True),
    sa.Column("visitors", sa.BigInteger, nullable=False),
    sa.Column("orders", sa.BigInteger, nullable=False),
    sa.Column("converted", sa.BigInteger, nullable=False),
    sa.Column("revenue_minor", sa.BigInteger, nullable=False),
    sa.Column("revenue_squares", HugeInteger, nullable=False),
)

behaviour = sa.Table(
    "behaviour",
    metadata,
    _shop_key(),
    sa.Column("arm", sa.String(10), primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("measured_at", UtcInstant, nullable=False),
)

statements = sa.Table(
    "statements",
    metadata,
    _shop_key(),
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("contract_version", sa.Integer, primary_key=True),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("closed_at", UtcInstant, nullable=False),
)

invoice_series = sa.Table(
    "invoice_series",
    metadata,
    sa.Column("series", sa.String(20), primary_key=True),
    sa.Column("last_number", sa.BigInteger, nullable=False),
)

invoices = sa.Table(
    "invoices",
    metadata,
    sa.Column("number", sa.String(35), primary_key=True),
    sa.Column("shop_id", sa.ForeignKey("shops.shop_id"), nullable=False),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("contract_version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("statement_sha256", sa.String(64), nullable=False),
    sa.Column("pdf", sa.LargeBinary, nullable=False),
    sa.Column("issued_at", UtcInstant, nullable=False),
    sa.UniqueConstraint("shop_id", "month", "contract_version"),
)

postings = sa.Table(
    "postings",
    metadata,
    _shop_key(),
    sa.Column("transaction_id", sa.String(60), primary_key=True),
    sa.Column("account", sa.String(60), primary_key=True),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("posted_at", UtcInstant, nullable=False),
)


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
