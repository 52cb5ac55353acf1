"""Schema migration: legal entities, buyers, details of invoices, payments, reminders."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INSTANT = tables.UtcInstant(timezone=True)
_OF_SHOPS = ("buyers", "invoice_details", "payments", "reminders")
_NEVER_CHANGED = ("invoice_details", "payments")


def upgrade() -> None:
    _add_parties()
    _add_details()
    _add_payments()
    with op.batch_alter_table("invoice_series", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_on", sa.Date(), nullable=True))
    _describe_earlier_invoices()
    _forbid_changes()
    if op.get_bind().dialect.name == "postgresql":
        for table in _OF_SHOPS:
            _secure_rows(table)


def _add_parties() -> None:
    op.create_table(
        "legal_entities",
        sa.Column("entity_id", sa.String(length=40), nullable=False),
        sa.Column("series_prefix", sa.String(length=10), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("entity_id", name=op.f("pk_legal_entities")),
        sa.UniqueConstraint("series_prefix", name=op.f("uq_legal_entities_series_prefix")),
    )
    op.create_table(
        "buyers",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("entity_id", sa.String(length=40), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        _shop_key("buyers"),
        sa.ForeignKeyConstraint(
            ["entity_id"], ["legal_entities.entity_id"], name=op.f("fk_buyers_entity_id")
        ),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_buyers")),
    )


def _add_details() -> None:
    op.create_table(
        "invoice_details",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=35), nullable=False),
        sa.Column("entity_id", sa.String(length=40), nullable=False),
        sa.Column("buyer_name", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("late_rate_bps", sa.Integer(), nullable=False),
        sa.Column("recovery_minor", sa.BigInteger(), nullable=False),
        sa.Column("recovery_currency", sa.String(length=3), nullable=False),
        sa.Column("content_type", sa.String(length=40), nullable=False),
        sa.Column("xml", sa.LargeBinary(), nullable=True),
        _shop_key("invoice_details"),
        _invoice_key("invoice_details"),
        sa.PrimaryKeyConstraint("shop_id", "number", name=op.f("pk_invoice_details")),
    )


def _add_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("transaction_id", sa.String(length=50), nullable=False),
        sa.Column("number", sa.String(length=35), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("entry_number", sa.String(length=35), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        _shop_key("payments"),
        _invoice_key("payments"),
        sa.PrimaryKeyConstraint("shop_id", "transaction_id", name=op.f("pk_payments")),
        sa.UniqueConstraint("entry_number", name=op.f("uq_payments_entry_number")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_payments_transaction_id")),
    )
    op.create_table(
        "reminders",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=35), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("written_on", sa.Date(), nullable=False),
        sa.Column("open_minor", sa.BigInteger(), nullable=False),
        sa.Column("interest_minor", sa.BigInteger(), nullable=False),
        _shop_key("reminders"),
        _invoice_key("reminders"),
        sa.PrimaryKeyConstraint("shop_id", "number", "step", name=op.f("pk_reminders")),
    )


def _shop_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f(f"fk_{table}_shop_id"))


def _invoice_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["number"], ["invoices.number"], name=op.f(f"fk_{table}_number"))


_EARLIER = (
    "INSERT INTO invoice_details (shop_id, number, entity_id, buyer_name, language, issued_on, "
    "due_on, vat_minor, late_rate_bps, recovery_minor, recovery_currency, content_type) "
    "SELECT invoices.shop_id, invoices.number, 'demo', shops.name, 'en', ISSUED_ON, DUE_ON, "
    "COALESCE(-postings.amount_minor, 0), 828, 4000, 'EUR', 'application/pdf' FROM invoices "
    "JOIN shops ON shops.shop_id = invoices.shop_id "
    "LEFT JOIN postings ON postings.shop_id = invoices.shop_id "
    "AND postings.transaction_id = invoices.number AND postings.account = 'vat'"
)


def _describe_earlier_invoices() -> None:
    """Say of the first release's documents what its only seller put on them."""
    if op.get_bind().dialect.name == "postgresql":
        issued_on = "(invoices.issued_at AT TIME ZONE 'Europe/Paris')::date"
        due_on = f"{issued_on} + 30"
    else:
        # Without time zones: one hour is Paris in winter, and right but for an hour in summer.
        issued_on = "date(invoices.issued_at, '+1 hour')"
        due_on = "date(invoices.issued_at, '+1 hour', '+30 days')"
    op.execute(_EARLIER.replace("ISSUED_ON", issued_on).replace("DUE_ON", due_on))


def _forbid_changes() -> None:
    for table in _NEVER_CHANGED:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE FUNCTION refuse_change_of_{table}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
            )
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
                f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_{table}()"
            )
            continue
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _secure_rows(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own_shop ON {table} USING ("
        "shop_id = current_setting('recommender.shop_id', true) "
        "OR current_setting('recommender.all_shops', true) = 'on')"
    )


def downgrade() -> None:
    for table in ("reminders", "payments", "invoice_details", "buyers", "legal_entities"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in _NEVER_CHANGED:
            op.execute(f"DROP FUNCTION refuse_change_of_{table}()")
    with op.batch_alter_table("invoice_series", schema=None) as batch_op:
        batch_op.drop_column("last_on")
