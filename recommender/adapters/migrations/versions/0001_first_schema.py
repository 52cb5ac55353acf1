"""Schema migration: first schema."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_shops()
    _create_experiment()
    _create_goods()
    _create_orders()
    _create_measurements()
    _create_billing()


def _create_shops() -> None:
    op.create_table(
        "shops",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("visitor_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("declared_effect_ppm", sa.Integer(), nullable=True),
        sa.Column("catalogue_revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_shops")),
        sa.UniqueConstraint("public_key", name=op.f("uq_shops_public_key")),
    )
    op.create_table(
        "secret_keys",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=12), nullable=False),
        sa.Column("created_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.Column("revoked_at", tables.UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.shop_id"], name=op.f("fk_secret_keys_shop_id")
        ),
        sa.PrimaryKeyConstraint("shop_id", "key_hash", name=op.f("pk_secret_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_secret_keys_key_hash")),
    )
    op.create_table(
        "users",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_users_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )


def _create_experiment() -> None:
    op.create_table(
        "contracts",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("rate_bps", sa.Integer(), nullable=False),
        sa.Column("policy", sa.String(length=30), nullable=False),
        sa.Column("cap_month_bps", sa.Integer(), nullable=False),
        sa.Column("cap_year_minor", sa.BigInteger(), nullable=False),
        sa.Column("order_cap_minor", sa.BigInteger(), nullable=False),
        sa.Column("alpha_ppm", sa.Integer(), nullable=False),
        sa.Column("n_star", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_contracts_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "version", name=op.f("pk_contracts")),
    )
    op.create_table(
        "placements",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("placement", sa.String(length=20), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("n_min", sa.Integer(), nullable=False),
        sa.Column("allow_seen", sa.Boolean(), nullable=False),
        sa.Column("tail_ppm", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_placements_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "placement", name=op.f("pk_placements")),
    )
    op.create_table(
        "strata",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("treatment_share_ppm", sa.Integer(), nullable=False),
        sa.Column("starts_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_strata_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "stratum", name=op.f("pk_strata")),
    )


def _create_goods() -> None:
    op.create_table(
        "imports",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("import_id", sa.String(length=40), nullable=False),
        sa.Column("file_name", sa.String(length=300), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("finished_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_imports_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "import_id", name=op.f("pk_imports")),
    )
    op.create_table(
        "items",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("item_id", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("image_url", sa.String(length=2000), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("category", sa.String(length=300), nullable=False),
        sa.Column("brand", sa.String(length=200), nullable=False),
        sa.Column("group_id", sa.String(length=100), nullable=False),
        sa.Column("available", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_items_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "item_id", name=op.f("pk_items")),
    )
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.create_index("ix_items_shop_id_revision", ["shop_id", "revision"], unique=False)
    op.create_table(
        "rejections",
        sa.Column("rejection_id", sa.String(length=40), nullable=False),
        sa.Column("shop_id", sa.String(length=40), nullable=True),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("received_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_rejections_shop_id")),
        sa.PrimaryKeyConstraint("rejection_id", name=op.f("pk_rejections")),
    )
    op.create_table(
        "trainings",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("artifact", sa.String(length=40), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("finished_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_trainings_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "artifact", name=op.f("pk_trainings")),
    )


def _create_orders() -> None:
    op.create_table(
        "order_conflicts",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("fact_id", sa.String(length=120), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.shop_id"], name=op.f("fk_order_conflicts_shop_id")
        ),
        sa.PrimaryKeyConstraint(
            "shop_id", "kind", "fact_id", "body_hash", name=op.f("pk_order_conflicts")
        ),
    )
    op.create_table(
        "orders",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("fact_id", sa.String(length=120), nullable=False),
        sa.Column("order_id", sa.String(length=120), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("placed_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.Column("received_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("net_minor >= 0", name=op.f("ck_orders_net_not_negative")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_orders_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "kind", "fact_id", name=op.f("pk_orders")),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_shop_id_order_id", ["shop_id", "order_id"], unique=False)
        batch_op.create_index("ix_orders_shop_id_placed_at", ["shop_id", "placed_at"], unique=False)


def _create_measurements() -> None:
    op.create_table(
        "behaviour",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("arm", sa.String(length=10), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("measured_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_behaviour_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "arm", name=op.f("pk_behaviour")),
    )
    op.create_table(
        "daily_sums",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(length=10), nullable=False),
        sa.Column("visitors", sa.BigInteger(), nullable=False),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("converted", sa.BigInteger(), nullable=False),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=False),
        sa.Column("revenue_squares", tables.HugeInteger(length=64), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_daily_sums_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "day", "stratum", "arm", name=op.f("pk_daily_sums")),
    )


def _create_billing() -> None:
    op.create_table(
        "invoice_series",
        sa.Column("series", sa.String(length=20), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_invoice_series")),
    )
    op.create_table(
        "invoices",
        sa.Column("number", sa.String(length=35), nullable=False),
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("contract_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("statement_sha256", sa.String(length=64), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_invoices_shop_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_invoices")),
        sa.UniqueConstraint(
            "shop_id",
            "month",
            "contract_version",
            name=op.f("uq_invoices_shop_id_month_contract_version"),
        ),
    )
    op.create_table(
        "postings",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("transaction_id", sa.String(length=60), nullable=False),
        sa.Column("account", sa.String(length=60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("posted_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_postings_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "transaction_id", "account", name=op.f("pk_postings")),
    )
    op.create_table(
        "statements",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("contract_version", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("closed_at", tables.UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_statements_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "month", "contract_version", name=op.f("pk_statements")),
    )
    # ### end Alembic commands ###


def downgrade() -> None:
    # ### commands auto generated by Alembic - please adjust! ###
    op.drop_table("users")
    op.drop_table("trainings")
    op.drop_table("strata")
    op.drop_table("statements")
    op.drop_table("secret_keys")
    op.drop_table("rejections")
    op.drop_table("postings")
    op.drop_table("placements")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index("ix_orders_shop_id_placed_at")
        batch_op.drop_index("ix_orders_shop_id_order_id")

    op.drop_table("orders")
    op.drop_table("order_conflicts")
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.drop_index("ix_items_shop_id_revision")

    op.drop_table("items")
    op.drop_table("invoices")
    op.drop_table("imports")
    op.drop_table("daily_sums")
    op.drop_table("contracts")
    op.drop_table("behaviour")
    op.drop_table("shops")
    op.drop_table("invoice_series")
    # ### end Alembic commands ###
