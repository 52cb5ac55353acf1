"""Schema migration: contract terms, phases of the experiment, and a ledger that only grows."""

import itertools

import sqlalchemy as sa
from alembic import op

from recommender import tables
from recommender.shops import chain

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INSTANT = tables.UtcInstant(timezone=True)
_FOR_EVER = ("contracts", "invoices", "postings", "ledger")
"""Tables whose rows never change."""
_STATED = (
    "shop_id",
    "month",
    "contract_version",
    "amount_minor",
    "success_minor",
    "currency",
    "body",
    "body_sha256",
    "closed_at",
)
"""All of a statement but the number of its invoice, which is filled in once."""


def upgrade() -> None:
    _add_terms()
    _add_statements()
    _add_ledger()
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _add_terms() -> None:
    with op.batch_alter_table("contracts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tiers", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(
            sa.Column("cap_year_bps", sa.Integer(), server_default="0", nullable=False)
        )
        for name in ("licence_month_minor", "minimum_month_minor"):
            batch_op.add_column(
                sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            )
        batch_op.add_column(
            sa.Column("vat_case", sa.String(length=20), server_default="by_country", nullable=False)
        )
    with op.batch_alter_table("strata", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("phase", sa.String(length=20), server_default="", nullable=False)
        )


def _add_statements() -> None:
    with op.batch_alter_table("statements", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("success_minor", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("invoice_number", sa.String(length=35), server_default="", nullable=False)
        )
    # Until now a bill was nothing but its success fee.
    op.execute(
        "UPDATE statements SET success_minor = amount_minor, invoice_number = COALESCE(("
        "SELECT number FROM invoices WHERE invoices.shop_id = statements.shop_id "
        "AND invoices.month = statements.month "
        "AND invoices.contract_version = statements.contract_version), '')"
    )


def _add_ledger() -> None:
    ledger = op.create_table(
        "ledger",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("transaction_id", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("postings", sa.JSON(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("entry_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_ledger_shop_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledger")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_ledger_transaction_id")),
    )
    end = op.create_table(
        "ledger_end",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledger_end")),
    )
    op.bulk_insert(end, [{"sequence": 0, "entry_hash": chain.FIRST_HASH}])
    _seal_earlier_postings(ledger, end)


def _seal_earlier_postings(ledger: sa.Table, end: sa.Table) -> None:
    """Begin the chain with what was booked before there was one."""
    connection = op.get_bind()
    found = connection.execute(
        sa.text(
            "SELECT postings.shop_id, transaction_id, account, postings.amount_minor, "
            "postings.currency, kind, statement_sha256 FROM postings "
            "JOIN invoices ON number = transaction_id ORDER BY posted_at, transaction_id, account"
        )
    ).all()
    for transaction_id, rows in itertools.groupby(found, key=lambda row: row.transaction_id):
        postings = list(rows)
        body = {
            "shop_id": postings[0].shop_id,
            "transaction_id": transaction_id,
            "kind": postings[0].kind,
            "currency": postings[0].currency,
            "postings": [[row.account, row.amount_minor] for row in postings],
            "reference": postings[0].statement_sha256,
        }
        chain.append(connection, ledger, end, body)


def _protect_postgresql() -> None:
    op.execute("ALTER TABLE ledger ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE ledger FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY own_shop ON ledger USING ("
        "shop_id = current_setting('recommender.shop_id', true) "
        "OR current_setting('recommender.all_shops', true) = 'on')"
    )
    op.execute(
        "CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME; END $$"
    )
    for table in _FOR_EVER:
        op.execute(
            f"CREATE TRIGGER {table}_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
        )
    op.execute(
        "CREATE TRIGGER statements_for_ever BEFORE DELETE OR TRUNCATE ON statements "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
    )
    op.execute(
        "CREATE TRIGGER statements_issued_once BEFORE UPDATE ON statements FOR EACH ROW "
        "WHEN (OLD.invoice_number <> '' OR (to_jsonb(NEW) - 'invoice_number') "
        "IS DISTINCT FROM (to_jsonb(OLD) - 'invoice_number')) "
        "EXECUTE FUNCTION refuse_rewriting()"
    )


def _protect_sqlite() -> None:
    for table in _FOR_EVER:
        _refuse(table, "UPDATE")
        _refuse(table, "DELETE")
    _refuse("statements", "DELETE")
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _STATED)
    _refuse("statements", "UPDATE", f"WHEN OLD.invoice_number <> '' OR {changed}")


def _refuse(table: str, deed: str, condition: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} {condition} "
        f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_rewriting() CASCADE")
    else:
        for table in ("contracts", "invoices", "postings", "statements"):
            for deed in ("update", "delete"):
                op.execute(f"DROP TRIGGER {table}_no_{deed}")
    for table in ("ledger_end", "ledger"):
        op.drop_table(table)
    for table, names in (
        ("statements", ("invoice_number", "success_minor")),
        ("strata", ("phase",)),
        (
            "contracts",
            ("vat_case", "minimum_month_minor", "licence_month_minor", "cap_year_bps", "tiers"),
        ),
    ):
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name in names:
                batch_op.drop_column(name)
