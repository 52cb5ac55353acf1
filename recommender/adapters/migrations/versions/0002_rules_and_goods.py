"""Schema migration: rules, cost and stock of items, rotation and exploration of placements."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("match", sa.JSON(), nullable=False),
        sa.Column("placements", sa.JSON(), nullable=False),
        sa.Column("factor_ppm", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("starts_at", tables.UtcInstant(timezone=True), nullable=True),
        sa.Column("ends_at", tables.UtcInstant(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.String(length=254), nullable=False),
        sa.Column("changed_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_rules_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "rule_id", name=op.f("pk_rules")),
    )
    _extend_items()
    with op.batch_alter_table("placements", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("rotation_ppm", sa.Integer(), server_default="100000", nullable=False)
        )
        batch_op.add_column(
            sa.Column("exploration_ppm", sa.Integer(), server_default="50000", nullable=False)
        )
        batch_op.alter_column("tail_ppm", existing_type=sa.Integer(), nullable=True)
    # The old default, which nobody chose, gives way to what training learns.
    op.execute("UPDATE placements SET tail_ppm = NULL WHERE tail_ppm = 200000")
    with op.batch_alter_table("shops", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("rules_revision", sa.BigInteger(), server_default="0", nullable=False)
        )


def _extend_items() -> None:
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cost_minor", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("stock", sa.BigInteger(), nullable=True))
        batch_op.add_column(
            sa.Column("first_seen_at", tables.UtcInstant(timezone=True), nullable=True)
        )
    # Of items known by now the last change is the earliest instant anybody remembers.
    op.execute("UPDATE items SET first_seen_at = updated_at")
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.alter_column("first_seen_at", nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("shops", schema=None) as batch_op:
        batch_op.drop_column("rules_revision")
    op.execute("UPDATE placements SET tail_ppm = 200000 WHERE tail_ppm IS NULL")
    with op.batch_alter_table("placements", schema=None) as batch_op:
        batch_op.alter_column("tail_ppm", existing_type=sa.Integer(), nullable=False)
        batch_op.drop_column("exploration_ppm")
        batch_op.drop_column("rotation_ppm")
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.drop_column("first_seen_at")
        batch_op.drop_column("stock")
        batch_op.drop_column("cost_minor")
    op.drop_table("rules")
