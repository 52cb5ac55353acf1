"""Schema migration: keys, feeds, audit chain and row-level security."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INSTANT = tables.UtcInstant(timezone=True)
_APPEND_ONLY = "the audit log is append-only"


def upgrade() -> None:
    _add_keys()
    _add_logins()
    _add_feeds()
    _add_audit()
    _forbid_changes()
    if op.get_bind().dialect.name == "postgresql":
        for table in _tables_of_shops():
            _secure_rows(table)


def _add_keys() -> None:
    with op.batch_alter_table("secret_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_used_at", _INSTANT, nullable=True))
    op.create_table(
        "signing_secrets",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("revoked_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.shop_id"], name=op.f("fk_signing_secrets_shop_id")
        ),
        sa.PrimaryKeyConstraint("shop_id", "version", name=op.f("pk_signing_secrets")),
    )
    # The secret that every shop has had so far.
    op.execute(
        "INSERT INTO signing_secrets (shop_id, version, created_at) "
        "SELECT shop_id, 1, created_at FROM shops"
    )


def _add_logins() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("session_epoch", sa.Integer(), server_default="0", nullable=False)
        )
    op.create_table(
        "login_failures",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_login_failures")),
    )


def _add_feeds() -> None:
    op.create_table(
        "feeds",
        sa.Column("shop_id", sa.String(length=40), nullable=False),
        sa.Column("feed_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("started_at", _INSTANT, nullable=True),
        sa.Column("finished_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_feeds_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "feed_id", name=op.f("pk_feeds")),
    )


def _add_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shop_id", sa.String(length=40), nullable=True),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("entry_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.shop_id"], name=op.f("fk_audit_shop_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_shop_id_sequence", "audit", ["shop_id", "sequence"])
    op.create_table(
        "audit_end",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_end")),
    )
    op.execute("INSERT INTO audit_end (sequence, entry_hash) VALUES (0, '" + "0" * 64 + "')")


def _forbid_changes() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_APPEND_ONLY}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for deed in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{deed.lower()} BEFORE {deed} ON audit "
            f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
        )


def _tables_of_shops() -> list[str]:
    inspector = sa.inspect(op.get_bind())
    return [
        table
        for table in inspector.get_table_names()
        if any(column["name"] == "shop_id" for column in inspector.get_columns(table))
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
    if op.get_bind().dialect.name == "postgresql":
        for table in _tables_of_shops():
            op.execute(f"DROP POLICY own_shop ON {table}")
            op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table in ("audit_end", "audit", "feeds", "login_failures", "signing_secrets"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("session_epoch")
    with op.batch_alter_table("secret_keys", schema=None) as batch_op:
        batch_op.drop_column("last_used_at")
