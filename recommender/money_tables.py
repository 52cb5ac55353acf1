"""Tables of invoicing: who bills whom, for whom, what an issued document says, what was paid.

Part of `recommender.tables`, which is where everybody finds them.
"""

import sqlalchemy as sa

from recommender.table_types import UtcInstant, metadata, shop_key

# Who sends invoices; `billing.parties` writes and reads the details.
legal_entities = sa.Table(
    "legal_entities",
    metadata,
    sa.Column("entity_id", sa.String(40), primary_key=True),
    # Two entities never share a series of numbers.
    sa.Column("series_prefix", sa.String(10), nullable=False, unique=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("changed_at", UtcInstant, nullable=False),
)

# Whom a shop's invoices go to, and which entity sends them.
buyers = sa.Table(
    "buyers",
    metadata,
    shop_key(),
    sa.Column("entity_id", sa.ForeignKey("legal_entities.entity_id"), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("changed_at", UtcInstant, nullable=False),
)

# What an issued document says beyond its amount; written with it, never changed.
invoice_details = sa.Table(
    "invoice_details",
    metadata,
    shop_key(),
    sa.Column("number", sa.ForeignKey("invoices.number"), primary_key=True),
    sa.Column("entity_id", sa.String(40), nullable=False),
    sa.Column("buyer_name", sa.String(200), nullable=False),
    sa.Column("language", sa.String(2), nullable=False),
    sa.Column("issued_on", sa.Date, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("vat_minor", sa.BigInteger, nullable=False),
    # As printed: interest a year on what is paid late, and the fixed charge.
    sa.Column("late_rate_bps", sa.Integer, nullable=False),
    sa.Column("recovery_minor", sa.BigInteger, nullable=False),
    sa.Column("recovery_currency", sa.String(3), nullable=False),
    sa.Column("content_type", sa.String(40), nullable=False),
    # The EN 16931 invoice alone; documents of the first release had none.
    sa.Column("xml", sa.LargeBinary),
)

# One bank transaction each; append-only like the postings it makes.
payments = sa.Table(
    "payments",
    metadata,
    shop_key(),
    sa.Column("transaction_id", sa.String(50), primary_key=True),
    sa.Column("number", sa.ForeignKey("invoices.number"), nullable=False),
    # Positive is money received, negative is money paid back.
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("paid_on", sa.Date, nullable=False),
    # Its place in the bank journal of the entity and year.
    sa.Column("entry_number", sa.String(35), nullable=False, unique=True),
    sa.Column("recorded_at", UtcInstant, nullable=False),
    # One transaction pays one invoice of one shop.
    sa.UniqueConstraint("transaction_id"),
)

reminders = sa.Table(
    "reminders",
    metadata,
    shop_key(),
    sa.Column("number", sa.ForeignKey("invoices.number"), primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("written_on", sa.Date, nullable=False),
    sa.Column("open_minor", sa.BigInteger, nullable=False),
    sa.Column("interest_minor", sa.BigInteger, nullable=False),
)

# Who and what is no part of a shop's comparison; append-only, a version governs from its day on.
exclusions = sa.Table(
    "exclusions",
    metadata,
    shop_key(),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("governs_from", sa.Date, nullable=False),
    sa.Column("stated_at", UtcInstant, nullable=False),
    # Keyed hashes of people; see shops/exclusions.py.
    sa.Column("staff", sa.JSON, nullable=False),
    sa.Column("marks", sa.JSON, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
)
