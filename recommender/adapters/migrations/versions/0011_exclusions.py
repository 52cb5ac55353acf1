"""Schema migration: exclusions from the comparison, marks of orders, a cap per visitor."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INSTANT = tables.UtcInstant(timezone=True)


def upgrade() -> None:
    op.create_table(
        "exclusions",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("governs_from", sa.Date(), nullable=False),
        sa.Column("stated_at", _INSTANT, nullable=False),
        sa.Column("staff", sa.JSON(), nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_exclusions_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "version", name=op.f("pk_exclusions")),
    )
    for table in ("orders", "order_facts"):
        op.add_column(table, sa.Column("marks", sa.String(700), server_default="", nullable=False))
    # Not as a batch: SQLite would rebuild the table without the triggers that protect it.
    op.add_column(
        "contracts",
        sa.Column("visitor_month_cap_minor", sa.BigInteger(), server_default="0", nullable=False),
    )
    _forbid_changes()
    if op.get_bind().dialect.name == "postgresql":
        _secure_rows()


def _forbid_changes() -> None:
    refusal = "exclusions is append-only"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change_of_exclusions() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER exclusions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
            "ON exclusions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_exclusions()"
        )
        return
    for deed in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER exclusions_no_{deed.lower()} BEFORE {deed} ON exclusions "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )


def _secure_rows() -> None:
    op.execute("ALTER TABLE exclusions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE exclusions FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY own_shop ON exclusions USING ("
        "shop_id = current_setting('recommender.shop_id', true) "
        "OR current_setting('recommender.all_shops', true) = 'on')"
    )


def downgrade() -> None:
    op.drop_table("exclusions")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change_of_exclusions()")
    op.drop_column("contracts", "visitor_month_cap_minor")
    for table in ("order_facts", "orders"):
        op.drop_column(table, "marks")
