"""Schema migration: which browsers are one person, tombstones of erased visitors."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INSTANT = tables.UtcInstant(timezone=True)


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("merged_at", _INSTANT, nullable=False),
        sa.Column("shared_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_merges_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "visitor", name=op.f("pk_merges")),
    )
    op.create_index("ix_merges_shop_id_person", "merges", ["shop_id", "person"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("requested_at", _INSTANT, nullable=False),
        sa.Column("swept_at", _INSTANT, nullable=True),
        sa.Column("finished_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_erasures_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "visitor", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_requested_at", "erasures", ["requested_at"], unique=False)


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_table("merges")
