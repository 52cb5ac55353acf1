"""Schema migration: sealed days and rejections that can be replayed."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sealed_days",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("copies", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("log_version", sa.BigInteger(), nullable=False),
        sa.Column("layout", sa.String(length=64), nullable=False),
        sa.Column("sealed_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.Column("dropped_at", tables.UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.shop_id"], name=op.f("fk_sealed_days_shop_id")
        ),
        sa.PrimaryKeyConstraint("shop_id", "day", "revision", name=op.f("pk_sealed_days")),
    )
    with op.batch_alter_table("rejections", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("replayed_at", tables.UtcInstant(timezone=True), nullable=True)
        )
        batch_op.create_index(
            "ix_rejections_shop_id_received_at", ["shop_id", "received_at"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("rejections", schema=None) as batch_op:
        batch_op.drop_index("ix_rejections_shop_id_received_at")
        batch_op.drop_column("replayed_at")
    op.drop_table("sealed_days")
