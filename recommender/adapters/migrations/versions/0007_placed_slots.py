"""Schema migration: the widget's settings, and slots placed from the console."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SETTINGS = ("widget_enabled", "consent_mode", "cart_button")


def upgrade() -> None:
    # Not in a batch: that makes the table anew, which rows of other tables refer to.
    for column in _settings():
        op.add_column("shops", column)
    op.create_table(
        "placed_slots",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("slot_id", sa.String(length=40), nullable=False),
        sa.Column("placement", sa.String(length=20), nullable=False),
        sa.Column("selector", sa.String(length=300), nullable=False),
        sa.Column("position", sa.String(length=10), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("created_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.shop_id"], name=op.f("fk_placed_slots_shop_id")
        ),
        sa.PrimaryKeyConstraint("shop_id", "slot_id", name=op.f("pk_placed_slots")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _secure_rows("placed_slots")


def _settings() -> list[sa.Column[bool] | sa.Column[str]]:
    return [
        sa.Column("widget_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("consent_mode", sa.String(length=10), server_default="implied", nullable=False),
        sa.Column("cart_button", sa.Boolean(), server_default=sa.false(), nullable=False),
    ]


def _secure_rows(table: str) -> None:
    """Show and take only rows of the shop that the transaction acts for, its owner's too."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own_shop ON {table} USING ("
        "shop_id = current_setting('recommender.shop_id', true) "
        "OR current_setting('recommender.all_shops', true) = 'on')"
    )


def downgrade() -> None:
    op.drop_table("placed_slots")
    for name in reversed(_SETTINGS):
        op.drop_column("shops", name)
