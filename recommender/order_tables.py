"""Control tables about orders: what was stated, what it comes to, and who was told what."""

import sqlalchemy as sa

from recommender.table_types import UtcInstant, metadata, shop_key


def _link_columns() -> "list[sa.Column[str]]":
    """What an order is known by: the shop's number of it, and keyed hashes.

    `marks` are the keyed hashes of what `events.order_marks` makes of it, a space between them.
    """
    return [
        sa.Column("order_number", sa.String(120), nullable=False, server_default=""),
        sa.Column("cart_key", sa.String(64), nullable=False, server_default=""),
        sa.Column("checkout_key", sa.String(64), nullable=False, server_default=""),
        sa.Column("email_key", sa.String(64), nullable=False, server_default=""),
        sa.Column("marks", sa.String(700), nullable=False, server_default=""),
    ]


orders = sa.Table(
    "orders",
    metadata,
    shop_key(),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("fact_id", sa.String(120), primary_key=True),
    sa.Column("order_id", sa.String(120), nullable=False),
    sa.Column("net_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("placed_at", UtcInstant, nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
    sa.Column("visitor", sa.String(64), nullable=False),
    sa.Column("body_hash", sa.String(64), nullable=False),
    *_link_columns(),
    sa.CheckConstraint("net_minor >= 0", name="net_not_negative"),
    sa.Index("ix_orders_shop_id_placed_at", "shop_id", "placed_at"),
    sa.Index("ix_orders_shop_id_order_id", "shop_id", "order_id"),
)

# Every statement about an order, never changed; `orders` is what they come to together.
order_facts = sa.Table(
    "order_facts",
    metadata,
    shop_key(),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("fact_id", sa.String(120), primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("order_id", sa.String(120), nullable=False),
    sa.Column("net_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("placed_at", UtcInstant, nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
    sa.Column("source", sa.String(10), nullable=False),
    sa.Column("visitor", sa.String(64), nullable=False),
    sa.Column("body_hash", sa.String(64), nullable=False),
    *_link_columns(),
    sa.CheckConstraint("net_minor >= 0", name="net_not_negative"),
    sa.Index("ix_order_facts_shop_id_order_id", "shop_id", "order_id"),
    sa.Index("ix_order_facts_shop_id_order_number", "shop_id", "order_number"),
)

# Order events that still have to reach the stream; written with the fact, removed when it has them.
order_outbox = sa.Table(
    "order_outbox",
    metadata,
    shop_key(),
    sa.Column("order_id", sa.String(120), primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("recorded_at", UtcInstant, nullable=False),
)

order_conflicts = sa.Table(
    "order_conflicts",
    metadata,
    shop_key(),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("fact_id", sa.String(120), primary_key=True),
    sa.Column("body_hash", sa.String(64), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
)

# Deliveries of a platform that could not be read as an order; without the shopper's data.
order_faults = sa.Table(
    "order_faults",
    metadata,
    shop_key(),
    sa.Column("fault_id", sa.String(64), primary_key=True),
    sa.Column("platform", sa.String(20), nullable=False),
    sa.Column("topic", sa.String(60), nullable=False),
    sa.Column("order_id", sa.String(120), nullable=False),
    sa.Column("code", sa.String(60), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
)

webhook_secrets = sa.Table(
    "webhook_secrets",
    metadata,
    shop_key(),
    sa.Column("platform", sa.String(20), primary_key=True),
    sa.Column("secret_id", sa.String(40), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("item_field", sa.String(10), nullable=False),
    sa.Column("domain", sa.String(200), nullable=False),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("revoked_at", UtcInstant),
)

# What was answered to requests that must have their effect once.
replies = sa.Table(
    "replies",
    metadata,
    shop_key(),
    sa.Column("scope", sa.String(60), primary_key=True),
    sa.Column("request_key", sa.String(255), primary_key=True),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("replied_at", UtcInstant, nullable=False),
)

reconciliations = sa.Table(
    "reconciliations",
    metadata,
    shop_key(),
    sa.Column("reconciliation_id", sa.String(40), primary_key=True),
    sa.Column("file_name", sa.String(300), nullable=False),
    sa.Column("file_sha256", sa.String(64), nullable=False),
    sa.Column("starts_on", sa.Date, nullable=False),
    sa.Column("ends_on", sa.Date, nullable=False),
    sa.Column("report", sa.JSON, nullable=False),
    sa.Column("finished_at", UtcInstant, nullable=False),
)

link_reports = sa.Table(
    "link_reports",
    metadata,
    shop_key(),
    sa.Column("report", sa.JSON, nullable=False),
    sa.Column("linked_at", UtcInstant, nullable=False),
)
