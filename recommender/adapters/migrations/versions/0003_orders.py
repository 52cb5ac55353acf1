"""Schema migration: statements about orders, replies, webhooks of platforms, reconciliation."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INSTANT = tables.UtcInstant(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("orders", schema=None) as batch_op:
        for column in _link_columns():
            batch_op.add_column(column)
    _make_facts()
    _make_webhooks()
    _make_reports()


def _link_columns() -> list[sa.Column[str]]:
    return [
        sa.Column("order_number", sa.String(length=120), nullable=False, server_default=""),
        sa.Column("cart_key", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("checkout_key", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("email_key", sa.String(length=64), nullable=False, server_default=""),
    ]


def _make_facts() -> None:
    _make_table(
        "order_facts",
        [
            sa.Column("kind", sa.String(length=10), nullable=False),
            sa.Column("fact_id", sa.String(length=120), nullable=False),
            sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        ],
        sa.Column("order_id", sa.String(length=120), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("placed_at", _INSTANT, nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        *_link_columns(),
        sa.CheckConstraint("net_minor >= 0", name=op.f("ck_order_facts_net_not_negative")),
    )
    op.create_index(
        "ix_order_facts_shop_id_order_id", "order_facts", ["shop_id", "order_id"], unique=False
    )
    op.create_index(
        "ix_order_facts_shop_id_order_number",
        "order_facts",
        ["shop_id", "order_number"],
        unique=False,
    )
    # Nobody noted whether the shop's server or a file told of them: they count as signed.
    op.execute(
        "INSERT INTO order_facts (shop_id, kind, fact_id, revision, order_id, net_minor, "
        "currency, placed_at, received_at, source, visitor, body_hash) "
        "SELECT shop_id, kind, fact_id, 0, order_id, net_minor, currency, placed_at, "
        "received_at, 'server', visitor, body_hash FROM orders"
    )
    _make_table(
        "order_outbox",
        [sa.Column("order_id", sa.String(length=120), nullable=False)],
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
    )


def _make_webhooks() -> None:
    _make_table(
        "order_faults",
        [sa.Column("fault_id", sa.String(length=64), nullable=False)],
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("topic", sa.String(length=60), nullable=False),
        sa.Column("order_id", sa.String(length=120), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
    )
    _make_table(
        "webhook_secrets",
        [
            sa.Column("platform", sa.String(length=20), nullable=False),
            sa.Column("secret_id", sa.String(length=40), nullable=False),
        ],
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("item_field", sa.String(length=10), nullable=False),
        sa.Column("domain", sa.String(length=200), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("revoked_at", _INSTANT, nullable=True),
    )
    _make_table(
        "replies",
        [
            sa.Column("scope", sa.String(length=60), nullable=False),
            sa.Column("request_key", sa.String(length=255), nullable=False),
        ],
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("replied_at", _INSTANT, nullable=False),
    )


def _make_reports() -> None:
    _make_table(
        "reconciliations",
        [sa.Column("reconciliation_id", sa.String(length=40), nullable=False)],
        sa.Column("file_name", sa.String(length=300), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("finished_at", _INSTANT, nullable=False),
    )
    _make_table(
        "link_reports",
        [],
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("linked_at", _INSTANT, nullable=False),
    )


def _make_table(name: str, keys: list[sa.Column[str]], *others: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        *keys,
        *others,
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f(f"fk_{name}_shop_id")),
        sa.PrimaryKeyConstraint(
            "shop_id", *(column.name for column in keys), name=op.f(f"pk_{name}")
        ),
    )


def downgrade() -> None:
    for name in (
        "link_reports",
        "reconciliations",
        "replies",
        "webhook_secrets",
        "order_faults",
        "order_outbox",
        "order_facts",
    ):
        op.drop_table(name)
    with op.batch_alter_table("orders", schema=None) as batch_op:
        for column in _link_columns():
            batch_op.drop_column(column.name)
